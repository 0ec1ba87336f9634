// A new user's servers: shown with secrets by name only, moved behind Warder, and put back byte for byte.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { profilePath } from '../../src/profile/load.ts';
import { Client } from '../fixtures/client.ts';
import { Home, server } from '../fixtures/home.ts';

const TOKEN = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
const PLAIN = 'correct-horse-battery';
const [node = '', script = ''] = server('everything');

async function prepared(env: { readonly [name: string]: string } = {}): Promise<Home> {
  const home = new Home({ env });
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  return home;
}

function put(home: Home, path: string, text: string): string {
  const file = join(home.dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** Fails if a secret is in a file below a folder, raw or encoded. */
function expectNowhere(folder: string, secret: string): void {
  const bytes = Buffer.from(secret);
  const forms = [
    secret,
    bytes.toString('hex'),
    bytes.toString('base64').slice(0, 24),
    encodeURIComponent(secret),
  ];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), 'latin1');
    for (const form of forms) expect(text.includes(form), join(entry.parentPath, entry.name)).toBe(false);
  }
}

test('W-HOST-28 the tokens of two hosts go into the store, their servers run as before, and undo gives the bytes back', async () => {
  await using home = await prepared();
  const cursor = `{
  // mine
  "mcpServers": {
    "every": {
      "command": ${JSON.stringify(node)},
      "args": [${JSON.stringify(script)}, "stdio"],
      "env": { "GITHUB_TOKEN": "${TOKEN}", "DB_PASSWORD": "${PLAIN}", "LOG_LEVEL": "info" },
      "alwaysAllow": ["echo"] // these
    }
  }
}
`;
  const codex = `[mcp_servers.every]\r\ncommand = ${JSON.stringify(node)}\r\nargs = [${JSON.stringify(script)}, "stdio"] # it\r\n\r\n[mcp_servers.every.env]\r\nGITHUB_TOKEN = "${TOKEN}"\r\nDB_PASSWORD = "${PLAIN}"\r\nLOG_LEVEL = "info"\r\n`;
  const files = [
    [put(home, '.cursor/mcp.json', cursor), cursor],
    [put(home, '.codex/config.toml', codex), codex],
  ] as const;

  const shown = await home.warder(['import']);
  expect(shown.stdout).toContain('secret GITHUB_TOKEN (its name)');
  const asked = await home.warder(['import', '--apply']);
  expect(asked).toMatchObject({ code: 64, stderr: expect.stringContaining('--yes') });
  const applied = await home.warder(['import', '--apply', '--yes', '--json']);
  expect(applied.code, applied.stderr).toBe(0);
  // Alike in both hosts: one profile.
  expect(JSON.parse(applied.stdout)).toMatchObject([
    { host: 'cursor', server: 'every', profile: 'every' },
    { host: 'codex', server: 'every', profile: 'every' },
  ]);
  for (const { stdout, stderr } of [shown, asked, applied])
    for (const secret of [TOKEN, PLAIN]) expect(stdout + stderr).not.toContain(secret);
  for (const secret of [TOKEN, PLAIN]) expectNowhere(home.dir, secret);
  const launch = join(home.dir, '.local/share/warder/bin/warder');
  expect(readFileSync(files[0][0], 'utf8')).toBe(`{
  // mine
  "mcpServers": {
    "every": {
      "command": ${JSON.stringify(launch)},
      "args": ["run","every"],
      "alwaysAllow": ["echo"] // these
    }
  }
}
`);

  home.settings({ store: 'vault', vault: { key: { file: join(home.dir, 'key') } } });
  await using client = new Client([launch, 'run', 'every'], home.env, home.dir);
  await client.initialize();
  expect((await client.request('tools/list')).result?.tools).toBeInstanceOf(Array);
  expect(await home.facts('import')).toEqual([]);

  expect(await home.facts('undo', '--yes')).toMatchObject([{ how: 'whole' }, { how: 'whole' }]);
  for (const [file, text] of files) expect(readFileSync(file, 'utf8')).toBe(text);
});

test('W-HOST-50 an import that was undone uses its profiles again, unless somebody has changed one or its credential, or a host starts it', async () => {
  await using home = await prepared();
  const small = join(import.meta.dirname, '../fixtures/servers/small.cjs');
  const entry = (token: string) =>
    JSON.stringify({ mcpServers: { one: { command: node, args: [small], env: { API_TOKEN: token } } } });
  const file = put(home, '.cursor/mcp.json', entry(TOKEN));
  const imported = async (...hosts: string[]): Promise<string | undefined> => {
    const [result] = await home.facts('import', ...hosts, '--apply', '--yes');
    return result.profile;
  };
  const undo = () => home.done(['undo', '--yes']);
  expect(await imported()).toBe('one');
  const before = readFileSync(profilePath(home.places, 'one'), 'utf8');
  await undo();
  // The token of the entry is another one now.
  writeFileSync(file, entry(`${TOKEN}2`));
  expect(await imported()).toBe('one');
  expect(readFileSync(profilePath(home.places, 'one'), 'utf8')).toBe(before);
  // The same entry of another host, while this one's starts it.
  const other = put(home, '.gemini/settings.json', entry(PLAIN));
  expect(await imported('gemini')).toBe('one-2');
  await undo();
  rmSync(other);
  await undo();
  expect((await home.facts('list')).map((one: { name: string }) => one.name)).toEqual(['one', 'one-2']);
  // A person has given it another token, or written into it.
  await home.done(['credential', 'rotate', 'one', 'API_TOKEN'], 'a-newer-token-0123456789');
  expect(await imported()).toBe('one-2');
  await undo();
  writeFileSync(profilePath(home.places, 'one-2'), `${before}# mine\n`, { mode: 0o600 });
  expect(await imported()).toBe('one-3');
});

test('W-HOST-27 a server that does not start in its sandbox stays, and nothing is left of the attempt; what Warder refused it is said first', async () => {
  await using home = await prepared();
  const needy = join(import.meta.dirname, '../fixtures/servers/needy.mjs');
  const data = put(home, 'data.json', '{}');
  const text = JSON.stringify({
    mcpServers: {
      bad: { command: node, args: ['-e', 'process.exit(3)'], env: { API_KEY: PLAIN } },
      gone: { command: '/gone/server', args: [], env: { API_KEY: PLAIN } },
      lacks: { command: node, args: [needy], env: { FILE: data, HOST: 'refused.example.com' } },
      contained: { command: 'docker', args: ['run', 'x'] },
    },
  });
  const file = put(home, '.cursor/mcp.json', text);
  const { code, stdout } = await home.warder(['import', 'cursor', '--apply', '--yes', '--json']);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject([
    { server: 'bad', error: expect.stringContaining('does not start') },
    { server: 'gone', error: expect.any(String) },
    {
      server: 'lacks',
      error: expect.stringMatching(
        /^Warder refused it .*refused\.example\.com: .*data\.json: is not in the sandbox.* it does not start/,
      ),
      hint: expect.stringMatching(
        /^to allow that: warder allow lacks refused\.example\.com, sandbox: \{read: /,
      ),
    },
  ]);
  expect(readFileSync(file, 'utf8')).toBe(text);
  expect(await home.facts('list')).toEqual([]);
  expect((await home.facts('credential', 'list')).credentials).toEqual([]);
  expect(await home.facts('undo', '--list')).toEqual([]);
});

test('W-HOST-48 an import overwrites and removes nothing that is stored for a profile that was removed', async () => {
  await using home = await prepared();
  const earlier = ['add', 'every', '--credential', 'GITHUB_TOKEN', '--no-test', '--', node, script];
  await home.done(earlier);
  await home.done(['credential', 'set', 'every', 'GITHUB_TOKEN'], PLAIN);
  await home.done(['remove', 'every', '--yes']);
  const before = (await home.facts('credential', 'list')).credentials;
  const servers = {
    every: { command: node, args: [script, 'stdio'], env: { GITHUB_TOKEN: TOKEN } },
    Every: { command: node, args: ['-e', 'process.exit(3)'], env: { GITHUB_TOKEN: TOKEN } },
  };
  // Another entry and a comment have the token too.
  const other = { command: 'docker', args: ['run', 'x'], env: { T: TOKEN } };
  put(home, '.cursor/mcp.json', `${JSON.stringify({ mcpServers: { ...servers, other } })} // ${TOKEN}`);
  const applied = await home.warder(['import', '--apply', '--yes']);
  expect(applied.code, applied.stderr).toBe(0);
  expect(applied.stdout).toContain('"every-2"');
  expect(applied.stdout).toMatch(/still has the value of GITHUB_TOKEN in clear/);
  const after = (await home.facts('credential', 'list')).credentials as { name: string }[];
  expect(after.filter(({ name }) => name === 'every/GITHUB_TOKEN')).toEqual(before);
  expect(after.map(({ name }) => name).sort()).toEqual(['every-2/GITHUB_TOKEN', 'every/GITHUB_TOKEN']);
  // What somebody else describes gets it no more than that.
  const file = put(home, 'readme.json', JSON.stringify({ mcpServers: servers }));
  expect(await home.warder(['add', 'every', '--from', file, '--yes', '--no-test'])).toMatchObject({
    code: 77,
    stderr: expect.stringContaining('every/GITHUB_TOKEN is stored already'),
  });
});

test('W-BOX-37 an import shows what the arguments open, and a project’s file opens nothing outside of the project', async () => {
  await using home = await prepared();
  const project = home.dir;
  const inside = put(home, 'project/data.txt', 'x');
  const outside = mkdtempSync(join(dirname(home.dir), 'outside-'));
  onTestFinished(() => rmSync(outside, { recursive: true }));
  const link = join(project, 'link');
  symlinkSync(outside, link);
  const entry = (name: string, ...paths: string[]) =>
    JSON.stringify({ mcpServers: { [name]: { command: node, args: [script, 'stdio', ...paths] } } });
  put(home, '.cursor/mcp.json', entry('mine', inside, outside));
  put(home, '.mcp.json', entry('theirs', inside, outside, link));
  const { stdout } = await home.warder(['import', '--project']);
  const [theirs = '', user = ''] = stdout.split('mine:');
  for (const path of [inside, outside]) expect(user).toContain(`it may read ${path}\n`);
  expect(theirs).toContain(`it may read ${inside}\n`);
  for (const path of [outside, link]) {
    expect(theirs).toContain(`it does not get ${path}, `);
    expect(theirs).not.toContain(`it may read ${path}`);
  }
  const servers = ['--server', 'mine', '--server', 'theirs'];
  const applied = await home.warder(['import', '--project', ...servers, '--apply', '--yes']);
  expect(applied.code, applied.stdout + applied.stderr).toBe(0);
  const reads = (name: string) => parse(readFileSync(profilePath(home.places, name), 'utf8')).sandbox.read;
  expect(reads('mine')).toEqual([inside, outside]);
  expect(reads('theirs')).toEqual([inside]);
});

test('W-HOST-26 what would run is shown whole and escaped, and a project’s servers are taken one by one only', async () => {
  await using home = await prepared();
  const evil = `sleep 1; \u001b[2J\u202e\n  fake: line\n${'x'.repeat(3000)} end`;
  put(home, '.cursor/mcp.json', JSON.stringify({ mcpServers: { evil: { command: node, args: [evil] } } }));
  const { stdout } = await home.warder(['import']);
  expect(['\u001b', '\u202e', '\n  fake'].filter((odd) => stdout.includes(odd))).toEqual([]);
  expect(stdout).toContain(`${'x'.repeat(3000)} end`);
  put(home, '.mcp.json', JSON.stringify({ mcpServers: { theirs: { command: node, args: ['-e', ''] } } }));
  expect((await home.warder(['import'])).stdout).not.toContain('theirs');
  expect(await home.warder(['import', '--project', '--apply', '--yes'])).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('must be named one by one'),
  });
  expect(await home.warder(['import', '--server', 'theirs', '--apply', '--yes'])).toMatchObject({ code: 64 });
  expect((await home.facts('import', '--project', '--server', 'theirs'))[0]).toMatchObject({
    server: 'theirs',
  });
});

test('W-HOST-42 W-HOST-43 what hosts fill in is given by the person alone; a name that is taken gets a number; ^C leaves nothing half done', async () => {
  const ambient = 'of-the-environment-0815';
  await using home = await prepared({ OTHER_TOKEN: ambient, LEVEL: ambient });
  await home.done(['add', 'every', '--no-test', '--', '/bin/cat']);
  const before = readFileSync(join(home.places.profiles, 'every.yaml'), 'utf8');
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how hosts write what they fill in
  const env = { API_KEY: PLAIN, OTHER_TOKEN: '${env:OTHER_TOKEN}', LEVEL: '${env:LEVEL}' };
  const every = { command: node, args: [script, 'stdio'] };
  const cursor = put(home, '.cursor/mcp.json', JSON.stringify({ mcpServers: { every: { ...every, env } } }));
  const without = await home.warder(['import', '--apply', '--yes', '--json']);
  expect(without.code).toBe(1);
  expect(JSON.parse(without.stdout)).toMatchObject([
    { server: 'every', error: expect.stringContaining('no value was given') },
  ]);
  const given = await home.done(
    ['import', '--apply', '--yes', '--values', '--json'],
    'OTHER_TOKEN=given-by-me-4711\nLEVEL=debug\n',
  );
  expect(JSON.parse(given)).toMatchObject([{ profile: 'every-2' }]);
  const profile = readFileSync(join(home.places.profiles, 'every-2.yaml'), 'utf8');
  expect(profile).toContain('LEVEL: debug');
  const names = async (): Promise<string[]> =>
    (await home.facts('credential', 'list')).credentials.map(({ name }: { name: string }) => name).sort();
  const stored = ['every-2/API_KEY', 'every-2/OTHER_TOKEN'];
  expect(await names()).toEqual(stored);
  for (const secret of [ambient, 'given-by-me-4711', PLAIN]) expectNowhere(home.dir, secret);
  expect(readFileSync(join(home.places.profiles, 'every.yaml'), 'utf8')).toBe(before);
  expect(readFileSync(cursor, 'utf8')).toContain('every-2');

  const waiting = { command: node, args: ['-e', 'setInterval(() => {}, 1000)'], env: { API_KEY: PLAIN } };
  const text = JSON.stringify({ mcpServers: { good: every, waiting } });
  const gemini = put(home, '.gemini/settings.json', text);
  const child = spawn(home.program[0] ?? '', [...home.program.slice(1), 'import', '--apply', '--yes'], {
    env: home.env,
    cwd: home.dir,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    said += piece;
    if (said.includes('(2 of 2) "waiting": starting')) child.kill('SIGINT');
  });
  expect(await once(child, 'close')).toEqual([null, 'SIGINT']);
  expect(said).toContain('(1 of 2) "good": starting');
  expect(said).toContain('what was not finished was taken back');
  expect(readFileSync(gemini, 'utf8')).toBe(text);
  expect((await home.facts('list')).map(({ name }: { name: string }) => name)).toEqual(['every', 'every-2']);
  expect(await names()).toEqual(stored);
});

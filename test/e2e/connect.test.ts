// A user's hosts: what is shown of them, how a profile is put into each and taken out again, and that all of it can be undone.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDocument } from '../../src/host/document.ts';
import { pathsOf } from '../../src/host/host-paths.ts';
import { serversOf } from '../../src/host/servers.ts';
import { hosts } from '../../src/host/table.ts';
import { Client } from '../fixtures/client.ts';
import { Home, server } from '../fixtures/home.ts';

const SECRET = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';

/** A home with a store and a profile. */
async function prepared(): Promise<Home> {
  const home = new Home();
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await home.done(['add', 'everything', '--no-test', '--allow', 'echo', '--', ...server('everything')]);
  return home;
}

function put(home: Home, path: string, text: string): string {
  const file = join(home.dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

const launch = (home: Home): string => join(home.dir, '.local/share/warder/bin/warder');

describe('a user with all hosts', () => {
  let home: Home;
  beforeAll(async () => {
    home = await prepared();
  });
  afterAll(() => home[Symbol.asyncDispose]());

  test.each(Object.keys(hosts))(
    'W-HOST-20 %s: the profile is connected in the form of the host, starts, and undo is byte for byte',
    async (id) => {
      const file = hosts[id]?.files[0];
      const path =
        file &&
        pathsOf(file, { platform: 'linux', home: home.dir, env: {}, project: home.dir }).find(
          (one) => !one.includes('*'),
        );
      if (file === undefined || path === undefined) throw new Error(`${id} has no file on Linux`);
      const fixture = join(import.meta.dirname, '../fixtures/hosts', `${id}.${file.format}`);
      const text = readFileSync(fixture, 'utf8');
      put(home, path.slice(home.dir.length + 1), text);
      const before = serversOf(readDocument(text, file.format), file);
      expect(before.length).toBeGreaterThan(0);

      const [connected] = await home.facts('connect', 'everything', '--host', id, '--no-check');
      expect(connected).toMatchObject({ host: id, path, changed: true });
      const after = serversOf(readDocument(readFileSync(path, 'utf8'), file.format), file);
      const added = after.find(({ name }) => name === 'everything');
      expect(added).toMatchObject({
        kind: 'local',
        command: launch(home),
        args: ['run', 'everything'],
        enabled: true,
      });
      expect(
        after.filter(({ name }) => name !== 'everything').map(({ name, entry }) => [name, entry]),
      ).toEqual(before.map(({ name, entry }) => [name, entry]));
      {
        await using client = new Client([added?.command ?? '', ...(added?.args ?? [])], home.env, home.dir);
        await client.initialize();
      }

      const shown = (await home.facts('hosts')).find((one: { path: string }) => one.path === path);
      expect(shown.servers.find(({ name }: { name: string }) => name === 'everything')).toMatchObject({
        profile: 'everything',
        secrets: [],
      });
      expect(JSON.stringify(shown)).not.toContain('not-a-real-secret');

      const again = await home.facts('connect', 'everything', '--host', id, '--no-check');
      expect(again).toEqual([{ host: id, path, changed: false, undo: null, says: null }]);
      expect(await home.facts('undo', '--yes')).toMatchObject([{ how: 'whole' }]);
      expect(readFileSync(path, 'utf8')).toBe(text);

      await home.done(['connect', 'everything', '--host', id, '--no-check']);
      expect(await home.facts('disconnect', 'everything')).toMatchObject([
        { host: id, servers: ['everything'] },
      ]);
      expect(
        serversOf(readDocument(readFileSync(path, 'utf8'), file.format), file).map(({ name }) => name),
      ).toEqual(before.map(({ name }) => name));
    },
  );
});

test('W-HOST-23 what a server had is kept encrypted, in no file and no output in clear, and comes back by undo', async () => {
  await using home = await prepared();
  const text = `{"mcpServers": {"gh": {"command": "npx", "args": ["-y", "x"], "env": {"GITHUB_TOKEN": "${SECRET}"}, "alwaysAllow": []}}}`;
  const file = put(home, '.cursor/mcp.json', text);
  const refused = await home.warder(['connect', 'everything', '--host', 'cursor', '--as', 'gh']);
  expect(refused).toMatchObject({ code: 77, stderr: expect.stringContaining('has a server "gh" already') });
  expect(readFileSync(file, 'utf8')).toBe(text);
  const shown = await home.warder(['hosts']);
  expect(shown.stdout).toContain('in clear: GITHUB_TOKEN');
  const replaced = await home.warder([
    'connect',
    'everything',
    '--host',
    'cursor',
    '--as',
    'gh',
    '--replace',
    '--no-check',
  ]);
  expect(replaced.stdout).toContain('revoke them');
  expect(readFileSync(file, 'utf8')).toBe(
    `{"mcpServers": {"gh": {"command": ${JSON.stringify(launch(home))}, "args": ["run","everything"], "alwaysAllow": []}}}`,
  );
  const listed = await home.warder(['undo', '--list']);
  for (const { stdout, stderr } of [refused, shown, replaced, listed])
    expect(stdout + stderr).not.toContain(SECRET);
  // Raw, and in the encodings in which it could hide.
  const forms = [
    SECRET,
    Buffer.from(SECRET).toString('base64').slice(0, 40),
    Buffer.from(SECRET).toString('hex'),
  ];
  for (const name of readdirSync(home.dir, { recursive: true, encoding: 'utf8', withFileTypes: true })) {
    if (!name.isFile()) continue;
    const bytes = readFileSync(join(name.parentPath, name.name), 'latin1');
    for (const form of forms) expect(bytes.includes(form), join(name.parentPath, name.name)).toBe(false);
  }
  await home.done(['stop']);
  expect(await home.facts('undo', '--yes')).toMatchObject([{ how: 'whole', servers: ['gh'] }]);
  expect(readFileSync(file, 'utf8')).toBe(text);
  expect(await home.warder(['undo', '--yes'])).toMatchObject({ code: 77 });
});

test('a host that has changed its file since keeps that; what cannot be put back alone is left, and said', async () => {
  await using home = await prepared();
  const text = '{\n  "mcpServers": {\n    "gh": {"command": "npx", "args": []}\n  }\n}\n';
  const file = put(home, '.cursor/mcp.json', text);
  await home.done(['connect', 'everything', '--host', 'cursor', '--as', 'gh', '--replace', '--no-check']);
  writeFileSync(file, readFileSync(file, 'utf8').replace('{\n', '{\n  "theme": "dark",\n'));
  expect(await home.facts('undo', '--yes')).toMatchObject([{ how: 'servers' }]);
  expect(readFileSync(file, 'utf8')).toBe(text.replace('{\n', '{\n  "theme": "dark",\n'));

  await home.done(['connect', 'everything', '--host', 'cursor', '--no-check']);
  const added = readFileSync(file, 'utf8').replace('dark', 'light');
  writeFileSync(file, added.replace('"everything"]', '"another"]').replace('"everything"\n', '"another"\n'));
  const changed = readFileSync(file, 'utf8');
  expect(await home.warder(['undo', '--yes'])).toMatchObject({
    code: 77,
    stderr: expect.stringContaining('"everything" is not there any more as Warder wrote it'),
  });
  expect(readFileSync(file, 'utf8')).toBe(changed);
  writeFileSync(file, added);
  expect(await home.facts('undo', '--yes')).toMatchObject([{ how: 'servers' }]);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ ...JSON.parse(text), theme: 'light' });

  await home.done(['connect', 'everything', '--host', 'cursor', '--no-check']);
  writeFileSync(file, text);
  const shown = await home.facts('hosts');
  expect(shown[0].dropped).toEqual(['everything']);
  expect(await home.facts('undo', '--forget', '--yes')).toMatchObject([{ forgotten: true }]);
});

test('several hosts at once are undone at once; a file that Warder made is removed', async () => {
  await using home = await prepared();
  const codex = put(home, '.codex/config.toml', 'model = "x"\n');
  await home.done(['connect', 'everything', '--host', 'codex', '--host', 'goose', '--no-check']);
  const goose = join(home.dir, '.config/goose/config.yaml');
  expect(readFileSync(codex, 'utf8')).toContain('[mcp_servers.everything]\ncommand = ');
  expect(existsSync(goose)).toBe(true);
  expect(await home.facts('undo', '--yes')).toMatchObject([
    { how: 'removed', file: goose },
    { how: 'whole' },
  ]);
  expect(existsSync(goose)).toBe(false);
  expect(readFileSync(codex, 'utf8')).toBe('model = "x"\n');
});

test('W-HOST-21 a file that is broken, doubled, mixed or open to others is left as it is', async () => {
  await using home = await prepared();
  const cases = [
    ['cursor', '.cursor/mcp.json', '{"mcpServers": {'],
    ['gemini', '.gemini/settings.json', '{"mcpServers": {}, "mcpServers": {}}'],
    ['codex', '.codex/config.toml', 'a = 1\r\n[mcp_servers.x]\ncommand = "y"\n'],
    ['goose', '.config/goose/config.yaml', 'extensions: {a: [}'],
  ] as const;
  for (const [id, path, text] of cases) {
    const file = put(home, path, text);
    const { code, stderr } = await home.warder(['connect', 'everything', '--host', id, '--no-check']);
    // A new table of TOML can stand behind lines of both kinds.
    if (id === 'codex') expect([0, 77]).toContain(code);
    else {
      expect(code, stderr).toBe(77);
      expect(readFileSync(file, 'utf8')).toBe(text);
    }
  }
  const file = put(home, '.lmstudio/mcp.json', '{}');
  chmodSync(file, 0o666);
  expect(await home.warder(['connect', 'everything', '--host', 'lm-studio'])).toMatchObject({
    code: 77,
    stderr: expect.stringContaining('chmod go-w'),
  });
  expect((await home.warder(['hosts'])).stdout).toMatch(/is not valid JSON/);
});

test('W-HOST-24 Claude Desktop is not edited while it runs, nor Copilot CLI while it writes', async () => {
  await using home = await prepared();
  const desktop = put(home, '.config/Claude/claude_desktop_config.json', '{}');
  const program = join(home.dir, 'claude-desktop');
  copyFileSync('/bin/sleep', program);
  chmodSync(program, 0o755);
  const running = spawn(program, ['60'], { stdio: 'ignore' });
  try {
    await new Promise((resolve) => running.once('spawn', resolve));
    expect(await home.warder(['connect', 'everything', '--host', 'claude-desktop'])).toMatchObject({
      code: 77,
      stderr: expect.stringContaining('quit Claude Desktop'),
    });
    expect(readFileSync(desktop, 'utf8')).toBe('{}');
  } finally {
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  }
  const copilot = put(home, '.copilot/mcp-config.json', '{}');
  const lock = put(home, '.copilot/.mcp-writer.lock', '');
  const holder = spawn('flock', [lock, '-c', 'echo held; sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  try {
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(await home.warder(['connect', 'everything', '--host', 'copilot-cli', '--no-check'])).toMatchObject(
      {
        code: 77,
        stderr: expect.stringContaining('another program has locked'),
      },
    );
    expect(readFileSync(copilot, 'utf8')).toBe('{}');
  } finally {
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    if (holder.pid !== undefined) process.kill(-holder.pid, 'SIGKILL');
    await ended;
  }
  await home.done(['connect', 'everything', '--host', 'copilot-cli', '--no-check']);
  expect(JSON.parse(readFileSync(copilot, 'utf8')).mcpServers.everything).toMatchObject({
    type: 'local',
    tools: ['*'],
  });
});

test("W-HOST-34 the host's own command is asked afterwards, in the home folder, and nothing of its text is shown", async () => {
  await using home = await prepared();
  const bin = join(home.dir, 'bin');
  mkdirSync(bin);
  const asked = join(home.dir, 'asked');
  writeFileSync(
    join(bin, 'claude'),
    `#!/bin/sh\necho "$PWD $*" >${asked}\nprintf 'everything:\\n  Status: \\033[31m✔ Connected\\033[0m\\n  TOKEN=${SECRET}\\n'\n`,
    { mode: 0o755 },
  );
  home.env.PATH = `${bin}:/usr/bin:/bin`;
  const { stdout, stderr } = await home.warder(['connect', 'everything', '--host', 'claude-code']);
  expect(stdout).toContain('Claude Code starts it');
  expect(stdout + stderr).not.toContain(SECRET);
  expect(stdout + stderr).not.toContain('\u001b[31m');
  expect(readFileSync(asked, 'utf8')).toBe(`${home.dir} mcp get everything\n`);
  expect(existsSync(join(home.dir, '.claude.json'))).toBe(true);
});

test('W-HOST-35 doctor finds secrets in clear, entries that start nothing, what a host took out, and copies that it keeps', async () => {
  await using home = await prepared();
  const text = `{"mcpServers": {"gh": {"command": "npx", "args": [], "env": {"GITHUB_TOKEN": "${SECRET}"}}}}`;
  const file = put(home, '.cursor/mcp.json', text);
  const check = async (): Promise<unknown> => {
    const { stdout } = await home.warder(['doctor', '--json']);
    expect(stdout).not.toContain(SECRET);
    return JSON.parse(stdout).checks.find(({ name }: { name: string }) => name === 'host Cursor');
  };
  expect(await check()).toMatchObject({
    state: 'warn',
    detail: expect.stringContaining('GITHUB_TOKEN of "gh"'),
  });
  await home.done(['connect', 'everything', '--host', 'cursor', '--as', 'gh', '--replace', '--no-check']);
  expect(await check()).toMatchObject({
    state: 'ok',
    detail: expect.stringContaining('1 server through Warder'),
  });
  const connected = readFileSync(file, 'utf8');
  writeFileSync(file, connected.replace('run","everything', 'run","nobody'));
  expect(await check()).toMatchObject({
    state: 'warn',
    detail: expect.stringContaining('there is no profile "nobody"'),
  });
  writeFileSync(file, '{"mcpServers": {"a": {"command": "/gone/node", "args": []}}}');
  expect(await check()).toMatchObject({ state: 'warn', detail: expect.stringContaining('is not there') });
  writeFileSync(file, '{"mcpServers": {}}');
  expect(await check()).toMatchObject({
    state: 'warn',
    detail: expect.stringContaining('"gh" that Warder wrote is gone'),
  });
  // Claude Code keeps copies of its file.
  const copy = put(home, '.claude/backups/.claude.json.backup.1795962946349', text);
  put(home, '.claude/backups/.claude.json.backup.1795962946350', '{"mcpServers": {');
  const [found, ...more] = JSON.parse((await home.warder(['doctor', '--json'])).stdout).checks.filter(
    ({ name }: { name: string }) => name === 'host Claude Code',
  );
  expect(found).toMatchObject({ state: 'warn', detail: expect.stringContaining(`${copy}: a copy`) });
  expect(found.detail).toContain('GITHUB_TOKEN');
  expect(more).toEqual([]);
  const shown = await home.warder(['hosts']);
  expect(shown.stdout).toContain(`${copy} (a copy that it keeps)`);
  expect(shown.stdout).not.toContain(SECRET);
  const [command, ...args] = server('everything');
  const env = { GITHUB_TOKEN: SECRET };
  put(home, '.claude.json', JSON.stringify({ mcpServers: { gh: { command, args, env } } }));
  const imported = await home.warder(['import', 'claude-code', '--apply', '--yes']);
  expect(imported.stdout).toContain(`${copy}, a copy that Claude Code keeps, has GITHUB_TOKEN in clear`);
  const files = await home.facts('hosts');
  expect(files.find(({ host }: { host: string }) => host === 'claude-code').copies).toEqual([
    { path: copy, secrets: ['GITHUB_TOKEN'] },
  ]);
});

test('W-HOST-36 managed settings name the launch command and the profiles exactly', async () => {
  await using home = await prepared();
  const { text } = await home.facts('hosts', 'export', '--managed', 'claude-code');
  expect(JSON.parse(text)).toEqual({
    allowedMcpServers: [{ serverCommand: [launch(home), 'run', 'everything'] }],
    allowManagedMcpServersOnly: true,
  });
  const { text: copilot } = await home.facts('hosts', 'export', '--managed', 'copilot');
  expect(JSON.parse(copilot)).toEqual({
    allowedMcpServers: [{ serverCommand: [launch(home), 'run', 'everything'] }],
  });
  expect(await home.done(['hosts', 'export', 'everything', '--managed', 'codex'])).toBe(
    `[mcp_servers.everything.identity]\ncommand = "${launch(home)}"\n`,
  );
  expect(await home.warder(['hosts', 'export', 'nobody', '--managed', 'codex'])).toMatchObject({ code: 65 });
});

test('a file behind a link of dotfiles is edited where it lies', async () => {
  await using home = await prepared();
  const real = put(home, 'dotfiles/codex.toml', '# mine\n');
  mkdirSync(join(home.dir, '.codex'));
  symlinkSync(real, join(home.dir, '.codex/config.toml'));
  await home.done(['connect', 'everything', '--host', 'codex', '--no-check']);
  expect(readFileSync(real, 'utf8')).toContain('[mcp_servers.everything]');
  expect(await home.facts('undo', '--yes')).toMatchObject([{ how: 'whole', file: real }]);
  expect(readFileSync(real, 'utf8')).toBe('# mine\n');
});

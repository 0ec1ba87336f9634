// `warder add --from FILE.mcpb`: a bundle is shown, unpacked into the store, and its server runs in its sandbox.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { profilePath } from '../../src/profile/load.ts';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { type ArchivedFile, zip } from '../fixtures/wheel.ts';

/** Answers with what it was given, and what it may do. */
const SERVER = `
import { createInterface } from 'node:readline';
import { readdirSync, writeFileSync } from 'node:fs';
const answer = (id, rest) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...rest }) + '\\n');
const attempt = (act) => { try { return act() } catch (error) { return error.code } };
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  const capabilities = { tools: {} };
  const serverInfo = { name: 'notes', version: '1' };
  if (method === 'initialize') answer(id, { result: { protocolVersion: params.protocolVersion, capabilities, serverInfo } });
  else if (method === 'tools/list') answer(id, { result: { tools: [{ name: 'look', inputSchema: { type: 'object' } }] } });
  else if (method === 'tools/call') {
    const [, script, ...folders] = process.argv;
    const { API_KEY, HEADERS, LEVEL, ROOT } = process.env;
    const text = JSON.stringify({
      HEADERS, key: API_KEY === [...process.env.EXPECTED].reverse().join(''), LEVEL, isRoot: script.startsWith(ROOT),
      change: attempt(() => writeFileSync(script, '')),
      folders: folders.map((folder) => [attempt(() => readdirSync(folder)), attempt(() => writeFileSync(folder + '/new', '') ?? 'written')]),
    });
    answer(id, { result: { content: [{ type: 'text', text }] } });
  } else if (id !== undefined) answer(id, { error: { code: -32601, message: 'unknown' } });
});
`;
const MANIFEST = {
  manifest_version: '0.3',
  name: 'Acme Notes',
  version: '1.2.3',
  description: 'notes\u001b[2J of Acme',
  author: { name: 'Acme' },
  icon: '../icon.png',
  server: {
    type: 'node',
    entry_point: 'server/main.mjs',
    mcp_config: {
      command: 'node',
      args: [`\${__dirname}/server/main.mjs`, `\${user_config.folders}`],
      env: {
        API_KEY: `\${user_config.api_key}`,
        LEVEL: `\${user_config.level}`,
        ROOT: `\${__dirname}/server`,
        OTHER: `\${user_config.other}`,
      },
    },
  },
  compatibility: { platforms: ['linux', 'darwin'], runtimes: { node: '>=18' } },
  user_config: {
    folders: { type: 'directory', title: 'Folders', required: true, multiple: true, default: [`\${HOME}`] },
    api_key: { type: 'string', title: 'Key', sensitive: true, required: true },
    level: { type: 'number', title: 'Level', default: 3, min: 1, max: 5 },
    other: { type: 'string', title: 'Other' },
  },
};

function bundle(manifest: object, more: readonly ArchivedFile[] = []): Buffer {
  return zip([
    { name: 'manifest.json', content: JSON.stringify(manifest), deflate: true },
    { name: 'server/main.mjs', content: SERVER, deflate: true, mode: 0o104777 },
    ...more,
  ]);
}

test('W-HOST-10 W-HOST-11 W-HOST-51 a bundle is shown whole and confirmed; its server runs read-only, with what the person gave and no more', async () => {
  await using home = new Home();
  const file = join(home.dir, 'notes.mcpb');
  writeFileSync(file, bundle(MANIFEST));
  for (const folder of ['in', 'out']) mkdirSync(join(home.dir, folder));
  writeFileSync(join(home.dir, 'in/a.txt'), '');
  const secret = 'the-value-of-the-key';
  const add = ['add', 'notes', '--from', file, '--no-test', '--allow', 'look'];
  const folders = ['in', 'out'].flatMap((folder) => ['--user-config', `folders=${join(home.dir, folder)}`]);
  const given = [
    ...folders,
    '--write',
    join(home.dir, 'out'),
    '--env',
    `EXPECTED=${[...secret].reverse().join('')}`,
  ];

  for (const [words, message] of [
    [[], /needs folders \(its authors propose [\s\S]*--user-config folders=VALUE/],
    [['--user-config', `api_key=${secret}`], /"api_key" is a secret, which no option takes/],
    [[...given], /needs a confirmation/],
  ] as const) {
    const refused = await home.warder([...add, ...words]);
    expect(refused).toMatchObject({ code: 64, stderr: expect.stringMatching(message) });
    expect(refused.stderr).not.toContain(secret);
  }
  expect(existsSync(join(home.places.state, 'packages'))).toBe(false);
  expect(existsSync(profilePath(home.places, 'notes'))).toBe(false);

  const added = await home.done([...add, ...given, '--yes']);
  for (const line of [
    /SHA-256 [0-9a-f]{64}; not signed/,
    /command node \$\{__dirname\}\/server\/main\.mjs \/\S+\/in \/\S+\/out/,
    /notes\\u001b\[2J of Acme/,
    /it may read \S+\/in\n/,
    /it may change \S+\/out\n/,
    /secret API_KEY \(Key\): to be set, not taken from there/,
    /left out, optional: other \(--user-config other=VALUE\)/,
  ])
    expect(added).toMatch(line);
  const profile = readFileSync(profilePath(home.places, 'notes'), 'utf8');
  expect(parse(profile)).toMatchObject({
    server: { package: 'mcpb:acme-notes@1.2.3' },
    env: { LEVEL: '3', ROOT: `\${__dirname}/server` },
    credentials: { API_KEY: { deliver: 'env' } },
    sandbox: { read: [join(home.dir, 'in')], write: [join(home.dir, 'out')] },
  });
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await home.done(['credential', 'set', 'notes', 'API_KEY'], secret);
  await using client = new Client([...home.program, 'run', 'notes'], home.env, home.dir);
  await client.initialize();
  const { result } = await client.request('tools/call', { name: 'look', arguments: {} });
  expect(JSON.parse(result.content[0].text)).toEqual({
    key: true,
    LEVEL: '3',
    isRoot: true,
    change: 'EROFS',
    folders: [
      [['a.txt'], 'EROFS'],
      [[], 'written'],
    ],
  });
  expect(readFileSync(profilePath(home.places, 'notes'), 'utf8')).not.toContain(secret);

  // With a host its secrets are sealed, also the one inside of a text.
  const headers = `{"Authorization":"Bearer \${user_config.api_key}","X-Level":"\${user_config.level}"}`;
  const { mcp_config } = MANIFEST.server;
  const env = { API_KEY: mcp_config.env.API_KEY, HEADERS: headers };
  const inText = { ...MANIFEST, server: { type: 'node', mcp_config: { ...mcp_config, env } } };
  writeFileSync(file, bundle({ ...inText, version: '2.0.0' }));
  const seal = ['add', 'sealed', '--from', file, '--no-test', '--allow', 'look', '--yes'];
  const shown = await home.done([...seal, '--host', 'api.example.com', ...given]);
  expect(shown).toContain(
    `variable HEADERS={"Authorization":"Bearer \${credential:API_KEY}","X-Level":"3"}\n`,
  );
  await home.done(['credential', 'set', 'sealed', 'API_KEY'], secret);
  await using other = new Client([...home.program, 'run', 'sealed'], home.env, home.dir);
  await other.initialize();
  const answer = await other.request('tools/call', { name: 'look', arguments: {} });
  const seen = JSON.parse(answer.result.content[0].text);
  expect(seen.key).toBe(false);
  expect(JSON.parse(seen.HEADERS)).toEqual({
    Authorization: expect.stringMatching(/^Bearer \S{20,}$/),
    'X-Level': '3',
  });
  expect(seen.HEADERS).not.toContain(secret);
  await home.done(['remove', 'sealed', '--yes']);

  expect(await home.facts('package', 'verify', '--json')).toMatchObject([{ profile: 'notes', ok: true }]);
  await home.done(['remove', 'notes', '--yes']);
  await home.done(['package', 'sweep', '--yes']);
  expect(readdirSync(join(home.places.state, 'packages')).filter((name) => name !== 'stamp-key')).toEqual([]);
  execFileSync('chmod', ['-R', 'u+w', home.dir]);
});

test('W-PKG-13 W-PKG-15 a hostile bundle is refused before anything of it is on the disk, and says why', async () => {
  await using home = new Home();
  const file = join(home.dir, 'bad.dxt');
  const start = (mcp_config: object): object => ({ ...MANIFEST, server: { type: 'node', mcp_config } });
  for (const [bytes, code, message] of [
    [bundle(MANIFEST, [{ name: '../evil', content: 'x' }]), 77, /a file of the name "\.\.\/evil"/],
    [bundle(start({ command: '/bin/sh', args: ['-c', 'id'] })), 64, /starts "\/bin\/sh"/],
    [bundle({ ...MANIFEST, compatibility: { runtimes: { node: '>=99' } } }), 64, /needs node >=99/],
  ] as const) {
    writeFileSync(file, bytes);
    expect(await home.warder(['add', 'a', '--from', file, '--yes', '--no-test'])).toMatchObject({
      code,
      stderr: expect.stringMatching(message),
    });
  }
  expect(existsSync(join(home.places.state, 'packages'))).toBe(false);
  expect(existsSync(join(home.dir, '../evil'))).toBe(false);
  expect(existsSync(profilePath(home.places, 'a'))).toBe(false);
});

// Every hint of a package's error that names a command or an option is followed as it is printed, and then the command
// that failed succeeds. The registry is on loopback.
import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { type Registry, startRegistry } from '../fixtures/registry.ts';

let home: Home;
let registry: Registry;

beforeAll(async () => {
  registry = await startRegistry();
  home = new Home({ env: { npm_config_registry: registry.url, npm_config_fetch_retries: '0' } });
  home.env.npm_config_cache = join(home.dir, 'npm');
  registry.publish({
    name: 'script',
    version: '1.0.0',
    manifest: { bin: 'main.js', scripts: { postinstall: 'node main.js' } },
    files: { 'main.js': '' },
  });
  registry.publish({
    name: 'failing',
    version: '1.0.0',
    manifest: { bin: 'main.js', scripts: { postinstall: 'echo ECONNREFUSED >&2; exit 3' } },
    files: { 'main.js': '' },
  });
  registry.publish({
    name: 'plain',
    version: '1.0.0',
    manifest: { bin: 'main.js' },
    files: { 'main.js': '' },
  });
});

afterAll(async () => {
  execFileSync('chmod', ['-R', 'u+w', home.dir]);
  await home[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

/** Runs a command that fails, and returns the quoted parts of its hint. */
async function hints(args: readonly string[], error: RegExp): Promise<string[]> {
  const { code, stderr } = await home.warder([...args]);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(error);
  const hint = /^(?:warder: )?hint: (.*)$/m.exec(stderr)?.[1] ?? '';
  return [...hint.matchAll(/"([^"]+)"/g)].map(([, text = '']) => text);
}

/** Runs a command as it is printed. */
async function follow(command: string | undefined): Promise<void> {
  const [program, ...args] = (command ?? '').split(' ');
  expect(program).toBe('warder');
  await home.done(args);
}

const lockOf = (name: string, pinned: string): string =>
  join(home.places.config, 'packages', name, `${pinned}.json`);

test('a package that is not locked', async () => {
  await home.done(['add', 'a', '--package', 'npm:plain@1.0.0']);
  rmSync(lockOf('a', 'plain@1.0.0'));
  const [command] = await hints(['package', 'update', 'a'], /"npm:plain@1\.0\.0" of "a" is not locked/);
  await follow(command);
  await home.done(['package', 'update', 'a', '--dry-run']);
});

test('a lock that cannot be read', async () => {
  await home.done(['add', 'b', '--package', 'npm:plain@1.0.0']);
  writeFileSync(lockOf('b', 'plain@1.0.0'), '{');
  const [command] = await hints(['package', 'update', 'b'], /cannot read the lock/);
  rmSync(lockOf('b', 'plain@1.0.0'));
  await follow(command);
  await home.done(['package', 'verify', 'b']);
});

test('a tree that was changed, or lost a file of its own', async () => {
  await home.done(['add', 'c', '--package', 'npm:plain@1.0.0']);
  const [file = ''] = globSync(join(home.places.state, 'packages/plain@*/tree/node_modules/plain/main.js'));
  chmodSync(file, 0o600);
  writeFileSync(file, 'evil');
  const [command] = await hints(['package', 'lock', 'c'], /is not what was locked/);
  await follow(command);
  expect(readFileSync(file, 'utf8')).toBe('');

  rmSync(join(file, '../../../../listing'));
  const [again] = await hints(
    ['package', 'lock', 'c'],
    /is not what was locked: "\(the list of its files\)"/,
  );
  await follow(again);
  await home.done(['package', 'verify', 'c']);
});

test('an install script that nobody allowed: without it, or with it in a sandbox', async () => {
  const add = (name: string) => ['add', name, '--package', 'npm:script@1.0.0'];
  // By default none runs, which is said.
  const { stderr } = await home.warder(add('by-default'));
  expect(stderr).toContain('install scripts of "script" do not run');
  // Who names some has to decide on the others.
  const [without = '', allow = ''] = await hints(
    [...add('d'), '--allow-scripts', 'other'],
    /wants to run an install script of "script"/,
  );
  expect(without).toBe('--without-scripts');
  await home.done([...add('d'), without]);
  await home.done([...add('e'), ...allow.split(' ')]);
  const rows = await home.facts('package', 'list');
  expect(rows).toContainEqual(expect.objectContaining({ profiles: ['d'], scripts: [] }));
  expect(rows).toContainEqual(expect.objectContaining({ profiles: ['e'], scripts: ['script'] }));
  // What was chosen stays when the same is installed again.
  await home.done(['package', 'lock', 'd', '--again']);
  await home.done(['package', 'lock', 'e', '--again']);
});

test('an install script that fails is not a registry that cannot be reached', async () => {
  const add = ['add', 'f', '--package', 'npm:failing@1.0.0'];
  const [without, allow] = await hints(
    [...add, '--allow-scripts', 'failing'],
    /an install script of "failing" failed in its sandbox, which has no network: .*ECONNREFUSED/,
  );
  expect(allow).toBe('--allow-scripts');
  await home.done([...add, without ?? '']);
});

test('a profile without a package', async () => {
  await home.done(['add', 'g', '--', 'node', '-e', '']);
  const [, command] = await hints(['package', 'lock', 'g'], /is not a package/);
  await follow(command);
});

test('a package and a registry that are not there: npm says why', async () => {
  const { stderr } = await home.warder(['add', 'h', '--package', 'npm:no-such@1.0.0']);
  expect(stderr).toMatch(/no such package or version \(npm: 404 Not Found - GET http:/);
  const [command = ''] = await hints(
    ['add', 'h', '--package', 'npm:plain@9.0.0'],
    /npm: .*plain@9\.0\.0/,
  ).then(() => hintsOfLostRegistry());
  expect(command).toBe('npm config get registry');
  execFileSync('npm', command.split(' ').slice(1), { env: { ...process.env, ...home.env } });
});

async function hintsOfLostRegistry(): Promise<string[]> {
  const { npm_config_registry } = home.env;
  home.env.npm_config_registry = 'http://127.0.0.1:1/';
  try {
    return await hints(['add', 'h', '--package', 'npm:other@1.0.0'], /cannot be reached \(npm: /);
  } finally {
    home.env.npm_config_registry = npm_config_registry ?? '';
  }
}

test('where the registry does not answer, an import asks it for one package and leaves the others at once', async () => {
  const servers = Object.fromEntries(
    ['p', 'q', 'r'].map((name) => [name, { command: 'npx', args: ['-y', `other-${name}`] }]),
  );
  mkdirSync(join(home.dir, '.cursor'));
  writeFileSync(join(home.dir, '.cursor/mcp.json'), JSON.stringify({ mcpServers: servers }), { mode: 0o600 });
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  home.env.npm_config_registry = 'http://127.0.0.1:1/';
  const { code, stdout } = await home.warder(['import', '--apply', '--yes', '--json']);
  expect(code).toBe(1);
  const notTried = {
    error: expect.stringMatching(/^not tried, because for another server the registry cannot be reached/),
    hint: expect.stringMatching(/^check the network, and "npm config get registry"; then import it again$/),
  };
  expect(JSON.parse(stdout)).toMatchObject([
    { server: 'p', error: expect.stringMatching(/^the registry cannot be reached \(npm: /) },
    { server: 'q', ...notTried },
    { server: 'r', ...notTried },
  ]);
});

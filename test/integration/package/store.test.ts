import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sandboxedScripts } from '../../../src/commands/package/install-scripts.ts';
import { type InstalledPackage, resolveBin } from '../../../src/package/bin.ts';
import { userRegistries } from '../../../src/package/registries.ts';
import { parseSpec } from '../../../src/package/spec.ts';
import { StampFiles } from '../../../src/package/stamps.ts';
import { PackageStore } from '../../../src/package/store.ts';
import { readTree } from '../../../src/package/tree.ts';
import { places } from '../../../src/wire/places.ts';
import { type Registry, startRegistry } from '../../fixtures/registry.ts';

const NO_SCRIPTS = { allow: [], skipOthers: false };

let folder: string;
let registry: Registry;
let now: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'warder-package-'));
  registry = await startRegistry();
  now = Date.parse('2026-01-01T00:00:00Z');
  registry.publish({ name: 'leaf', version: '1.0.0', files: { 'index.js': 'module.exports = "leaf 1";\n' } });
  registry.publish({
    name: '@scope/server',
    version: '1.2.0',
    manifest: { bin: { server: 'main.js' }, dependencies: { leaf: '^1.0.0' } },
    files: { 'main.js': '#!/usr/bin/env node\nconsole.log(require("leaf"), process.argv[2]);\n' },
  });
});

afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true, force: true });
});

function openStore(env: Record<string, string> = {}, progress: string[] = []): PackageStore {
  return new PackageStore({
    places: { config: join(folder, 'config'), state: join(folder, 'state') },
    clock: { now: () => now, monotonic: () => now },
    registry: userRegistries({
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        npm_config_cache: join(folder, 'cache'),
        npm_config_registry: registry.url,
        npm_config_fetch_retries: '0',
        ...env,
      },
      runScripts: sandboxedScripts(
        places({
          platform: 'linux',
          env: { WARDER_HOME: folder },
          home: folder,
          uid: process.getuid?.() ?? -1,
        }),
        folder,
      ),
      progress: (step) => progress.push(step),
    }),
    progress: (step) => progress.push(step),
  });
}

/** A package as a profile names it. */
const use = (spec: string, profile = 'a') => ({ profile, spec: parseSpec(spec) });

const trees = () => join(folder, 'state', 'packages');
const names = () => (existsSync(trees()) ? readdirSync(trees()).filter((name) => name !== 'stamp-key') : []);

test('W-PKG-1 a range is pinned when it is locked, and the tree runs with node alone', async () => {
  const store = openStore();
  const lock = await store.lock(use('npm:@scope/server@^1'), NO_SCRIPTS);
  expect(lock).toMatchObject({
    package: 'npm:@scope/server@1.2.0',
    pinned: '1.2.0',
    bin: { server: 'node_modules/@scope/server/main.js' },
  });
  registry.publish({ name: '@scope/server', version: '1.3.0' });
  const ready = await store.verify(use('npm:@scope/server@1.2.0'), false);
  const { command, args } = resolveBin(ready, undefined);
  expect(command).toBe(process.execPath);
  expect(execFileSync(command, [...args, 'hello'], { encoding: 'utf8' })).toBe('leaf 1 hello\n');
  await expect(store.verify(use('npm:@scope/server@^1'), false)).rejects.toMatchObject({
    code: 'package-unlocked',
  });
});

test('two profiles with the same files share a tree; a lock stays when the registry has a newer version', async () => {
  const store = openStore();
  const spec = '@scope/server@1.2.0';
  const first = await store.lock(use(`npm:${spec}`), NO_SCRIPTS);
  expect(await store.lock(use(`npm:${spec}`, 'b'), NO_SCRIPTS)).toMatchObject({ digest: first.digest });
  expect(names()).toHaveLength(1);
  publishLeaf('1.5.0');
  expect(await store.lock(use(`npm:${spec}`), NO_SCRIPTS)).toEqual(first);
  const again = await store.lock(use(`npm:${spec}`), NO_SCRIPTS, true);
  expect(again.digest).toBe(first.digest);
  expect(names()).toHaveLength(1);
});

test.each([
  ['the exact version', (store: PackageStore) => store.lock(use('npm:@scope/server@1.2.0', 'b'), NO_SCRIPTS)],
  ['a range', (store: PackageStore) => store.lock(use('npm:@scope/server@^1', 'b'), NO_SCRIPTS)],
  ['a bare name', (store: PackageStore) => store.lock(use('npm:@scope/server', 'b'), NO_SCRIPTS)],
  [
    'an update',
    async (store: PackageStore) => {
      const to = use('npm:@scope/server@1.2.0', 'b');
      return store.install(await store.resolve(to.spec), to, NO_SCRIPTS);
    },
  ],
])('W-PKG-6 locking %s for another profile does not change what a locked one runs', async (_what, lock) => {
  const store = openStore();
  const a = use('npm:@scope/server@1.2.0');
  const before = await store.lock(a, NO_SCRIPTS);
  const { root } = await store.verify(a, true);
  const { ino } = statSync(root);
  publishLeaf('1.5.0');
  expect((await lock(store)).digest).not.toBe(before.digest);
  expect(store.find(a)).toEqual(before);
  expect(await store.verify(a, true)).toEqual({ lock: before, root });
  expect(statSync(root).ino).toBe(ino);
  expect(runBin(await store.verify(a, false))).toBe('leaf 1 hello\n');
  expect(runBin(await store.verify(use('npm:@scope/server@1.2.0', 'b'), false))).toBe('leaf 1.5.0 hello\n');
});

test('W-PKG-6 a tree that is in order stays in place when it is installed again; a changed one is replaced', async () => {
  const store = openStore();
  const a = use('npm:@scope/server@1.2.0');
  await store.lock(a, NO_SCRIPTS);
  const { root } = await store.verify(a, false);
  const { ino } = statSync(root);
  await store.lock(a, NO_SCRIPTS, true);
  expect(statSync(root).ino).toBe(ino);
  write(join(root, 'node_modules/leaf/index.js'), 'evil');
  await store.lock(a, NO_SCRIPTS, true);
  await store.verify(a, true);
  expect(statSync(root).ino).not.toBe(ino);
  expect(names()).toHaveLength(1);
});

test('W-PKG-6 a lock of the former layout serves its profiles until each has its own, and is never changed', async () => {
  const progress: string[] = [];
  const store = openStore({}, progress);
  const spec = 'npm:@scope/server@1.2.0';
  const before = await store.lock(use(spec), NO_SCRIPTS);
  const former = join(folder, 'config/packages/@scope+server@1.2.0.json');
  renameSync(join(folder, 'config/packages/a/@scope+server@1.2.0.json'), former);
  const text = readFileSync(former, 'utf8');
  publishLeaf('1.5.0');
  await expect(store.verify(use(spec), false)).resolves.toMatchObject({ lock: before });
  await expect(store.verify(use(spec, 'b'), false)).resolves.toMatchObject({ lock: before });
  expect(await store.lock(use(spec, 'b'), NO_SCRIPTS)).toEqual(before);
  expect(progress.at(-1)).toBe(`${spec} was locked for all profiles; "b" has its own lock now`);
  const b = use(spec, 'b');
  const fresh = await store.install(await store.resolve(b.spec), b, NO_SCRIPTS);
  expect(fresh.digest).not.toBe(before.digest);
  expect(store.find(use(spec))).toEqual(before);
  expect(readFileSync(former, 'utf8')).toBe(text);
  expect(store.sweep([use(spec), b])).toEqual([]);
  await store.lock(use(spec), NO_SCRIPTS);
  expect(store.sweep([use(spec), b])).toEqual(['@scope+server@1.2.0']);
  await expect(store.verify(use(spec), true)).resolves.toMatchObject({ lock: before });
});

test('an unlocked package is an error that names the profile', async () => {
  await expect(openStore().verify(use('npm:leaf@1.0.0', 'notes'), false)).rejects.toMatchObject({
    code: 'package-unlocked',
    hint: expect.stringContaining('"warder package lock notes"'),
  });
});

test.each([
  [
    'a changed file',
    (root: string) => write(join(root, 'node_modules/leaf/index.js'), 'evil'),
    'node_modules/leaf/index.js',
  ],
  [
    'an added file',
    (root: string) => write(join(root, 'node_modules/leaf/extra.js'), 'evil'),
    'node_modules/leaf/extra.js',
  ],
  [
    'a removed file',
    (root: string) => remove(join(root, 'node_modules/leaf/index.js')),
    'node_modules/leaf/index.js',
  ],
])('W-PKG-3 %s is found at the next start, and the file is named', async (_what, harm, path) => {
  const store = openStore();
  const spec = 'npm:@scope/server@1.2.0';
  await store.lock(use(spec), NO_SCRIPTS);
  const { root } = await store.verify(use(spec), false);
  harm(root);
  await expect(store.verify(use(spec), false)).rejects.toMatchObject({
    code: 'package-changed',
    exit: 77,
    message: expect.stringContaining(path),
  });
  await store.lock(use(spec), NO_SCRIPTS, true);
  await expect(store.verify(use(spec), true)).resolves.toMatchObject({ root });
});

test('W-PKG-3 a change that keeps size and mtime is found; a day later every file is hashed', async () => {
  const store = openStore();
  const spec = 'npm:@scope/server@1.2.0';
  await store.lock(use(spec), NO_SCRIPTS);
  const { root } = await store.verify(use(spec), false);
  const file = join(root, 'node_modules/leaf/index.js');
  const { atime, mtime } = statSync(file);
  write(file, readFileSync(file, 'utf8').replace('leaf', 'evil'));
  utimesSync(file, atime, mtime);
  await expect(store.verify(use(spec), false)).rejects.toMatchObject({ code: 'package-changed' });
});

test('W-PKG-3 a listing that was rewritten to match the files is refused by the lock', async () => {
  const store = openStore();
  const spec = 'npm:@scope/server@1.2.0';
  await store.lock(use(spec), NO_SCRIPTS);
  appendFileSync(join(trees(), names()[0] ?? '', 'listing'), 'f 00 - evil.js\n');
  await expect(store.verify(use(spec), false)).rejects.toMatchObject({ code: 'package-changed' });
});

test.each(['a forged MAC', 'no MAC', 'the stamps of another tree', 'a key that others may read'])(
  'W-PKG-7 stamps of a changed file with %s are not believed',
  async (how) => {
    const store = openStore();
    const a = use('npm:@scope/server@1.2.0');
    await store.lock(a, NO_SCRIPTS);
    const { root } = await store.verify(a, false);
    write(join(root, 'node_modules/leaf/index.js'), 'evil');
    const { stamps } = await readTree(root);
    const { digest } = (await store.find(a)) ?? { digest: '' };
    const file = join(root, '..', 'stamps');
    const key = join(trees(), 'stamp-key');
    expect(statSync(key).mode & 0o777).toBe(0o600);
    if (how === 'a forged MAC') {
      const forger = new StampFiles(join(folder, 'forger'));
      forger.write(file, { digest, stamps }, now);
    } else if (how === 'no MAC') {
      writeFileSync(file, JSON.stringify({ checked: now, stamps }));
    } else if (how === 'the stamps of another tree') {
      new StampFiles(trees()).write(file, { digest: `sha256:${'0'.repeat(64)}`, stamps }, now);
    } else {
      new StampFiles(trees()).write(file, { digest, stamps }, now);
      chmodSync(key, 0o644);
    }
    await expect(store.verify(a, false)).rejects.toMatchObject({ code: 'package-changed' });
  },
);

test('stamps that are authentic let a start skip hashing', async () => {
  const store = openStore();
  const a = use('npm:@scope/server@1.2.0');
  await store.lock(a, NO_SCRIPTS);
  const stamps = join(trees(), names().find((name) => name.startsWith('@scope')) ?? '', 'stamps');
  const before = statSync(stamps).ino;
  await store.verify(a, false);
  expect(statSync(stamps).ino).toBe(before);
  now += 25 * 60 * 60_000;
  await store.verify(a, false);
  expect(statSync(stamps).ino).not.toBe(before);
});

test('W-PKG-2 a package that does not match its hash is refused, and the store is unchanged', async () => {
  registry.publish({
    name: 'leaf',
    version: '1.9.9',
    integrity: `sha512-${Buffer.alloc(64, 7).toString('base64')}`,
  });
  // With its default settings npm would ask again and again for more than two minutes.
  const store = openStore({ npm_config_fetch_retries: '2' });
  await expect(store.lock(use('npm:@scope/server@1.2.0'), NO_SCRIPTS)).rejects.toMatchObject({
    code: 'package-integrity',
  });
  expect(registry.archives.filter((name) => name === 'leaf@1.9.9')).toHaveLength(1);
  expect(names()).toEqual([]);
});

test('W-PKG-4 an install script does not run unless its package is named', async () => {
  registry.publish({
    name: 'leaf',
    version: '1.9.0',
    manifest: { scripts: { postinstall: "node -e \"fs.writeFileSync('ran','')\"" } },
    files: { 'index.js': '' },
  });
  const store = openStore();
  const spec = 'npm:@scope/server@1.2.0';
  const ran = async (profile: string): Promise<boolean> =>
    existsSync(join((await store.verify(use(spec, profile), true)).root, 'node_modules/leaf/ran'));
  await expect(store.lock(use(spec), NO_SCRIPTS)).rejects.toMatchObject({
    code: 'package-scripts',
    exit: 77,
    message: expect.stringContaining('"leaf"'),
  });
  expect(names()).toEqual([]);
  expect((await store.lock(use(spec), { allow: [], skipOthers: true })).scripts).toEqual([]);
  expect(await ran('a')).toBe(false);
  expect((await store.lock(use(spec, 'b'), { allow: ['leaf'], skipOthers: false })).scripts).toEqual([
    'leaf',
  ]);
  expect(await ran('b')).toBe(true);
  expect(await ran('a')).toBe(false);
});

test('W-PKG-4 an allowed install script runs in a sandbox: no network, no variables, no files but its own', async () => {
  const outside = join(folder, 'outside');
  writeFileSync(outside, 'secret');
  const code = `
    const { existsSync, writeFileSync } = require('node:fs');
    const net = require('node:net').connect(${new URL(registry.url).port}, '127.0.0.1');
    const done = (network) => writeFileSync('report.json', JSON.stringify({
      network, outside: existsSync('${outside}'), store: existsSync('${join(folder, 'config')}'),
      variable: process.env.WARDER_TEST_SECRET ?? null, registry: process.env.npm_config_registry ?? null,
    }));
    net.on('connect', () => { done(true); process.exit(); });
    net.on('error', () => done(false));`;
  registry.publish({
    name: 'leaf',
    version: '1.9.0',
    manifest: { scripts: { postinstall: 'node install.js' } },
    files: { 'install.js': code, 'index.js': '' },
  });
  registry.publish({
    name: 'other',
    version: '1.0.0',
    manifest: { scripts: { postinstall: 'touch ran' }, dependencies: { leaf: '1.9.0' } },
  });
  const store = openStore({ WARDER_TEST_SECRET: 'x' });
  const use1 = use('npm:other@1.0.0');
  await store.lock(use1, { allow: ['leaf'], skipOthers: true });
  const { root, lock } = await store.verify(use1, true);
  expect(lock.scripts).toEqual(['leaf']);
  expect(JSON.parse(readFileSync(join(root, 'node_modules/leaf/report.json'), 'utf8'))).toEqual({
    network: false,
    outside: false,
    store: false,
    variable: null,
    registry: null,
  });
  expect(existsSync(join(root, 'node_modules/other/ran'))).toBe(false);
});

test('bundled dependencies and optional packages that do not exist do not stop a lock', async () => {
  registry.publish({
    name: 'native',
    version: '1.0.0',
    manifest: { os: ['sunos'], scripts: { install: 'false' } },
  });
  registry.publish({
    name: 'bundler',
    version: '1.0.0',
    manifest: {
      bin: 'main.js',
      dependencies: { inner: '^1.0.0' },
      bundleDependencies: ['inner'],
      optionalDependencies: { gone: '1.0.0', native: '1.0.0' },
    },
    files: {
      'main.js': 'console.log(require("inner"), process.argv[2]);',
      'node_modules/inner/package.json': '{"name":"inner","version":"1.0.0"}',
      'node_modules/inner/index.js': 'module.exports = "bundled";',
    },
  });
  const store = openStore();
  const bundler = use('npm:bundler@1.0.0');
  const before = await store.lock(bundler, NO_SCRIPTS);
  expect(runBin(await store.verify(bundler, true))).toBe('bundled hello\n');
  expect((await store.lock(bundler, NO_SCRIPTS, true)).digest).toBe(before.digest);
});

test('an update shows its changes before anything is installed', async () => {
  const store = openStore();
  const lock = await store.lock(use('npm:@scope/server@1.2.0'), NO_SCRIPTS);
  registry.publish({ name: 'twig', version: '0.1.0', manifest: { scripts: { install: 'true' } } });
  registry.publish({
    name: '@scope/server',
    version: '2.0.0',
    manifest: { bin: 'main.js', dependencies: { twig: '*' } },
    files: { 'main.js': '' },
  });
  const { difference, version } = await store.previewUpdate(lock, parseSpec('npm:@scope/server'));
  expect(version).toBe('2.0.0');
  expect(difference).toEqual({
    added: ['twig@0.1.0'],
    removed: ['leaf@1.0.0'],
    moved: [{ name: '@scope/server', from: '1.2.0', to: '2.0.0' }],
    scripts: ['twig'],
  });
  expect(names()).toHaveLength(1);
});

test('a missing package, a missing version and a missing registry have different errors', async () => {
  await expect(openStore().lock(use('npm:no-such'), NO_SCRIPTS)).rejects.toMatchObject({
    code: 'package-missing',
  });
  await expect(openStore().lock(use('npm:leaf@9.9.9'), NO_SCRIPTS)).rejects.toMatchObject({
    code: 'package-missing',
  });
  const gone = openStore({ npm_config_registry: 'http://127.0.0.1:1/' });
  await expect(gone.lock(use('npm:leaf@1.0.0'), NO_SCRIPTS)).rejects.toMatchObject({
    code: 'package-registry',
  });
  expect(names()).toEqual([]);
});

test('of several programs one must be named; an unknown name is refused', async () => {
  registry.publish({
    name: 'many',
    version: '1.0.0',
    manifest: { bin: { one: '1.js', two: '2.js' } },
    files: { '1.js': '', '2.js': '' },
  });
  const store = openStore();
  const lock = await store.lock(use('npm:many@1.0.0'), NO_SCRIPTS);
  const ready = await store.verify(use(lock.package), false);
  expect(() => resolveBin(ready, undefined)).toThrow(expect.objectContaining({ code: 'package-bin' }));
  expect(() => resolveBin(ready, 'three')).toThrow(expect.objectContaining({ code: 'package-bin' }));
  expect(resolveBin(ready, 'two').args[0]).toMatch(/many\/2\.js$/);
});

test('sweep removes packages that no profile uses, and what a crash left', async () => {
  const store = openStore();
  const lock = await store.lock(use('npm:@scope/server@1.2.0'), NO_SCRIPTS);
  await store.lock(use('npm:leaf@1.0.0'), NO_SCRIPTS);
  const spec = lock.package;
  execFileSync('mkdir', [join(trees(), '.new-dead')]);
  expect(store.sweep([use(spec)]).sort()).toEqual(['.new-dead', 'a/leaf@1.0.0']);
  await expect(store.verify(use(spec), true)).resolves.toBeDefined();
  expect(store.list().map(({ profile, lock: each }) => [profile, each.package])).toEqual([
    ['a', 'npm:@scope/server@1.2.0'],
  ]);
});

function publishLeaf(version: string): void {
  registry.publish({
    name: 'leaf',
    version,
    files: { 'index.js': `module.exports = "leaf ${version}";\n` },
  });
}

function runBin(installed: InstalledPackage): string {
  const { command, args } = resolveBin(installed, undefined);
  return execFileSync(command, [...args, 'hello'], { encoding: 'utf8' });
}

function write(file: string, text: string): void {
  chmodSync(join(file, '..'), 0o755);
  if (existsSync(file)) chmodSync(file, 0o644);
  writeFileSync(file, text);
}

function remove(file: string): void {
  chmodSync(join(file, '..'), 0o755);
  rmSync(file);
}

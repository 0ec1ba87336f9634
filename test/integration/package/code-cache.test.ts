// The code cache of a package: where it is made, what of it is used, and what is found when it was changed.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sandboxedCode } from '../../../src/commands/package/code-run.ts';
import { resolveBin } from '../../../src/package/bin.ts';
import type { CodeRun, CodeRunner } from '../../../src/package/code-cache.ts';
import { userRegistries } from '../../../src/package/registries.ts';
import { parseSpec } from '../../../src/package/spec.ts';
import { StampFiles } from '../../../src/package/stamps.ts';
import { PackageStore } from '../../../src/package/store.ts';
import { treeDigest } from '../../../src/package/tree.ts';
import { places } from '../../../src/wire/places.ts';
import { type Registry, startRegistry } from '../../fixtures/registry.ts';

const NO_SCRIPTS = { allow: [], skipOthers: false };
const use = { profile: 'a', spec: parseSpec('npm:server@1.0.0') };
const other = { profile: 'b', spec: parseSpec('npm:other@1.0.0') };

/** A server that answers and ends with its input, and one that says what it sees and does not end by itself. */
const SERVER = `#!/usr/bin/env node
const { part } = require('./part.js');
process.stdin.on('data', (chunk) => {
  for (const line of String(chunk).trim().split('\\n')) {
    const { id } = JSON.parse(line);
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: part(id) }));
  }
});`;
const PART = 'module.exports.part = (id) => ({ tools: [], id });';
const SILENT = `#!/usr/bin/env node
const { existsSync, writeFileSync } = require('node:fs');
const net = require('node:net');
setInterval(() => {}, 1000);
const folder = process.env.NODE_COMPILE_CACHE;
const socket = net.connect(PORT, '127.0.0.1');
socket.on('error', (error) => {
  writeFileSync(folder + '/report.json', JSON.stringify({
  network: error.code, outside: existsSync('OUTSIDE'), store: existsSync('CONFIG'), argv: process.argv.slice(2),
  variables: Object.keys(process.env).sort(),
  }));
  console.log('{"jsonrpc": "2.0", "id": 2}');
});`;

let folder: string;
let registry: Registry;
let store: PackageStore;
let runs: CodeRun[] = [];
/** What follows a run, before its cache is looked at. */
let afterRun: (run: CodeRun) => void = () => {};

const trees = () => join(folder, 'state/packages');

function openStore(run?: CodeRunner): PackageStore {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    npm_config_cache: join(folder, 'cache'),
    npm_config_registry: registry.url,
  };
  return new PackageStore({
    places: { config: join(folder, 'config'), state: join(folder, 'state') },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    registry: userRegistries({ env, runScripts: async () => ({ code: 1, output: '' }), progress() {} }),
    progress() {},
    ...(run && { runForCode: run }),
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'warder-code-'));
  registry = await startRegistry();
  const outside = join(folder, 'outside');
  writeFileSync(outside, 'secret');
  const silent = SILENT.replace('OUTSIDE', outside)
    .replace('CONFIG', join(folder, 'config'))
    .replace('PORT', new URL(registry.url).port);
  registry.publish({
    name: 'server',
    version: '1.0.0',
    manifest: { bin: 'main.js' },
    files: { 'main.js': SERVER, 'part.js': PART },
  });
  registry.publish({
    name: 'other',
    version: '1.0.0',
    manifest: { bin: 'main.js' },
    files: { 'main.js': silent },
  });
  const own = { platform: 'linux', env: { WARDER_HOME: folder }, home: folder } as const;
  const run = sandboxedCode(places({ ...own, uid: process.getuid?.() ?? -1 }), folder);
  store = openStore(async (what) => {
    runs.push(what);
    await run(what);
    afterRun(what);
  });
  await store.lock(use, NO_SCRIPTS);
});

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true, force: true });
});

/** The cached file of the package's largest module, and others. */
const cached = (): string[] => globSync(join(trees(), 'server@*/code/*/tree/*/*')).sort();

test('W-PKG-17 a cache is made when the package is locked, and Node uses it from where it lies', async () => {
  const ready = await store.verify(use, false);
  const { command, args, env, roots } = resolveBin(ready, undefined);
  expect(env).toEqual({ NODE_COMPILE_CACHE: ready.code });
  expect(roots).toEqual([ready.root, ready.code]);
  // The two of the package, and the one that has Node write them.
  expect(cached()).toHaveLength(3);
  for (const file of [...cached(), ...cached().map(dirname)]) expect(statSync(file).mode & 0o222).toBe(0);
  expect(store.list()).toMatchObject([{ code: expect.any(Number) }]);
  // A file of Node's names the user: here it is none of the sandbox's.
  const [version = ''] = readdirSync(ready.code ?? '');
  const copy = join(folder, 'copy');
  cpSync(ready.code ?? '', copy, { recursive: true });
  chmodSync(copy, 0o700);
  const ownName = version.replace(/-\d+$/, `-${process.getuid?.()}`);
  if (ownName !== version) renameSync(join(copy, version), join(copy, ownName));
  const { stdout, stderr } = spawnSync(command, args, {
    env: { NODE_COMPILE_CACHE: copy, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
    input: '{"id":1}\n',
    encoding: 'utf8',
  });
  expect(stdout).toContain('"id":1');
  expect(stderr.match(/ was accepted/g)).toHaveLength(2);
});

test('W-PKG-17 what is in order is not made again', async () => {
  runs = [];
  await store.lock(use, NO_SCRIPTS);
  expect(runs).toEqual([]);
});

describe('W-PKG-18', () => {
  test.each<[what: string, harm: () => void]>([
    ['other code', () => rewrite(cached()[0] ?? '', 'code')],
    [
      'other code of the same size and time',
      () => {
        const file = cached()[1] ?? '';
        const { atime, mtime } = statSync(file);
        const bytes = readFileSync(file);
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 9) ^ 1, bytes.length - 9);
        rewrite(file, bytes);
        utimesSync(file, atime, mtime);
      },
    ],
    ['a file more', () => rewrite(join(dirname(cached()[0] ?? ''), 'ffffffff'), 'code')],
    [
      'a file less',
      () => {
        chmodSync(dirname(cached()[0] ?? ''), 0o755);
        rmSync(cached()[0] ?? '');
      },
    ],
  ])('%s in a cache is found before the server starts, whatever Node would say', async (_what, harm) => {
    await store.lock(use, NO_SCRIPTS);
    harm();
    await expect(store.verify(use, false)).rejects.toMatchObject({
      code: 'package-changed',
      message: expect.stringContaining('of its code cache"'),
      hint: 'do not run it; "warder package lock a" makes it again',
    });
    await store.lock(use, NO_SCRIPTS);
    expect((await store.verify(use, true)).code).toBeDefined();
  });

  test.each<[what: string, seal: (place: string) => void]>([
    ['no seal', (place) => rmSync(join(place, 'seal'))],
    ['a seal by another key', (place) => forge(place, new StampFiles(join(folder, 'forger')), {})],
    [
      'the seal of another package',
      (place) => forge(place, new StampFiles(trees()), { package: 'sha256:00' }),
    ],
    ['the seal of another Node', (place) => forge(place, new StampFiles(trees()), { node: 'v1.0.0' })],
    ['another list of its files', (place) => rewrite(join(place, 'listing'), 'd .\n')],
    [
      'its stamps in place of a seal',
      (place) => writeFileSync(join(place, 'seal'), readFileSync(join(place, 'stamps'))),
    ],
  ])('a cache with %s is not used', async (_what, harm) => {
    await store.lock(use, NO_SCRIPTS);
    harm(dirname(dirname(dirname(cached()[0] ?? ''))));
    const ready = await store.verify(use, false);
    expect(ready.code).toBeUndefined();
    expect(resolveBin(ready, undefined)).toMatchObject({ env: {}, roots: [ready.root] });
    await store.lock(use, NO_SCRIPTS);
    expect((await store.verify(use, false)).code).toBeDefined();
  });
});

describe('W-PKG-17 the run that makes a cache', () => {
  test('has no network, no argument, no credential and nothing of the user, and is ended', async () => {
    let report: unknown;
    afterRun = ({ folder: written }) => {
      const file = join(written, 'report.json');
      report = JSON.parse(readFileSync(file, 'utf8'));
      rmSync(file);
    };
    process.env.WARDER_TEST_SECRET = 'x';
    try {
      await store.lock(other, NO_SCRIPTS);
    } finally {
      delete process.env.WARDER_TEST_SECRET;
      afterRun = () => {};
    }
    expect(report).toEqual({
      network: 'ECONNREFUSED',
      outside: false,
      store: false,
      argv: [],
      variables: expect.not.arrayContaining(['WARDER_TEST_SECRET', 'USER']),
    });
    // Although it never ends by itself, Node has written its modules.
    expect((await store.verify(other, false)).code).toBeDefined();
  });

  test.each<[what: string, plant: (written: string) => void]>([
    ['a file beside Node’s', (written) => writeFileSync(join(written, 'more'), '')],
    [
      'a link among Node’s',
      (written) => symlinkSync('/etc/passwd', join(written, readdirSync(written)[0] ?? '', 'abcdef01')),
    ],
    [
      'a name that is not Node’s',
      (written) => writeFileSync(join(written, readdirSync(written)[0] ?? '', 'more.js'), ''),
    ],
    ['nothing', (written) => execFileSync('rm', ['-rf', join(written, readdirSync(written)[0] ?? '')])],
  ])('that leaves %s makes none', async (_what, plant) => {
    afterRun = ({ folder: written }) => plant(written);
    rmSync(join(dirname(dirname(dirname(cached()[0] ?? ''))), 'seal'));
    try {
      await store.lock(use, NO_SCRIPTS);
    } finally {
      afterRun = () => {};
    }
    expect((await store.verify(use, false)).code).toBeUndefined();
    await store.lock(use, NO_SCRIPTS);
    expect((await store.verify(use, false)).code).toBeDefined();
  });
});

test('W-PKG-18 a package that is removed takes its cache along', () => {
  expect(store.sweep([other])).toContain('a/server@1.0.0');
  expect(cached()).toEqual([]);
  expect(store.list()).toMatchObject([{ profile: 'b', code: expect.any(Number) }]);
});

/** Writes the seal of a cache anew, with the members that are given in place of its own. */
function forge(place: string, stamps: StampFiles, members: object): void {
  const code = treeDigest(readFileSync(join(place, 'listing')));
  const said = JSON.parse(readFileSync(join(place, 'seal'), 'utf8').split('\n')[1] ?? '');
  expect(said.code).toBe(code);
  stamps.writeStatement(join(place, 'seal'), 'code cache', JSON.stringify({ ...said, ...members }));
}

function rewrite(file: string, text: string | Buffer): void {
  chmodSync(dirname(file), 0o755);
  if (existsSync(file)) chmodSync(file, 0o644);
  writeFileSync(file, text);
}

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveBin, withinPackage } from '../../../src/package/bin.ts';
import { type BundleStart, isInRange, openBundle } from '../../../src/package/bundle.ts';
import type { PackageLock } from '../../../src/package/lock.ts';
import { userRegistries } from '../../../src/package/registries.ts';
import { parseSpec } from '../../../src/package/spec.ts';
import { PackageStore } from '../../../src/package/store.ts';
import { type ArchivedFile, zip } from '../../fixtures/wheel.ts';

const SCRIPTS = { allow: [], skipOthers: true };
const USE = { profile: 'a', spec: parseSpec('mcpb:tool@1.0.0') };
const MANIFEST: ArchivedFile = { name: 'manifest.json', content: '{}' };
const NODE: BundleStart = {
  name: 'tool',
  version: '1.0.0',
  runtime: 'node',
  program: undefined,
  paths: {},
  python: undefined,
};

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-bundle-'));
});

afterEach(() => {
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true, force: true });
});

async function openStore(archive?: Buffer, start = NODE): Promise<PackageStore> {
  const bundle = archive && { bundle: await openBundle(archive, 'tool.mcpb'), start };
  return new PackageStore({
    places: { config: join(folder, 'config'), state: join(folder, 'state') },
    clock: { now: () => 0, monotonic: () => 0 },
    registry: userRegistries({
      env: process.env,
      runScripts: () => Promise.reject(),
      progress: () => {},
      bundle,
    }),
    progress: () => {},
  });
}

async function install(archive: Buffer, start = NODE): Promise<PackageLock> {
  const store = await openStore(archive, start);
  return await store.install(await store.resolve(USE.spec), USE, SCRIPTS);
}

const trees = (): string[] =>
  existsSync(join(folder, 'state/packages'))
    ? readdirSync(join(folder, 'state/packages')).filter((name) => name !== 'stamp-key')
    : [];

test('W-PKG-14 a bundle is unpacked by its digest, read-only and without special modes, and verified as packages are', async () => {
  const archive = zip([
    MANIFEST,
    { name: 'server/', mode: 0o042777 },
    { name: 'server/main.js', content: 'console.log(1)', deflate: true, mode: 0o106666 },
    { name: 'server/tool', content: '#!/bin/sh\n', mode: 0o104755 },
    { name: 'empty/', mode: 0o040755 },
  ]);
  const lock = await install(archive, { ...NODE, paths: { NODE_PATH: ['server', '.'] } });
  expect(lock).toMatchObject({ package: 'mcpb:tool@1.0.0', bin: {}, scripts: [], mcpb: { runtime: 'node' } });
  expect(trees()).toEqual([expect.stringMatching(/^mcpb\+tool@1\.0\.0-[0-9a-f]{12}$/)]);
  const store = await openStore();
  const ready = await store.verify(USE, false);
  const { command, args, env } = resolveBin(ready, undefined);
  expect([command, args]).toEqual([process.execPath, []]);
  expect(env).toEqual({ NODE_PATH: `${ready.root}/server:${ready.root}` });
  expect(withinPackage(ready, `\${__dirname}/server/main.js`)).toBe(`${ready.root}/server/main.js`);
  const modeOf = (path: string): number => statSync(join(ready.root, path)).mode & 0o7777;
  expect(['server', 'server/main.js', 'server/tool', 'empty'].map(modeOf)).toEqual([
    0o500, 0o400, 0o500, 0o500,
  ]);

  const main = join(ready.root, 'server/main.js');
  chmodSync(main, 0o600);
  appendFileSync(main, '//');
  await expect(store.verify(USE, false)).rejects.toMatchObject({
    code: 'package-changed',
    hint: expect.stringContaining('--bundle FILE'),
  });
  await expect(store.lock(USE, SCRIPTS, true)).rejects.toMatchObject({ code: 'package-missing' });
  const other = await openStore(zip([MANIFEST]));
  await expect(other.lock(USE, SCRIPTS, true)).rejects.toMatchObject({ code: 'package-integrity' });
  await (await openStore(archive)).lock(USE, SCRIPTS, true);
  await store.verify(USE, true);

  expect(store.sweep([USE])).toEqual([]);
  expect(store.sweep([])).toHaveLength(1);
  expect(trees()).toEqual([]);
});

test('W-PKG-14 another bundle of the same name and version is never taken for the one before', async () => {
  const first = await install(zip([MANIFEST, { name: 'a', content: '1' }]));
  const second = await install(zip([MANIFEST, { name: 'a', content: '2' }]));
  expect(second.digest).not.toBe(first.digest);
  const ready = await (await openStore()).verify(USE, true);
  expect(ready.lock).toMatchObject({ digest: second.digest, integrity: second.integrity });
  expect(trees()).toHaveLength(2);
});

test('a program of a bundle is executable, whatever the archive says, and starts by itself', async () => {
  await install(zip([MANIFEST, { name: 'bin/tool', content: '#!/bin/sh\necho hello', mode: 0o644 }]), {
    ...NODE,
    runtime: 'binary',
    program: 'bin/tool',
  });
  const { command, args } = resolveBin(await (await openStore()).verify(USE, false), undefined);
  expect(execFileSync(command, args, { encoding: 'utf8' })).toBe('hello\n');
});

test('the Python of a bundle is in its lock, of a version that the manifest allows', async () => {
  const archive = zip([
    MANIFEST,
    { name: 'main.py', content: 'import x\nprint(x.y)' },
    { name: 'lib/x.py', content: 'y = 3' },
  ]);
  const start: BundleStart = {
    ...NODE,
    runtime: 'python',
    paths: { PYTHONPATH: ['lib'] },
    python: '>=3.8,<4.0',
  };
  await install(archive, start);
  const ready = await (await openStore()).verify(USE, false);
  const { command, args, env } = resolveBin(ready, undefined);
  expect(execFileSync(command, [...args, join(ready.root, 'main.py')], { env, encoding: 'utf8' })).toBe(
    '3\n',
  );
  await (await openStore()).verify(USE, true);
  await expect(install(archive, { ...start, python: '>=4' })).rejects.toMatchObject({
    code: 'package-python',
  });
});

test('ranges of versions are read as npm and as Python write them', () => {
  for (const range of ['>=18', '>=18.0.0 <30', '^24 || ^22', '>=18,<30', '~=24.1', '==24.3.0', '24.x', '*'])
    expect(isInRange('24.3.0', range), range).toBe(true);
  for (const range of ['<18', '>=18,<20', '==24.2.0', '~=24.4'])
    expect(isInRange('24.3.0', range), range).toBe(false);
  expect(isInRange('24.3.0', 'newest')).toBeUndefined();
});

const signed = (archive: Buffer, length = 5): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(length);
  return Buffer.concat([
    archive,
    Buffer.from('MCPB_SIG_V1'),
    size,
    Buffer.alloc(5, 's'),
    Buffer.from('MCPB_SIG_END'),
  ]);
};

test('W-PKG-16 a signature is cut off and not verified; one that is not as the format says is refused', async () => {
  const archive = zip([MANIFEST]);
  const plain = await openBundle(archive, 'a');
  const cut = await openBundle(signed(archive), 'a');
  expect([plain.isSigned, cut.isSigned]).toEqual([false, true]);
  expect(cut.entries).toHaveLength(1);
  expect(cut.sha256).not.toBe(plain.sha256);
  for (const bytes of [
    signed(archive, 4),
    signed(archive, 2 ** 31),
    Buffer.concat([archive, Buffer.from('MCPB_SIG_END')]),
    Buffer.concat([signed(archive), archive]),
    signed(signed(archive)),
    Buffer.from('MCPB_SIG_V1MCPB_SIG_END'),
  ])
    await expect(openBundle(bytes, 'a')).rejects.toMatchObject({ code: 'package-integrity' });
});

test.each<[string, ArchivedFile[]]>([
  ['no manifest', [{ name: 'a' }]],
  ['a manifest that is a folder', [{ name: 'manifest.json/', mode: 0o040755 }]],
  ['a manifest further in', [{ name: 'a/manifest.json', content: '{}' }]],
  ['a manifest of 100 MB', [{ name: 'manifest.json', content: ' '.repeat(1e8), deflate: true }]],
  ['a manifest above its bound', [{ name: 'manifest.json', content: ' '.repeat(2 ** 20 + 1) }]],
  ['a manifest that is not UTF-8', [{ name: 'manifest.json', content: Buffer.from([0x7b, 0xff]) }]],
  ['a manifest that is damaged', [{ ...MANIFEST, claim: { crc: 1 } }]],
])('W-PKG-15 a bundle with %s is refused', async (_what, files) => {
  await expect(openBundle(zip(files), 'a.mcpb')).rejects.toMatchObject({
    code: 'package-integrity',
    message: expect.stringContaining('cannot unpack "a.mcpb"'),
  });
});

test('W-PKG-13 what is found only while a bundle is unpacked leaves nothing: no tree, no lock', async () => {
  const late = zip([
    MANIFEST,
    { name: 'good', content: 'x' },
    { name: 'bad', content: 'x'.repeat(1000), deflate: true, claim: { crc: 1 } },
  ]);
  await expect(install(late)).rejects.toMatchObject({ code: 'package-integrity' });
  expect(trees()).toEqual([]);
  expect(existsSync(join(folder, 'config'))).toBe(false);
  expect(lstatSync(folder).isDirectory()).toBe(true);
});

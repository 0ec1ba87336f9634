// The homes that servers keep: how much is in them, and what a server could do to hide it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { WarderError } from '../../../src/errors.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { folderSize } from '../../../src/server/folder-size.ts';
import { HomeWatch, keptHomeOf, prepareKeptHome, setHomeAside } from '../../../src/server/kept-home.ts';
import { removeFolder } from '../../../src/server/remove-folder.ts';

const MIB = 1 << 20;
let state = '';

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'warder-homes-'));
});

afterEach(() => {
  rmSync(state, { recursive: true, force: true });
});

function profile(home: string) {
  return parseProfile(`server: {command: x}\nsandbox: {home: ${home}}\n`, 'demo.yaml', 'demo');
}

test('W-BOX-30 what is in a folder is counted once, whatever hides it, and nothing outside of it', async () => {
  const folder = join(state, 'folder');
  mkdirSync(join(folder, 'closed/inner'), { recursive: true });
  writeFileSync(join(state, 'outside'), Buffer.alloc(8 * MIB, 'x'));
  writeFileSync(join(folder, 'closed/inner/file'), Buffer.alloc(MIB, 'x'));
  linkSync(join(folder, 'closed/inner/file'), join(folder, 'again'));
  symlinkSync('../outside', join(folder, 'link'));
  symlinkSync('..', join(folder, 'up'));
  writeFileSync(Buffer.from(`${folder}/odd\xff`, 'latin1'), Buffer.alloc(MIB, 'x'));
  chmodSync(join(folder, 'closed/inner'), 0);
  chmodSync(join(folder, 'closed'), 0);
  const bytes = await folderSize(folder, 100 * MIB);
  expect(bytes).toBeGreaterThanOrEqual(2 * MIB);
  expect(bytes).toBeLessThan(3 * MIB);
  expect(await folderSize(folder, MIB)).toBeGreaterThan(MIB);
  // Empty files take a place too.
  mkdirSync(join(state, 'many'));
  for (let at = 0; at < 600; at++) writeFileSync(join(state, `many/${at}`), '');
  expect(await folderSize(join(state, 'many'), 2 * MIB)).toBeGreaterThan(2 * MIB);
  expect(await folderSize(join(state, 'nowhere'), MIB)).toBe(0);
});

test('W-BOX-30 a tree that is deeper than any path counts as too much', async () => {
  let path = state;
  for (let at = 0; at < 150; at++) path = join(path, 'd');
  mkdirSync(path, { recursive: true });
  expect(await folderSize(state, 100 * MIB)).toBe(Number.POSITIVE_INFINITY);
});

/** Puts a link to a folder in the place of `d`, and takes it away again, until it is killed. */
const SWAP = `
const { mkdirSync, renameSync, symlinkSync, writeFileSync } = require('node:fs');
const [, outside] = process.argv;
const attempt = (step, ...args) => { try { step(...args); } catch {} };
for (let round = 0; ; round++) {
  attempt(mkdirSync, 'd');
  attempt(writeFileSync, 'd/x', '');
  attempt(symlinkSync, outside, 'l');
  attempt(renameSync, 'd', 'e');
  attempt(renameSync, 'l', 'd');
  attempt(renameSync, 'd', 'l');
  attempt(renameSync, 'e', 'd');
  if (round === 100) process.stdout.write('ready');
}`;

test.skipIf(process.platform !== 'linux')(
  'W-BOX-30 what removes a home follows no link that its server puts there meanwhile',
  async () => {
    const folder = join(state, 'folder');
    const outside = join(state, 'outside');
    for (const path of [folder, outside]) mkdirSync(path);
    const files = Array.from({ length: 20 }, (_, at) => `file${at}`);
    for (const file of files) writeFileSync(join(outside, file), '');
    chmodSync(outside, 0o755);
    const server = spawn(process.execPath, ['-e', SWAP, outside], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(server.stdout, 'data');
      for (let round = 0; round < 3000; round++) await removeFolder(join(folder, 'd'));
    } finally {
      server.kill('SIGKILL');
    }
    expect(readdirSync(outside).sort()).toEqual(files.sort());
    expect(lstatSync(outside).mode & 0o777).toBe(0o755);
  },
);

test('W-BOX-30 a tree that is deeper than any path, and closed, is removed', async () => {
  const folder = join(state, 'folder');
  const half = Array.from({ length: 1200 }, () => 'd').join('/');
  mkdirSync(join(folder, half), { recursive: true });
  mkdirSync(join(state, 'second', half), { recursive: true });
  writeFileSync(join(state, 'second', half, 'file'), '');
  renameSync(join(state, 'second'), join(folder, half, 'second'));
  symlinkSync(state, join(folder, 'up'));
  mkdirSync(join(folder, 'closed/inner'), { recursive: true });
  chmodSync(join(folder, 'closed'), 0);
  await removeFolder(folder);
  expect(readdirSync(state)).toEqual([]);
});

test('W-BOX-30 a home is made for its owner alone, and refused if it is anything else', async () => {
  const home = await prepareKeptHome(profile('kept'), state);
  expect(home).toEqual({ profile: 'demo', folder: keptHomeOf(state, 'demo'), most: 1024 * MIB });
  expect(lstatSync(home?.folder ?? '').mode & 0o777).toBe(0o700);
  expect(await prepareKeptHome(profile('{kept: false, size: 5MiB}'), state)).toBeUndefined();
  rmSync(home?.folder ?? '', { recursive: true });
  symlinkSync(tmpdir(), home?.folder ?? '');
  await expect(prepareKeptHome(profile('kept'), state)).rejects.toMatchObject({ code: 'cannot-write' });
});

test('W-BOX-30 a home over its size starts nothing, and the hint names it', async () => {
  const home = await prepareKeptHome(profile('{kept: true, size: 1MiB}'), state);
  writeFileSync(join(home?.folder ?? '', 'file'), Buffer.alloc(2 * MIB, 'x'));
  await expect(prepareKeptHome(profile('{kept: true, size: 1MiB}'), state)).rejects.toMatchObject({
    code: 'home-full',
    exit: 73,
    message: 'cannot start "demo": more is in its home than 1MiB',
    hint: expect.stringContaining(home?.folder ?? '-'),
  });
});

test('W-BOX-30 a home that grows over its size is noticed, also by files without a name and after it was moved', async () => {
  const home = await prepareKeptHome(profile('{kept: true, size: 4MiB}'), state);
  if (home === undefined) throw new Error('no home');
  const errors: WarderError[] = [];
  let unlinked = 0;
  const watch = (): HomeWatch =>
    new HomeWatch(
      home,
      async () => unlinked,
      (error) => errors.push(error),
    );
  const first = watch();
  const aside = setHomeAside(state, 'demo', 0) ?? '';
  expect(aside).toBe(join(state, 'removed/demo.19700101T000000000Z.home'));
  writeFileSync(join(aside, 'file'), Buffer.alloc(8 * MIB, 'x'));
  await expect.poll(() => errors.map(({ code }) => code), { timeout: 30_000 }).toEqual(['home-full']);
  first.end();
  expect(setHomeAside(state, 'demo', 0)).toBeUndefined();
  expect(readFileSync(join(aside, 'file')).length).toBe(8 * MIB);

  await prepareKeptHome(profile('{kept: true, size: 4MiB}'), state);
  unlinked = 8 * MIB;
  const second = watch();
  await expect.poll(() => errors.length, { timeout: 30_000 }).toBe(2);
  second.end();
});

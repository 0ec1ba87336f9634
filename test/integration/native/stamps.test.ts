// A tree's files compared with their stamps by the native program: it says what Node says, of whatever tree and records.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
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
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compile, findCompiler } from '../../../scripts/native/compile.js';
import { loadSpawn, type Spawn } from '../../../src/os/spawn.ts';
import { nativeStampCheck, type StampCheck } from '../../../src/package/stamp-check.ts';
import { fromRecords, toRecords } from '../../../src/package/stamp-records.ts';
import { matchesStamps, readTree } from '../../../src/package/tree.ts';
import { hasNative, openNativeProgram } from '../../fixtures/launchers.ts';

const FILES = ['main.js', 'lib/a b.js', 'lib/ä\nb.js', 'lib/deep/c.js', 'data/d'];

describe.runIf(hasNative && process.platform === 'linux')('W-PKG-3 the native program', () => {
  let folder = '';
  let spawn: Spawn;
  let native: StampCheck;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'warder-stamps-'));
    spawn = await loadSpawn();
    native = nativeStampCheck(spawn, openNativeProgram() as { descriptor: number });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const plant = async (): Promise<{ root: string; records: Buffer }> => {
    const root = mkdtempSync(join(folder, 'tree-'));
    for (const file of FILES) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), 'one');
    }
    mkdirSync(join(root, 'empty'));
    symlinkSync('main.js', join(root, 'link'));
    return { root, records: toRecords((await readTree(root)).stamps) };
  };

  test('finds a tree that is as it was', async () => {
    const { root, records } = await plant();
    expect(await native(root, records)).toBe(true);
    expect(await matchesStamps(root, records)).toBe(true);
  });

  test.each<[what: string, harm: (root: string) => void]>([
    ['a file of other content', (root) => writeFileSync(join(root, 'lib/deep/c.js'), 'other')],
    [
      'a file of the same size and time',
      (root) => {
        const file = join(root, 'lib/ä\nb.js');
        const { atime, mtime } = statSync(file);
        writeFileSync(file, 'two');
        utimesSync(file, atime, mtime);
      },
    ],
    ['a file more', (root) => writeFileSync(join(root, 'empty/more.js'), '')],
    ['a file more in the tree itself', (root) => writeFileSync(join(root, 'more.js'), '')],
    ['a file less', (root) => rmSync(join(root, 'data/d'))],
    ['other permissions', (root) => chmodSync(join(root, 'main.js'), 0o755)],
    [
      'a link in place of a file',
      (root) => {
        renameSync(join(root, 'data/d'), join(root, '../outside'));
        symlinkSync('../../outside', join(root, 'data/d'));
      },
    ],
    [
      'a link in place of a folder',
      (root) => {
        renameSync(join(root, 'lib/deep'), join(root, '../deep'));
        symlinkSync('../../deep', join(root, 'lib/deep'));
      },
    ],
    ['nothing at all', (root) => rmSync(root, { recursive: true })],
  ])('finds %s', async (_what, harm) => {
    const { root, records } = await plant();
    harm(root);
    expect(await native(root, records)).toBe(false);
    expect(await matchesStamps(root, records)).toBe(false);
    for (const left of ['outside', 'deep']) rmSync(join(root, '..', left), { recursive: true, force: true });
  });

  test('takes no word but its own, and denies what it cannot read', async () => {
    const { root, records } = await plant();
    const [, stamp = ''] = [...fromRecords(records)].find(([path]) => path === 'main.js') ?? [];
    const deny = ['', '/', '/\0/', `${stamp} main.js\0`, `/\0${stamp}  main.js\0`, `/\0${stamp}\0`];
    deny.push(`/\0${stamp} lib/../main.js\0`, `/none\0${stamp} main.js\0`, `/\0${stamp} main.js`);
    for (const text of deny) expect([text, await native(root, Buffer.from(text))]).toEqual([text, false]);
    expect(await native(root, Buffer.from(`/\0${stamp} main.js\0`))).toBe(true);
    const none = nativeStampCheck(spawn, { descriptor: openSync('/dev/null', 'r') });
    expect(await none(root, records)).toBe(false);
  });

  test('checks itself while it reads whatever records there are', { timeout: 120_000 }, async () => {
    const { root, records } = await plant();
    const sanitized = join(folder, 'sanitized');
    const main = join(folder, 'main.c');
    writeFileSync(
      main,
      '#include "stamps.h"\nint main(int argc, char **argv) { run_stamps(argc, argv); return 1; }\n',
    );
    compile(sanitized, {
      compiler: findCompiler(),
      files: [main, join(import.meta.dirname, '../../../src/native/stamps.c')],
      flags: ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
    });
    const env = { ASAN_OPTIONS: 'exitcode=0', UBSAN_OPTIONS: 'exitcode=0' };
    const checked = nativeStampCheck(async (options) => spawn({ ...options, env }), {
      descriptor: openSync(sanitized, 0o10000000),
    });
    // Where it finds a fault of its own it says that all is in order, which the records never are.
    expect(await checked(root, records)).toBe(true);
    const whole = records.toString('latin1').split('\0');
    const broken = fc
      .array(fc.oneof(fc.constantFrom(...whole), fc.string({ unit: 'binary' }), fc.constant('9'.repeat(4e3))))
      .map((parts) => Buffer.from([...parts, '0:0:0:0 none', ''].join('\0'), 'latin1'));
    await fc.assert(
      fc.asyncProperty(broken, async (bytes) => {
        expect(await checked(root, bytes)).toBe(false);
      }),
      { numRuns: 40, seed: 1 },
    );
    expect(readFileSync(join(root, 'main.js'), 'utf8')).toBe('one');
  });
});

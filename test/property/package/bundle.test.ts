// Archives that programs make, that people attack with, and that chance has damaged: nothing is ever written outside the
// folder that is unpacked into, and what cannot be unpacked leaves nothing.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { openBundle } from '../../../src/package/bundle.ts';
import { makeWritable } from '../../../src/package/files.ts';
import { userRegistries } from '../../../src/package/registries.ts';
import { parseSpec } from '../../../src/package/spec.ts';
import { PackageStore } from '../../../src/package/store.ts';
import { type ArchivedFile, zip } from '../../fixtures/wheel.ts';

const numRuns = process.env.SLOW === undefined ? 150 : 10_000;
const USE = { profile: 'a', spec: parseSpec('mcpb:tool@1.0.0') };

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-bundles-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const part = fc.constantFrom(
  'a',
  'B',
  'b',
  '..',
  '.',
  '',
  'manifest.json',
  'é',
  'C:',
  '~',
  'a\\..',
  'a\0',
  '...',
  'x y',
  'outside',
);
const name = fc
  .tuple(
    fc.constantFrom('', '', '', '/', '../', '../../../'),
    fc.array(part, { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '/'),
  )
  .map(([before, parts, after]) => before + parts.join('/') + after);
const good = fc.constantFrom('a', 'b/c', 'b/d', 'e/f/g', 'é/x', '...');
const sensible: fc.Arbitrary<ArchivedFile> = fc.record({
  name: good,
  content: fc.string({ maxLength: 200 }),
  deflate: fc.boolean(),
  mode: fc.constantFrom(0o100644, 0o100755, 0o104777, 0),
});
const hostile: fc.Arbitrary<ArchivedFile> = fc.record(
  {
    name: fc.oneof(good, name),
    content: fc.oneof(fc.string({ maxLength: 50 }), fc.constantFrom('/etc/passwd', '../../outside')),
    deflate: fc.boolean(),
    mode: fc.constantFrom(0o100644, 0o120777, 0o040755, 0o060644, 0o104755, 0),
    claim: fc.record(
      {
        size: fc.constantFrom(0, 1, 0xffffffff),
        crc: fc.constantFrom(0, 1),
        flags: fc.constantFrom(0, 1, 8, 0x40, 0x800, 0x2000),
        method: fc.constantFrom(0, 8, 12),
      },
      { requiredKeys: [] },
    ),
    localName: name,
    offset: fc.nat(400),
    extra: fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes)),
  },
  { requiredKeys: ['name'] },
);
const files = fc.oneof(
  fc.uniqueArray(sensible, { selector: (file) => file.name, maxLength: 5 }),
  fc.array(fc.oneof(sensible, hostile), { maxLength: 6 }),
);
/** Bytes that are changed, put in or cut. */
const damage = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.nat(255),
    kind: fc.constantFrom('set', 'put', 'cut', 'drop'),
  }),
  { maxLength: 3 },
);

function damaged(archive: Buffer, list: readonly { at: number; byte: number; kind: string }[]): Buffer {
  return list.reduce((bytes, { at, byte, kind }) => {
    const index = Math.floor(at * bytes.length);
    const [before, after] = [bytes.subarray(0, index), bytes.subarray(index)];
    if (kind === 'cut') return before;
    if (kind === 'put') return Buffer.concat([before, Buffer.from([byte]), after]);
    return Buffer.concat([before, kind === 'set' ? Buffer.from([byte]) : Buffer.alloc(0), after.subarray(1)]);
  }, archive);
}

/** Every path below a folder, with what it is. */
function listing(root: string, path = ''): string[] {
  return readdirSync(join(root, path)).flatMap((each) => {
    const below = join(path, each);
    const stat = lstatSync(join(root, below));
    return [`${below} ${stat.mode.toString(8)}`, ...(stat.isDirectory() ? listing(root, below) : [])];
  });
}

let run = 0;

test('W-PKG-13 nothing is written outside the folder that is unpacked into, and a failure leaves nothing', async () => {
  let installed = 0;
  await fc.assert(
    fc.asyncProperty(files, damage, async (list, changes) => {
      const home = join(folder, String(run++));
      mkdirSync(home);
      writeFileSync(join(home, 'outside'), 'untouched');
      const archive = damaged(zip([{ name: 'manifest.json', content: '{}' }, ...list]), changes);
      const places = { config: join(home, 'config'), state: join(home, 'state') };
      try {
        const bundle = await openBundle(archive, 'a.mcpb');
        const start = {
          name: 'tool',
          version: '1.0.0',
          runtime: 'node',
          program: undefined,
          paths: {},
          python: undefined,
        } as const;
        const store = new PackageStore({
          places,
          clock: { now: () => 0, monotonic: () => 0 },
          registry: userRegistries({
            env: {},
            runScripts: () => Promise.reject(),
            progress: () => {},
            bundle: { bundle, start },
          }),
          progress: () => {},
        });
        await store.install(await store.resolve(USE.spec), USE, { allow: [], skipOthers: true });
        const { root } = await store.verify(USE, true);
        const found = listing(home).filter((line) => !line.startsWith('state') && !line.startsWith('config'));
        expect(found).toEqual([expect.stringMatching(/^outside /)]);
        // Only files and folders, of the owner alone and not writable.
        for (const line of listing(root)) expect(line).toMatch(/ (?:100[45]00|40500)$/);
        expect(readdirSync(places.state)).toEqual(['packages']);
        installed += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(WarderError);
        expect(error).toMatchObject({ code: 'package-integrity' });
        const left = listing(home).filter((line) => !/^state(?:\/packages)? /.test(line));
        expect(left).toEqual([expect.stringMatching(/^outside /)]);
      }
      expect(readFileSync(join(home, 'outside'), 'utf8')).toBe('untouched');
      if (existsSync(join(places.state, 'packages'))) makeWritable(join(places.state, 'packages'));
      rmSync(home, { recursive: true, force: true });
    }),
    { numRuns },
  );
  // Not all are refused.
  expect(installed).toBeGreaterThan(numRuns / 50);
});

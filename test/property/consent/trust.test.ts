// What a record holds a server to: any one change is found, and no order counts.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOfRecord } from '../../../src/consent/trust/profile-trust.ts';
import { fromFile, type TrustRecord, toFile } from '../../../src/consent/trust/record.ts';
import { skeletonOf } from '../../../src/policy/skeleton.ts';
import { canonicalOf } from '../../../src/relay/canonical.ts';

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<unknown>;

/** The same value with its members in another order, and more white space. */
function shuffled(value: unknown): string {
  if (Array.isArray(value)) return `[ ${value.map(shuffled).join(' ,')} ]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).reverse();
  return `{ ${members.map(([name, member]) => `${JSON.stringify(name)} : ${shuffled(member)}`).join(' , ')} }`;
}

test('W-TRUST-20 the order of members and white space do not count', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify(value);
      expect(canonicalOf(Buffer.from(shuffled(value))).digest).toBe(canonicalOf(Buffer.from(text)).digest);
    }),
  );
});

test('W-TRUST-20 any one-character change of a value is found', () => {
  fc.assert(
    fc.property(
      json,
      fc.nat(),
      fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
      (value, seed, character) => {
        const text = JSON.stringify({ v: value });
        const at = seed % text.length;
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        let other: unknown;
        try {
          other = JSON.parse(changed);
        } catch {
          return;
        }
        const same = changed === text || JSON.stringify(other) === text;
        const equal = canonicalOf(Buffer.from(changed)).digest === canonicalOf(Buffer.from(text)).digest;
        // Only white space, and another spelling of the same string, are no change.
        if (!same && equal) expect(JSON.parse(changed)).toEqual(JSON.parse(text));
        if (same && changed === text) expect(equal).toBe(true);
      },
    ),
    { numRuns: process.env.SLOW ? 5000 : 250 },
  );
});

const part = fc.record({ digest: fc.string(), text: fc.option(fc.string(), { nil: undefined }) });
const parts = fc.array(fc.tuple(fc.string(), part), { maxLength: 8 }).map((all) => new Map(all));
const strings = fc.array(fc.string(), { maxLength: 3 });
const record: fc.Arbitrary<TrustRecord> = fc.record({
  accepted: fc.string(),
  by: fc.string(),
  server: fc.record({
    files: fc.array(fc.record({ path: fc.string(), digest: fc.option(fc.string()) }), { maxLength: 3 }),
  }),
  permissions: fc.record({
    sandbox: fc.constantFrom('on', 'off', 'remote'),
    runs: strings,
    env: strings,
    read: strings,
    write: strings,
    network: strings,
    credentials: strings,
    other: strings,
  }),
  described: fc.record({
    introduction: parts,
    tools: parts,
    prompts: parts,
    resources: parts,
    templates: parts,
    contents: parts,
  }),
});

test('a record comes back from its file, and the order in which things were listed does not name it', () => {
  fc.assert(
    fc.property(record, (made) => {
      const back = fromFile(JSON.parse(JSON.stringify(toFile(made))));
      expect(digestOfRecord(back)).toBe(digestOfRecord(made));
      const tools = new Map([...made.described.tools].reverse());
      expect(digestOfRecord({ ...made, described: { ...made.described, tools } })).toBe(digestOfRecord(made));
      expect(back.described.tools).toEqual(made.described.tools);
    }),
  );
});

test('W-TRUST-20 a record with one other part has another name', () => {
  fc.assert(
    fc.property(record, fc.string(), fc.string(), (made, name, digest) => {
      const tools = new Map(made.described.tools).set(name, { digest, text: undefined });
      const other = { ...made, described: { ...made.described, tools } };
      const same = made.described.tools.get(name)?.digest === digest;
      expect(digestOfRecord(other) === digestOfRecord(made)).toBe(same);
    }),
  );
});

test('a name looks like itself in any case', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abcxyz_019-ABC') }), (name) => {
      expect(skeletonOf(name.toUpperCase())).toBe(skeletonOf(name));
      expect(skeletonOf(skeletonOf(name))).toBe(skeletonOf(name));
    }),
  );
});

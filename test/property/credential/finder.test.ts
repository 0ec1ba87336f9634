// The search takes time proportional to the data, whatever the data and however many values there are. Steps are
// counted, not time.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Finder } from '../../../src/credential/finder.ts';

const runs = { numRuns: process.env.SLOW ? 2_000 : 20 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

/** Tokens of one kind, as a session has them: they begin alike. */
const tokens = fc.uniqueArray(fc.stringMatching(/^ghp_[A-Za-z0-9]{36}$/), { minLength: 1, maxLength: 24 });

const each = (text: string, write: (byte: number, index: number) => string): string =>
  Array.from(Buffer.from(text), write).join('');
const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** How the text that nearly is a value is written. */
const spellings: { readonly [name: string]: (text: string) => string } = {
  raw: (text) => text,
  URL: (text) => each(text, (byte) => `%${hex(byte)}`),
  'URL, twice': (text) => each(text, (byte) => `%25${hex(byte)}`),
  JSON: (text) => each(text, (byte) => `\\u00${hex(byte)}`),
  'JSON, three layers': (text) => each(text, (byte) => `${'\\'.repeat(7)}u00${hex(byte)}`),
  HTML: (text) => each(text, (byte) => `&#x00000${hex(byte)};`),
  'all in turn': (text) =>
    each(
      text,
      (byte, index) =>
        [String.fromCharCode(byte), `%${hex(byte)}`, `\\u00${hex(byte)}`, `&#${byte};`].at(index % 4) ?? '',
    ),
  base64: (text) => base64(text),
  'base64, broken everywhere': (text) => Array.from(base64(text)).join('\\r\\n'),
  'base64 of base64': (text) => base64(base64(text)),
  hex: (text) => Buffer.from(text).toString('hex'),
};

/** What stands between two near misses. */
const filler = fc.constantFrom(
  '',
  '\\'.repeat(300),
  '%25'.repeat(100),
  '&#0000000'.repeat(40),
  'ghp_'.repeat(80),
);

const LENGTH = 60_000;

test('W-EGR-10 near misses, prefixes and nested escapes take a few steps a byte, with many values as with one', () => {
  fc.assert(
    fc.property(
      tokens,
      fc.constantFrom(...Object.keys(spellings)),
      fc.integer({ min: 1, max: 39 }),
      filler,
      (values, spelling, length, between) => {
        const finder = new Finder(values.map((value) => ({ value })));
        const near = values.map((value) => spellings[spelling]?.(value.slice(0, length)) + between).join('');
        const data = Buffer.from(near.repeat(Math.ceil(LENGTH / near.length)));
        finder.find(data);
        expect(finder.steps / data.length).toBeLessThan(6);
      },
    ),
    runs,
  );
});

test('W-EGR-10 a value that repeats itself is found, and a flood of near misses counts as a match from where it takes too long', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{1,3}$/), fc.integer({ min: 512, max: 4096 }), (period, length) => {
      const value = `${period.repeat(Math.ceil(length / period.length))}!`;
      const finder = new Finder([{ value }]);
      const near = `${value.slice(0, -1)}?`;
      const data = Buffer.from(`${near.repeat(Math.ceil(LENGTH / near.length))}${value}`);
      const found = finder.find(data);
      expect(finder.steps).toBeLessThan(17 * data.length + 65_536 + 2 * value.length);
      const last = found.at(-1);
      expect(last?.end).toBe(data.length);
      expect(last?.start).toBeLessThanOrEqual(data.length - value.length);
    }),
    runs,
  );
});

test('W-EGR-10 a stream of such near misses passes on no value, wherever it is cut', () => {
  const value = `${'ab'.repeat(1500)}!`;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 12 }), (cuts) => {
      const near = `${value.slice(0, -1)}?`;
      const data = Buffer.from(`${near.repeat(20)}${value}${near.repeat(3)} rest`);
      const stream = new Finder([{ value }]).stream(() => Buffer.from('#'));
      const out: Buffer[] = [];
      let at = 0;
      for (const cut of cuts) {
        out.push(...stream.push(data.subarray(at, at + cut)));
        at += cut;
      }
      out.push(...stream.push(data.subarray(at)), ...stream.flush());
      expect(Buffer.concat(out).includes(value)).toBe(false);
    }),
    runs,
  );
});

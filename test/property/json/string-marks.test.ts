// A long string that is looked through by vectors ends where one that is read byte by byte does, wherever the parts end.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BROKEN, skipStringUntil, skipValue } from '../../../src/json/json.ts';
import { CAPACITY, stringMarks } from '../../../src/json/string-marks.ts';

const numRuns = process.env.SLOW === undefined ? 500 : 50_000;

/** Runs of plain text, some of them as long as a part that is looked at together, and what ends them. */
const part = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('x', 'é', '漢', '~'), fc.integer({ min: 0, max: 90 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('y'), fc.integer({ min: 400, max: 2 * CAPACITY })) },
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constantFrom('\\n', '\\"', '\\\\', '\\u0022', '\\/', '\\uD83D\\uDE00'),
      fc.integer({ min: 1, max: 40 }),
    ),
  },
);
const text = fc
  .array(part, { maxLength: 12 })
  .map((parts) => parts.map(([piece, count]) => piece.repeat(count)).join(''));
const ending = fc.constantFrom(
  '"',
  '"',
  '"',
  '"tail"',
  '\\"',
  '\\',
  '\\u12',
  '\\x"',
  '\n"',
  '\x00"',
  '\t"',
  '',
);

/** The index after the closing quote; undefined where there is no string. */
function endOf(bytes: Buffer, at: number): number | undefined {
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x22) return i + 1;
    if (byte < 0x20) return undefined;
    if (byte !== 0x5c) continue;
    const found = /^(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/.exec(bytes.toString('latin1', i + 1, i + 6));
    if (found === null) return undefined;
    i += found[0].length;
  }
  return undefined;
}

test('the end of a string', () => {
  fc.assert(
    fc.property(text, ending, fc.nat({ max: 40 }), (plain, tail, before) => {
      const bytes = Buffer.from(`${' '.repeat(before)}"${plain}${tail}`);
      const expected = endOf(bytes, before + 1);
      expect(skipValue(bytes, before, bytes.length, 0)).toBe(expected ?? -1);
    }),
    { numRuns },
  );
});

test('the end of a string, in parts', () => {
  fc.assert(
    fc.property(
      text,
      ending,
      fc.array(fc.oneof(fc.nat({ max: 9 }), fc.nat({ max: 3 * CAPACITY })), { minLength: 1, maxLength: 30 }),
      (plain, tail, sizes) => {
        const bytes = Buffer.from(`${plain}${tail}`);
        let at = 0;
        let end: number | undefined;
        for (let turn = 0; at < bytes.length && end === undefined; turn++) {
          const until = Math.min(bytes.length, at + 1 + (sizes[turn % sizes.length] as number));
          const after = skipStringUntil(bytes, at, until, bytes.length);
          if (after === BROKEN) break;
          if (after > 0) end = after;
          else {
            expect(~after).toBeGreaterThanOrEqual(until);
            at = ~after;
          }
        }
        expect(end).toBe(endOf(bytes, 0));
      },
    ),
    { numRuns },
  );
});

test('every byte is a mark or none, at every place of a vector', () => {
  const marks = stringMarks();
  if (marks === undefined) throw new Error('this machine has no vectors');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 40 }), (bytes, from) => {
      const start = Math.min(from, bytes.length);
      const count = marks.count(bytes, start, bytes.length);
      const expected = [...bytes.subarray(start)].flatMap((byte, at) =>
        byte < 0x20 || byte === 0x22 || byte === 0x5c ? [at] : [],
      );
      expect([...marks.places.subarray(0, count)]).toEqual(expected);
    }),
    { numRuns },
  );
});

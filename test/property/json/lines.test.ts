import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BegunLine, LineSplitter } from '../../../src/json/lines.ts';

const numRuns = process.env.SLOW === undefined ? 300 : 20_000;

/** What a splitter makes of bytes that are cut at `cuts`. `inPlace`: they are read where it says. */
function split(bytes: Buffer, cuts: readonly number[], limit: number, inPlace = false): string[] {
  const seen: string[] = [];
  /** The line that has begun, and what was there of it when that was told last. */
  let begun: BegunLine | undefined;
  let told: Buffer | undefined;
  const splitter = new LineSplitter(
    {
      begun: (line) => {
        if (begun !== undefined) expect(line).toBe(begun);
        begun = line;
        if (told !== undefined) expect(line.bytes.compare(told, 0, told.length, 0, told.length)).toBe(0);
        told = Buffer.from(line.bytes.subarray(0, line.length));
        expect(told.includes(0x0a)).toBe(false);
      },
      dropped: () => {
        begun = undefined;
        told = undefined;
      },
      line: (buffer, start, end) => {
        if (told !== undefined) expect(buffer.compare(told, 0, told.length, 0, told.length)).toBe(0);
        if (told !== undefined) expect(start).toBe(0);
        begun = undefined;
        told = undefined;
        // What is forwarded is the line with its line feed, out of the same buffer.
        if (end < buffer.length) expect(buffer[end]).toBe(0x0a);
        seen.push(buffer.toString('latin1', start, end));
      },
      oversize: ({ length, head, tail }) =>
        // It was told before that it is dropped.
        seen.push(
          `${begun === undefined ? '' : 'begun '}over ${length} ${head.toString('latin1')} ${tail.toString('latin1')}`,
        ),
    },
    limit,
  );
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const cut of [...at, bytes.length]) {
    for (let left = bytes.subarray(from, cut); inPlace && left.length > 0; ) {
      const room = splitter.room();
      // Where it is now, it is as it was.
      if (begun !== undefined && told !== undefined)
        expect(begun.bytes.compare(told, 0, told.length, 0, told.length)).toBe(0);
      if (room === undefined) break;
      const length = left.copy(room);
      splitter.push(room.subarray(0, length));
      left = left.subarray(length);
      from += length;
    }
    if (from < cut || !inPlace) splitter.push(Buffer.from(bytes.subarray(from, cut)));
    from = cut;
  }
  splitter.end();
  expect(begun).toBe(undefined);
  return seen;
}

const text = fc.array(
  fc.oneof(
    fc.constantFrom('\n', '\r\n', '\n\n', 'é', '{}'),
    fc.string({ maxLength: 30 }),
    fc.nat({ max: 40_000 }).map((length) => 'x'.repeat(length)),
  ),
  { maxLength: 20 },
);

test('any chunking of bytes gives the same lines', () => {
  fc.assert(
    fc.property(
      text,
      fc.array(fc.nat(), { maxLength: 30 }),
      fc.constantFrom(1, 10, 1000, 30_000, 1e9),
      (parts, cuts, limit) => {
        const bytes = Buffer.from(parts.join(''));
        const whole = split(bytes, [], limit);
        expect(split(bytes, cuts, limit)).toEqual(whole);
        const plain = bytes
          .toString('latin1')
          .split('\n')
          .filter((line) => line !== '');
        expect(whole.filter((line) => !line.startsWith('over '))).toEqual(
          plain.filter((line) => line.length <= limit && !line.startsWith('over ')),
        );
        expect(whole.length).toBe(plain.length);
      },
    ),
    { numRuns },
  );
});

/** Lines around the lengths at which they are joined as they come, and at which what they are joined in grows. */
const long = fc.array(
  fc.oneof(
    fc.constantFrom('\n', 'a\nb', '\n\n'),
    fc.integer({ min: 2 ** 18 - 40_000, max: 2 ** 20 + 300_000 }).map((length) => 'x'.repeat(length)),
    fc.integer({ min: 2 ** 22 - 40_000, max: 2 ** 22 + 300_000 }).map((length) => 'y'.repeat(length)),
    fc.nat({ max: 60_000 }).map((length) => 'z'.repeat(length)),
  ),
  { minLength: 1, maxLength: 6 },
);

test('long lines are the same where they are read to their place', () => {
  fc.assert(
    fc.property(
      long,
      fc.array(fc.nat(), { minLength: 5, maxLength: 300 }),
      fc.constantFrom(2 ** 18 + 50_000, 2 ** 20, 2 ** 20 + 100_000, 2 ** 22 + 1, 2 ** 26),
      (parts, cuts, limit) => {
        const bytes = Buffer.from(parts.join(''));
        const expected = split(bytes, [], limit);
        expect(split(bytes, cuts, limit, true).every((line, at) => line === expected[at])).toBe(true);
        expect(split(bytes, cuts, limit).every((line, at) => line === expected[at])).toBe(true);
        expect(split(bytes, cuts, limit, true)).toHaveLength(expected.length);
      },
    ),
    { numRuns: numRuns / 15 },
  );
}, 60_000);

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineSplitter } from '../../../src/json/lines.ts';

const numRuns = process.env.SLOW === undefined ? 300 : 20_000;

/** What a splitter makes of bytes that are cut at `cuts`. */
function split(bytes: Buffer, cuts: readonly number[], limit: number): string[] {
  const seen: string[] = [];
  const splitter = new LineSplitter(
    {
      line: (buffer, start, end) => {
        // What is forwarded is the line with its line feed, out of the same buffer.
        if (end < buffer.length) expect(buffer[end]).toBe(0x0a);
        seen.push(buffer.toString('latin1', start, end));
      },
      oversize: ({ length, head, tail }) =>
        seen.push(`over ${length} ${head.toString('latin1')} ${tail.toString('latin1')}`),
    },
    limit,
  );
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const cut of [...at, bytes.length]) {
    splitter.push(Buffer.from(bytes.subarray(from, cut)));
    from = cut;
  }
  splitter.end();
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

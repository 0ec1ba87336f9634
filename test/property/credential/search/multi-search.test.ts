// The search for several strings at once finds what comparing at every position finds, by vectors and without.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { MultiSearch } from '../../../../src/credential/search/multi-search.ts';
import { StartFilter } from '../../../../src/credential/search/start-filter.ts';

const runs = { numRuns: process.env.SLOW ? 5_000 : 150 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** All positions, by the simplest means. */
function positions(strings: readonly Uint8Array[], data: Uint8Array): number[] {
  const found = new Set<number>();
  const whole = Buffer.from(data.buffer, data.byteOffset, data.length);
  for (const string of strings)
    for (let at = whole.indexOf(string); at >= 0; at = whole.indexOf(string, at + 1)) found.add(at);
  return [...found].sort((a, b) => a - b);
}

function searched(search: MultiSearch, data: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = search.next(data, 0); at >= 0; at = search.next(data, at + 1)) found.push(at);
  return found;
}

const string = fc
  .oneof(
    fc.stringMatching(/^[a-cA-C=+/]{2,9}$/),
    fc.stringMatching(/^[A-Za-z0-9+/]{3,12}$/),
    fc.constantFrom('token', 'Token', 'TOKEN', 'jwt"', 'ghp_', '\0\0\0', '\xff\xfe\xfd'),
  )
  .map(bytes);

/** Data of some kind, with strings and near misses in it, of any length beside those that the filter takes at a time. */
const data = fc
  .record({
    strings: fc.array(string, { minLength: 1, maxLength: 12 }),
    fill: fc.constantFrom('\0', 'a', 'abc', 'The quick brown fox. ', '{"tok":"x"}', '\xff\xfe'),
    length: fc.oneof(fc.nat(3000), fc.constantFrom(1023, 1024, 4096, 4097, 8191, 12_288, 65_536, 140_001)),
    put: fc.array(fc.record({ at: fc.nat(140_000), which: fc.nat(11), cut: fc.nat(3) }), { maxLength: 30 }),
    tail: fc.nat(11),
  })
  .map(({ strings, fill, length, put, tail }) => {
    const data = Buffer.alloc(length, fill, 'latin1');
    const pick = (index: number): Uint8Array => strings[index % strings.length] ?? bytes('aa');
    for (const { at, which, cut } of put)
      if (length > 0)
        data.set(
          pick(which)
            .subarray(cut)
            .subarray(0, length - (at % length)),
          at % length,
        );
    const end = pick(tail);
    if (end.length <= length) data.set(end, length - end.length);
    return { strings, data };
  });

test('[W-SEAL-3] every occurrence is found, and nothing else, wherever it stands', () => {
  fc.assert(
    fc.property(data, ({ strings, data }) => {
      expect(searched(new MultiSearch(strings), data)).toEqual(positions(strings, data));
    }),
    runs,
  );
});

test('strings that are added later are found as well', () => {
  const search = new MultiSearch([bytes('first')]);
  const data = Buffer.alloc(5000, 'x');
  data.write('second', 3000);
  expect(searched(search, data)).toEqual([]);
  search.add([bytes('second')]);
  expect(searched(search, data)).toEqual([3000]);
});

test('this Node has the vectors, and the filter is used for what is searched in the gate', () => {
  const stems = ['token', 'secret', 'device'].flatMap((stem) => [stem, stem.toUpperCase()]);
  const filter = StartFilter.of(stems.map(bytes));
  expect(filter).toBeDefined();
  const data = Buffer.alloc(200_000, 'z');
  data.write('device', 150_000);
  const asked: number[] = [];
  expect(filter?.first(data, 0, (at) => asked.push(at) > 0)).toBe(150_000);
  expect(asked).toEqual([150_000]);
});

test('strings that would let much pass, or are too short, have no filter', () => {
  expect(StartFilter.of([bytes('ab')])).toBeUndefined();
  const many = Array.from({ length: 4000 }, (_, index) => bytes(`${index.toString(36)}...`));
  expect(StartFilter.of(many)).toBeUndefined();
});

test('W-EGR-10 places that only look like a beginning are asked for until there are too many of them', () => {
  const strings = [bytes('tokens')];
  const near = Buffer.from('tokenx'.repeat(20_000));
  const compared = vi.spyOn(Map.prototype, 'get');
  try {
    expect(new MultiSearch(strings).next(near, 0)).toBe(-1);
    expect(compared.mock.calls.length).toBeLessThan(25_000);
  } finally {
    compared.mockRestore();
  }
});

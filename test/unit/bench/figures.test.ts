import fc from 'fast-check';
import { expect, test } from 'vitest';
import { duration, median, quantile, spread, spreads } from '../../../scripts/bench/figures.js';

test('a quantile is the value below which so many lie', () => {
  const values = [5, 1, 4, 2, 3];
  expect([0, 0.25, 0.5, 0.75, 0.99, 1].map((q) => quantile(values, q))).toEqual([1, 2, 3, 4, 5, 5]);
  expect(median([7])).toBe(7);
  expect(values).toEqual([5, 1, 4, 2, 3]);
});

test('quartiles are in order, and between the least and the most', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1 }), (values) => {
      const { low, median: middle, high, p99, count } = spread(values);
      const sorted = [Math.min(...values), low, middle, high, p99, Math.max(...values)];
      expect(sorted).toEqual(sorted.toSorted((a, b) => a - b));
      expect(count).toBe(values.length);
    }),
  );
});

test('a side without samples is left out, and nothing measured is an error', () => {
  expect(Object.keys(spreads({ direct: [1], warder: [] }))).toEqual(['direct']);
  expect(() => spread([])).toThrow('nothing was measured');
});

test.each([
  [0.0049, '4.9 µs'],
  [0.265, '265 µs'],
  [-0.05, '-50 µs'],
  [11.52, '11.5 ms'],
  [188.4, '188 ms'],
  [2877, '2.88 s'],
])('%d milliseconds are written as %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

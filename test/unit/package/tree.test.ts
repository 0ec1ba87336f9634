import { expect, test } from 'vitest';
import { diffListings } from '../../../src/package/tree.ts';

test('two listings are compared by path', () => {
  const before = 'd .\nf aa - a%20b\nf bb - c\n';
  expect(diffListings(before, before)).toBeUndefined();
  expect(diffListings(before, 'd .\nf ab - a%20b\nl c d\n')).toEqual({
    changed: ['a b'],
    added: ['d'],
    removed: ['c'],
  });
});

import { expect, test } from 'vitest';
import { flat, inARow, inTurns } from '../../../scripts/bench/turns.js';

test('ways have their turns one after the other, those that take long every few rounds', async () => {
  const order: string[] = [];
  const way = (name: string) => () => order.push(name);
  const taken = await inTurns(4, { a: way('a'), slow: { take: way('slow'), every: 3 }, b: way('b') });
  expect(order).toEqual(['a', 'slow', 'b', 'a', 'b', 'a', 'b', 'a', 'slow', 'b']);
  expect(taken).toEqual({ a: [1, 4, 6, 8], slow: [2, 9], b: [3, 5, 7, 10] });
});

test('samples that are taken some in a row are all there, in order', async () => {
  let count = 0;
  const block = () => inARow(3, () => ++count);
  expect(flat(await inTurns(2, { a: block, b: block }))).toEqual({
    a: [1, 2, 3, 7, 8, 9],
    b: [4, 5, 6, 10, 11, 12],
  });
  expect(await inARow(0, () => ++count)).toEqual([]);
});

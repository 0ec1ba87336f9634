import { expect, test } from 'vitest';
import { Neighbours } from '../../../src/relay/neighbours.ts';

test('W-RELAY-6 a session is alone until another has a turn, and again some time after that', () => {
  const neighbours = new Neighbours();
  const [one, other] = [{}, {}];
  neighbours.note(one, 1000);
  expect(neighbours.isAlone(one, 1000)).toBe(true);
  neighbours.note(other, 1010);
  neighbours.note(one, 1020);
  neighbours.note(one, 1100);
  expect(neighbours.isAlone(one, 1110)).toBe(false);
  expect(neighbours.isAlone(one, 1111)).toBe(true);
  expect(neighbours.isAlone(other, 1111)).toBe(false);
});

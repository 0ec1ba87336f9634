import { expect, test } from 'vitest';
import { Neighbours } from '../../../src/relay/neighbours.ts';

test('W-RELAY-6 a session is alone until another has a turn, and again some time after that', () => {
  const neighbours = new Neighbours({ monotonic: () => 0 });
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

test('what waits is called in its order, one turn of the event loop after the other', async () => {
  let now = 0;
  const neighbours = new Neighbours({ monotonic: () => now });
  const called: string[] = [];
  const waits = (name: string): void =>
    neighbours.later(() => {
      called.push(`${name} ${neighbours.loop()}`);
      // It takes as long as all that wait have in one turn.
      now += 0.1;
    });
  const first = neighbours.loop();
  for (const name of ['a', 'b', 'c']) waits(name);
  while (called.length < 3) await new Promise((resolve) => setImmediate(resolve));
  expect(called).toEqual([`a ${first + 1}`, `b ${first + 2}`, `c ${first + 3}`]);
});

import { expect, test } from 'vitest';
import { Slices, type Work } from '../../../../src/relay/flow/slices.ts';
import { settled } from '../../../fixtures/ends.ts';

/** Slices whose work takes a millisecond a step. */
function slices(alone = false) {
  let now = 0;
  let turns = 0;
  const resume = (turn: () => void): void => {
    turns++;
    turn();
  };
  const working = new Slices({
    clock: { now: () => 0, monotonic: () => now },
    budgets: { slice: 2, burst: 20, share: 0.25 },
    isAlone: () => alone,
    resume,
  });
  function* work<Result>(steps: number, result: Result): Work<Result> {
    for (let step = 0; step < steps; step++) {
      now++;
      if (step < steps - 1) yield;
    }
    return result;
  }
  return { working, work, turns: () => turns, pass: (ms: number) => (now += ms) };
}

test('W-RELAY-6 short work is done at once, long work a slice in each turn, in order', async () => {
  const { working, work, turns } = slices();
  const done: string[] = [];
  working.run(work(1, 'short'), (result) => done.push(result));
  expect(done).toEqual(['short']);
  working.run(work(6, 'long'), (result) => done.push(result));
  working.run(work(1, 'after'), (result) => done.push(result));
  expect(done).toEqual(['short']);
  while (done.length < 3) await settled();
  expect(done).toEqual(['short', 'long', 'after']);
  expect(turns()).toBe(3);
});

test('W-RELAY-6 work that has used up its burst gets its share of the time', async () => {
  const { working, work, pass } = slices();
  let done = 0;
  working.run(work(40, 1), (result) => {
    done = result;
  });
  for (let turn = 0; turn < 15; turn++) await settled();
  // 20 ms of work are done, and a bit: the rest waits for a timer.
  expect(done).toBe(0);
  while (done === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    pass(5);
  }
});

test('work that has begun when another begins it is done after that', () => {
  const { working, work } = slices();
  const done: string[] = [];
  working.run(work(1, 'outer'), (result) => {
    working.run(work(1, 'inner'), (inner) => done.push(inner));
    done.push(result);
  });
  expect(done).toEqual(['outer', 'inner']);
});

test('W-RELAY-6 work of a session that is alone has all of the time', async () => {
  const { working, work } = slices(true);
  let done = 0;
  working.run(work(40, 1), (result) => {
    done = result;
  });
  // Two milliseconds are done in each turn, and no turn waits for a timer.
  for (let turn = 0; turn < 20; turn++) await settled();
  expect(done).toBe(1);
});

test('W-RELAY-6 work that is done elsewhere counts', () => {
  const { working, pass } = slices();
  working.charge(20);
  expect(working.delay).toBe(0);
  working.charge(5);
  expect(working.delay).toBe(20);
  pass(20);
  expect(working.delay).toBe(0);
});

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BETWEEN_STARTS, StartQueue } from '../../../src/server/start-queue.ts';

beforeEach(() => void vi.useFakeTimers({ now: 1e6 }));
afterEach(() => void vi.useRealTimers());

/** A queue, what has entered, and hosts beside which others are at work. */
function open() {
  const queue = new StartQueue({ monotonic: () => Date.now() });
  const entered: string[] = [];
  const state = { isBeside: true };
  const start = (host: string, name: string, gone = new AbortController().signal): void =>
    void queue.enter(host, () => state.isBeside, gone).then(() => entered.push(name));
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  return { start, entered, state, pass };
}

test('a host beside which nobody is at work opens all its sessions at once', async () => {
  const { start, entered, state, pass } = open();
  state.isBeside = false;
  for (let at = 0; at < 50; at++) start('a', `a${at}`);
  await pass(0);
  expect(entered).toHaveLength(50);
  expect(vi.getTimerCount()).toBe(0);
});

test('W-RELAY-6 while others are at work starts are spread, and hosts have their turns', async () => {
  const { start, entered, pass } = open();
  for (const name of ['a1', 'a2', 'a3', 'a4']) start('a', name);
  for (const name of ['b1', 'b2']) start('b', name);
  await pass(0);
  expect(entered).toEqual(['a1']);
  for (const expected of ['a2', 'b1', 'a3', 'b2', 'a4']) {
    await pass(BETWEEN_STARTS - 1);
    expect(entered.at(-1)).not.toBe(expected);
    await pass(1);
    expect(entered.at(-1)).toBe(expected);
  }
  expect(entered).toHaveLength(6);
  expect(vi.getTimerCount()).toBe(0);
  // After a while the first one does not wait.
  await pass(BETWEEN_STARTS);
  start('a', 'a5');
  await pass(0);
  expect(entered.at(-1)).toBe('a5');
});

test('once nobody is at work any more all that waits goes on', async () => {
  const { start, entered, state, pass } = open();
  for (const name of ['a1', 'a2', 'a3', 'b1']) start(name.slice(0, 1), name);
  state.isBeside = false;
  await pass(BETWEEN_STARTS);
  expect(entered).toEqual(['a1', 'a2', 'a3', 'b1']);
  expect(vi.getTimerCount()).toBe(0);
});

test('one whose host has gone waits no longer, and holds up no other', async () => {
  const { start, entered, pass } = open();
  const going = new AbortController();
  start('a', 'a1');
  start('b', 'b1', going.signal);
  start('a', 'a2');
  await pass(0);
  going.abort();
  await pass(0);
  expect(entered).toEqual(['a1', 'b1']);
  await pass(BETWEEN_STARTS);
  expect(entered).toEqual(['a1', 'b1', 'a2']);
  start('c', 'c1', going.signal);
  await pass(0);
  expect(entered.at(-1)).toBe('c1');
  expect(vi.getTimerCount()).toBe(0);
});

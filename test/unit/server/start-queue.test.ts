import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MAX_ANCESTORS } from '../../../src/os/proc.ts';
import { BETWEEN_STARTS, StartQueue, turnsOf } from '../../../src/server/start-queue.ts';
import { timersOf } from '../../fixtures/own-timers.ts';

beforeEach(() => void vi.useFakeTimers({ now: 1e6 }));
afterEach(() => void vi.useRealTimers());

/** A queue, what has entered, and hosts beside which others are at work. */
function open() {
  const queue = new StartQueue({ monotonic: () => Date.now() });
  const timers = timersOf('src/server/start-queue.ts');
  const entered: string[] = [];
  const state = { isBeside: true };
  /** `host`: the processes whose turns it has, from the top. */
  const start = (host: string, name: string, gone = new AbortController().signal): void =>
    void queue.enter(host.split(' '), () => state.isBeside, gone).then(() => entered.push(name));
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  return { start, entered, state, pass, timers };
}

test('a host beside which nobody is at work opens all its sessions at once', async () => {
  const { start, entered, state, pass, timers } = open();
  state.isBeside = false;
  for (let at = 0; at < 50; at++) start('a', `a${at}`);
  await pass(0);
  expect(entered).toHaveLength(50);
  expect(timers()).toBe(0);
});

test('W-RELAY-6 while others are at work starts are spread, and hosts have their turns', async () => {
  const { start, entered, pass, timers } = open();
  for (const name of ['a1', 'a2', 'a3', 'a4']) start('a', name);
  for (const name of ['b1', 'b2']) start('b', name);
  await pass(0);
  expect(entered).toEqual(['a1']);
  expect(timers()).toBe(1);
  for (const expected of ['b1', 'a2', 'b2', 'a3', 'a4']) {
    await pass(BETWEEN_STARTS - 1);
    expect(entered.at(-1)).not.toBe(expected);
    await pass(1);
    expect(entered.at(-1)).toBe(expected);
  }
  expect(entered).toHaveLength(6);
  expect(timers()).toBe(0);
  // After a while the first one does not wait.
  await pass(BETWEEN_STARTS);
  start('a', 'a5');
  await pass(0);
  expect(entered.at(-1)).toBe('a5');
});

test('once nobody is at work any more all that waits goes on', async () => {
  const { start, entered, state, pass, timers } = open();
  for (const name of ['a1', 'a2', 'a3', 'b1']) start(name.slice(0, 1), name);
  state.isBeside = false;
  await pass(BETWEEN_STARTS);
  expect(entered).toEqual(['a1', 'a2', 'a3', 'b1']);
  expect(timers()).toBe(0);
});

test('one whose host has gone waits no longer, and holds up no other', async () => {
  const { start, entered, pass, timers } = open();
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
  expect(timers()).toBe(0);
});

/** The order in which they enter. */
async function inTurns(hosts: Readonly<Record<string, readonly string[]>>): Promise<string> {
  const { start, entered, pass, timers } = open();
  for (const [host, names] of Object.entries(hosts)) for (const name of names) start(host, name);
  while (entered.length < Object.values(hosts).flat().length) await pass(BETWEEN_STARTS);
  expect(timers()).toBe(0);
  return entered.join(' ');
}

test('W-RELAY-6 a host that forks a parent for each start has the turns of one', async () => {
  const forked = Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`top flood ${at}`, [`f${at}`]]));
  expect(await inTurns({ ...forked, 'top shell quiet': ['q0', 'q1', 'q2'] })).toBe(
    'f0 q0 f1 q1 f2 q2 f3 f4 f5',
  );
  // Nor more for those and what it starts itself.
  expect(await inTurns({ ...forked, 'top quiet': ['q0', 'q1'], 'top flood': ['g0'] })).toBe(
    'f0 q0 f1 q1 f2 f3 f4 f5 g0',
  );
});

test('W-RELAY-6 a process that has only just begun has the turns of the one above it', () => {
  const chain = [
    { pid: 30, started: 5000 },
    { pid: 20, started: 4200 },
    { pid: 10, started: 100 },
    { pid: 1, started: 2 },
  ];
  expect(turnsOf(chain, 5010)).toEqual(['known', '1 2', '10 100']);
  expect(turnsOf(chain, 5300)).toEqual(['known', '1 2', '10 100', '20 4200']);
  expect(turnsOf(chain, 90_000)).toEqual(['known', '1 2', '10 100', '20 4200', '30 5000']);
  // An orphan: those of the process that takes all of them.
  expect(
    turnsOf(
      [
        { pid: 31, started: 5005 },
        { pid: 1, started: 2 },
      ],
      5010,
    ),
  ).toEqual(['known', '1 2']);
  // Without times each counts.
  expect(turnsOf([{ pid: 7 }])).toEqual(['known', '7 undefined']);
});

test('W-RELAY-6 hosts of which the top is not known, since so many processes are between, have the turns of one', () => {
  const chain = (first: number) =>
    Array.from({ length: MAX_ANCESTORS }, (_, at) => ({ pid: first + at, started: 1 }));
  const [one, other] = [turnsOf(chain(100), 9000), turnsOf(chain(500), 9000)];
  expect(one[0]).toBe('deep');
  expect(other[0]).toBe('deep');
  expect(turnsOf(chain(100).slice(1), 9000)[0]).toBe('known');
});

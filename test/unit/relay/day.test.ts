// A day of fifty sessions, in simulated time: calls, sessions that come and go, a credential that expires every quarter of
// an hour, checkpoints and rotation of the log. What the daemon keeps is after 24 hours what it was after 8.
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test, vi } from 'vitest';
import { Values } from '../../../src/credential/source/values.ts';
import { CredentialWatch } from '../../../src/credential/source/watch.ts';
import { Neighbours } from '../../../src/relay/neighbours.ts';
import { AuditState, FakeStore } from '../../fixtures/audit-state.ts';
import { call, FakeHost, FakeServer, join, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const SESSIONS = 50;
const MINUTE = 60_000;
/** Each session makes a call in so many minutes. */
const PAUSE = 5;
const MIB = 2 ** 20;

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const log = { debug() {}, info() {}, warn() {}, error() {} };

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

afterEach(() => void vi.useRealTimers());

test('fifty sessions are flat over a day', { timeout: 120_000 }, async () => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  });
  using state = new AuditState();
  const settings = {
    segment: MIB,
    keep: { count: 3, age: undefined },
    checkpoint: { records: 1000, every: 15 * MINUTE },
  };
  const audit = await state.open(settings, true);
  const store = new FakeStore();
  audit.setSigner(store);
  let fetched = 0;
  const noStore = (): never => {
    throw new Error('no store is used');
  };
  const values = new Values({
    store: noStore,
    onStoreUsed() {},
    runCommand: async () => `value-${++fetched}`,
    clock,
  });
  const watch = new CredentialWatch({ store: noStore, values, onNewVersion: async () => {}, log });
  const credential = { name: 'TOKEN', origin: { command: ['fetch-token'], ttl: 15 * MINUTE } };
  const neighbours = new Neighbours(clock);

  let opened = 0;
  async function open() {
    const host = new FakeHost();
    const server = new FakeServer();
    const id = `s${++opened}`;
    const watched = watch.watch([credential]);
    const version = await values.fetch(credential.name, credential.origin);
    watch.recordVersion(credential, version?.version ?? '');
    const policy = policyOf({ default: 'allow' });
    const { session } = join({ id, host, server, audit, policy, neighbours, clock, log });
    const closed = session.done.finally(() => watched[Symbol.dispose]());
    return { id, host, server, closed, calls: 0 };
  }

  const sessions: Awaited<ReturnType<typeof open>>[] = [];
  while (sessions.length < SESSIONS) sessions.push(await open());
  let answered = 0;
  async function callAll(): Promise<void> {
    for (const session of sessions) session.host.say(call(++session.calls));
    await settled();
    for (const { server } of sessions) {
      for (const { id } of server.messages) server.say({ id, result: { content: [] } });
      server.writes.splice(0);
    }
    await settled();
    for (const { host } of sessions) {
      answered += host.messages.length;
      host.writes.splice(0);
    }
  }

  /** The log's file takes real time, and what follows it waits for a timer, so the clock goes on until the end is reached. */
  async function ended(closed: readonly unknown[]): Promise<void> {
    let isClosed = false;
    void Promise.all(closed).then(() => {
      isClosed = true;
    });
    while (!isClosed) {
      await vi.advanceTimersByTimeAsync(100);
      await settled();
    }
  }

  /** What there is once an hour more has passed. */
  async function hour() {
    for (let minute = 0; minute < 60; minute += PAUSE) {
      await vi.advanceTimersByTimeAsync(PAUSE * MINUTE);
      await callAll();
    }
    // One ends, and another begins.
    const [old] = sessions.splice(0, 1);
    old?.host.end();
    old?.server.exit(0);
    await ended([old?.closed]);
    sessions.push(await open());
    await settled();
  }

  async function facts() {
    // What one collection finds to be finalised the next one frees.
    for (let times = 0; times < 4; times++) {
      collect();
      await settled();
    }
    const { heapUsed, external } = process.memoryUsage();
    return { timers: vi.getTimerCount(), memory: heapUsed + external };
  }

  for (let hours = 0; hours < 8; hours++) await hour();
  const before = await facts();
  for (let hours = 8; hours < 24; hours++) await hour();
  const after = await facts();

  expect(readdirSync(state.audit).length).toBeLessThanOrEqual(4);
  expect(state.warnings).toEqual([]);
  expect(answered).toBe(24 * (60 / PAUSE) * SESSIONS);
  // A flush of the log, which takes real time, may be about to begin at the one moment and under way at the other.
  await vi.waitFor(() => expect(vi.getTimerCount()).toBeLessThanOrEqual(before.timers), { timeout: 20_000 });
  // 9,600 calls lie in between: what each of them left would be 200 bytes.
  expect(after.memory - before.memory).toBeLessThan(2 * MIB);
  // One fetch a quarter of an hour, for all sessions together.
  expect(fetched).toBeGreaterThan(90);
  expect(fetched).toBeLessThan(24 * 4 + 30);

  for (const { host, server } of sessions) {
    host.end();
    server.exit(0);
  }
  await ended(sessions.map(({ closed }) => closed));
  await watch[Symbol.asyncDispose]();
  values[Symbol.dispose]();
  await audit[Symbol.asyncDispose]();
  expect(vi.getTimerCount()).toBe(0);
});

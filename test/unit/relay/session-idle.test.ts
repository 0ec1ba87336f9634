// A server that is ended once it is not used, and started again when something needs it: its host notices nothing but the time.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { call } from '../../fixtures/ends.ts';
import {
  AutoServer,
  answerTo,
  ECHO,
  INITIALIZE,
  INITIALIZED,
  type Late,
  late,
  methods,
  quiet,
  RESULTS,
  recorded,
} from '../../fixtures/late.ts';
import { policyOf } from '../../fixtures/policy.ts';
import { FakeTrust } from '../../fixtures/trust.ts';

type Message = Record<string, unknown>;

const ALLOW = policyOf({ default: 'allow' });
const IDLE = 600_000;
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
const MODERN = { id: 0, method: 'server/discover', params: { _meta: META } };

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** A session that begins with a server, which is ended after ten minutes without a use. */
function idle(results = RESULTS, options: Parameters<typeof late>[1] = {}): Late {
  return late(() => new AutoServer(results), { policy: ALLOW, idle: IDLE, begun: true, clock, ...options });
}

async function pass(ms: number): Promise<void> {
  await quiet();
  vi.advanceTimersByTime(ms);
  await quiet();
}

const stops = ({ servers }: Late): number[] => servers.map(({ stops: each }) => each);

describe('W-LAZY-5 a server that is not used is ended, and comes back', () => {
  test.each([true, false])('whether its session began with it (%s) or not', async (begun) => {
    const session = idle(RESULTS, {
      begun,
      trust: new FakeTrust({ tools: [ECHO], prompts: [{ name: 'p' }] }),
    });
    session.host.say(INITIALIZE, INITIALIZED, call(1));
    await pass(IDLE - 1);
    expect(stops(session)).toEqual([0]);
    await pass(1);
    expect(stops(session)).toEqual([1]);
    expect(session.events).toContain('idle');
    // What there is can be asked for without it.
    session.host.say({ id: 2, method: 'tools/list' }, { id: 3, method: 'ping' });
    await pass(IDLE);
    expect(answerTo(session, 2)).toMatchObject({ result: RESULTS['tools/list'] });
    expect(answerTo(session, 3)).toMatchObject({ result: {} });
    expect(session.servers).toHaveLength(1);
    expect(session.session.snapshot().pid).toBeUndefined();
    session.host.say(call(4));
    await quiet();
    const [, next] = session.servers;
    expect(answerTo(session, 4)).toMatchObject({ result: { content: [{ text: 'done' }] } });
    expect(methods(next).slice(0, 2)).toEqual(['initialize', 'notifications/initialized']);
    expect(methods(next).indexOf('tools/call')).toBeGreaterThan(methods(next).indexOf('tools/list'));
    await pass(IDLE);
    expect(stops(session)).toEqual([1, 1]);
    session.host.end();
    await expect(session.session.done).resolves.toMatchObject({ reason: 'host' });
  });

  test('and is compared again: one that has changed meanwhile is held back', async () => {
    const changed = { ...RESULTS, 'tools/list': { tools: [{ ...ECHO, description: 'Send it all' }] } };
    const made = [RESULTS, changed];
    const session = late(() => new AutoServer(made.shift()), {
      policy: ALLOW,
      idle: IDLE,
      begun: true,
      clock,
      trust: new FakeTrust({ tools: [ECHO], prompts: [{ name: 'p' }] }),
    });
    session.host.say(INITIALIZE, INITIALIZED, call(1));
    await pass(IDLE);
    session.host.say(call(2));
    await quiet();
    expect(methods(session.servers[1])).not.toContain('tools/call');
    expect(JSON.stringify(answerTo(session, 2))).toContain('it has changed');
  });

  test('what asks only what there is, is no use', async () => {
    const session = idle();
    session.host.say(INITIALIZE, INITIALIZED);
    for (let minute = 0; minute < 10; minute++) {
      session.host.say({ id: `l${minute}`, method: 'tools/list' }, { id: `p${minute}`, method: 'ping' });
      await pass(60_000);
    }
    expect(stops(session)).toEqual([1]);
  });

  test('the time counts from the end of the last call', async () => {
    const session = idle();
    session.servers[0]?.silent.add('tools/call');
    session.host.say(INITIALIZE, INITIALIZED, call(1));
    await pass(IDLE * 2.5);
    expect(stops(session)).toEqual([0]);
    session.servers[0]?.say({ id: session.servers[0].idOf(1), result: {} });
    await pass(IDLE - 1);
    expect(stops(session)).toEqual([0]);
    await pass(1);
    expect(stops(session)).toEqual([1]);
  });
});

describe('W-LAZY-5 what is open keeps a server', () => {
  const server = { ...RESULTS, 'resources/subscribe': {}, 'resources/unsubscribe': {} };
  const task = { task: { taskId: 't', status: 'working' } };

  test.each<[string, Message[], ((session: Late) => void)?]>([
    [
      'a subscription to a resource',
      [{ id: 1, method: 'resources/subscribe', params: { uri: 'file:///a' } }],
    ],
    ['a question of the server', [], ({ servers }) => servers[0]?.say({ id: 'q', method: 'roots/list' })],
  ])('%s', async (_, says, then = () => {}) => {
    const session = idle(server);
    session.host.say({
      ...INITIALIZE,
      params: { ...(INITIALIZE.params as object), capabilities: { roots: {} } },
    });
    session.host.say(INITIALIZED, ...says);
    await quiet();
    then(session);
    await pass(IDLE * 3);
    expect(stops(session)).toEqual([0]);
  });

  test('until it is over', async () => {
    const session = idle(server);
    session.host.say(INITIALIZE, INITIALIZED, {
      id: 1,
      method: 'resources/subscribe',
      params: { uri: 'file:///a' },
    });
    await pass(IDLE * 2);
    session.host.say({ id: 2, method: 'resources/unsubscribe', params: { uri: 'file:///a' } });
    await pass(IDLE * 2);
    expect(stops(session)).toEqual([1]);
  });

  test('a task: its result may be asked for at any time', async () => {
    const session = idle({
      ...server,
      'tools/call': task,
      'tasks/get': { taskId: 't', status: 'completed' },
    });
    session.host.say(INITIALIZE, INITIALIZED, call(1));
    await quiet();
    session.host.say({ id: 2, method: 'tasks/get', params: { taskId: 't' } });
    await pass(IDLE * 3);
    expect(stops(session)).toEqual([0]);
  });

  test('a subscription of 2026-07-28 to a resource; one to changes alone does not, and is made again', async () => {
    for (const [notifications, ended] of [
      [{ resourceSubscriptions: ['file:///a'] }, 0],
      [{ toolsListChanged: true }, 1],
    ] as const) {
      const session = idle(server, { first: MODERN, known: recorded(RESULTS, 'server/discover') });
      session.servers[0]?.silent.add('subscriptions/listen');
      session.host.say(MODERN, {
        id: 'l',
        method: 'subscriptions/listen',
        params: { _meta: META, notifications },
      });
      await pass(IDLE * 3);
      expect(stops(session)).toEqual([ended]);
      if (ended === 0) continue;
      session.host.say({ ...call(1), params: { name: 'echo', arguments: {}, _meta: META } });
      await quiet();
      expect(methods(session.servers[1])).toContain('subscriptions/listen');
    }
  });
});

describe('W-LAZY-5 a server is never ended', () => {
  test('without the key, as long as its session is open', async () => {
    const session = idle(RESULTS, { idle: undefined as never });
    session.host.say(INITIALIZE, INITIALIZED, call(1));
    await pass(IDLE * 1000);
    expect(stops(session)).toEqual([0]);
  });

  test('where it could not come back: what it offers is not known, or was accepted anew since', async () => {
    const session = idle();
    session.host.say(INITIALIZE, INITIALIZED, call(1));
    const { known } = session;
    session.known = undefined;
    await pass(IDLE * 3);
    expect(stops(session)).toEqual([0]);
    session.known = known;
    await pass(IDLE);
    expect(stops(session)).toEqual([1]);
  });

  test('before its host has said anything', async () => {
    const session = idle();
    await pass(IDLE * 3);
    expect(stops(session)).toEqual([0]);
  });
});

test('a credential that changes while no server runs changes none: the next one has the new value', async () => {
  const session = idle();
  session.host.say(INITIALIZE, INITIALIZED, call(1));
  await pass(IDLE);
  const { Redactor } = await import('../../../src/credential/redact.ts');
  const next = new AutoServer();
  await expect(
    session.session.rotate(async () => ({ server: next, redactor: new Redactor([]) })),
  ).resolves.toMatchObject({ outcome: 'kept' });
  expect(next.messages).toEqual([]);
});

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Redactor } from '../../../../src/credential/redact.ts';
import { WarderError } from '../../../../src/errors.ts';
import type { Rotated } from '../../../../src/relay/upstream/rotation.ts';
import {
  answer,
  call,
  FakeServer,
  type Joined,
  join,
  SECRET,
  sent,
  settled,
} from '../../../fixtures/ends.ts';

const NEW_SECRET = 'ghp_newnewnewnewnewnewnew';
const redactor = new Redactor([
  { name: 'TOKEN', value: SECRET },
  { name: 'TOKEN', value: NEW_SECRET },
]);
const INFO = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: { listChanged: true } },
  serverInfo: { name: 'x' },
};
const initialize = { id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25' } };
const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', x: 9 };
const DISCOVERED = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
/** `initialize` as a server gets it, but for the id. */
const greeting = { method: initialize.method, params: initialize.params };
const initialized = { method: 'notifications/initialized' };

/** A session whose host has opened it as up to 2025-11-25. */
function opened(options: Parameters<typeof join>[0] = {}): Joined {
  const joined = join(options);
  joined.host.say(initialize);
  joined.server.say({ id: 1, result: { ...INFO, instructions: 'old' } });
  joined.host.say(initialized);
  joined.host.writes.length = 0;
  joined.server.writes.length = 0;
  return joined;
}

/** A rotation that has started its server. */
async function rotating(joined: Joined, next = new FakeServer(4712)) {
  const done = joined.session.rotate(() => Promise.resolve({ server: next, redactor }));
  await settled();
  return { next, done };
}

const outcome = async (done: Promise<Rotated>): Promise<unknown> => {
  const { ms: _, ...rest } = await done;
  return rest;
};

describe('a rotation in a session that was opened with `initialize`', () => {
  test('says the handshake again, swallows the answer and moves over; the host notices nothing', async () => {
    const joined = opened();
    const { host, server, session } = joined;
    const { next, done } = await rotating(joined);
    expect(next.messages).toEqual([{ jsonrpc: '2.0', id: expect.any(Number), ...greeting }]);
    next.say({ id: next.nth(1), result: { ...INFO, instructions: 'new' } });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    expect(next.messages.slice(1)).toEqual([{ jsonrpc: '2.0', ...initialized }]);
    expect(host.text).toBe('');
    expect(server.stops).toBe(1);
    expect(session.snapshot().pid).toBe(4712);
    host.say(call(1));
    expect(server.text).toBe('');
    next.say(answer(next.idOf(1)));
    expect(host.messages).toMatchObject([{ id: 1, result: {} }]);
  });

  test('W-RELAY-9 neither server answers what the other was asked', async () => {
    const joined = opened();
    const { server } = joined;
    const { next, done } = await rotating(joined);
    server.say({ id: next.nth(1), result: INFO });
    server.say(`{"jsonrpc":"2.0","id":${next.nth(1)},"result":{},"result":{}}`);
    await settled();
    expect(next.messages).toHaveLength(1);
    next.say({ id: next.nth(1), result: { ...INFO, protocolVersion: 'another' } });
    expect(await outcome(done)).toMatchObject({ outcome: 'kept' });
  });

  test('the old server serves until the new one is ready', async () => {
    const joined = opened();
    const { host, server } = joined;
    const { next, done } = await rotating(joined);
    host.say(call(1));
    server.say(answer(server.idOf(1)), { method: 'notifications/x' });
    expect(host.messages).toHaveLength(2);
    next.say({ id: next.nth(1), result: INFO });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
  });

  test('W-ROT-1 what is open ends with the old server, what is new goes to the new one, and nothing to both', async () => {
    const joined = opened();
    const { host, server, audit } = joined;
    host.say(call(1), call(2));
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await settled();
    host.say(call(3), { method: 'notifications/roots/list_changed' }, call(4));
    server.say(answer(server.idOf(1)));
    await settled();
    expect(next.messages).toHaveLength(2);
    server.say(answer(server.idOf(2)));
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    expect(server.messages).toMatchObject([sent(1), sent(2)]);
    expect(next.messages.slice(2)).toMatchObject([
      sent(3),
      { method: 'notifications/roots/list_changed' },
      sent(4),
    ]);
    next.say(answer(next.idOf(4)), answer(next.idOf(3)));
    expect(host.messages.map(({ id }) => id)).toEqual([1, 2, 4, 3]);
    expect(audit.of('tool.call').map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
    expect(audit.of('tool.result').map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  test('W-ROT-1 what does not end in time gets an error that says so, and its late answer goes nowhere', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const joined = opened({ budgets: { drain: 20 } });
    const { host, server, audit } = joined;
    server.obeys = false;
    host.say(call(1), call(2));
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await settled();
    server.say(answer(server.idOf(1)));
    host.say(call(3));
    vi.advanceTimersByTime(20);
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    server.say(answer(server.idOf(2)), { method: 'notifications/x' });
    expect(host.messages).toMatchObject([
      { id: 1, result: {} },
      { id: 2, error: { code: -32012, message: expect.stringMatching(/replaced.* within 20 ms/) } },
    ]);
    expect(audit.of('tool.result').map(({ outcome }) => outcome)).toEqual(['ok', 'lost']);
    expect(next.messages.slice(2)).toMatchObject([sent(3)]);
  });

  test('W-ROT-1 a task is open until it has ended, and what is asked of it goes to the server that has it', async () => {
    const joined = opened();
    const { host, server } = joined;
    host.say(call(1));
    server.say({ id: server.idOf(1), result: { task: { taskId: 't', status: 'working' } } });
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await settled();
    host.say(call(2), { id: 3, method: 'tasks/get', params: { taskId: 't' } });
    expect(server.messages[1]).toMatchObject({ method: 'tasks/get' });
    server.say({ id: server.nth(2), result: { taskId: 't', status: 'working' } });
    await settled();
    expect(next.messages.slice(2)).toEqual([]);
    host.say({ id: 4, method: 'tasks/get', params: { taskId: 't' } });
    server.say({ id: server.nth(3), result: { taskId: 't', status: 'completed' } });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    expect(next.messages.slice(2)).toMatchObject([sent(2)]);
  });

  test('answers and cancellations for the old server still reach it', async () => {
    const joined = opened();
    const { host, server } = joined;
    host.say(call(1), call(2));
    server.say({ id: 'q', method: 'sampling/createMessage' });
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await settled();
    host.say(
      call(3),
      { method: 'notifications/cancelled', params: { requestId: 3 } },
      { id: host.messages.at(-1)?.id, result: {} },
      { method: 'notifications/progress', params: { progressToken: 1 } },
      { method: 'notifications/cancelled', params: { requestId: 2 } },
    );
    expect(server.messages.slice(2)).toMatchObject([
      { id: 'q', result: {} },
      { method: 'notifications/progress' },
      { method: 'notifications/cancelled', params: { requestId: server.idOf(2) } },
    ]);
    server.say(answer(server.idOf(1)));
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    // What was taken back while it waited reaches no server.
    expect(next.messages.slice(2)).toEqual([]);
  });

  test('what the new server says before it has the session is said after, in its order', async () => {
    const joined = opened();
    const { host, server } = joined;
    host.say(call(1));
    const { next, done } = await rotating(joined);
    next.raw(
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"n":1}}\n{"jsonrpc":"2.0","id":${next.nth(1)},"resu`,
    );
    next.raw(
      `lt":${JSON.stringify(INFO)}}\n{"jsonrpc":"2.0","id":0,"method":"roots/list"}\n{"jsonrpc":"2.0",`,
    );
    expect(host.text).toBe('');
    server.say({ method: 'notifications/old' }, answer(server.idOf(1)));
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    next.raw('"method":"notifications/new"}\n');
    expect(host.messages).toMatchObject([
      { method: 'notifications/old' },
      { id: 1 },
      { method: 'notifications/message' },
      { id: 1, method: 'roots/list' },
      { method: 'notifications/new' },
    ]);
    host.say({ id: 1, result: { roots: [] } });
    expect(next.messages.at(-1)).toMatchObject({ id: 0, result: {} });
  });

  test('ids of requests that were cancelled with the old server are free', async () => {
    const joined = opened();
    const { host } = joined;
    host.say(call(1), { method: 'notifications/cancelled', params: { requestId: 1 } });
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    host.say(call(1));
    next.say(answer(next.idOf(1)));
    expect(host.messages).toMatchObject([{ id: 1, result: {} }]);
  });

  test('the level of logging and subscriptions are said again, and the answers swallowed', async () => {
    const joined = opened();
    const { host, server, logged } = joined;
    host.say(
      { id: 1, method: 'logging/setLevel', params: { level: 'debug' } },
      { id: 2, method: 'logging/setLevel', params: { level: 'info' } },
      { id: 3, method: 'resources/subscribe', params: { uri: 'file:///a' } },
      { id: 4, method: 'resources/subscribe', params: { uri: 'file:///b' } },
      { id: 5, method: 'resources/subscribe', params: { uri: 'file:///c' } },
      { id: 6, method: 'resources/unsubscribe', params: { uri: 'file:///b' } },
    );
    for (const n of [1, 2, 3, 4, 6]) server.say({ id: server.nth(n), result: {} });
    server.say({ id: server.nth(5), error: { code: 1, message: 'no' } });
    host.writes.length = 0;
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    const said = next.messages.slice(2);
    expect(said.map(({ method, params }) => [method, params])).toEqual([
      ['logging/setLevel', { level: 'info' }],
      ['resources/subscribe', { uri: 'file:///a' }],
    ]);
    next.say(...said.map(({ id }) => ({ id, result: {} })));
    next.say({ id: said[0]?.id, error: { code: 1, message: 'twice' } });
    expect(host.text).toBe('');
    expect(logged.join()).toContain('answered what is not open');
  });

  test('W-RELAY-5 values of before and after are taken out from then on', async () => {
    const joined = opened();
    const { host, server } = joined;
    host.say(call(1));
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    server.say(answer(server.idOf(1), `${SECRET} ${NEW_SECRET}`));
    await done;
    host.say(call(2, 'echo', { a: `${SECRET} ${NEW_SECRET}` }));
    next.say(answer(next.idOf(2), `${SECRET} ${NEW_SECRET}`));
    next.complain(`${NEW_SECRET}\n`);
    expect(host.text).not.toMatch(/ghp_/);
    expect(host.stderr).not.toMatch(/ghp_/);
    expect(JSON.stringify(joined.audit.records)).not.toMatch(/ghp_/);
  });
});

describe('W-ROT-2 the old server stays where the new one', () => {
  async function kept(play: (next: FakeServer, joined: Joined) => void, options = {}): Promise<string> {
    const joined = opened(options);
    const { next, done } = await rotating(joined);
    play(next, joined);
    const { outcome, reason = '' } = await done;
    expect(outcome).toBe('kept');
    expect(next.stops).toBeGreaterThan(0);
    joined.host.say(call(9));
    joined.server.say(answer(joined.server.idOf(9)));
    expect(joined.host.messages).toMatchObject([{ id: 9, result: {} }]);
    expect(joined.server.stops).toBe(0);
    return reason;
  }

  test('cannot be started', async () => {
    const joined = opened();
    const { host, server, session } = joined;
    const failing = () =>
      Promise.reject(new WarderError('credential-missing', 'no credential "github/token"'));
    expect(await outcome(session.rotate(failing))).toEqual({
      outcome: 'kept',
      reason: 'no credential "github/token"',
    });
    const odd = () => Promise.reject(new Error(`spawn ${SECRET}`));
    expect(await outcome(session.rotate(odd))).toEqual({
      outcome: 'kept',
      reason: 'the new server cannot be started',
    });
    host.say(call(1));
    server.say(answer(server.idOf(1)));
    expect(host.messages).toHaveLength(1);
  });

  test('does not start in time, and is ended when it does', async () => {
    const joined = opened({ budgets: { greet: 20 } });
    const next = new FakeServer();
    const late = Promise.withResolvers<{ server: FakeServer; redactor: Redactor }>();
    const done = joined.session.rotate(() => late.promise);
    expect(await outcome(done)).toMatchObject({
      outcome: 'kept',
      reason: 'the new server did not start in time',
    });
    late.resolve({ server: next, redactor });
    await settled();
    expect(next.stops).toBe(1);
  });

  test('does not answer', async () => {
    expect(await kept(() => {}, { budgets: { greet: 20 } })).toBe('the new server did not answer in time');
  });

  test('ends', async () => {
    const reason = await kept((next) => next.exit(1));
    expect(reason).toMatch(/^the new server (ended|closed)/);
  });

  test('ends after it has answered', async () => {
    const reason = await kept((next, { host, server }) => {
      host.say(call(1));
      next.say({ id: next.nth(1), result: INFO });
      next.exit(1);
      server.say(answer(server.idOf(1)));
      host.writes.length = 0;
    });
    expect(reason).toMatch(/^the new server (ended|closed)/);
  });

  test.each([
    ['another version', { ...INFO, protocolVersion: '2025-06-18' }, 'speaks another version of the protocol'],
    ['other capabilities', { ...INFO, capabilities: { tools: {} } }, 'has other capabilities'],
    ['another name', { ...INFO, serverInfo: { name: 'y' } }, 'has another name'],
  ])('has %s', async (_name, result, reason) => {
    expect(await kept((next) => next.say({ id: next.nth(1), result }))).toBe(`the new server ${reason}`);
  });

  test('refuses the handshake', async () => {
    const error = { code: -32602, message: SECRET };
    expect(await kept((next) => next.say({ id: next.nth(1), error }))).toBe(
      'the new server does not take the handshake',
    );
  });

  test('and what waited goes to the old one', async () => {
    const joined = opened();
    const { host, server } = joined;
    host.say(call(1));
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await settled();
    host.say(call(2));
    expect(server.messages).toHaveLength(1);
    next.exit(1);
    expect(await outcome(done)).toMatchObject({ outcome: 'kept' });
    expect(server.messages).toMatchObject([sent(1), sent(2)]);
  });
});

describe('a rotation', () => {
  test('before anything was said', async () => {
    const joined = join({ budgets: { grace: 1 } });
    const { next, done } = await rotating(joined);
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    joined.host.say(initialize);
    expect(next.messages).toMatchObject([greeting]);
    expect(joined.server.text).toBe('');
  });

  test('in mid-handshake waits for its end', async () => {
    const joined = join();
    const { host, server } = joined;
    host.say(initialize);
    const { next, done } = await rotating(joined);
    expect(next.text).toBe('');
    server.say({ id: server.nth(1), result: INFO });
    await settled();
    expect(next.messages).toMatchObject([greeting]);
    next.say({ id: next.nth(1), result: INFO });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    host.say(initialized, call(1));
    expect(next.messages.slice(1)).toMatchObject([initialized, sent(1)]);
  });

  test('in mid-handshake tells the new server what came meanwhile, once', async () => {
    const joined = join();
    const { host, server } = joined;
    host.say(initialize);
    server.say({ id: server.nth(1), result: INFO });
    const { next, done } = await rotating(joined);
    host.say(initialized, call(1));
    expect(server.messages.slice(1)).toMatchObject([initialized, sent(1)]);
    next.say({ id: next.nth(1), result: INFO });
    server.say(answer(server.idOf(1)));
    await done;
    expect(next.messages.slice(1)).toEqual([{ jsonrpc: '2.0', ...initialized }]);
  });

  test('gives up where the handshake does not end', async () => {
    const joined = join({ budgets: { greet: 20 } });
    joined.host.say(initialize);
    const { done } = await rotating(joined);
    expect(await outcome(done)).toEqual({ outcome: 'kept', reason: 'the host has not ended its handshake' });
  });

  test('W-ROT-2 before anything was said keeps the old server where the new one dies', async () => {
    const joined = join();
    const { next, done } = await rotating(joined);
    next.exit(1);
    expect(await outcome(done)).toMatchObject({ outcome: 'kept' });
    joined.host.say(initialize);
    expect(joined.server.messages).toMatchObject([greeting]);
  });

  test('in a session of 2026-07-28 asks what the new server is, and opens subscriptions again', async () => {
    const joined = join();
    const { host, server } = joined;
    const listen = {
      id: 'l',
      method: 'subscriptions/listen',
      params: { _meta, notifications: { toolsListChanged: true } },
    };
    const of = (subscription: unknown) => ({
      _meta: { 'io.modelcontextprotocol/subscriptionId': subscription },
    });
    const acknowledged = (subscription: unknown) => ({
      method: 'notifications/subscriptions/acknowledged',
      params: of(subscription),
    });
    host.say({ id: 1, method: 'server/discover', params: { _meta } }, listen);
    server.say({ id: 1, result: DISCOVERED }, acknowledged(2));
    expect(host.messages[1]).toMatchObject(acknowledged('l'));
    host.writes.length = 0;
    const { next, done } = await rotating(joined);
    expect(next.messages).toMatchObject([{ method: 'server/discover', params: { _meta } }]);
    next.say({ id: next.nth(1), result: { ...DISCOVERED, instructions: 'new' } });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    const { id: _, ...reopened } = listen;
    expect(next.messages.slice(1)).toMatchObject([reopened]);
    const own = next.nth(2);
    server.say({ id: 2, result: {} });
    next.say(acknowledged(own), { method: 'notifications/tools/list_changed', params: of(own) });
    expect(host.messages).toMatchObject([{ method: 'notifications/tools/list_changed', params: of('l') }]);
    next.say(acknowledged('m'), acknowledged(own), { id: own, result: { ...of(own), x: 1 } });
    expect(host.messages.slice(1)).toMatchObject([
      acknowledged('l'),
      { id: 'l', result: { ...of('l'), x: 1 } },
    ]);
  });

  test.each([
    ['other versions', { ...DISCOVERED, supportedVersions: [] }, 'speaks another version of the protocol'],
    ['other capabilities', { ...DISCOVERED, capabilities: {} }, 'has other capabilities'],
  ])(
    'W-ROT-2 in a session of 2026-07-28 keeps the old server where the new one has %s',
    async (_name, result, reason) => {
      const joined = join();
      joined.host.say({ id: 1, method: 'server/discover', params: { _meta } });
      joined.server.say({ id: 1, result: DISCOVERED });
      const { next, done } = await rotating(joined);
      next.say({ id: next.messages[0]?.id, result });
      expect(await outcome(done)).toEqual({ outcome: 'kept', reason: `the new server ${reason}` });
    },
  );

  test('in a session of 2026-07-28 whose host has asked nothing takes any answer for a sign of life', async () => {
    const joined = join();
    joined.host.say({ id: 1, method: 'tools/call', params: { name: 'echo', _meta } });
    joined.server.say(answer(1));
    const { next, done } = await rotating(joined);
    next.say({ id: next.messages[0]?.id, error: { code: -32601, message: 'no' } });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
  });

  test('in a session that has neither waits for the new server to live for a while, and asks nothing', async () => {
    const joined = join({ budgets: { grace: 1 } });
    joined.host.say({ id: 1, method: 'tools/call', params: { name: 'echo', _meta: { progressToken: 1 } } });
    joined.server.say(answer(1));
    const { next, done } = await rotating(joined);
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    expect(next.text).toBe('');
  });

  test('after a probe for 2026-07-28 that failed says `initialize` only', async () => {
    const joined = join();
    const { host, server } = joined;
    host.say({ id: 'p', method: 'server/discover', params: { _meta } });
    server.say({ id: 1, error: { code: -32601, message: 'no' } });
    host.say(initialize);
    server.say({ id: server.nth(2), result: INFO });
    host.say(initialized);
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await done;
    expect(next.messages).toMatchObject([greeting, initialized]);
  });

  test('during another waits, and only the last one matters', async () => {
    const joined = opened();
    const { session } = joined;
    const { next, done } = await rotating(joined);
    const started: string[] = [];
    const servers = ['second', 'third'].map((name) => {
      const server = new FakeServer();
      return () => {
        started.push(name);
        setImmediate(() => server.say({ id: server.nth(1), result: INFO }));
        return Promise.resolve({ server, redactor });
      };
    });
    const others = servers.map((start) => session.rotate(start));
    next.say({ id: next.nth(1), result: INFO });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    expect(await Promise.all(others.map(outcome))).toEqual([{ outcome: 'moved' }, { outcome: 'moved' }]);
    expect(started).toEqual(['third']);
    expect(next.stops).toBe(1);
    expect(session.snapshot().rotating).toBe(false);
  });

  test('is given up when the host ends, and what waited is not lost', async () => {
    const joined = opened();
    const { host, server, session } = joined;
    server.obeys = false;
    host.say(call(1));
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await settled();
    host.say(call(2));
    host.end();
    expect(await outcome(done)).toEqual({ outcome: 'kept', reason: 'the session is ending' });
    expect(next.stops).toBeGreaterThan(0);
    expect(server.messages).toMatchObject([sent(1), sent(2)]);
    server.say(answer(server.idOf(1)), answer(server.idOf(2)));
    server.exit(0);
    await session.done;
    expect(host.messages).toMatchObject([
      { id: 1, result: {} },
      { id: 2, result: {} },
    ]);
    expect(await outcome(session.rotate(() => Promise.reject(new Error('x'))))).toMatchObject({
      outcome: 'kept',
    });
  });

  test('in a session that is over starts nothing', async () => {
    const { server, session } = join();
    server.exit(0);
    await session.done;
    let starts = 0;
    const start = () => Promise.reject(new Error(`start ${starts++}`));
    expect(await outcome(session.rotate(start))).toEqual({
      outcome: 'kept',
      reason: 'the session is ending',
    });
    expect(starts).toBe(0);
  });

  test('saves a session whose old server ends meanwhile', async () => {
    const joined = opened();
    const { host, server, audit } = joined;
    host.say(call(1));
    const { next, done } = await rotating(joined);
    server.exit(1);
    await settled();
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32012 } }]);
    host.say(call(2));
    next.say({ id: next.nth(1), result: INFO });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    next.say(answer(next.idOf(2)));
    expect(host.messages).toMatchObject([{ id: 1 }, { id: 2, result: {} }]);
    expect(audit.of('session.close')).toEqual([]);
  });

  test('that fails after the old server has ended leaves what waits to the next one', async () => {
    const joined = opened();
    const { host, server, session } = joined;
    const first = await rotating(joined);
    server.exit(1);
    await settled();
    host.say(call(1));
    const second = await rotating(joined, new FakeServer(4713));
    first.next.exit(1);
    expect(await outcome(first.done)).toMatchObject({ outcome: 'kept' });
    await settled();
    second.next.say({ id: second.next.nth(1), result: INFO });
    expect(await outcome(second.done)).toEqual({ outcome: 'moved' });
    second.next.say(answer(second.next.idOf(1)));
    expect(host.messages).toMatchObject([{ id: 1, result: {} }]);
    expect(session.snapshot().pid).toBe(4713);
  });

  test('W-RELAY-6 passes on what a new server complains of only while there is room', async () => {
    const joined = opened();
    const { host } = joined;
    host.room = 1000;
    const { next } = await rotating(joined);
    for (let i = 0; i < 100; i++) next.complain('x'.repeat(900));
    expect(host.mostQueued).toBeLessThan(3000);
    expect(host.stderr).not.toBe('');
  });

  test('that fails after the old server has ended ends the session, and every request has its answer', async () => {
    const joined = opened();
    const { host, server, session } = joined;
    host.say(call(1));
    const { next, done } = await rotating(joined);
    server.exit(1);
    await settled();
    host.say(call(2));
    next.exit(1);
    expect(await outcome(done)).toMatchObject({ outcome: 'kept' });
    expect((await session.done).reason).toBe('server');
    expect(host.messages).toMatchObject([
      { id: 1, error: { code: -32012 } },
      { id: 2, error: { code: -32012 } },
    ]);
  });

  test('W-RELAY-6 holds no more of the host than its bound', async () => {
    const joined = opened({ budgets: { waiting: 10_000 } });
    const { host } = joined;
    host.say(call(1));
    const { next } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await settled();
    let said = 0;
    while (!host.paused && said < 1000) host.say(call(10 + said++, 'echo', { x: 'x'.repeat(1000) }));
    expect(said).toBeLessThan(12);
    joined.server.say(answer(joined.server.idOf(1)));
    await settled();
    expect(host.paused).toBe(false);
    expect(next.messages.slice(2)).toHaveLength(said);
    let noted = 0;
    expect(next.paused).toBe(false);
    while (!next.paused && noted < 5) next.say({ method: `notifications/${noted++}` });
    expect(noted).toBe(5);
  });

  test('W-RELAY-6 holds no more of the new server than its bound', async () => {
    const joined = opened({ budgets: { waiting: 10_000 } });
    joined.host.say(call(1));
    const { next } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    let said = 0;
    while (!next.paused && said < 1000)
      next.say({ method: 'notifications/x', params: { n: said++, x: 'x'.repeat(1000) } });
    expect(said).toBeLessThan(12);
    joined.server.say(answer(joined.server.idOf(1)));
    await settled();
    expect(next.paused).toBe(false);
    expect(joined.host.messages.slice(1)).toHaveLength(said);
  });
});

describe('W-ROT-3 an answer of the host reaches only the server that asked', () => {
  test('a request left open is cancelled, its late answer goes nowhere, and its id is not used again', async () => {
    const joined = opened({ budgets: { drain: 20 } });
    const { host, server } = joined;
    server.say({ id: 1, method: 'elicitation/create', params: { message: 'old' } });
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    expect(await outcome(done)).toEqual({ outcome: 'moved' });
    next.say({ id: 1, method: 'elicitation/create', params: { message: 'new' } });
    const [old, cancelled, asked] = host.messages;
    expect(cancelled).toMatchObject({ method: 'notifications/cancelled', params: { requestId: old?.id } });
    expect(asked).toMatchObject({
      method: 'elicitation/create',
      params: { message: 'The server "github" asks: new' },
    });
    expect(asked?.id).not.toBe(old?.id);
    host.say({ id: old?.id, result: { action: 'accept', for: 'old' } });
    host.say({ id: asked?.id, result: { action: 'decline', for: 'new' } });
    expect(next.messages.slice(2)).toEqual([
      { jsonrpc: '2.0', id: 1, result: { action: 'decline', for: 'new' } },
    ]);
  });

  test('a request of the server can be taken back', async () => {
    const joined = opened({ budgets: { drain: 20 } });
    const { host, server } = joined;
    server.say({ id: 1, method: 'roots/list' });
    const { next, done } = await rotating(joined);
    next.say({ id: next.nth(1), result: INFO });
    await done;
    next.say(
      { id: 1, method: 'roots/list' },
      { method: 'notifications/cancelled', params: { requestId: 1, n: 1 } },
    );
    const [asked, taken] = host.messages.slice(-2);
    expect(taken).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: asked?.id, n: 1 },
    });
  });
});

// Under a policy that denies anything, only what the server lists can be called: the relay lists by itself where the
// host has not.
import { describe, expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { answer, call, FakeServer, type Joined, join, sent, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const policy = policyOf({ tools: { 'delete_*': 'deny' } });
const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };

/** A session whose host has opened it as up to 2025-11-25. */
function opened(options: Parameters<typeof join>[0] = {}): Joined {
  const joined = join({ policy, ...options });
  const { host, server } = joined;
  host.say({ id: 0, method: 'initialize' });
  server.say({ id: 1, result: { protocolVersion: '1', capabilities: {} } });
  host.say({ method: 'notifications/initialized' });
  host.writes.length = 0;
  server.writes.length = 0;
  return joined;
}

const list = (id: unknown, names: string[], more: object = {}) => ({
  id,
  result: { tools: names.map((name) => ({ name })), ...more },
});

describe('W-POL-10 a tool that was never listed', () => {
  test('is refused, after the relay has asked for all pages', async () => {
    const { host, server, audit } = opened();
    host.say(call(1, 'made_up'), call(2));
    expect(server.messages).toMatchObject([{ method: 'tools/list' }]);
    server.say(list(server.nth(1), ['x'], { nextCursor: 'c' }));
    await settled();
    expect(server.messages[1]).toMatchObject({ method: 'tools/list', params: { cursor: 'c' } });
    server.say(list(server.nth(2), ['echo', 'delete_all']));
    await settled();
    expect(server.messages.slice(2)).toMatchObject([sent(2)]);
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32010 } }]);
    expect(audit.of('tool.call')).toMatchObject([
      { call: 's-1', tool: 'made_up', decision: 'deny', rule: 'protocol' },
      { call: 's-2', tool: 'echo', decision: 'allow' },
    ]);
    // The list is known now.
    host.say(call(3, 'made_up'), call(4, 'x'));
    expect(server.messages.slice(3)).toMatchObject([{ params: { name: 'x' } }]);
  });

  test('is known from what the host has listed, and asked for again once the list has changed', async () => {
    const { host, server } = opened();
    host.say({ id: 'l', method: 'tools/list' });
    server.say(list(server.nth(1), ['echo']));
    host.say(call(1), call(2, 'new'));
    expect(server.messages.slice(1)).toMatchObject([sent(1)]);
    server.say({ method: 'notifications/tools/list_changed' });
    host.say(call(3, 'new'));
    expect(server.messages[2]).toMatchObject({ method: 'tools/list' });
    server.say(list(server.nth(3), ['echo', 'new']));
    await settled();
    expect(server.messages[3]).toMatchObject({ params: { name: 'new' } });
  });

  test('in the words of 2026-07-28', async () => {
    const { host, server } = join({ policy });
    host.say({ id: 1, method: 'server/discover', params: { _meta: meta } }, call(2));
    expect(server.messages[1]).toMatchObject({ method: 'tools/list', params: { _meta: meta } });
    server.say(list(server.nth(2), ['echo']));
    await settled();
    expect(server.messages[2]).toMatchObject(sent(2));
  });

  test.each<[string, (server: FakeServer) => void]>([
    ['answers with an error', (server) => server.say({ id: 2, error: { code: 1, message: 'no' } })],
    [
      'answers what cannot be read',
      (server) => server.say('{"jsonrpc":"2.0","id":2,"result":{},"result":{}}'),
    ],
    [
      'lists two tools of one name',
      (server) => server.say(list(2, ['a'], { tools: [{ name: 'a', x: 1 }, { name: 'a' }] })),
    ],
  ])('where the server %s is refused', async (_name, play) => {
    const { host, server } = opened();
    host.say(call(1));
    play(server);
    await settled();
    expect(host.messages).toMatchObject([
      { id: 1, error: { code: -32010, message: expect.stringContaining('of this name: the server ') } },
    ]);
  });

  test('W-RELAY-11 is answered also where the server ends before it has listed', async () => {
    const { host, server, session } = opened();
    host.say(call(1));
    server.exit(1);
    await session.done;
    expect(host.messages).toMatchObject([{ id: 1, error: {} }]);
  });

  test('can be taken back while it waits', async () => {
    const { host, server, audit } = opened();
    host.say(call(1), { method: 'notifications/cancelled', params: { requestId: 1 } });
    server.say(list(server.nth(1), ['echo']));
    await settled();
    expect(server.messages).toHaveLength(1);
    expect(audit.of('tool.call')).toMatchObject([{ decision: 'deny', reason: expect.any(String) }]);
  });

  test('is refused also where the host has not opened the session, or has not said so', async () => {
    const { host, server } = join({ policy });
    host.say(call(1, 'made_up'));
    expect(server.messages).toEqual([]);
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32010 } }]);
    host.say({ id: 0, method: 'initialize' });
    server.say({ id: 1, result: { protocolVersion: '1', capabilities: {} } });
    host.say(call(2));
    server.say(list(server.nth(2), ['echo']));
    await settled();
    expect(server.messages.slice(2)).toMatchObject([sent(2)]);
  });

  test('is refused where the list has not ended in time, or has changed meanwhile, until it is listed anew', async () => {
    const { host, server } = opened({ budgets: { greet: 100 } });
    host.say(call(1));
    for (let page = 1; host.messages.length === 0; page++) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      server.say(list(server.nth(page), ['x'], { nextCursor: 'always' }));
      await settled();
      expect(page).toBeLessThan(20);
    }
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32010 } }]);
    host.say(call(2));
    const asked = server.messages.length;
    server.say({ method: 'notifications/tools/list_changed' }, list(server.nth(asked), ['x']));
    await settled();
    host.say(call(3));
    server.say(list(server.nth(asked + 1), ['echo']));
    await settled();
    expect(server.messages.at(-1)).toMatchObject(sent(3));
  });

  test('passes where nothing is denied', () => {
    const { host, server } = opened({ policy: policyOf({}) });
    host.say(call(1, 'anything'));
    expect(server.messages).toHaveLength(1);
  });
});

test.each([
  ['others', ['echo', 'more'], 1],
  ['the same', ['echo'], 0],
])('after a rotation the host hears of a list that is another: %s', async (_name, names, notices) => {
  const { host, server, session } = opened();
  host.say({ id: 'l', method: 'tools/list' });
  server.say(list(server.nth(1), ['echo']));
  host.writes.length = 0;
  const next = new FakeServer();
  const done = session.rotate(() => Promise.resolve({ server: next, redactor: new Redactor([]) }));
  await settled();
  next.say({ id: next.nth(1), result: { protocolVersion: '1', capabilities: {} } });
  expect((await done).outcome).toBe('moved');
  next.say(list(next.nth(2), names));
  await settled();
  expect(host.messages.filter(({ method }) => method === 'notifications/tools/list_changed')).toHaveLength(
    notices,
  );
  host.say(call(1));
  next.say(answer(next.idOf(1)));
  expect(host.messages.at(-1)).toMatchObject({ id: 1, result: {} });
});

test('a call that has waited for a rotation waits for the list of the new server too', async () => {
  const { host, server, session } = opened();
  host.say({ id: 'l', method: 'tools/list' });
  server.say(list(server.nth(1), ['echo']));
  host.say(call(1));
  const next = new FakeServer(4712);
  const done = session.rotate(() => Promise.resolve({ server: next, redactor: new Redactor([]) }));
  await settled();
  next.say({ id: next.nth(1), result: { protocolVersion: '1', capabilities: {} } });
  await settled();
  host.say(call(2), call(3, 'gone'));
  server.say(answer(server.idOf(1)));
  expect((await done).outcome).toBe('moved');
  await settled();
  next.say(list(next.nth(2), ['echo']));
  await settled();
  expect(next.messages.at(-1)).toMatchObject(sent(2));
  expect(host.messages.slice(2)).toMatchObject([{ id: 3, error: { code: -32010 } }]);
});

test('W-RELAY-6 lists are read one after another, and while one is read no other comes', async () => {
  // A clock by which each step of the work takes all the time of a turn.
  let now = 0;
  const clock = { now: () => 0, monotonic: () => now++ };
  const { host, server } = opened({ clock, budgets: { burst: Number.POSITIVE_INFINITY } });
  const names = Array.from({ length: 2000 }, (_, i) => `tool_${i}`);
  const ids = Array.from({ length: 20 }, (_, i) => i + 1);
  host.say(...ids.map((id) => ({ id, method: 'tools/list' })));
  // All in one chunk, as if each were short.
  server.say(...ids.map((id) => list(server.nth(id), names)));
  const perTurn: number[] = [];
  for (let before = 0; server.paused; before = host.writes.length) {
    await settled();
    perTurn.push(host.writes.length - before);
  }
  expect(Math.max(...perTurn)).toBe(1);
  expect(host.lines).toHaveLength(ids.length);
});

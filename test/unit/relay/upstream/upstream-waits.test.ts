// A server's side that tells of requests that wait for a person, such as for a sign-in.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { UpstreamListener } from '../../../../src/relay/upstream.ts';
import { answer, call, type FakeServer, type Joined, join, settled } from '../../../fixtures/ends.ts';
import { policyOf } from '../../../fixtures/policy.ts';
import { RemoteEnd } from '../../../fixtures/remote-end.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

/** A session whose server may say that its requests wait. */
function waiting(): Joined & { readonly far: FakeServer; readonly waits: UpstreamListener['waiting'] } {
  const end = new RemoteEnd();
  const joined = join({ server: end, policy: policyOf({ default: 'allow' }) });
  return { ...joined, far: end.far, waits: (id, text) => end.tell((listener) => listener.waiting(id, text)) };
}

/** A call whose host asks for its progress. */
const watched = (id: number, progressToken: unknown = 'p-1'): Record<string, unknown> => ({
  id,
  method: 'tools/call',
  params: { name: 'echo', arguments: { of: id }, _meta: { progressToken } },
});

const notices = ({ host }: Joined): unknown[] =>
  host.messages.filter(({ method }) => method === 'notifications/progress').map(({ params }) => params);

describe('a request that waits behind its server', () => {
  test('gives its host progress at once and every five seconds, until it waits no longer', () => {
    const session = waiting();
    session.host.say(watched(1));
    const id = session.far.nth(1) as number;
    session.waits(id, 'waits for a sign-in at id.example.com');
    expect(notices(session)).toEqual([
      { progressToken: 'p-1', progress: 0, message: 'waits for a sign-in at id.example.com' },
    ]);
    vi.advanceTimersByTime(10_000);
    expect(notices(session)).toHaveLength(3);
    session.waits(id, undefined);
    vi.advanceTimersByTime(60_000);
    expect(notices(session)).toHaveLength(3);
    session.far.say(answer(id));
    expect(session.host.messages.at(-1)).toMatchObject({ id: 1, result: {} });
  });

  test('says at once what else it waits for, and the same only once', () => {
    const session = waiting();
    session.host.say(watched(1));
    const id = session.far.nth(1) as number;
    for (const text of ['one', 'one', 'two']) session.waits(id, text);
    expect(notices(session)).toMatchObject([{ message: 'one' }, { message: 'two' }]);
    vi.advanceTimersByTime(5000);
    expect(notices(session).slice(2)).toMatchObject([{ message: 'two' }]);
  });

  test.each([
    ['is answered', (session: ReturnType<typeof waiting>) => session.far.say(answer(session.far.nth(1)))],
    [
      'is taken back',
      (session: ReturnType<typeof waiting>) =>
        session.host.say({ method: 'notifications/cancelled', params: { requestId: 1 } }),
    ],
    ['loses its session', (session: ReturnType<typeof waiting>) => session.far.exit(1)],
  ])('gives no more progress, and leaves no timer, once it %s', async (_, end) => {
    const session = waiting();
    session.host.say(watched(1));
    session.waits(session.far.nth(1) as number, 'waits');
    end(session);
    await settled();
    vi.advanceTimersByTime(60_000);
    expect(notices(session)).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('gives none to a host that has not asked for it, and none for an id that is nobody’s', () => {
    const session = waiting();
    session.host.say(call(1), watched(2, 7));
    session.waits(session.far.nth(1) as number, 'waits');
    session.waits(123_456, 'waits');
    expect(notices(session)).toEqual([]);
    session.waits(session.far.nth(2) as number, 'waits');
    expect(notices(session)).toMatchObject([{ progressToken: 7 }]);
  });
});

test('what a session’s server said is told to the session that has it now, and to no other', async () => {
  const session = waiting();
  session.host.say(watched(1));
  const id = session.far.nth(1) as number;
  session.host.vanish();
  await settled();
  session.waits(id, 'waits');
  expect(notices(session)).toEqual([]);
});

test('the dialog of the host is there once the host has opened the session and shows forms', () => {
  const { host, server, session } = join({ policy: policyOf({ default: 'allow' }) });
  expect(session.dialogFor(undefined)).toBeUndefined();
  const params = { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo: {} };
  host.say({ id: 1, method: 'initialize', params });
  server.say({ id: server.nth(1), result: { protocolVersion: '2025-11-25', capabilities: {} } });
  expect(session.dialogFor(undefined)).toBeDefined();
});

test('a request is known by the id that its server has, while the server has it', () => {
  const { host, server, session } = join({ policy: policyOf({ default: 'allow' }) });
  host.say(call(1));
  const id = server.nth(1) as number;
  expect(session.callOf(id)).toBe(session.calls()[0]);
  expect(session.callOf(id + 1)).toBeUndefined();
  server.say(answer(id));
  expect(session.callOf(id)).toBeUndefined();
});

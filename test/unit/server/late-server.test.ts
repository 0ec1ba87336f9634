// What becomes of a server that has its session no more, and of one that starts while its profile changes.
import { expect, test } from 'vitest';
import type { ProfileAnswers } from '../../../src/consent/trust.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { idleServer, type LateServerParts, lateServer } from '../../../src/server/late-server.ts';
import { revokeFrom, type SessionEntry } from '../../../src/server/session-entry.ts';
import type { SessionContext, StartedServer } from '../../../src/server/started-server.ts';

const TEXT = 'server: {command: /bin/true, idle: 10m}\ncredentials: {TOKEN: {hosts: [api.test]}}\n';
const parsed = (text: string) => parseProfile(text, 'test.yaml', 'demo');
const answers = { areKnown: true, of: () => ({}), forget() {}, isEager() {} } as unknown as ProfileAnswers;

/** A session, and a server of it that has open connections with its credential. */
function session() {
  const gone = Promise.withResolvers<void>();
  const stopped: string[] = [];
  const server = {
    gone: gone.promise,
    revoke: () => ({ cut: Promise.resolve(2), has: false }),
    server: { stop: async () => void stopped.push('stopped') },
    credentials: [],
    command: ['/bin/true'],
  } as unknown as StartedServer;
  const entry = {
    id: 's',
    loaded: { name: 'demo', profile: parsed(TEXT) },
    started: server as StartedServer | undefined,
    ending: new Set<StartedServer>(),
    output: { warder() {} },
    secrets: { add: () => undefined },
    spare: undefined,
  };
  return { entry: entry as unknown as SessionEntry, server, gone, stopped };
}

/** How many connections a revocation cuts of a session whose server does not have the value itself. */
async function cutFrom(entry: SessionEntry): Promise<number> {
  const { cut, has } = revokeFrom(entry, 'TOKEN');
  expect(has).toBe(false);
  return await cut;
}

const audit = { append: () => 0 };
const context = () => ({}) as SessionContext;

test('W-SEAL-5 a revocation cuts what a server has open that is being ended, until it is gone', async () => {
  const { entry, gone } = session();
  const parts = { audit, profiles: { get: () => entry.loaded } } as unknown as LateServerParts;
  expect(await cutFrom(entry)).toBe(2);
  expect(idleServer(entry, answers, context, parts)?.end('host')).toBeDefined();
  expect(entry.started).toBeUndefined();
  expect(await cutFrom(entry)).toBe(2);
  gone.resolve();
  await gone.promise;
  await Promise.resolve();
  expect(await cutFrom(entry)).toBe(0);
});

test('W-SEAL-5 also what one has open that was compared and is not used', async () => {
  const { entry } = session();
  const parts = { audit, profiles: { get: () => entry.loaded } } as unknown as LateServerParts;
  lateServer(entry, 'host', answers, context, parts).failed('it is another', true);
  expect(entry.started).toBeUndefined();
  expect(await cutFrom(entry)).toBe(2);
});

test('W-LAZY-2 a server whose start was given up has no session, and nothing acts on it', async () => {
  const { entry, server, stopped } = session();
  entry.started = undefined;
  const slow = Promise.withResolvers<void>();
  let admitted = 0;
  entry.spare = {
    pid: 1,
    take: async () => {
      await slow.promise;
      return { started: server, admit: () => admitted++, hasWaited: () => false };
    },
    drop() {},
  };
  const parts = {
    audit,
    profiles: { get: () => entry.loaded },
    start: { locks: { assertUsable() {} } },
  } as unknown as LateServerParts;
  const late = lateServer(entry, 'host', answers, context, parts);
  const starting = late.start();
  late.failed('the new server did not start in time', false);
  slow.resolve();
  await expect(starting).rejects.toThrow('took too long');
  late.acts();
  expect([stopped, entry.started, admitted]).toEqual([['stopped'], undefined, 0]);
});

test('W-LAZY-7 a server is not used whose profile has changed while it started', async () => {
  const { entry, server, stopped } = session();
  entry.started = undefined;
  let now = parsed(TEXT);
  entry.spare = {
    pid: 1,
    take: async () => {
      now = parsed(TEXT.replace('api.test', 'other.test'));
      return { started: server, admit() {}, hasWaited: () => false };
    },
    drop() {},
  };
  const parts = {
    audit,
    profiles: { get: () => ({ ...entry.loaded, profile: now }) },
    start: { locks: { assertUsable() {} } },
  } as unknown as LateServerParts;
  await expect(lateServer(entry, 'host', answers, context, parts).start()).rejects.toThrow(
    'has changed since the session began',
  );
  expect([stopped, entry.started]).toEqual([['stopped'], undefined]);
});

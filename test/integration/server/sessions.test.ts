// Opening a session: whatever fails on the way, no server stays behind, and the log says that the session ended.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { AuditLog } from '../../../src/audit/log.ts';
import type { Host } from '../../../src/control/host.ts';
import { type Clock, clock } from '../../../src/os/clock.ts';
import { processes } from '../../../src/os/processes.ts';
import { loadSpawn } from '../../../src/os/spawn.ts';
import { userEnvironment } from '../../../src/profile/environment.ts';
import { loadProfile } from '../../../src/profile/load.ts';
import { NO_TRUST } from '../../../src/relay/trust.ts';
import { NO_CONFIRMATIONS } from '../../../src/server/confirmations.ts';
import { runtimeRoots } from '../../../src/server/runtime-folder.ts';
import { Sessions, type SessionsParts } from '../../../src/server/sessions.ts';
import { StartQueue } from '../../../src/server/start-queue.ts';
import type { ServerIdentity } from '../../../src/wire/hello.ts';
import { places as placesOf } from '../../../src/wire/places.ts';
import { NOBODY } from '../../fixtures/ends.ts';
import { fixtureServer } from '../../fixtures/server.ts';

const { uid, username: user } = userInfo();
const log = { debug() {}, info() {}, warn() {}, error() {} };
const ANY = {
  trust: { ...NO_TRUST, digest: undefined },
  server: '',
  held: 0,
  claims: () => [],
  definition: () => undefined,
  restarted: async () => {},
  remote: { isAgreed: true, issuedBy() {}, onChange() {}, offline: undefined },
  [Symbol.dispose]() {},
};
let dir: string;
let records: { readonly event: string; readonly fields: object }[];
let bursts: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'warder-sessions-'));
  records = [];
  bursts = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** `failing`: the event that cannot be recorded. `onResolve`: called when credentials are fetched. */
async function sessions(failing?: string, onResolve?: () => void, time: Clock = clock): Promise<Sessions> {
  const places = placesOf({ platform: process.platform, env: { WARDER_HOME: dir }, home: dir, uid });
  mkdirSync(places.profiles, { recursive: true, mode: 0o700 });
  mkdirSync(places.run, { recursive: true, mode: 0o700 });
  const profile = { server: fixtureServer('legacy'), sandbox: { off: true }, policy: { default: 'allow' } };
  writeFileSync(join(places.profiles, 'test.yaml'), JSON.stringify(profile));
  const append = (event: string, fields: object): number => {
    if (event === failing) throw new Error('the disk is full');
    return records.push({ event, fields });
  };
  const add: AuditLog['add'] = (event, fields, _durability, unwritten, given) => {
    if (event === failing) unwritten(new Error('the disk is full'), given as never);
    else append(event, fields);
  };
  const start: Partial<SessionsParts['start']> = {
    credentials: {
      async resolve() {
        onResolve?.();
        return [];
      },
      watch: () => ({ [Symbol.dispose]() {} }),
      asksNobody: async () => true,
    },
    audit: { append: append as never },
    user: userEnvironment({ execPath: process.execPath, home: homedir(), user, env: process.env }),
    runtimeRoots: runtimeRoots(places.run, uid),
    server: { spawn: await loadSpawn(), processes: processes(), log },
    locks: { assertUsable() {} },
    places,
    uid,
    gid: process.getgid?.() ?? -1,
  };
  return new Sessions({
    profiles: { get: () => loadProfile(places, 'test') },
    audit: {
      append: append as never,
      add: add as never,
      commit() {},
      whenDurable: () => true,
      flushNow() {},
    },
    start: start as SessionsParts['start'],
    consent: {
      session: () => ({
        ...NOBODY,
        credentials: NO_CONFIRMATIONS,
        signIn: () => ({ outcome: new Promise<never>(() => {}), notice: '', withdraw() {} }),
        [Symbol.dispose]() {},
      }),
      trust: {
        prepare: async () => {},
        open: async () => ANY,
        answers: () => ({
          areKnown: false,
          isAccepted: async () => false,
          of: () => undefined,
          store: { keep() {} },
          forget() {},
          isEager() {},
        }),
      },
    },
    settings: { relay: { line: 2 ** 20 }, rotation: { drain: 1000 } } as SessionsParts['settings'],
    clock: time,
    log,
    memory: { burst: () => void bursts++ },
  });
}

/** A host, and the server that it was told of. */
function fakeHost(
  fail?: string,
  gone: AbortSignal = new AbortController().signal,
): { host: Host; servers: ServerIdentity[] } {
  const servers: ServerIdentity[] = [];
  const host: Partial<Host> = {
    gone,
    announceServer: (server) => void servers.push(server),
    firstLine: async () => undefined,
    listen() {},
    onDrain() {
      if (fail !== undefined) throw new Error(fail);
    },
    pause() {},
    resume() {},
    write: () => true,
    stderr: () => true,
    close() {},
    exit() {},
  };
  return { host: host as Host, servers };
}

const request = { profile: 'test', host: { chain: [], cwd: '/' } };

function isGone(pid: number | undefined): boolean {
  try {
    process.kill(pid ?? 0, 0);
    return false;
  } catch {
    return true;
  }
}

test('W-PROC-2 a session that cannot begin leaves no server behind, and its end is on record', async () => {
  const all = await sessions();
  const { host, servers } = fakeHost('no session');
  await expect(all.open(request, host)).rejects.toThrow('no session');
  expect(servers).toHaveLength(1);
  expect(isGone(servers[0]?.pid)).toBe(true);
  expect(all.status()).toEqual([]);
  // What it has left in memory is given back.
  expect(bursts).toBe(1);
  expect(records.map(({ event }) => event)).toEqual(['session.open', 'session.close']);
  expect(records[1]?.fields).toMatchObject({ profile: 'test', code: null, signal: null, reason: 'fault' });
});

test('W-PROC-2 a session that cannot be recorded leaves no server behind, and its host hears of none', async () => {
  const all = await sessions('session.open');
  const { host, servers } = fakeHost();
  await expect(all.open(request, host)).rejects.toThrow('the disk is full');
  expect(servers).toEqual([]);
  expect(records).toEqual([]);
  expect(all.status()).toEqual([]);
});

test.each([
  ['before anything is done for it', undefined],
  ['while its credentials are fetched', () => {}],
])('a host that goes away %s starts no server, and leaves nothing', async (_when, later) => {
  const going = new AbortController();
  const go = () => going.abort();
  const all = await sessions(undefined, later && go);
  if (later === undefined) go();
  const { host, servers } = fakeHost(undefined, going.signal);
  await expect(all.open(request, host)).resolves.toBeUndefined();
  expect(going.signal.aborted).toBe(true);
  expect(servers).toEqual([]);
  expect(records).toEqual([]);
  expect(all.status()).toEqual([]);
  expect(readdirSync(join(dir, 'run'))).toEqual([]);
});

test('W-RELAY-6 starts are spread while a session of another host is at work that was opened for good', async () => {
  let now = 0;
  const all = await sessions(undefined, undefined, { now: clock.now, monotonic: () => now });
  const ending = new AbortController();
  let say = (_chunk: Buffer): void => {};
  const { host, servers } = fakeHost(undefined, ending.signal);
  host.listen = ({ data }) => {
    say = data;
  };
  const working = all.open({ ...request, host: { chain: [{ pid: 1, started: 1 }], cwd: '/' } }, host);
  await vi.waitFor(() => expect(servers).toHaveLength(1));
  const enter = vi.spyOn(StartQueue.prototype, 'enter');
  const gone = AbortSignal.abort();
  /** Whether a start by a process would be spread. */
  const isSpread = async (pid: number, started: number): Promise<boolean | undefined> => {
    const chain = [{ pid, started }];
    await all.open({ ...request, host: { chain, cwd: '/' } }, fakeHost(undefined, gone).host);
    return enter.mock.lastCall?.[1]();
  };
  try {
    now = 900;
    say(Buffer.from('\n'));
    expect(await isSpread(2, 2)).toBe(false);
    now = 1100;
    say(Buffer.from('\n'));
    expect(await isSpread(2, 2)).toBe(true);
    expect(await isSpread(1, 2)).toBe(true);
    expect(await isSpread(1, 1)).toBe(false);
    now = 3200;
    expect(await isSpread(2, 2)).toBe(false);
  } finally {
    enter.mockRestore();
    ending.abort();
    await working;
  }
});

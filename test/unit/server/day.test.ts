// A day of fifty sessions, in simulated time: servers that start when something needs them, end when nothing does, and come
// back; sessions that come and go; a credential that expires every hour; checkpoints and rotation of the log. The daemon's rooms
// are the real ones, only the servers' processes are simulated. What the daemon keeps is after 24 hours what it was after 17, when each session has had as many values of the credential as it remembers.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test, vi } from 'vitest';
import type { Host } from '../../../src/control/host.ts';
import { Credentials } from '../../../src/credential/credentials.ts';
import { userEnvironment } from '../../../src/profile/environment.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import type { SessionLog } from '../../../src/relay/recorder.ts';
import { runtimeRoots } from '../../../src/server/runtime-folder.ts';
import { Sessions, type SessionsParts } from '../../../src/server/sessions.ts';
import { places as placesOf } from '../../../src/wire/places.ts';
import { AuditState, FakeStore } from '../../fixtures/audit-state.ts';
import { call, FakeHost, settled } from '../../fixtures/ends.ts';
import { INITIALIZE, INITIALIZED } from '../../fixtures/late.ts';
import { SimulatedServers } from '../../fixtures/simulated-server.ts';
import { Trusting } from '../../fixtures/trusting.ts';

const SESSIONS = 50;
const MINUTE = 60_000;
/** How often anything is asked, in minutes. */
const PAUSE = 10;
/** One session in five asks each time, so that its server goes on. The others ask every two hours, not all at once. */
const BUSY = 5;
const SELDOM = 120 / PAUSE;
const MIB = 2 ** 20;
const PROFILE = `
server: {command: /bin/true, idle: 25m}
sandbox: {off: true}
policy: {default: allow}
credentials: {TOKEN: {from: {command: [/bin/fetch-token], ttl: 1h}, deliver: env}}
`;

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const log = { debug() {}, info() {}, warn() {}, error() {} };

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

afterEach(() => void vi.useRealTimers());

/** Waits until nothing happens any more without time: no file is being read or written, and nobody has a turn. */
async function quiet(): Promise<void> {
  for (let turns = 0; turns < 8; turns++) {
    await settled();
    if (process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))) turns = 0;
  }
}

/** Lets time pass, a second at a time where `closely`, so that what happens after files were written has its time as well. */
async function pass(milliseconds: number, step = milliseconds): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += step) {
    await vi.advanceTimersByTimeAsync(step);
    await quiet();
  }
}

/** A host whose first message is there. */
function asHost(end: FakeHost): Host {
  const first = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...INITIALIZE }));
  end.say(INITIALIZE);
  return {
    gone: end.gone,
    listen: (on) => end.listen(on),
    pause: () => end.pause(),
    resume: () => end.resume(),
    write: (chunks, done) => end.write(chunks, done),
    onDrain: (listener) => end.onDrain(listener),
    close: () => end.close(),
    stderr: () => true,
    announceServer() {},
    exit() {},
    end: (reason) => end.vanish(reason),
    refuse: (error) => end.vanish(error),
    firstLine: async () => first,
  };
}

/** A daemon's sessions, with all that they need. */
async function daemon(state: AuditState, trusting: Trusting, folder: string) {
  const uid = process.getuid?.() ?? -1;
  const places = placesOf({ platform: process.platform, env: { WARDER_HOME: folder }, home: folder, uid });
  mkdirSync(places.run, { recursive: true, mode: 0o700 });
  const audit = await state.open(
    {
      segment: MIB / 4,
      keep: { count: 3, age: undefined },
      checkpoint: { records: 1000, every: 15 * MINUTE },
    },
    true,
  );
  audit.setSigner(new FakeStore());
  const events = new Map<string, number>();
  const count = (event: string): void => void events.set(event, (events.get(event) ?? 0) + 1);
  const counted: SessionLog = {
    append: (event, ...rest) => {
      count(event);
      return audit.append(event, ...rest);
    },
    add: (event, ...rest) => {
      count(event);
      audit.add(event, ...rest);
    },
    commit: (...how) => audit.commit(...how),
    whenDurable: (...what) => audit.whenDurable(...what),
    flushNow: () => audit.flushNow(),
  };
  let fetched = 0;
  const noStore = (): never => {
    throw new Error('no store is used');
  };
  const credentials = new Credentials({
    open: { keychain: noStore, vault: noStore },
    chosen: undefined,
    runCommand: async () => `value-of-an-hour-${1000 + ++fetched}`,
    clock,
    log,
  });
  const servers = new SimulatedServers();
  const start: Partial<SessionsParts['start']> = {
    credentials,
    audit: counted,
    user: userEnvironment({ execPath: process.execPath, home: folder, user: 'u', env: {} }),
    runtimeRoots: runtimeRoots(places.run, uid, process.pid, []),
    server: { spawn: servers.spawn, processes: servers.processes, log },
    locks: { assertUsable() {} },
    places,
    uid,
    gid: process.getgid?.() ?? -1,
  };
  const profile = parseProfile(PROFILE, 'test.yaml', 'test');
  const sessions = new Sessions({
    profiles: { get: () => ({ name: 'test', profile, file: '', digest: 'sha256:1' }) },
    audit: counted,
    start: start as SessionsParts['start'],
    consent: trusting.service,
    settings: { relay: { line: MIB }, rotation: { drain: 1000 } } as SessionsParts['settings'],
    clock,
    log,
  });
  credentials.onRotation((name) => sessions.rotate(name));
  return { audit, credentials, servers, sessions, events, places, fetched: () => fetched };
}

test('fifty sessions are flat over a day', { timeout: 120_000 }, async () => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  });
  using state = new AuditState();
  using trusting = new Trusting();
  using folders = new DisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'warder-day-'));
  folders.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { audit, credentials, servers, sessions, events, places, fetched } = await daemon(
    state,
    trusting,
    folder,
  );

  let opened = 0;
  let asked = 0;
  let answered = 0;
  const faults: unknown[] = [];
  function take(host: FakeHost): void {
    for (const { id, result, error } of host.messages) {
      if (error !== undefined) faults.push(error);
      if (result !== undefined && typeof id === 'number' && id > 1) answered++;
    }
    host.writes.splice(0);
  }
  async function open() {
    const host = new FakeHost();
    const number = opened++;
    const closed = sessions
      .open({ profile: 'test', host: { chain: [], cwd: '/' } }, asHost(host))
      .catch((error) => void faults.push(error));
    await quiet();
    host.say(INITIALIZED, { id: 1, method: 'tools/list', params: {} });
    await quiet();
    return { host, number, closed, calls: 1 };
  }
  const all: Awaited<ReturnType<typeof open>>[] = [];
  while (all.length < SESSIONS) all.push(await open());

  let round = 0;
  /** Whoever is to asks, and is answered. */
  async function ask(): Promise<void> {
    round++;
    for (const session of all) {
      const { number, host } = session;
      if (number % BUSY !== 0 && (number + round) % SELDOM !== 0) continue;
      host.say(call(++session.calls));
      asked++;
    }
    await quiet();
    for (const { host } of all) take(host);
  }

  /** Lets time pass until sessions have ended. */
  async function ended(some: readonly { readonly closed: Promise<void> }[]): Promise<void> {
    let isClosed = false;
    void Promise.all(some.map(({ closed }) => closed)).then(() => {
      isClosed = true;
    });
    while (!isClosed) await pass(100);
  }

  async function hour(): Promise<void> {
    for (let minute = 0; minute < 60; minute += PAUSE) {
      await pass(PAUSE * MINUTE);
      await ask();
    }
    // One ends, and another begins.
    const old = all.splice(0, 1);
    for (const { host } of old) host.end();
    await ended(old);
    all.push(await open());
  }

  /** What there is once nothing has been asked for so long that no server is needed. */
  async function facts() {
    await pass(30 * MINUTE, MINUTE);
    // What the last records have begun is done.
    await pass(5000, 250);
    expect(servers.running).toBe(0);
    expect(readdirSync(join(places.run, `sessions-${process.pid}`))).toEqual([]);
    // What one collection finds to be finalised the next one frees.
    for (let times = 0; times < 4; times++) {
      collect();
      await quiet();
    }
    const { heapUsed, external } = process.memoryUsage();
    return { timers: vi.getTimerCount(), memory: heapUsed + external };
  }

  for (let hours = 0; hours < 17; hours++) await hour();
  const before = await facts();
  const starts = servers.started;
  for (let hours = 17; hours < 24; hours++) await hour();
  const after = await facts();

  expect(faults).toEqual([]);
  expect(answered).toBe(asked);
  expect(after.timers).toBe(before.timers);
  expect(after.memory - before.memory).toBeLessThan(2 * MIB);
  // Forty sessions have asked every two hours, and their servers have come back for it.
  expect(servers.started - starts).toBeGreaterThan((SESSIONS - SESSIONS / BUSY) * 3);
  expect(events.get('session.stop')).toBeGreaterThan((SESSIONS - SESSIONS / BUSY) * 11);
  // All sessions together fetch the value once an hour.
  expect(fetched()).toBeGreaterThan(20);
  expect(fetched()).toBeLessThan(60);
  // The log has had several segments, keeps three beside its newest, and is whole.
  expect(readdirSync(state.audit)).toHaveLength(4);
  expect(state.warnings).toEqual([]);

  for (const { host } of all) host.end();
  await ended(all);
  await credentials[Symbol.asyncDispose]();
  await audit[Symbol.asyncDispose]();
  expect((await state.verify()).problems).toEqual([]);
});

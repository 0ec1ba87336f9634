// A server that is kept ready: of a profile one at most, of few profiles, and none that would be another if it started now.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseProfile } from '../../../src/profile/format.ts';
import type { SessionEntry } from '../../../src/server/session-entry.ts';
import { Spares, type SparesParts } from '../../../src/server/spare-server.ts';
import type { BegunServer, SessionContext } from '../../../src/server/started-server.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const TOKEN = 'TOKEN: {hosts: [api.test]}';

/** A daemon's spares, and what becomes of them. */
class Daemon {
  readonly began: string[] = [];
  readonly stopped: string[] = [];
  readonly records: string[] = [];
  version = '1';
  asksNobody = true;
  isAccepted = true;
  readonly gone = Promise.withResolvers<void>();
  readonly spares: Spares;

  constructor() {
    const parts = {
      begin: async (entry: SessionEntry): Promise<BegunServer> => {
        this.began.push(entry.id);
        const credentials = entry.loaded.profile.credentials.map(({ name }) => ({
          name,
          version: this.version,
        }));
        const started = {
          process: { pid: 42 },
          gone: this.gone.promise,
          started: { package: 'p', digest: 'd' },
          credentials,
          server: { stop: async () => void this.stopped.push(entry.id) },
        };
        return { started: started as never, admit() {}, hasWaited: () => false };
      },
      audit: {
        append: (event: string, { reason }: { reason: string }) => this.records.push(`${event} ${reason}`),
      },
      log: { debug() {}, info() {}, warn() {}, error() {} },
      start: {
        credentials: {
          asksNobody: async () => this.asksNobody,
          resolve: async (_: string, all: { name: string }[]) =>
            all.map(({ name }) => ({ name, version: this.version })),
        },
      },
    };
    this.spares = new Spares(parts as unknown as SparesParts);
  }

  /** A session that has begun without its server. */
  session(id: string, { profile = 'demo', start = 'warm', credentials = TOKEN } = {}): SessionEntry {
    const text = `server: {command: /bin/true, start: ${start}}\ncredentials: {${credentials}}\n`;
    const parsed = parseProfile(text, 'test.yaml', profile);
    const entry = {
      id,
      loaded: { name: profile, profile: parsed },
      started: undefined,
      session: undefined,
      spare: undefined,
      gone: Promise.resolve(),
    } as unknown as SessionEntry;
    const answers = { isAccepted: async () => this.isAccepted };
    this.spares.offer(entry, answers, () => ({}) as SessionContext);
    return entry;
  }
}

async function pass(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  vi.advanceTimersByTime(100);
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}

test('W-LAZY-8 the first session of a profile gets one, and the next once that is taken', async () => {
  const daemon = new Daemon();
  const [one, two] = [daemon.session('one'), daemon.session('two')];
  await pass();
  expect(daemon.began).toEqual(['one']);
  expect([one.spare?.pid, two.spare]).toEqual([42, undefined]);
  expect((await one.spare?.take())?.started.process?.pid).toBe(42);
  expect(one.spare).toBeUndefined();
  await pass();
  expect(daemon.began).toEqual(['one', 'two']);
  daemon.spares.withdraw(two);
  await two.gone;
  expect(daemon.stopped).toEqual(['two']);
  expect(daemon.records).toEqual(['session.stop unused']);
});

test('W-LAZY-8 eight at most, whatever profiles there are', async () => {
  const daemon = new Daemon();
  for (let at = 0; at < 12; at++) daemon.session(`s${at}`, { profile: `p${at}` });
  await pass();
  expect(daemon.began).toHaveLength(8);
});

test.each([
  ['another start', { start: 'lazy' }],
  ['a value that is delivered', { credentials: 'TOKEN: {deliver: env}' }],
])('W-LAZY-8 none for %s', async (_, options) => {
  const daemon = new Daemon();
  daemon.session('one', options);
  await pass();
  expect(daemon.began).toEqual([]);
});

test('W-LAZY-8 none where somebody would be asked, and none that is another program than the accepted one', async () => {
  const asking = new Daemon();
  asking.asksNobody = false;
  const waits = asking.session('one');
  await pass();
  expect(asking.began).toEqual([]);
  expect(await waits.spare?.take()).toBeUndefined();
  const other = new Daemon();
  other.isAccepted = false;
  const entry = other.session('one');
  await pass();
  expect(other.stopped).toEqual(['one']);
  expect(await entry.spare?.take()).toBeUndefined();
});

test.each<[string, (daemon: Daemon, entry: SessionEntry) => void]>([
  [
    'a credential has another value',
    (daemon) => {
      daemon.version = '2';
    },
  ],
  [
    'another program was accepted since',
    (daemon) => {
      daemon.isAccepted = false;
    },
  ],
  ['it has ended by itself', (daemon) => daemon.gone.resolve()],
])('W-LAZY-8 it is not used where %s', async (_, change) => {
  const daemon = new Daemon();
  const entry = daemon.session('one');
  await pass();
  const { spare } = entry;
  change(daemon, entry);
  expect(await spare?.take()).toBeUndefined();
  await pass();
  expect(daemon.stopped).toEqual(['one']);
});

test('W-LAZY-8 one that is dropped while it starts is ended once it has started', async () => {
  const daemon = new Daemon();
  const entry = daemon.session('one');
  vi.advanceTimersByTime(100);
  daemon.spares.withdraw(entry);
  await pass();
  await entry.gone;
  expect(daemon.stopped).toEqual(['one']);
});

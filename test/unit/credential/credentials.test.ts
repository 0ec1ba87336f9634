// Resolving, watching and changing credentials, on a store in memory that can fail once.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Credentials, type CredentialsParts } from '../../../src/credential/credentials.ts';
import type { Store, StoredValue } from '../../../src/credential/store/store.ts';
import type { Vault } from '../../../src/credential/store/vault.ts';
import { WarderError } from '../../../src/errors.ts';
import { type CredentialSource, type ProfileCredential, UNLIMITED } from '../../../src/profile/credential.ts';

/** A keychain in memory, which other programs may change. */
class Memory implements Store {
  readonly kind = 'keychain';
  readonly values = new Map<string, StoredValue>();
  readonly blobs = { get: async () => undefined, set: async () => {}, remove: async () => false };
  /** Reads so far, by name. */
  reads: string[] = [];
  /** The next read or write throws this. */
  fault: WarderError | undefined;
  /** Reads wait for this. */
  gate: Promise<void> | undefined;
  watchers = new Set<(name: string | undefined) => void>();
  #version = 0;

  put(name: string, value: string): StoredValue {
    const stored = { value, version: `v${++this.#version}`, updated: undefined, bound: true };
    this.values.set(name, stored);
    return stored;
  }

  tell(name?: string): void {
    for (const watcher of this.watchers) watcher(name);
  }

  async get(name: string): Promise<StoredValue | undefined> {
    this.reads.push(name);
    const found = this.values.get(name);
    await this.gate;
    this.#fail();
    return found;
  }

  async set(name: string, value: string): Promise<StoredValue> {
    this.#fail();
    return this.put(name, value);
  }

  async replace(name: string, expected: string, value: string): Promise<StoredValue | undefined> {
    this.#fail();
    return this.values.get(name)?.value === expected ? this.put(name, value) : undefined;
  }

  async remove(name: string): Promise<boolean> {
    return this.values.delete(name);
  }

  async list() {
    return [...this.values].map(([name, { version }]) => ({
      name,
      version,
      updated: undefined,
      bound: true,
      problem: undefined,
    }));
  }

  async state() {
    return { state: 'ready' } as const;
  }

  async watch(listener: (name: string | undefined) => void): Promise<AsyncDisposable> {
    this.watchers.add(listener);
    return { [Symbol.asyncDispose]: async () => void this.watchers.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #fail(): void {
    const { fault } = this;
    this.fault = undefined;
    if (fault !== undefined) throw fault;
  }
}

let store: Memory;
let printed: string;
let runs: number;
let credentials: Credentials;
let told: string[];

function make(parts: Partial<CredentialsParts> = {}): Credentials {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  return new Credentials({
    open: { keychain: () => store, vault: (): Vault => expect.fail('the vault was opened') },
    chosen: 'keychain',
    runCommand: async () => {
      runs++;
      return printed;
    },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    log,
    ...parts,
  });
}

const one = (variable: string, more: Partial<ProfileCredential> = {}): ProfileCredential => ({
  variable,
  name: `demo/${variable}`,
  from: 'store',
  deliver: 'env',
  hosts: [],
  ...UNLIMITED,
  ...more,
});
const command = (ttl?: number): CredentialSource => ({ command: ['print', 'it'], ttl });

beforeEach(() => {
  vi.useFakeTimers();
  store = new Memory();
  printed = 'printed value';
  runs = 0;
  told = [];
  credentials = make();
  credentials.onRotation(async (name) => {
    told.push(name);
    return { moved: 2, kept: 1 };
  });
});
afterEach(async () => {
  await credentials[Symbol.asyncDispose]();
  vi.useRealTimers();
});

test('the values of a profile are resolved in its order, and no store is opened before that', async () => {
  const opened = vi.fn(() => store);
  credentials = make({ open: { keychain: opened, vault: (): Vault => expect.fail() } });
  expect(opened).not.toHaveBeenCalled();
  store.put('demo/A', 'value of a');
  store.put('shared/b', 'value of b');
  const all = [one('B', { name: 'shared/b', deliver: 'file' }), one('A'), one('C', { from: command() })];
  expect(await credentials.resolve('demo', all)).toEqual([
    { variable: 'B', name: 'shared/b', deliver: 'file', value: 'value of b', version: 'v2' },
    { variable: 'A', name: 'demo/A', deliver: 'env', value: 'value of a', version: 'v1' },
    {
      variable: 'C',
      name: 'demo/C',
      deliver: 'env',
      value: 'printed value',
      version: expect.stringMatching(/^[0-9a-f]{8}$/),
    },
  ]);
  expect(opened).toHaveBeenCalledOnce();
});

test('a missing credential is named, with the command that sets it', async () => {
  store.put('demo/A', 'value of a');
  await expect(credentials.resolve('demo', [one('A'), one('B')])).rejects.toMatchObject({
    code: 'credential-missing',
    message: 'there is no credential "demo/B"',
    hint: 'run "warder credential set demo B"',
  });
});

test('without a store, each use says how to choose one; commands need no store', async () => {
  credentials = make({ chosen: undefined });
  await expect(credentials.resolve('demo', [one('A')])).rejects.toMatchObject({ code: 'store-unset' });
  await expect(credentials.set('demo/A', 'value of a')).rejects.toMatchObject({ code: 'store-unset' });
  expect(await credentials.stores.state()).toMatchObject({ kind: null, state: 'unset' });
  expect(await credentials.resolve('demo', [one('A', { from: command() })])).toHaveLength(1);
});

test.each(['a\nb', 'a\rb', 'a\0b'])(
  'W-CRED-8 a value with a line break or NUL is not put into a variable: %j',
  async (value) => {
    store.put('demo/A', value);
    await expect(credentials.resolve('demo', [one('A')])).rejects.toMatchObject({ code: 'credential-unfit' });
    expect(await credentials.resolve('demo', [one('A', { deliver: 'file' })])).toMatchObject([{ value }]);
  },
);

test('sessions that start together share one fetch, and its failure is not cached', async () => {
  store.put('demo/A', 'value of a');
  store.fault = new WarderError('keychain-locked', 'the keychain is locked');
  const both = await Promise.allSettled([
    credentials.resolve('demo', [one('A')]),
    credentials.resolve('demo', [one('A')]),
  ]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(store.reads).toHaveLength(1);
  expect(await credentials.resolve('demo', [one('A')])).toHaveLength(1);
});

test('set and rotate call the listeners once the store has the value, and return their results', async () => {
  const stored: string[] = [];
  const set = await credentials.set('demo/A', 'value one', undefined, (version) => {
    expect(told).toEqual([]);
    stored.push(version);
  });
  expect(set).toEqual({
    name: 'demo/A',
    store: 'keychain',
    version: 'v1',
    updated: undefined,
    replaced: false,
    sessions: { moved: 2, kept: 1 },
  });
  expect(await credentials.rotate('demo/A', 'value two')).toMatchObject({ version: 'v2', replaced: true });
  await expect(credentials.rotate('demo/B', 'value')).rejects.toMatchObject({ code: 'credential-missing' });
  expect(stored).toEqual(['v1']);
  expect(told).toEqual(['demo/A', 'demo/A']);
});

test('an empty value is refused', async () => {
  store.put('demo/A', '');
  await expect(credentials.resolve('demo', [one('A', { deliver: 'file' })])).rejects.toMatchObject({
    code: 'credential-unfit',
  });
});

test.each(['credential-misbound', 'credential-unfit'] as const)(
  'a value that is %s can be replaced',
  async (code) => {
    store.fault = new WarderError(code, 'the value cannot be used');
    expect(await credentials.rotate('demo/A', 'value one')).toMatchObject({ replaced: true });
  },
);

test('a value that is fetched while another is set does not count as the new one', async () => {
  store.put('demo/A', 'old value');
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  const early = credentials.resolve('demo', [one('A')]);
  await vi.advanceTimersByTimeAsync(1);
  store.gate = undefined;
  await credentials.set('demo/A', 'new value');
  expect(await credentials.resolve('demo', [one('A')])).toMatchObject([{ value: 'new value' }]);
  gate.resolve();
  expect(await early).toMatchObject([{ value: 'old value' }]);
});

test('remove deletes the value; sessions that have it keep it', async () => {
  store.put('demo/A', 'value of a');
  expect(await credentials.remove('demo/A')).toBe('keychain');
  await expect(credentials.remove('demo/A')).rejects.toMatchObject({ code: 'credential-missing' });
  expect(told).toEqual([]);
});

test('a change by another program to a watched credential is reported once', async () => {
  store.put('demo/A', 'value one');
  store.put('demo/B', 'value of b');
  using _held = credentials.watch([one('A')]);
  await credentials.resolve('demo', [one('A')]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual([]);

  store.put('demo/A', 'value two');
  for (let signal = 0; signal < 5; signal++) store.tell('demo/A');
  store.put('demo/B', 'another');
  store.tell('demo/B');
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['demo/A']);

  // The same version again: a label was edited, a collection locked and unlocked.
  store.tell('demo/A');
  store.tell();
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['demo/A']);
});

test('a change before the watch began is reported when it begins', async () => {
  store.put('demo/A', 'value one');
  using _held = credentials.watch([one('A')]);
  const resolving = credentials.resolve('demo', [one('A')]);
  await resolving;
  store.put('demo/A', 'value two');
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['demo/A']);
});

test('a credential that another program removed stays in its sessions, and its return is reported', async () => {
  store.put('demo/A', 'value one');
  using _held = credentials.watch([one('A')]);
  await credentials.resolve('demo', [one('A')]);
  store.values.delete('demo/A');
  store.tell();
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual([]);
  store.put('demo/A', 'value two');
  store.tell('demo/A');
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['demo/A']);
});

test('a value that cannot be read is checked again at the next signal', async () => {
  store.put('demo/A', 'value one');
  using _held = credentials.watch([one('A')]);
  await credentials.resolve('demo', [one('A')]);
  await vi.advanceTimersByTimeAsync(1000);
  store.put('demo/A', 'value two');
  store.fault = new WarderError('keychain-locked', 'the keychain is locked');
  store.tell('demo/A');
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual([]);
  store.tell('demo/A');
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['demo/A']);
});

test('our own change is reported once, although the keychain signals it too', async () => {
  store.put('demo/A', 'value one');
  using _held = credentials.watch([one('A')]);
  await credentials.resolve('demo', [one('A')]);
  await credentials.set('demo/A', 'value two');
  store.tell('demo/A');
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['demo/A']);
});

test('a store is watched while any of its credentials is watched', async () => {
  store.put('demo/A', 'value one');
  const first = credentials.watch([one('A')]);
  const second = credentials.watch([one('A'), one('A')]);
  await vi.advanceTimersByTimeAsync(1);
  expect(store.watchers.size).toBe(1);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(1);
  expect(store.watchers.size).toBe(1);
  second[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(1);
  expect(store.watchers.size).toBe(0);
});

test('the output of a command is cached for its ttl, and not without a ttl', async () => {
  const lasting = [one('A', { from: command(60_000) })];
  const [first] = await credentials.resolve('demo', lasting);
  printed = 'another value';
  expect(await credentials.resolve('demo', lasting)).toEqual([first]);
  expect(runs).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await credentials.resolve('demo', lasting)).toMatchObject([{ value: 'another value' }]);
  await credentials.resolve('demo', [one('B', { from: command() })]);
  await credentials.resolve('demo', [one('B', { from: command() })]);
  expect(runs).toBe(4);
});

test('a watched value of a command is renewed when it expires, and reported if it has changed', async () => {
  const lasting = [one('A', { from: command(60_000) })];
  using _held = credentials.watch(lasting);
  await credentials.resolve('demo', lasting);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(runs).toBe(2);
  expect(told).toEqual([]);
  printed = 'another value';
  await vi.advanceTimersByTimeAsync(60_000);
  expect(runs).toBe(3);
  expect(told).toEqual(['demo/A']);
  // The listeners get the value that was fetched.
  expect(await credentials.resolve('demo', lasting)).toMatchObject([{ value: 'another value' }]);
  expect(runs).toBe(3);
});

test('a command that fails when its value expires is run again', async () => {
  let fails = false;
  credentials = make({
    runCommand: async () => {
      runs++;
      if (fails) throw new WarderError('credential-source', 'the command ended with code 1');
      return printed;
    },
  });
  credentials.onRotation(async (name) => {
    told.push(name);
    return { moved: 0, kept: 0 };
  });
  const lasting = [one('A', { from: command(10_000) })];
  using _held = credentials.watch(lasting);
  await credentials.resolve('demo', lasting);
  fails = true;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(runs).toBe(2);
  fails = false;
  printed = 'another value';
  await vi.advanceTimersByTimeAsync(10_000);
  expect(runs).toBe(3);
  expect(told).toEqual(['demo/A']);
});

test('a value that nobody watches is not renewed', async () => {
  const lasting = [one('A', { from: command(10_000) })];
  const held = credentials.watch(lasting);
  await credentials.resolve('demo', lasting);
  held[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(100_000);
  expect(runs).toBe(1);
});

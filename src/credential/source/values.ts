// Fetches values from stores and commands. Concurrent requests for the same value share one fetch: sessions start in
// bursts. The output of a command is cached for its `ttl`; values of stores are not cached.
import type { Clock } from '../../os/clock.ts';
import type { Store, StoreKind } from '../store/store.ts';
import { createFingerprinter } from './fingerprint.ts';
import { type CommandOrigin, keyOf, type Origin } from './origin.ts';

export interface VersionedValue {
  readonly value: string;
  readonly version: string;
}

/** The output of a command until it expires. */
interface CachedOutput extends VersionedValue {
  /** By the monotonic clock. */
  readonly until: number;
  readonly timer: NodeJS.Timeout;
}

export interface ValuesParts {
  readonly store: (kind: StoreKind) => Store;
  /** Called after each use of a store. */
  readonly onStoreUsed: () => void;
  /** Runs a credential's command and returns its output. Throws `credential-source`. */
  readonly runCommand: (name: string, command: readonly string[]) => Promise<string>;
  readonly clock: Clock;
}

/** The longest time of a timer, in milliseconds. */
export const MAX_TIMER = 2 ** 31 - 1;

export class Values implements Disposable {
  readonly #parts: ValuesParts;
  readonly #fetching = new Map<string, Promise<VersionedValue | undefined>>();
  readonly #cache = new Map<string, CachedOutput>();
  readonly #fingerprint = createFingerprinter();

  constructor(parts: ValuesParts) {
    this.#parts = parts;
  }

  /** Fetches a value; `undefined` if the store has none. Throws the stores' errors, and `credential-source`. */
  fetch(name: string, origin: Origin): Promise<VersionedValue | undefined> {
    const key = keyOf(name, origin);
    const running = this.#fetching.get(key);
    if (running !== undefined) return running;
    const fetching =
      typeof origin === 'string' ? this.#readStore(name, origin) : this.#runCommand(key, name, origin);
    this.#fetching.set(key, fetching);
    const done = (): void => {
      if (this.#fetching.get(key) === fetching) this.#fetching.delete(key);
    };
    fetching.then(done, done);
    return fetching;
  }

  /** Abandons a fetch in progress: the value was just set, and it may return the old one. */
  invalidate(name: string, origin: Origin): void {
    this.#fetching.delete(keyOf(name, origin));
  }

  /** The time until a command's output expires, in milliseconds; `undefined` if none is cached. */
  remainingTtl(name: string, origin: Origin): number | undefined {
    const cached = this.#cache.get(keyOf(name, origin));
    return cached && Math.max(0, cached.until - this.#parts.clock.monotonic());
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#cache.values()) clearTimeout(timer);
    this.#cache.clear();
  }

  async #readStore(name: string, kind: StoreKind): Promise<VersionedValue | undefined> {
    const stored = await this.#parts.store(kind).get(name);
    this.#parts.onStoreUsed();
    return stored;
  }

  async #runCommand(key: string, name: string, { command, ttl }: CommandOrigin): Promise<VersionedValue> {
    const { clock, runCommand } = this.#parts;
    const cached = this.#cache.get(key);
    if (cached !== undefined && clock.monotonic() < cached.until) return cached;
    const value = await runCommand(name, command);
    const version = this.#fingerprint(name, value);
    if (ttl !== undefined) {
      clearTimeout(this.#cache.get(key)?.timer);
      const timer = setTimeout(() => this.#cache.delete(key), Math.min(ttl, MAX_TIMER)).unref();
      this.#cache.set(key, { value, version, until: clock.monotonic() + ttl, timer });
    }
    return { value, version };
  }
}

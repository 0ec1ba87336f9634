// Fetches values, from stores and commands. Whoever wants the same one meanwhile gets the same: sessions start
// in bursts. What a command printed is kept for its `ttl`; of what a store has nothing is kept.
import type { Clock } from '../../os/clock.ts';
import type { Store, StoreKind } from '../store/store.ts';
import { fingerprints } from './fingerprint.ts';
import { type CommandOrigin, keyOf, type Origin } from './origin.ts';

export interface Value {
  readonly value: string;
  readonly version: string;
}

/** What a command printed, until it is old. */
interface Printed extends Value {
  /** By the monotonic clock. */
  readonly until: number;
  readonly timer: NodeJS.Timeout;
}

export interface ValuesParts {
  readonly store: (kind: StoreKind) => Store;
  /** Called when a store has been used. */
  readonly used: () => void;
  /** Runs a credential's command and gives what it printed. Throws `credential-source`. */
  readonly run: (name: string, command: readonly string[]) => Promise<string>;
  readonly clock: Clock;
}

/** The longest that a timer runs, in milliseconds. */
export const LONGEST_TIMER = 2 ** 31 - 1;

export class Values implements Disposable {
  readonly #parts: ValuesParts;
  readonly #fetching = new Map<string, Promise<Value | undefined>>();
  readonly #printed = new Map<string, Printed>();
  readonly #fingerprint = fingerprints();

  constructor(parts: ValuesParts) {
    this.#parts = parts;
  }

  /** A value; `undefined` where the store has none. Throws what stores throw, and `credential-source`. */
  fetch(name: string, origin: Origin): Promise<Value | undefined> {
    const key = keyOf(name, origin);
    const running = this.#fetching.get(key);
    if (running !== undefined) return running;
    const fetching = typeof origin === 'string' ? this.#read(name, origin) : this.#print(key, name, origin);
    this.#fetching.set(key, fetching);
    const done = (): void => {
      if (this.#fetching.get(key) === fetching) this.#fetching.delete(key);
    };
    fetching.then(done, done);
    return fetching;
  }

  /** The value was just set: a fetch that is under way may bring the old one. */
  forget(name: string, origin: Origin): void {
    this.#fetching.delete(keyOf(name, origin));
  }

  /** How long what a command printed still holds, in milliseconds; `undefined` where nothing is kept. */
  left(name: string, origin: Origin): number | undefined {
    const printed = this.#printed.get(keyOf(name, origin));
    return printed && Math.max(0, printed.until - this.#parts.clock.monotonic());
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#printed.values()) clearTimeout(timer);
    this.#printed.clear();
  }

  async #read(name: string, kind: StoreKind): Promise<Value | undefined> {
    const stored = await this.#parts.store(kind).get(name);
    this.#parts.used();
    return stored;
  }

  async #print(key: string, name: string, { command, ttl }: CommandOrigin): Promise<Value> {
    const { clock, run } = this.#parts;
    const kept = this.#printed.get(key);
    if (kept !== undefined && clock.monotonic() < kept.until) return kept;
    const value = await run(name, command);
    const version = this.#fingerprint(name, value);
    if (ttl !== undefined) {
      clearTimeout(this.#printed.get(key)?.timer);
      const timer = setTimeout(() => this.#printed.delete(key), Math.min(ttl, LONGEST_TIMER)).unref();
      this.#printed.set(key, { value, version, until: clock.monotonic() + ttl, timer });
    }
    return { value, version };
  }
}

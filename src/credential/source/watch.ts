// The credentials of open sessions. For what is held, changes that other programs make and values that expire
// are noticed: the new value is fetched, and told of if it is another than the sessions have.
import { WarderError } from '../../errors.ts';
import type { Log } from '../../os/log.ts';
import type { Store, StoreKind } from '../store/store.ts';
import { keyOf, type Origin } from './origin.ts';
import { LONGEST_TIMER, type Values } from './values.ts';

/** A credential, and where its value is from. */
export interface Wanted {
  readonly name: string;
  readonly origin: Origin;
}

interface Held extends Wanted {
  count: number;
  /** The version that the sessions have; empty once the value was removed; undefined before they have any. */
  version: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

export interface HoldingParts {
  readonly store: (kind: StoreKind) => Store;
  readonly values: Values;
  /** Told of a credential with a new value. */
  readonly tell: (name: string) => Promise<unknown>;
  readonly log: Log;
}

/** Signals come in bursts, and one change may be a removal and an addition. Milliseconds. */
const CALM = 100;
/** A command that failed when its value had expired is tried again after this at the latest. Milliseconds. */
const RETRY = 60_000;

export class Holding implements AsyncDisposable {
  readonly #parts: HoldingParts;
  readonly #held = new Map<string, Held>();
  readonly #watches = new Map<StoreKind, Promise<AsyncDisposable>>();

  constructor(parts: HoldingParts) {
    this.#parts = parts;
  }

  /** Holds credentials until disposed of. */
  hold(wanted: readonly Wanted[]): Disposable {
    const all = new Map(wanted.map((one) => [keyOf(one.name, one.origin), one]));
    for (const [key, { name, origin }] of all) {
      const held = this.#held.get(key) ?? { name, origin, count: 0, version: undefined, timer: undefined };
      held.count++;
      this.#held.set(key, held);
      if (typeof origin === 'string') this.#watch(origin);
      else this.#await(held);
    }
    return {
      [Symbol.dispose]: () => {
        for (const key of all.keys()) this.#release(key);
        all.clear();
      },
    };
  }

  /** The sessions have this version from now on. */
  has({ name, origin }: Wanted, version: string): void {
    const held = this.#held.get(keyOf(name, origin));
    if (held === undefined) return;
    held.version = version;
    if (typeof origin !== 'string') this.#await(held);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const watch of watches) await end(watch);
  }

  #release(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined || --held.count > 0) return;
    clearTimeout(held.timer);
    this.#held.delete(key);
    const { origin } = held;
    if (typeof origin !== 'string' || [...this.#held.values()].some((other) => other.origin === origin))
      return;
    const watch = this.#watches.get(origin);
    this.#watches.delete(origin);
    if (watch !== undefined) void end(watch);
  }

  /** Listens to a store's changes while any of its credentials is held. */
  #watch(kind: StoreKind): void {
    if (this.#watches.has(kind)) return;
    const changed = new Set<Held>();
    const look = (): void => {
      for (const held of changed) void this.#look(held, kind);
      changed.clear();
    };
    const listener = (name: string | undefined): void => {
      const calm = changed.size === 0;
      for (const held of this.#held.values()) {
        if (held.origin === kind && (name === undefined || name === held.name)) changed.add(held);
      }
      if (calm && changed.size > 0) setTimeout(look, CALM).unref();
    };
    const watching = this.#parts.store(kind).watch(listener);
    this.#watches.set(kind, watching);
    // What changed between the first fetch and now. A store that cannot be used says so where it is used.
    watching.then(
      () => listener(undefined),
      () => {},
    );
  }

  /** Looks whether a value has changed. What is locked is left for later: nobody asked for it. */
  async #look(held: Held, kind: StoreKind): Promise<void> {
    const { log, store } = this.#parts;
    try {
      const stored = await store(kind).get(held.name, { ask: false });
      if (stored === undefined)
        log.warn({ credential: held.name }, 'a credential of an open session was removed');
      await this.#compare(held, stored?.version);
    } catch (error) {
      log.warn({ credential: held.name, error: codeOf(error) }, 'cannot see whether a credential changed');
    }
  }

  /** Tells of a value if it is another than the sessions have. One that was removed they keep. */
  async #compare(held: Held, version = ''): Promise<void> {
    if (held.count === 0 || held.version === undefined || held.version === version) return;
    held.version = version;
    if (version !== '') await this.#parts.tell(held.name);
  }

  /** Sees to a command's value when its time is over, or after `wait` milliseconds. */
  #await(held: Held, wait = this.#parts.values.left(held.name, held.origin)): void {
    clearTimeout(held.timer);
    held.timer = undefined;
    if (wait === undefined) return;
    held.timer = setTimeout(() => void this.#renew(held), Math.min(wait, LONGEST_TIMER)).unref();
  }

  async #renew(held: Held): Promise<void> {
    const { name, origin } = held;
    if (typeof origin === 'string') return;
    try {
      const fetched = await this.#parts.values.fetch(name, origin);
      if (held.count > 0) this.#await(held);
      await this.#compare(held, fetched?.version);
    } catch (error) {
      this.#parts.log.warn(
        { credential: name, error: codeOf(error) },
        'cannot renew a credential that expired',
      );
      if (held.count > 0) this.#await(held, Math.min(origin.ttl ?? RETRY, RETRY));
    }
  }
}

async function end(watch: Promise<AsyncDisposable>): Promise<void> {
  const watching = await watch.catch(() => undefined);
  await watching?.[Symbol.asyncDispose]();
}

function codeOf(error: unknown): string {
  return error instanceof WarderError ? error.code : String(error);
}

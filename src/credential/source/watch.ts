// Watches the credentials of open sessions: values that other programs change in a store, and outputs of commands that
// expire. Fetches the new value, and reports it if the sessions have another version.
import { WarderError } from '../../errors.ts';
import type { Log } from '../../os/log.ts';
import type { Store, StoreKind } from '../store/store.ts';
import { keyOf, type Origin } from './origin.ts';
import { MAX_TIMER, type Values } from './values.ts';

/** A credential, and the origin of its value. */
export interface CredentialRef {
  readonly name: string;
  readonly origin: Origin;
}

interface WatchedCredential extends CredentialRef {
  count: number;
  /** The version that the sessions have; empty after the value was removed; undefined until they have one. */
  version: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

export interface CredentialWatchParts {
  readonly store: (kind: StoreKind) => Store;
  readonly values: Values;
  /** Called with the name of a credential that has a new value. */
  readonly onNewVersion: (name: string) => Promise<unknown>;
  readonly log: Log;
}

/** Signals come in bursts, and one change may be a removal and an addition. In milliseconds. */
const DEBOUNCE = 100;
/** A command that failed after its output expired is run again after this at the latest. In milliseconds. */
const RETRY = 60_000;

export class CredentialWatch implements AsyncDisposable {
  readonly #parts: CredentialWatchParts;
  readonly #watched = new Map<string, WatchedCredential>();
  readonly #storeWatches = new Map<StoreKind, Promise<AsyncDisposable>>();

  constructor(parts: CredentialWatchParts) {
    this.#parts = parts;
  }

  /** Watches credentials until disposed of. */
  watch(credentials: readonly CredentialRef[]): Disposable {
    const all = new Map(
      credentials.map((credential) => [keyOf(credential.name, credential.origin), credential]),
    );
    for (const [key, { name, origin }] of all) {
      const entry = this.#watched.get(key) ?? {
        name,
        origin,
        count: 0,
        version: undefined,
        timer: undefined,
      };
      entry.count++;
      this.#watched.set(key, entry);
      if (typeof origin === 'string') this.#watchStore(origin);
      else this.#scheduleRenewal(entry);
    }
    return {
      [Symbol.dispose]: () => {
        for (const key of all.keys()) this.#release(key);
        all.clear();
      },
    };
  }

  /** Records the version that the sessions have from now on. */
  recordVersion({ name, origin }: CredentialRef, version: string): void {
    const entry = this.#watched.get(keyOf(name, origin));
    if (entry === undefined) return;
    entry.version = version;
    if (typeof origin !== 'string') this.#scheduleRenewal(entry);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timer } of this.#watched.values()) clearTimeout(timer);
    this.#watched.clear();
    const watches = [...this.#storeWatches.values()];
    this.#storeWatches.clear();
    for (const watch of watches) await stop(watch);
  }

  #release(key: string): void {
    const entry = this.#watched.get(key);
    if (entry === undefined || --entry.count > 0) return;
    clearTimeout(entry.timer);
    this.#watched.delete(key);
    const { origin } = entry;
    if (typeof origin !== 'string' || [...this.#watched.values()].some((other) => other.origin === origin))
      return;
    const watch = this.#storeWatches.get(origin);
    this.#storeWatches.delete(origin);
    if (watch !== undefined) void stop(watch);
  }

  /** Listens to the changes of a store while any of its credentials is watched. */
  #watchStore(kind: StoreKind): void {
    if (this.#storeWatches.has(kind)) return;
    const changed = new Set<WatchedCredential>();
    const checkChanged = (): void => {
      for (const entry of changed) void this.#check(entry, kind);
      changed.clear();
    };
    const listener = (name: string | undefined): void => {
      const first = changed.size === 0;
      for (const entry of this.#watched.values()) {
        if (entry.origin === kind && (name === undefined || name === entry.name)) changed.add(entry);
      }
      if (first && changed.size > 0) setTimeout(checkChanged, DEBOUNCE).unref();
    };
    const watching = this.#parts.store(kind).watch(listener);
    this.#storeWatches.set(kind, watching);
    // A value may have changed between the first fetch and now. A store that cannot be used fails where it is used.
    watching.then(
      () => listener(undefined),
      () => {},
    );
  }

  /** Checks whether a value has changed. Does not prompt for a locked store: no user asked for the value. */
  async #check(entry: WatchedCredential, kind: StoreKind): Promise<void> {
    const { log, store } = this.#parts;
    try {
      const stored = await store(kind).get(entry.name, { prompt: false });
      if (stored === undefined)
        log.warn({ credential: entry.name }, 'a credential of an open session was removed');
      await this.#report(entry, stored?.version);
    } catch (error) {
      log.warn({ credential: entry.name, error: codeOf(error) }, 'cannot check whether a credential changed');
    }
  }

  /** Reports a value if its version is not the sessions' one. Sessions keep a value that was removed. */
  async #report(entry: WatchedCredential, version = ''): Promise<void> {
    if (entry.count === 0 || entry.version === undefined || entry.version === version) return;
    entry.version = version;
    if (version !== '') await this.#parts.onNewVersion(entry.name);
  }

  /** Renews a command's value when it expires, or after `wait` milliseconds. */
  #scheduleRenewal(
    entry: WatchedCredential,
    wait = this.#parts.values.remainingTtl(entry.name, entry.origin),
  ): void {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    if (wait === undefined) return;
    // Not unreferenced: of such timers Node keeps a list for each duration until it has passed, also when they are cleared.
    entry.timer = setTimeout(() => void this.#renew(entry), Math.min(wait, MAX_TIMER));
  }

  async #renew(entry: WatchedCredential): Promise<void> {
    const { name, origin } = entry;
    if (typeof origin === 'string') return;
    try {
      const fetched = await this.#parts.values.fetch(name, origin);
      if (entry.count > 0) this.#scheduleRenewal(entry);
      await this.#report(entry, fetched?.version);
    } catch (error) {
      this.#parts.log.warn(
        { credential: name, error: codeOf(error) },
        'cannot renew a credential that expired',
      );
      if (entry.count > 0) this.#scheduleRenewal(entry, Math.min(origin.ttl ?? RETRY, RETRY));
    }
  }
}

async function stop(watch: Promise<AsyncDisposable>): Promise<void> {
  const watching = await watch.catch(() => undefined);
  await watching?.[Symbol.asyncDispose]();
}

function codeOf(error: unknown): string {
  return error instanceof WarderError ? error.code : String(error);
}

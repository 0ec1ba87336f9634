// Refresh tokens that are exchanged for new ones (RFC 6749 6, RFC 9700 4.14.2): the host voids the old one, so the new
// one takes its place in the open sessions and in the store, and no two sessions exchange the same one. One object
// serves all gates of the daemon.
import type { Credentials } from '../credential/credentials.ts';
import type { SealedCredential } from '../credential/sealed.ts';
import { WarderError } from '../errors.ts';
import type { Log } from '../os/log.ts';
import { BUDGETS } from './budgets.ts';

export interface RefreshParts {
  readonly credentials: Pick<Credentials, 'replace' | 'onOpened'>;
  readonly log: Log;
}

/**
 * What became of a new value. `stored`: the next session starts with it; `kept`: only open sessions have it;
 * `superseded`: somebody set another value meanwhile, which stays.
 */
export interface RefreshOutcome {
  readonly outcome: 'stored' | 'kept' | 'superseded';
  /** Why it was not stored: a code, or a few words. */
  readonly reason?: string;
}

/** A credential whose value a host may exchange. */
export type Exchangeable = Pick<
  SealedCredential,
  'name' | 'source' | 'derived' | 'value' | 'version' | 'update' | 'exchange'
>;

/** A credential as an exchange sees it, for a value that another thread holds. */
export function exchangeable(of: Pick<Exchangeable, 'name' | 'source' | 'value' | 'version'>): Exchangeable {
  const credential = {
    name: of.name,
    source: of.source,
    derived: false,
    value: of.value,
    version: of.version,
    update(value: string, version: string) {
      credential.value = value;
      credential.version = version;
    },
    exchange(value: string) {
      credential.value = value;
    },
  };
  return credential;
}

/** Gives requests their turns. */
export interface Refreshes {
  /**
   * Waits until no other request exchanges the credential's value, and brings it up to date. Returns `undefined` if that
   * takes too long.
   */
  begin(credential: Exchangeable): Promise<RefreshTurn | undefined>;
}

/** One request's turn to exchange a credential's value. Disposing of it lets the next request go on. */
export interface RefreshTurn extends Disposable {
  readonly credential: Exchangeable;
  /** The host has given out a new value. Never rejects; once it has resolved, the credential has the value. */
  exchange(value: string): Promise<RefreshOutcome>;
}

/** A credential whose value was exchanged, since the daemon started. */
interface Exchanged {
  readonly credential: Pick<Exchangeable, 'name' | 'source'>;
  /** Values that are void now. */
  readonly spent: Set<string>;
  /** What the store holds, as far as is known. */
  stored: string;
  value: string;
  version: string;
}

/** How many void values are remembered of a credential. */
const MAX_SPENT = 32;

export class RefreshTurns implements Refreshes {
  readonly #parts: RefreshParts;
  /** By credential: settles when the last of the requests that wait or are under way is done. */
  readonly #queues = new Map<unknown, Promise<void>>();
  readonly #exchanged = new Map<string, Exchanged>();
  #retrying = false;

  constructor(parts: RefreshParts) {
    this.#parts = parts;
    parts.credentials.onOpened(() => void this.#retry());
  }

  async begin(credential: Exchangeable): Promise<RefreshTurn | undefined> {
    // A token that the session got itself is no other session's.
    const key = credential.derived ? credential : keyOf(credential);
    const before = this.#queues.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = before.then(() => promise);
    this.#queues.set(key, queue);
    void queue.then(() => {
      if (this.#queues.get(key) === queue) this.#queues.delete(key);
    });
    const isFirst = await new Promise<boolean>((settle) => {
      const timer = setTimeout(() => settle(false), BUDGETS.refresh);
      void before.then(() => {
        clearTimeout(timer);
        settle(true);
      });
    });
    if (!isFirst) {
      resolve();
      return undefined;
    }
    this.bringUpToDate(credential);
    return {
      credential,
      exchange: (value) => this.#exchange(credential, value),
      [Symbol.dispose]: resolve,
    };
  }

  /** Replaces a value that is void by the one that it was exchanged for, if the store could not do so. */
  bringUpToDate(credential: Exchangeable): void {
    const exchanged = this.#exchanged.get(keyOf(credential));
    if (exchanged?.spent.has(credential.value) === true)
      credential.update(exchanged.value, exchanged.version);
  }

  async #exchange(credential: Exchangeable, value: string): Promise<RefreshOutcome> {
    const former = credential.value;
    if (credential.derived) {
      credential.exchange(value);
      return { outcome: 'kept', reason: 'the session got it itself' };
    }
    const key = keyOf(credential);
    const exchanged = this.#exchanged.get(key) ?? {
      credential: { name: credential.name, source: credential.source },
      spent: new Set<string>(),
      stored: former,
      value,
      version: credential.version,
    };
    exchanged.spent.add(former);
    exchanged.spent.delete(value);
    const [oldest] = exchanged.spent;
    if (exchanged.spent.size > MAX_SPENT && oldest !== undefined) exchanged.spent.delete(oldest);
    exchanged.value = value;
    this.#exchanged.set(key, exchanged);
    const result = await this.#store(exchanged);
    if (result.outcome === 'superseded') this.#exchanged.delete(key);
    else credential.update(value, exchanged.version);
    return result;
  }

  async #store(exchanged: Exchanged): Promise<RefreshOutcome> {
    const { credential, stored, value } = exchanged;
    const { credentials, log } = this.#parts;
    try {
      const replaced = await credentials.replace(credential.name, credential.source, stored, value);
      if (replaced.version !== undefined) {
        exchanged.stored = value;
        exchanged.version = replaced.version;
        return { outcome: 'stored' };
      }
      const { superseded, reason } = replaced;
      log.warn({ credential: credential.name, reason }, NOT_STORED);
      // Nothing to try again.
      exchanged.stored = value;
      return { outcome: superseded ? 'superseded' : 'kept', reason };
    } catch (error) {
      const reason = error instanceof WarderError ? error.code : String(error);
      log.error({ credential: credential.name, error: reason }, NOT_STORED);
      return { outcome: 'kept', reason };
    }
  }

  /** Stores what could not be stored before. Called whenever a store was just used. */
  async #retry(): Promise<void> {
    if (this.#retrying) return;
    this.#retrying = true;
    try {
      for (const exchanged of this.#exchanged.values()) {
        if (exchanged.stored !== exchanged.value) await this.#store(exchanged);
      }
    } finally {
      this.#retrying = false;
    }
  }
}

const NOT_STORED =
  'a refresh token that was exchanged is not stored: sessions after a restart of the daemon start with a void one';

function keyOf({ name, source }: Pick<Exchangeable, 'name' | 'source'>): string {
  return JSON.stringify([name, source]);
}

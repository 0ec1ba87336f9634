// One account: the tokens of a profile, for all sessions and hosts of the user. Whoever changes them does so in a
// transaction: the account's lock (in this process, and across processes), the newest record from the store, the change,
// and the store again before anything is used. So a refresh token is sent once, whoever needs a token, and what replaced it
// is never lost to an older one:
//
//   - a mark is stored before a refresh is sent; it also shows that the store can be written. A daemon that finds the mark
//     knows that another was killed between the answer and the store, and tries the token once.
//   - new tokens that cannot be stored are not used and not dropped: they are kept, with the lock, until they are stored.
//   - `invalid_grant` ends an account only if the store still has the token that failed.
//   - a server that is not reached ends nothing.
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import { type AccountRecord, digestOf, endedRecord, ignoreDamage, serialOf } from './account-record.ts';
import type { AccountLock, AccountStore } from './account-store.ts';
import { BackOff } from './back-off.ts';
import { type ExchangeRecord, OneRenewal, type Renewal } from './one-renewal.ts';
import { StoredAccount } from './stored-account.ts';
import { UnstoredTokens } from './unstored.ts';
import { untilAborted } from './until-aborted.ts';

export interface AccountParts {
  readonly profile: string;
  /** What the profile is now. */
  readonly fit: Pick<AccountRecord, 'server' | 'configuration'>;
  readonly store: AccountStore;
  readonly renewal: Renewal;
  readonly exchanged: (record: AccountRecord, what: ExchangeRecord) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class Account implements AsyncDisposable {
  readonly #parts: AccountParts;
  readonly #backOff: BackOff;
  readonly #stored: StoredAccount;
  /** The last of the transactions that wait or run. */
  #queue: Promise<unknown> = Promise.resolve();
  #renewing: { readonly failed: string | undefined; readonly done: Promise<void> } | undefined;
  readonly #unstored: UnstoredTokens;
  readonly #renewal: OneRenewal;
  /** The digest of an access token that the remote server has refused, though it was new. */
  #rejected: string | undefined;
  readonly #closed = new AbortController();

  constructor(parts: AccountParts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.clock);
    this.#stored = new StoredAccount(parts);
    this.#unstored = new UnstoredTokens(
      (record, lock) => this.#stored.write(record, lock),
      (record) => parts.exchanged(record, { outcome: 'stored' }),
    );
    this.#renewal = new OneRenewal({
      ...parts,
      stored: this.#stored,
      unstored: this.#unstored,
      backOff: this.#backOff,
      freshness: () => this.#freshness(),
    });
  }

  /** As far as it is known. Undefined: there is none, or it was not read yet. */
  get record(): AccountRecord | undefined {
    return this.#stored.record;
  }

  /** Whether requests can be authorized, or it is not known yet. */
  get isSignedIn(): boolean {
    const { tokens } = this.record ?? {};
    if (tokens === undefined) return false;
    return this.#rejected === undefined || digestOf(tokens.accessToken) !== this.#rejected;
  }

  /** Calls `listener` each time that the record has changed. */
  onChange(listener: () => void): Disposable {
    return this.#stored.onChange(listener);
  }

  /** Reads the store, if that was not done yet. Throws its codes. */
  async load(prompt: boolean): Promise<void> {
    if (!this.#stored.isRead) await this.#stored.read({ prompt });
  }

  /**
   * Tokens for the next request: renewed first, if they are about to end. Undefined: a person has to sign in, if the server
   * wants an account; where no store was chosen there is none. Throws the store's other codes, and why a renewal failed
   * where there is no token left without it.
   */
  async current(signal: AbortSignal): Promise<AccountRecord | undefined> {
    signal.throwIfAborted();
    if (!this.#stored.isRead) await untilAborted(this.load(true), signal).catch(ignoreUnset);
    if (this.#unstored.isAny) await untilAborted(this.#unstored.settle(), signal);
    const time = this.#freshness();
    if (time === 'fresh') return this.isSignedIn ? this.record : undefined;
    try {
      await untilAborted(this.#renew(undefined), signal);
    } catch (error) {
      if (signal.aborted || this.#unstored.isAny) throw error;
      // It is renewed ahead of its end: until then a server that is not reached hinders nobody.
      if (this.#freshness() !== 'due') throw error;
    }
    return this.isSignedIn ? this.record : undefined;
  }

  /**
   * The remote server has refused an access token. True: there is another one by now. False: a person has to sign in.
   * Throws like `current`.
   */
  async refused(accessToken: string, signal: AbortSignal): Promise<boolean> {
    await untilAborted(this.#unstored.settle(), signal);
    const isStill = (): boolean => this.record?.tokens?.accessToken === accessToken;
    if (isStill()) await untilAborted(this.#renew(accessToken), signal);
    if (isStill()) this.#reject(accessToken);
    return this.isSignedIn;
  }

  /** The remote server refuses even a token that is new: until a person has signed in again it is not sent any more. */
  rejectNew(accessToken: string): void {
    if (this.record?.tokens?.accessToken === accessToken) this.#reject(accessToken);
  }

  /**
   * Stores what a person has signed in to, in place of what is there. `make` gets the newest record, one that is damaged or
   * another profile's as undefined. Throws the store's codes; then nothing has changed.
   */
  replace(
    make: (newest: AccountRecord | undefined) => Omit<AccountRecord, 'serial'>,
  ): Promise<AccountRecord> {
    return this.#transact(async (lock) => {
      const { stored, fitting } = await this.#stored.read({ recover: ignoreDamage });
      const record = { ...make(fitting), serial: serialOf(stored) + 1 };
      await this.#stored.write(record, lock);
      this.#rejected = undefined;
      this.#backOff.reset();
      return record;
    });
  }

  /**
   * Forgets the tokens. `everything`: also what was agreed about the authorization server. Returns what there was. Throws
   * the store's codes.
   */
  forget(everything: boolean): Promise<AccountRecord | undefined> {
    return this.#transact(async (lock) => {
      const { stored, fitting } = await this.#stored.read({ recover: ignoreDamage });
      if (fitting === undefined || everything) {
        await this.#stored.remove();
      } else if (fitting.ended !== 'signed-out')
        await this.#stored.write(endedRecord(fitting, 'signed-out'), lock);
      return stored;
    });
  }

  /** Another daemon has changed the account. Never rejects. */
  async reload(): Promise<void> {
    this.#stored.outdate();
    await this.load(false).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#queue.catch(() => {});
    await this.#unstored[Symbol.asyncDispose]();
  }

  #freshness(): 'fresh' | 'due' | 'over' {
    const { record } = this;
    if (record === undefined || record.tokens !== undefined) return this.#stored.freshness();
    return this.#parts.renewal.isPossible(record) ? 'over' : 'fresh';
  }

  #reject(accessToken: string): void {
    this.#rejected = digestOf(accessToken);
    this.#stored.notify();
  }

  /** One at a time; whoever comes meanwhile waits for the same. `failed`: an access token that was refused. */
  async #renew(failed: string | undefined): Promise<void> {
    const running = this.#renewing;
    if (running === undefined) return await this.#begin(failed);
    if (failed === undefined || running.failed === failed) return await running.done;
    await running.done.catch(() => {});
    if (this.record?.tokens?.accessToken === failed) await this.#renew(failed);
  }

  async #begin(failed: string | undefined): Promise<void> {
    const renewing = { failed, done: this.#renewUnderLock(failed) };
    this.#renewing = renewing;
    try {
      await renewing.done;
    } finally {
      if (this.#renewing === renewing) this.#renewing = undefined;
    }
  }

  async #renewUnderLock(failed: string | undefined): Promise<void> {
    // The store may ask its user to unlock it: not while others wait for the lock.
    await this.#parts.store.read(this.#parts.profile, true);
    await this.#transact((lock) => this.#renewal.run(failed, lock));
  }

  /** Runs changes of the account one at a time, in this process and in all. */
  #transact<T>(change: (lock: AccountLock) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      // The lock is still held: no change goes before what waits to be stored.
      await this.#unstored.settle();
      const lock = await this.#parts.store.lock(this.#parts.profile, this.#closed.signal);
      try {
        return await change(lock);
      } finally {
        if (!this.#unstored.holds(lock)) lock[Symbol.dispose]();
      }
    };
    const result = this.#queue.then(run);
    this.#queue = result.catch(() => {});
    return result;
  }
}

/** Where no store was chosen there are no accounts. */
function ignoreUnset(error: unknown): void {
  if (!(error instanceof WarderError && error.code === 'store-unset')) throw error;
}

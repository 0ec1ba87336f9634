// An account's record as the store has it, and as it was last seen here. Whoever changes it holds the account's lock.
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import { type AccountRecord, fits } from './account-record.ts';
import type { AccountLock, AccountStore } from './account-store.ts';
import { freshness } from './freshness.ts';

export interface StoredAccountParts {
  readonly profile: string;
  /** What the profile is now. */
  readonly fit: Pick<AccountRecord, 'server' | 'configuration'>;
  readonly store: AccountStore;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ReadOptions {
  /** Whether the store may ask its user to unlock it. */
  readonly prompt?: boolean;
  /** A record that is damaged counts as none. */
  readonly recover?: (error: unknown) => undefined;
  /** It is not the one that counts here from now on. */
  readonly aside?: boolean;
}

export class StoredAccount {
  readonly #parts: StoredAccountParts;
  readonly #listeners = new Set<() => void>();
  #record: AccountRecord | undefined;
  #isRead = false;
  /** When the tokens of a record came to this process. */
  #arrival: { readonly serial: number; readonly at: number } | undefined;

  constructor(parts: StoredAccountParts) {
    this.#parts = parts;
  }

  /** Undefined: there is none, or it was not read yet. */
  get record(): AccountRecord | undefined {
    return this.#record;
  }

  get isRead(): boolean {
    return this.#isRead;
  }

  /** It is to be read again: another process has changed it. */
  outdate(): void {
    this.#isRead = false;
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** What counts here has changed, the record or another thing. */
  notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Of the access token; `fresh` where there is none. */
  freshness(): 'fresh' | 'due' | 'over' {
    const { tokens, obtained = 0, serial } = this.#record ?? {};
    if (tokens === undefined) return 'fresh';
    const arrival = this.#arrival?.serial === serial ? this.#arrival?.at : undefined;
    return freshness({ obtained, expiresAt: tokens.expiresAt }, arrival, this.#parts.clock);
  }

  /**
   * The record in the store, and the same if it fits the profile: tokens of what the profile was are not sent to what it is.
   * Throws the store's codes.
   */
  async read({ prompt = false, recover = rethrow, aside = false }: ReadOptions = {}): Promise<{
    readonly stored: AccountRecord | undefined;
    readonly fitting: AccountRecord | undefined;
  }> {
    const { store, profile, fit } = this.#parts;
    const stored = await store.read(profile, prompt).catch(recover);
    const fitting = stored !== undefined && fits(stored, fit) ? stored : undefined;
    if (!aside) {
      this.#isRead = true;
      this.adopt(fitting);
    }
    return { stored, fitting };
  }

  /** Stores a record, which then counts. Throws the store's codes. */
  async write(record: AccountRecord, lock: AccountLock): Promise<void> {
    const { store, profile, clock, log } = this.#parts;
    if (!lock.isHeld()) log.error({ profile }, "an account's lock was removed by somebody");
    await store.write(profile, record);
    if (record.tokens?.accessToken !== this.#record?.tokens?.accessToken)
      this.#arrival = { serial: record.serial, at: clock.monotonic() };
    else if (this.#arrival !== undefined && this.#arrival.serial === this.#record?.serial)
      this.#arrival = { ...this.#arrival, serial: record.serial };
    this.adopt(record);
  }

  /** Throws the store's codes. */
  async remove(): Promise<void> {
    await this.#parts.store.remove(this.#parts.profile);
    this.adopt(undefined);
  }

  /** What is stored counts here, if it fits the profile. */
  adopt(record: AccountRecord | undefined): void {
    this.#record = record !== undefined && fits(record, this.#parts.fit) ? record : undefined;
    this.notify();
  }
}

function rethrow(error: unknown): never {
  throw error;
}

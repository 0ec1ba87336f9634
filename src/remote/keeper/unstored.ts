// New tokens that the store has not taken yet. They are in this process alone: nobody uses them, and the account's lock is held
// until they are stored, since whoever read the store meanwhile would send the token that they replaced.
import { setTimeout as delay } from 'node:timers/promises';
import type { AccountRecord } from './account-record.ts';
import type { AccountLock } from './account-store.ts';

/** Milliseconds between tries. */
const RETRY = 2000;

interface Kept {
  readonly record: AccountRecord;
  readonly lock: AccountLock;
}

export class UnstoredTokens implements AsyncDisposable {
  readonly #write: (record: AccountRecord, lock: AccountLock) => Promise<void>;
  readonly #stored: (record: AccountRecord) => void;
  readonly #closed = new AbortController();
  #kept: Kept | undefined;

  /** `write` throws why the store does not take them; `stored` is told once it has. */
  constructor(
    write: (record: AccountRecord, lock: AccountLock) => Promise<void>,
    stored: (record: AccountRecord) => void,
  ) {
    this.#write = write;
    this.#stored = stored;
  }

  /** Whether there are any. */
  get isAny(): boolean {
    return this.#kept !== undefined;
  }

  /** Whether a lock is held for them. */
  holds(lock: AccountLock): boolean {
    return this.#kept?.lock === lock;
  }

  /** Keeps tokens, and tries to store them now and then. */
  keep(record: AccountRecord, lock: AccountLock): void {
    this.#kept = { record, lock };
    void this.#retry();
  }

  /** Stores what there is. Throws the store's codes where it does not take them. */
  async settle(): Promise<void> {
    const kept = this.#kept;
    if (kept === undefined) return;
    await this.#write(kept.record, kept.lock);
    if (this.#kept !== kept) return;
    this.#stored(kept.record);
    this.#release();
  }

  /** Tries once more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.settle().catch(() => {});
    this.#release();
  }

  async #retry(): Promise<void> {
    const { signal } = this.#closed;
    while (this.#kept !== undefined && !signal.aborted) {
      await delay(RETRY, undefined, { signal, ref: false }).catch(() => {});
      await this.settle().catch(() => {});
    }
  }

  #release(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    kept?.lock[Symbol.dispose]();
  }
}

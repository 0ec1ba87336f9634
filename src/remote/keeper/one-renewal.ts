// One renewal of an account's tokens, under the account's lock: the newest record, a mark that a refresh is about to be sent, the
// refresh, and the store again before anybody gets the new tokens.
import { asWarderError, WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import { refusalOf } from '../oauth/refusal.ts';
import {
  type AccountRecord,
  digestOf,
  type EndReason,
  endedRecord,
  endOf,
  ignoreDamage,
  serialOf,
} from './account-record.ts';
import type { AccountLock } from './account-store.ts';
import type { BackOff } from './back-off.ts';
import type { StoredAccount } from './stored-account.ts';
import type { UnstoredTokens } from './unstored.ts';

/** What one renewal gives: the members of the record that it changes. */
export type Renewed = Pick<AccountRecord, 'tokens' | 'obtained'> & Partial<AccountRecord>;

/** How tokens become new ones without a person. Throws what the authorization server's refusal is, or that it is not reached. */
export interface Renewal {
  /** Whether there is a way from this record to new tokens. */
  isPossible(record: AccountRecord): boolean;
  /** The token that it spends, if it may be used only once. */
  spends(record: AccountRecord): string | undefined;
  renew(record: AccountRecord): Promise<Renewed>;
  /** The authorization server does not know the client that the record is bound to. */
  forgetClient(record: AccountRecord): Promise<void>;
}

/** For the log. */
export interface ExchangeRecord {
  readonly outcome: 'stored' | 'refused' | 'failed' | 'kept' | 'superseded';
  readonly reason?: string;
}

export interface OneRenewalParts {
  readonly profile: string;
  readonly renewal: Renewal;
  readonly exchanged: (record: AccountRecord, what: ExchangeRecord) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly stored: StoredAccount;
  readonly unstored: UnstoredTokens;
  readonly backOff: BackOff;
  /** Of the access token that is stored. */
  readonly freshness: () => 'fresh' | 'due' | 'over';
}

export class OneRenewal {
  readonly #parts: OneRenewalParts;

  constructor(parts: OneRenewalParts) {
    this.#parts = parts;
  }

  /**
   * Renews the tokens, unless that was done meanwhile. `failed`: an access token that was refused. Throws why it failed, and the
   * store's codes.
   */
  async run(failed: string | undefined, lock: AccountLock): Promise<void> {
    const { renewal, profile, log } = this.#parts;
    const { fitting: newest } = await this.#parts.stored.read();
    if (newest === undefined) return;
    const accessToken = newest.tokens?.accessToken;
    const isOther = accessToken !== undefined && accessToken !== failed;
    if (isOther && (failed !== undefined || this.#parts.freshness() === 'fresh')) return;
    if (!renewal.isPossible(newest)) {
      // A token that is refused may be good for another request; one that has ended is not.
      if (newest.tokens !== undefined && this.#parts.freshness() === 'over')
        await this.#end(newest, 'expired', failed, lock);
      return;
    }
    const { pending } = this.#parts.backOff;
    if (pending !== undefined) throw pending;
    const spent = renewal.spends(newest);
    const isInterrupted = spent !== undefined && newest.sent?.token === digestOf(spent);
    if (isInterrupted) {
      const sent = new Date(newest.sent?.at ?? 0).toISOString();
      log.warn({ profile, sent }, 'a refresh was sent and its answer never stored: it is tried once more');
    }
    const marked = await this.#mark(newest, spent, lock);
    if (!lock.isHeld()) throw lockLost(profile);
    let renewed: Renewed;
    try {
      renewed = await renewal.renew(marked);
    } catch (error) {
      await this.#failed(error, marked, { isInterrupted, failed, lock });
      return;
    }
    this.#parts.backOff.reset();
    const serial = marked.serial + 1;
    await this.#keep(
      { ...marked, ...renewed, serial, sent: undefined, ended: undefined },
      marked.serial,
      lock,
    );
  }

  /** Stores that a refresh is about to be sent. The store's refusal is the end of it: nothing was sent. */
  async #mark(newest: AccountRecord, spent: string | undefined, lock: AccountLock): Promise<AccountRecord> {
    if (spent === undefined) return newest;
    const sent = { at: this.#parts.clock.now(), token: digestOf(spent) };
    const marked = { ...newest, serial: newest.serial + 1, sent };
    await this.#parts.stored.write(marked, lock);
    return marked;
  }

  /** A renewal has failed: the tokens go only if the authorization server has said so of these. */
  async #failed(
    error: unknown,
    marked: AccountRecord,
    about: {
      readonly isInterrupted: boolean;
      readonly failed: string | undefined;
      readonly lock: AccountLock;
    },
  ): Promise<void> {
    const { exchanged, renewal, log, profile } = this.#parts;
    const { isInterrupted, failed, lock } = about;
    const refusal = refusalOf(error)?.error;
    const end = endOf(refusal, isInterrupted);
    const known = asWarderError(error, 'a fault in Warder ended a refresh');
    this.#parts.backOff.failed(known);
    if (end === undefined) {
      exchanged(marked, { outcome: 'failed', reason: reasonOf(error) });
      // An answer came: what was sent is not spent, unless an earlier one was lost. Without an answer nobody knows.
      if (refusal !== undefined && !isInterrupted && marked.sent !== undefined)
        await this.#parts.stored
          .write({ ...marked, serial: marked.serial + 1, sent: undefined }, lock)
          .catch((cause) => log.warn({ profile, error: reasonOf(cause) }, 'the mark of a refresh stays'));
      throw known;
    }
    exchanged(marked, { outcome: 'refused', ...(refusal !== undefined && { reason: refusal }) });
    const { fitting } = await this.#parts.stored.read();
    if (fitting === undefined || renewal.spends(fitting) !== renewal.spends(marked)) return;
    if (end === 'client') await renewal.forgetClient(marked);
    await this.#end(fitting, end, failed, lock);
  }

  /** Ends an account. An access token that has not ended yet may still be sent, unless it was refused or the client is gone. */
  async #end(
    record: AccountRecord,
    why: EndReason,
    failed: string | undefined,
    lock: AccountLock,
  ): Promise<void> {
    const { log, profile } = this.#parts;
    const { tokens } = record;
    log.warn({ profile, why }, 'an account has to be signed in to again');
    const isLeft =
      why !== 'client' &&
      tokens?.expiresAt !== undefined &&
      tokens.accessToken !== failed &&
      this.#parts.freshness() !== 'over';
    const kept = isLeft ? { ...tokens, refreshToken: undefined } : undefined;
    await this.#parts.stored.write({ ...endedRecord(record, why), tokens: kept }, lock);
  }

  /** Stores new tokens before anybody gets them. `before`: the serial that the store has unless somebody did not wait. */
  async #keep(record: AccountRecord, before: number, lock: AccountLock): Promise<void> {
    const { exchanged, log, profile } = this.#parts;
    try {
      const { stored } = await this.#parts.stored.read({ recover: ignoreDamage, aside: true });
      if (serialOf(stored) !== before) {
        // What is stored is what a person, or another daemon, has put there.
        log.error({ profile }, 'an account was changed during its refresh: what is stored counts');
        exchanged(record, { outcome: 'superseded' });
        return this.#parts.stored.adopt(stored);
      }
      await this.#parts.stored.write(record, lock);
      exchanged(record, { outcome: 'stored' });
    } catch (error) {
      const known = asWarderError(error, 'a fault in Warder ended a refresh');
      // A store that will never take them: the account is to be signed in to again, and the error says why it cannot be.
      const isLost = known.code === 'credential-long';
      exchanged(record, { outcome: isLost ? 'failed' : 'kept', reason: known.code });
      log.error({ profile, error: known.code }, 'new tokens cannot be stored');
      if (!isLost) this.#parts.unstored.keep(record, lock);
      throw known;
    }
  }
}

function reasonOf(error: unknown): string {
  const refusal = refusalOf(error)?.error;
  if (refusal !== undefined) return refusal;
  return error instanceof WarderError ? error.code : 'daemon-internal';
}

function lockLost(profile: string): WarderError {
  return new WarderError(
    'sign-in-failed',
    `the lock of the account of "${profile}" was removed by somebody`,
    {
      hint: 'try again; no program but Warder should change the folder "remote" below its state folder',
    },
  );
}

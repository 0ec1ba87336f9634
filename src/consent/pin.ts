// The PIN that proves that a person is there: for answers that hold for good, and for credentials that ask. A program of
// the same user can call the daemon, but does not know it. Kept as scrypt (RFC 7914) in the credential store, with the
// failures so far, so that a restart forgets none, not even one during a guess. Daemons that have handed over judge PINs too: all
// of them do so one after the other.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import { awaitLock } from '../os/lock.ts';
import type { Blobs } from './store/authentic-files.ts';

const NAME = 'consent-pin';
const SILENT = { prompt: false } as const;
/** About a tenth of a second, and 32 MiB. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 2 ** 20 } as const;
/** Failures that cost nothing; each one more doubles the wait, from a second to an hour. */
const FREE_FAILURES = 3;
const LONGEST_WAIT = 3_600_000;
const SHORTEST = 4;
/** Milliseconds that a guess waits for those of other daemons. */
const LOCK_TIMEOUT = 10_000;

/** RFC 7914, section 2. */
export interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  /** Bytes. */
  readonly maxmem: number;
}

interface Kept {
  readonly salt: string;
  readonly hash: string;
  readonly failures: number;
  /** When the last failure was, in milliseconds since the epoch. */
  readonly last: number;
}

export class Pin {
  readonly #blobs: () => Blobs;
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #cost: ScryptCost;
  #checking: Promise<unknown> = Promise.resolve();

  /** `blobs` throws the store's errors. `folder`: the one that all daemons have their locks in. */
  constructor(blobs: () => Blobs, clock: Clock, folder: string, cost: ScryptCost = COST) {
    this.#blobs = blobs;
    this.#clock = clock;
    this.#folder = folder;
    this.#cost = cost;
  }

  async isSet(): Promise<boolean> {
    return (await this.#blobs().get(NAME, SILENT)) !== undefined;
  }

  /** Sets the PIN; `old` is the one before, if there is one. Throws `usage` for one that is too short, and as `check`. */
  set(pin: string, old: string | undefined): Promise<void> {
    return this.#inTurn(async () => {
      if ([...pin].length < SHORTEST) {
        throw new WarderError('usage', `a PIN has at least ${SHORTEST} characters`);
      }
      if ((await this.#kept()) !== undefined) await this.#check(old ?? '');
      const salt = randomBytes(16);
      const hash = await derive(pin, salt, this.#cost);
      await this.#keep({ salt: salt.toString('hex'), hash: hash.toString('hex'), failures: 0, last: 0 });
    });
  }

  /** Throws `refused` unless it is the PIN: none is set, it is another one, or there were too many failures just now. */
  check(pin: string): Promise<void> {
    return this.#inTurn(() => this.#check(pin));
  }

  async #check(pin: string): Promise<void> {
    const kept = await this.#kept();
    if (kept === undefined) {
      throw new WarderError('refused', 'this needs a PIN, and none is set', {
        hint: 'set one with "warder pin"',
      });
    }
    const wait = kept.last + waitAfter(kept.failures) - this.#clock.now();
    if (wait > 0) {
      throw new WarderError('refused', `too many wrong PINs: try again in ${Math.ceil(wait / 1000)} s`);
    }
    // A guess counts before it is judged: who ends the daemon before it has answered has had a guess.
    await this.#keep({ ...kept, failures: kept.failures + 1, last: this.#clock.now() });
    const hash = await derive(pin, Buffer.from(kept.salt, 'hex'), this.#cost);
    if (timingSafeEqual(hash, Buffer.from(kept.hash, 'hex'))) {
      await this.#keep({ ...kept, failures: 0 });
      return;
    }
    throw new WarderError('refused', 'that is not the PIN');
  }

  /** One at a time: many at once would be as many guesses for one wait. */
  #inTurn<T>(turn: () => Promise<T>): Promise<T> {
    const done = this.#checking.then(async () => {
      using _ = await this.#lock();
      return await turn();
    });
    this.#checking = done.catch(() => {});
    return done;
  }

  async #lock(): Promise<Disposable> {
    const lock = await awaitLock(join(this.#folder, 'pin.lock'), LOCK_TIMEOUT);
    if ('owner' in lock) return lock;
    throw new WarderError('refused', `another daemon judges a PIN; its pid is ${lock.pid}`, {
      hint: 'try again',
    });
  }

  async #kept(): Promise<Kept | undefined> {
    const bytes = await this.#blobs().get(NAME, SILENT);
    return bytes === undefined ? undefined : (JSON.parse(bytes.toString('utf8')) as Kept);
  }

  #keep(kept: Kept): Promise<void> {
    return this.#blobs().set(NAME, Buffer.from(JSON.stringify(kept)), SILENT);
  }
}

const scryptAsync = promisify<string, Buffer, number, object, Buffer>(scrypt);

function derive(pin: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  return scryptAsync(pin.normalize('NFC'), salt, 32, cost);
}

function waitAfter(failures: number): number {
  return failures <= FREE_FAILURES ? 0 : Math.min(1000 * 2 ** (failures - FREE_FAILURES - 1), LONGEST_WAIT);
}

// Locks that forbid every use of credentials, whatever profiles allow: a lock on all of them, as `ssh-add -x` locks an
// agent's keys, and revocations of single ones. Both persist across restarts of the daemon, in `state/locks.json`; if
// that file cannot be read, all credentials are locked.
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { WarderError } from '../errors.ts';
import { writeFileAtomic } from '../os/file.ts';
import type { Log } from '../os/log.ts';
import type { Places } from '../wire/places.ts';

const stored = z.strictObject({
  locked: z.boolean(),
  /** Salt and hash of the passphrase that unlocks, in hex. Without it every client of the daemon can unlock. */
  passphrase: z.strictObject({ salt: z.hex(), hash: z.hex().length(64) }).optional(),
  revoked: z.array(z.string()),
});

type LockState = z.infer<typeof stored>;

const UNLOCKED: LockState = { locked: false, revoked: [] };
const HASH_LENGTH = 32;

export class Locks {
  readonly #file: string;
  readonly #log: Log;
  #state: LockState;
  readonly #listeners = new Set<() => void>();

  constructor(places: Pick<Places, 'state'>, log: Log) {
    this.#file = join(places.state, 'locks.json');
    this.#log = log;
    this.#state = read(this.#file, log);
  }

  /** Reads the file again: another daemon has changed it. */
  reload(): void {
    this.#state = read(this.#file, this.#log);
    this.#tell();
  }

  /** Calls a listener after each change. Disposing the result ends that. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  get locked(): boolean {
    return this.#state.locked;
  }

  /** Whether unlocking needs a passphrase. */
  get needsPassphrase(): boolean {
    return this.#state.passphrase !== undefined;
  }

  /** The names of revoked credentials, sorted. */
  get revokedNames(): readonly string[] {
    return this.#state.revoked;
  }

  isRevoked(name: string): boolean {
    return this.#state.revoked.includes(name);
  }

  /** Locks all credentials. Throws `refused` if they are locked with a passphrase already, `cannot-write`. */
  lock(passphrase: string | undefined): void {
    if (this.#state.locked && this.needsPassphrase) {
      throw new WarderError('refused', 'all credentials are locked with a passphrase already', {
        hint: 'run "warder unlock" first',
      });
    }
    const salt = randomBytes(16).toString('hex');
    this.#write({
      locked: true,
      revoked: this.#state.revoked,
      ...(passphrase !== undefined && { passphrase: { salt, hash: hash(passphrase, salt).toString('hex') } }),
    });
  }

  /** Unlocks. Throws `refused` if the passphrase is missing or wrong. */
  unlock(passphrase: string | undefined): void {
    const expected = this.#state.passphrase;
    if (expected !== undefined) {
      const matches =
        passphrase !== undefined &&
        timingSafeEqual(hash(passphrase, expected.salt), Buffer.from(expected.hash, 'hex'));
      if (!matches) {
        throw new WarderError('refused', 'this is not the passphrase that the credentials were locked with', {
          hint: 'try again; if it is lost, remove state/locks.json while no daemon runs',
        });
      }
    }
    this.#write({ locked: false, revoked: this.#state.revoked });
  }

  /** Revokes a credential. `false`: it was revoked already. */
  revoke(name: string): boolean {
    if (this.isRevoked(name)) return false;
    this.#write({ ...this.#state, revoked: [...this.#state.revoked, name].sort() });
    return true;
  }

  /** Undoes a revocation. `false`: there was none. */
  restore(name: string): boolean {
    if (!this.isRevoked(name)) return false;
    this.#write({ ...this.#state, revoked: this.#state.revoked.filter((other) => other !== name) });
    return true;
  }

  /** Throws `locked` or `credential-revoked` unless all of these credentials may be used now. */
  assertUsable(names: readonly string[]): void {
    if (names.length === 0) return;
    if (this.locked) {
      throw new WarderError('locked', 'all credentials are locked', { hint: 'run "warder unlock"' });
    }
    const revoked = names.find((name) => this.isRevoked(name));
    if (revoked !== undefined) {
      throw new WarderError('credential-revoked', `the credential "${revoked}" is revoked`, {
        hint: `set a new value, or undo it with "warder revoke --undo ${revoked}"`,
      });
    }
  }

  #write(next: LockState): void {
    try {
      writeFileAtomic(this.#file, `${JSON.stringify(next)}\n`);
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${this.#file}`, { cause });
    }
    this.#state = next;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function hash(passphrase: string, salt: string): Buffer {
  return scryptSync(passphrase, Buffer.from(salt, 'hex'), HASH_LENGTH);
}

function read(file: string, log: Log): LockState {
  try {
    return stored.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return UNLOCKED;
    log.error({ file }, 'the locks cannot be read: all credentials are locked');
    return { ...UNLOCKED, locked: true };
  }
}

// What keeps credentials from being used at all, whatever profiles say: a lock over all of them, as `ssh-add -x` puts
// over an agent's keys, and revocations of single ones. Both outlive the daemon, in `state/locks.json`; a file that
// cannot be read locks everything.
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
  /** Of the passphrase that unlocks: hex. Without it anybody who may ask the daemon may unlock. */
  passphrase: z.strictObject({ salt: z.hex(), hash: z.hex().length(64) }).optional(),
  revoked: z.array(z.string()),
});

type Stored = z.infer<typeof stored>;

const OPEN: Stored = { locked: false, revoked: [] };
const LENGTH = 32;

export class Locks {
  readonly #file: string;
  #state: Stored;

  constructor(places: Pick<Places, 'state'>, log: Log) {
    this.#file = join(places.state, 'locks.json');
    this.#state = read(this.#file, log);
  }

  get locked(): boolean {
    return this.#state.locked;
  }

  /** A passphrase unlocks. */
  get needsPassphrase(): boolean {
    return this.#state.passphrase !== undefined;
  }

  /** Names of credentials that are revoked, in order. */
  get revokedNames(): readonly string[] {
    return this.#state.revoked;
  }

  isRevoked(name: string): boolean {
    return this.#state.revoked.includes(name);
  }

  /** Locks all credentials. Throws `refused` where they are locked with a passphrase already, `cannot-write`. */
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

  /** Unlocks. Throws `refused` for a passphrase that is missing or another. */
  unlock(passphrase: string | undefined): void {
    const guard = this.#state.passphrase;
    if (guard !== undefined) {
      const fits =
        passphrase !== undefined &&
        timingSafeEqual(hash(passphrase, guard.salt), Buffer.from(guard.hash, 'hex'));
      if (!fits) {
        throw new WarderError('refused', 'this is not the passphrase that the credentials were locked with', {
          hint: 'try again; whoever has lost it removes state/locks.json while no daemon runs',
        });
      }
    }
    this.#write({ locked: false, revoked: this.#state.revoked });
  }

  /** Revokes a credential; `false`: it was already. */
  revoke(name: string): boolean {
    if (this.isRevoked(name)) return false;
    this.#write({ ...this.#state, revoked: [...this.#state.revoked, name].sort() });
    return true;
  }

  /** Takes a revocation back; `false`: there was none. */
  restore(name: string): boolean {
    if (!this.isRevoked(name)) return false;
    this.#write({ ...this.#state, revoked: this.#state.revoked.filter((one) => one !== name) });
    return true;
  }

  /** Throws `locked` or `credential-revoked` if any of these credentials may not be used now. */
  assertUsable(names: readonly string[]): void {
    if (names.length === 0) return;
    if (this.locked) {
      throw new WarderError('locked', 'all credentials are locked', { hint: 'run "warder unlock"' });
    }
    const revoked = names.find((name) => this.isRevoked(name));
    if (revoked !== undefined) {
      throw new WarderError('credential-revoked', `the credential "${revoked}" is revoked`, {
        hint: `set a new value, or take it back with "warder revoke --undo ${revoked}"`,
      });
    }
  }

  #write(next: Stored): void {
    try {
      writeFileAtomic(this.#file, `${JSON.stringify(next)}\n`);
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${this.#file}`, { cause });
    }
    this.#state = next;
  }
}

function hash(passphrase: string, salt: string): Buffer {
  return scryptSync(passphrase, Buffer.from(salt, 'hex'), LENGTH);
}

function read(file: string, log: Log): Stored {
  try {
    return stored.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return OPEN;
    log.error({ file }, 'the locks cannot be read: all credentials are locked');
    return { ...OPEN, locked: true };
  }
}

// Credentials that a host has refused: they may have expired, or lack a right. Told in `status` and once in the daemon's
// log, until a host takes the credential again or it gets a new value.
import type { Log } from '../os/log.ts';

export interface Doubt {
  /** The credential's name. */
  readonly name: string;
  readonly version: string;
  readonly host: string;
  /** 401 or 403. */
  readonly status: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export class Doubts {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #doubts = new Map<string, Doubt>();

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  get all(): readonly Doubt[] {
    return [...this.#doubts.values()];
  }

  /** A host has answered a request that carried a credential. */
  judge({ name, version }: Pick<Doubt, 'name' | 'version'>, status: number, host: string): void {
    const before = this.#doubts.get(name);
    if (status !== 401 && status !== 403) {
      if (before?.host === host && status < 400) this.#doubts.delete(name);
      return;
    }
    if (before?.host === host && before.version === version && before.status === status) return;
    this.#doubts.set(name, { name, version, host, status, since: this.#now() });
    this.#log.warn(
      { credential: name, version, host, status },
      'a host refuses a credential: it may have expired',
    );
  }

  /** The credential has a new value. */
  forget(name: string): void {
    this.#doubts.delete(name);
  }
}

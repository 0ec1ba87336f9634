// Credentials that a host has refused: they may have expired, or lack a right. Told in `status` and once in the daemon's
// log, until a host takes the credential again or it gets a new value.
import type { Log } from '../os/log.ts';

export interface Rejection {
  /** The credential's name. */
  readonly name: string;
  readonly version: string;
  readonly host: string;
  /** 401 or 403. */
  readonly status: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export class Rejections {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #rejections = new Map<string, Rejection>();

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  get all(): readonly Rejection[] {
    return [...this.#rejections.values()];
  }

  /** A host has answered a request that carried a credential. */
  record({ name, version }: Pick<Rejection, 'name' | 'version'>, status: number, host: string): void {
    const before = this.#rejections.get(name);
    if (status !== 401 && status !== 403) {
      if (before?.host === host && status < 400) this.#rejections.delete(name);
      return;
    }
    if (before?.host === host && before.version === version && before.status === status) return;
    this.#rejections.set(name, { name, version, host, status, since: this.#now() });
    this.#log.warn(
      { credential: name, version, host, status },
      'a host refuses a credential: it may have expired',
    );
  }

  /** The credential has a new value. */
  clear(name: string): void {
    this.#rejections.delete(name);
  }
}

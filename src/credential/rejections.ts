// Credentials that a host has rejected: they may have expired, or lack a permission. `status` shows them, and the daemon
// logs each once, until the host accepts the credential again or it gets a new value.
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

  /** Records the status of a host's response to a request that carried the credential. */
  record({ name, version }: Pick<Rejection, 'name' | 'version'>, status: number, host: string): void {
    const previous = this.#rejections.get(name);
    if (status !== 401 && status !== 403) {
      if (previous?.host === host && status < 400) this.#rejections.delete(name);
      return;
    }
    if (previous?.host === host && previous.version === version && previous.status === status) return;
    this.#rejections.set(name, { name, version, host, status, since: this.#now() });
    this.#log.warn(
      { credential: name, version, host, status },
      'a host refuses a credential: it may have expired',
    );
  }

  /** Forgets the rejection of a credential that has a new value. */
  clear(name: string): void {
    this.#rejections.delete(name);
  }
}

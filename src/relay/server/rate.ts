// How often something may happen in a minute.
import type { Clock } from '../../os/clock.ts';

const MINUTE = 60_000;

export class Rate {
  readonly #clock: Clock;
  readonly #limit: number;
  /** When it happened, of the last minute. */
  #times: number[] = [];

  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Once more. False: that is too often, and does not count. */
  take(): boolean {
    const now = this.#clock.monotonic();
    this.#times = this.#times.filter((time) => now - time < MINUTE);
    if (this.#times.length >= this.#limit) return false;
    this.#times.push(now);
    return true;
  }
}

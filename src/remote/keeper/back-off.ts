// Failures of what is tried again: each one in a row makes the next try wait twice as long.

import type { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';

/** Milliseconds after the first failure, and at most. */
const FIRST = 1000;
const LONGEST = 60_000;

export class BackOff {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #failures = 0;
  #until = 0;
  #error: WarderError | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** The last error, if it is too early for another try. */
  get pending(): WarderError | undefined {
    return this.#clock.monotonic() < this.#until ? this.#error : undefined;
  }

  failed(error: WarderError): void {
    this.#error = error;
    this.#until = this.#clock.monotonic() + Math.min(LONGEST, FIRST * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
  }

  reset(): void {
    this.#failures = 0;
    this.#until = 0;
    this.#error = undefined;
  }
}

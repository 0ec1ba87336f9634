// The values that are taken out of what passes: those in force, and for a while those that they replaced, which a server
// may still repeat in an answer.
import type { Clock } from '../../os/clock.ts';

/** Milliseconds for which a replaced value is still redacted, and how many of them at most. */
const KEPT = 3_600_000;
const MOST = 32;

export class RecentValues {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #listeners = new Set<() => void>();
  #current: readonly string[] = [];
  /** Values that were replaced, the oldest first, and when. */
  readonly #replaced = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** These are in force from now on. */
  set(...values: readonly string[]): void {
    if (values.length === this.#current.length && values.every((value) => this.#current.includes(value)))
      return;
    const now = this.#clock.monotonic();
    for (const value of this.#current) {
      this.#replaced.delete(value);
      if (!values.includes(value)) this.#replaced.set(value, now);
    }
    for (const value of values) this.#replaced.delete(value);
    this.#current = [...values];
    for (const [value, at] of this.#replaced)
      if (now - at > KEPT || this.#replaced.size > MOST) this.#replaced.delete(value);
    for (const listener of this.#listeners) listener();
  }

  all(): readonly string[] {
    return [...this.#current, ...this.#replaced.keys()];
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }
}

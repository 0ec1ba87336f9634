// How long to wait before something is tried again that has failed or ended: longer each time, until one has lasted.

/** Milliseconds: at first and at most; and after which what was tried counts as a good one. */
const FIRST = 1000;
const LAST = 300_000;
const GOOD = 60_000;

export class Backoff {
  readonly #now: () => number;
  #delay = FIRST;
  #timer: NodeJS.Timeout | undefined;

  /** `now` is in milliseconds and never goes backwards. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a try is due. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** Runs `again` after a while. `since`: when what has ended began; undefined: it never did. */
  later(since: number | undefined, again: () => void): void {
    clearTimeout(this.#timer);
    if (since !== undefined && this.#now() - since > GOOD) this.#delay = FIRST;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      again();
    }, this.#delay);
    this.#delay = Math.min(LAST, this.#delay * 2);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

// When sessions may be opened. Each start keeps the event loop busy for some milliseconds, so while sessions of other hosts are
// at work a host's starts are spread: a host that opens and throws away what it can slows down itself, and no other. A host
// whose sessions are the only ones at work may open as many at once as it likes.
import type { Clock } from '../os/clock.ts';

/** Milliseconds from one start to the next, of all hosts whose starts are spread. */
export const BETWEEN_STARTS = 30;

export class StartQueue {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** What waits, by host: in the order in which hosts have their turns. */
  readonly #waiting = new Map<string, Set<Waiting>>();
  #last = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Settles when a session of `host` may be opened, or it is not wanted any more. `isBeside`: whether others are at work. */
  async enter(host: string, isBeside: () => boolean, gone: AbortSignal): Promise<void> {
    if (gone.aborted || !isBeside()) return;
    const now = this.#clock.monotonic();
    if (this.#waiting.size === 0 && now - this.#last >= BETWEEN_STARTS) {
      this.#last = now;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = { isBeside, enter: resolve };
    const ofHost = this.#waiting.get(host) ?? new Set();
    this.#waiting.set(host, ofHost.add(waiting));
    const leave = (): void => {
      if (!ofHost.delete(waiting)) return;
      if (ofHost.size === 0) this.#waiting.delete(host);
      resolve();
    };
    gone.addEventListener('abort', leave, { once: true });
    this.#wait();
    try {
      await promise;
    } finally {
      gone.removeEventListener('abort', leave);
    }
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return;
    const ms = Math.max(0, this.#last + BETWEEN_STARTS - this.#clock.monotonic());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#next();
    }, ms);
  }

  /** Lets in one whose host's turn it is, and all beside which nobody is at work any more. */
  #next(): void {
    for (const [host, ofHost] of [...this.#waiting]) {
      const [first] = ofHost;
      if (first === undefined) continue;
      if (first.isBeside()) {
        ofHost.delete(first);
        this.#waiting.delete(host);
        if (ofHost.size > 0) this.#waiting.set(host, ofHost);
        this.#last = this.#clock.monotonic();
        first.enter();
        break;
      }
      this.#waiting.delete(host);
      for (const each of ofHost) each.enter();
      ofHost.clear();
    }
    this.#wait();
  }
}

interface Waiting {
  readonly isBeside: () => boolean;
  readonly enter: () => void;
}

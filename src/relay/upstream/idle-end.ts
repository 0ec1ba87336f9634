// Ends the server of a session that has not been used for a while: the session goes on without it, and it is started again when
// something needs it (see late-start.ts). Only what acts is use; what asks what there is is none. What is open keeps the server.
import type { Clock } from '../../os/clock.ts';

export interface IdleEndOptions {
  /** Milliseconds without use. */
  readonly after: number;
  readonly clock: Clock;
  /** When the last use ended, in milliseconds of the monotonic clock. */
  readonly usedAt: () => number;
  /** Whether a server runs that might be ended. */
  readonly isRunning: () => boolean;
  /** Ends the server, unless something is open that needs it. */
  readonly end: () => boolean;
}

/** The longest time that a timer takes, in milliseconds. */
const MAX_WAIT = 2 ** 31 - 1;

export class IdleEnd {
  readonly #options: IdleEndOptions;
  #startedAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: IdleEndOptions) {
    this.#options = options;
    this.#startedAt = options.clock.monotonic();
    if (options.isRunning()) this.#wait(options.after);
  }

  /** A server has started. */
  started(): void {
    this.#startedAt = this.#options.clock.monotonic();
    if (this.#timer === undefined) this.#wait(this.#options.after);
  }

  /** The session is over. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.min(ms, MAX_WAIT));
  }

  #look(): void {
    const { after, clock, usedAt, isRunning, end } = this.#options;
    this.#timer = undefined;
    if (!isRunning()) return;
    const left = after - (clock.monotonic() - Math.max(this.#startedAt, usedAt()));
    if (left > 0) this.#wait(left);
    else if (!end()) this.#wait(after);
  }
}

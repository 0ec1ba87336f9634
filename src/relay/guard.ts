// Every way into a session passes here: bytes of the host and of the server, standard error, a drained queue, a
// timer, a promise. What throws in one session ends that session and touches no other. A turn that holds the event
// loop for long is logged under the name of its session.
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';

/** A turn that holds the event loop longer is logged. Milliseconds. */
const SLOW = 50;
/** How many slow turns of a session are logged. */
const MAX_LOGGED = 20;

export interface GuardOptions {
  /** The session's id. */
  readonly session: string;
  /** The profile's name. */
  readonly profile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called at the first fault; may throw. */
  readonly onFault: () => void;
}

/** Runs the turns of one session. */
export class Guard {
  readonly #options: GuardOptions;
  #depth = 0;
  #longest = 0;
  #slow = 0;
  #failed = false;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** The longest turn so far, in milliseconds. */
  get longest(): number {
    return this.#longest;
  }

  /** Runs `turn`. Never throws. */
  run(turn: () => void): void {
    if (this.#depth > 0) {
      // A turn within a turn: the outer one takes its time, but what throws here must not unwind its caller.
      try {
        turn();
      } catch (error) {
        this.fail(error);
      }
      return;
    }
    const { clock } = this.#options;
    const began = clock.monotonic();
    this.#depth++;
    try {
      turn();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#depth--;
    }
    const ms = clock.monotonic() - began;
    if (ms > this.#longest) this.#note(ms);
  }

  /** A fault that came by another way, such as a promise. Never throws. */
  fail(error: unknown): void {
    const { session, profile, log, onFault } = this.#options;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error({ session, profile, error: text }, 'a fault ends the session');
    if (this.#failed) return;
    this.#failed = true;
    try {
      onFault();
    } catch (second) {
      log.error({ session, profile, error: String(second) }, 'a fault while a session was ended');
    }
  }

  #note(ms: number): void {
    const { session, profile, log } = this.#options;
    this.#longest = ms;
    if (ms > SLOW && ++this.#slow <= MAX_LOGGED)
      log.warn({ session, profile, ms: Math.round(ms) }, 'a session held the event loop');
  }
}

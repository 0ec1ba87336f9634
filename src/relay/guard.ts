// Every way into a session passes here: bytes of the host and of the server, standard error, a drained queue, a
// timer, a promise. What throws in one session ends that session and touches no other. A turn that holds the event
// loop for long is logged under the name of its session.
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import { TurnMeter } from '../os/turn-meter.ts';
import type { Neighbours } from './neighbours.ts';

export interface GuardOptions {
  /** The session's id. */
  readonly session: string;
  /** The profile's name. */
  readonly profile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each turn. */
  readonly neighbours: Neighbours;
  /** Called at the first fault; may throw. */
  readonly onFault: () => void;
}

/** Runs the turns of one session. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #meter: TurnMeter;
  #failed = false;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#meter = new TurnMeter({ owner: 'a session', ...options });
  }

  /** The longest turn so far, in milliseconds. */
  get longest(): number {
    return this.#meter.longest;
  }

  /** What all turns that have ended took, in milliseconds. */
  get spent(): number {
    return this.#meter.spent;
  }

  /** When the turn that runs began, in milliseconds of the monotonic clock. */
  get began(): number {
    return this.#meter.began;
  }

  /** Runs `turn`. Never throws: what throws in a turn within a turn must not unwind the outer one. */
  run(turn: () => void): void {
    this.#meter.begin();
    this.#options.neighbours.note(this, this.#meter.began);
    try {
      turn();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#meter.end();
    }
  }

  /** A fault that came by another way, such as a promise. Never throws. */
  fail(error: unknown): void {
    const { session, profile, log, onFault } = this.#options;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error({ session, profile, error: text }, 'a fault ends the session');
    if (this.#failed) return;
    this.#failed = true;
    this.#meter.begin();
    try {
      onFault();
    } catch (second) {
      log.error({ session, profile, error: String(second) }, 'a fault while a session was ended');
    } finally {
      this.#meter.end();
    }
  }
}

// How many messages of a session are taken in one turn of the event loop. A session that is alone takes whatever has come: that
// is soonest done at once. While others are at work, what it does between two looks for their input is bounded by time: after
// that it waits, and the sessions that wait take turns.
import type { Clock } from '../../os/clock.ts';
import { type Neighbours, TURN } from '../neighbours.ts';

/** The same while others were at work lately, and may be again: their next call finds a turn that has begun. */
export const TURN_BESIDE_IDLE = 0.5;
/** Another session is at work for so long after a turn, and was lately. */
const BUSY = 100;
const LATELY = 5000;

export interface MessageTurnsOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly neighbours: Pick<Neighbours, 'aloneFor' | 'loop' | 'later' | 'spent' | 'charge' | 'isCrowded'>;
  /** The session among its neighbours, with what its turns have taken. */
  readonly session: { readonly began: number; readonly spent: number };
  /** Runs what goes on later as a turn of the session; does nothing once that is over. */
  readonly resume: (turn: () => void) => void;
}

export class MessageTurns {
  readonly #options: MessageTurnsOptions;
  /** The turn of the event loop that is counted, what the session's turns had taken before it, and what is charged of it. */
  #loop = -1;
  #before = 0;
  #charged = 0;
  /** When it last had to wait, and whether it has its turn for that. */
  #waitedAt = Number.NEGATIVE_INFINITY;
  #isCalled = false;
  #waiting: (() => void)[] = [];
  #isQueued = false;

  constructor(options: MessageTurnsOptions) {
    this.#options = options;
  }

  /** Whether a message may be taken now. If not, `later` calls when one may. */
  mayTake(): boolean {
    const { clock, neighbours, session } = this.#options;
    const now = clock.monotonic();
    const alone = neighbours.aloneFor(session, now);
    if (alone > LATELY) return true;
    const most = alone > BUSY ? TURN_BESIDE_IDLE : TURN;
    const loop = neighbours.loop();
    const isFirst = loop !== this.#loop;
    if (isFirst) {
      this.#loop = loop;
      this.#before = session.spent;
      this.#charged = 0;
    }
    const spent = session.spent - this.#before + now - session.began;
    // One that floods shares a turn with all others that do, and comes after those that wait.
    if (now - this.#waitedAt < BUSY) {
      if (!this.#isCalled && neighbours.isCrowded) return false;
      if (!this.#isCalled) neighbours.charge(spent - this.#charged);
      this.#charged = spent;
      return neighbours.spent < most;
    }
    return isFirst || spent < most;
  }

  /** Calls back in a later turn of the event loop, as a turn of the session, in which one message may be taken at least. */
  later(turn: () => void): void {
    this.#waitedAt = this.#options.clock.monotonic();
    this.#waiting.push(turn);
    this.#queue();
  }

  /** A session has one place among those that wait, whichever of its sides do. */
  #queue(): void {
    if (this.#isQueued || this.#waiting.length === 0) return;
    this.#isQueued = true;
    const { neighbours, resume } = this.#options;
    neighbours.later(() => {
      this.#isQueued = false;
      resume(() => {
        this.#isCalled = true;
        try {
          do this.#waiting.shift()?.();
          while (this.#waiting.length > 0 && this.mayTake());
        } finally {
          this.#isCalled = false;
          this.#queue();
        }
      });
    });
  }
}

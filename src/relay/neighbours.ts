// The sessions of a daemon beside each other. One that is alone with something to do may have all of the time; as soon as
// others have turns too, what takes long in it gets a share, see flow/slices.ts, and many messages are taken a few in each turn
// of the event loop, see flow/message-turns.ts.
import type { Clock } from '../os/clock.ts';

/** A session counts as busy for so long after a turn. Milliseconds. */
const RECENT = 100;

/**
 * What messages may take in one turn of the event loop while others are at work: of one session, and of all that wait
 * together. Milliseconds.
 */
export const TURN = 0.03;

/** The turns of all sessions of a daemon. */
export class Neighbours {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** Whose turn was the last one, and when it was. */
  #last: object | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** When the last turn of any other session was. */
  #otherAt = Number.NEGATIVE_INFINITY;
  /** What waits for a turn, in its order. */
  #waiting: (() => void)[] = [];
  #loop = 0;
  #isCounting = false;
  /** What those that have to wait have taken in this turn of the event loop, and since when one of them is at it. */
  #spent = 0;
  #since: number | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** A session has a turn at `now`, in milliseconds of the monotonic clock. */
  note(session: object, now: number): void {
    if (this.#last !== session) this.#otherAt = this.#lastAt;
    this.#last = session;
    this.#lastAt = now;
  }

  /** For how long no other session has had a turn, in milliseconds. */
  aloneFor(session: object, now: number): number {
    return now - (this.#last === session ? this.#otherAt : this.#lastAt);
  }

  /** Whether no other session has had a turn lately. */
  isAlone(session: object, now: number): boolean {
    return this.aloneFor(session, now) > RECENT;
  }

  /** The number of the turn of the event loop. Input that has come in is looked for between two. */
  loop(): number {
    this.#count();
    return this.#loop;
  }

  /** Whether anything waits for a turn. */
  get isCrowded(): boolean {
    return this.#waiting.length > 0;
  }

  /** Milliseconds that those which have to wait have taken in this turn of the event loop. */
  get spent(): number {
    return this.#since === undefined ? this.#spent : this.#clock.monotonic() - this.#since;
  }

  /** One of them has taken so much of it, without having been called. */
  charge(ms: number): void {
    this.#spent += ms;
  }

  /** Calls `turn` in a later turn of the event loop, after what waits already. */
  later(turn: () => void): void {
    this.#waiting.push(turn);
    this.#count();
  }

  #count(): void {
    if (this.#isCounting) return;
    this.#isCounting = true;
    setImmediate(() => this.#next());
  }

  /** However many sessions wait, they get no more together than one. */
  #next(): void {
    this.#isCounting = false;
    this.#loop++;
    this.#spent = 0;
    if (this.#waiting.length === 0) return;
    this.#since = this.#clock.monotonic();
    do this.#waiting.shift()?.();
    while (this.#waiting.length > 0 && this.spent < TURN);
    this.#spent = this.spent;
    this.#since = undefined;
    if (this.#waiting.length > 0) this.#count();
  }
}

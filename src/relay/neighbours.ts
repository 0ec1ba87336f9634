// Whether a session is the only one of the daemon that has anything to do. One that is may have all of the time; as soon as
// others have turns too, what takes long in it gets a share: see slices.ts.

/** A session counts as busy for so long after a turn. Milliseconds. */
const RECENT = 100;

/** The turns of all sessions of a daemon. */
export class Neighbours {
  /** Whose turn was the last one, and when it was. */
  #last: object | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** When the last turn of any other session was. */
  #otherAt = Number.NEGATIVE_INFINITY;

  /** A session has a turn at `now`, in milliseconds of the monotonic clock. */
  note(session: object, now: number): void {
    if (this.#last !== session) this.#otherAt = this.#lastAt;
    this.#last = session;
    this.#lastAt = now;
  }

  /** Whether no other session has had a turn lately. */
  isAlone(session: object, now: number): boolean {
    return now - (this.#last === session ? this.#otherAt : this.#lastAt) > RECENT;
  }
}

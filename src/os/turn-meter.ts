// Measures how long an owner's turns hold the event loop. All that the daemon does for a session runs in turns: one for
// each chunk, request, datagram or slice of long work. Whoever holds the loop for longer than `SLOW` is named in the log.
//
// What OpenSSL and the kernel do before a turn begins is not part of it.
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** A turn that holds the event loop longer is logged. Milliseconds. */
const SLOW = 50;
/** How many slow turns of an owner are logged. */
const MAX_LOGGED = 20;

/** A session, and when one of its turns last began. */
interface LatestTurn {
  readonly session: string;
  at: number;
}

/** The session that had the last turn of all, and the last one of any other. */
let latest: LatestTurn = { session: '', at: Number.NEGATIVE_INFINITY };
let before: LatestTurn = latest;

function note(session: string, at: number): void {
  if (latest.session === session) latest.at = at;
  else {
    before = latest;
    latest = { session, at };
  }
}

export interface TurnMeterOptions {
  /** Named in the log: a session, or a part of what the daemon does for it. */
  readonly owner: string;
  readonly session: string;
  readonly profile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with the longest turn so far, when that has become longer by a millisecond or more. */
  readonly onLongest?: (ms: number) => void;
}

/** The turns of one owner. Times are milliseconds of a monotonic clock; a turn within a turn is a part of it. */
export class TurnMeter {
  readonly #options: TurnMeterOptions;
  #depth = 0;
  #began = 0;
  #longest = 0;
  #spent = 0;
  /** What `onLongest` was told. */
  #told = 0;
  #slow = 0;

  constructor(options: TurnMeterOptions) {
    this.#options = options;
  }

  /** The longest turn so far, in milliseconds. */
  get longest(): number {
    return this.#longest;
  }

  /** What all turns that have ended took, in milliseconds. */
  get spent(): number {
    return this.#spent;
  }

  /** When the turn that runs began, or the last one, in milliseconds of the monotonic clock. */
  get began(): number {
    return this.#began;
  }

  /** Whether no other session has had a turn for so many milliseconds. */
  isAloneFor(ms: number): boolean {
    const { session, clock } = this.#options;
    const other = latest.session === session ? before : latest;
    return clock.monotonic() - other.at >= ms;
  }

  /** Begins a turn. A turn within a turn belongs to the outer one. Each needs its `end`, whatever is thrown. */
  begin(): void {
    if (this.#depth++ > 0) return;
    this.#began = this.#options.clock.monotonic();
    note(this.#options.session, this.#began);
  }

  end(): void {
    if (--this.#depth > 0) return;
    const ms = this.#options.clock.monotonic() - this.#began;
    this.#spent += ms;
    if (ms > this.#longest) this.#lengthen(ms);
    if (ms > SLOW) this.#report(ms);
  }

  #lengthen(ms: number): void {
    this.#longest = ms;
    if (ms < this.#told + 1) return;
    this.#told = ms;
    this.#options.onLongest?.(ms);
  }

  #report(ms: number): void {
    const { owner, session, profile, log } = this.#options;
    if (++this.#slow <= MAX_LOGGED)
      log.warn({ session, profile, ms: Math.round(ms) }, `${owner} held the event loop`);
  }
}

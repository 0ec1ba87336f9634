// The messages of one side, in their order. A short one is taken as it comes; a long one is looked through in slices, and
// what comes after it waits. Of many that come together the first are taken, and while other sessions have something to do the
// rest wait until those have had their turn. While anything waits, that side is to be read no further.
import type { LineListener, Oversize } from '../../json/lines.ts';
import type { Slices, Work } from './slices.ts';

/** A line of more bytes is long. A short one is read at once: that takes a few milliseconds at most, whatever is in it. */
export const LONG = 65_536;

/** So many messages are taken in one turn while others have something to do: that takes a fraction of a millisecond. */
export const MOST_AT_ONCE = 16;

export interface InboxOptions<Known> {
  readonly slices: Pick<Slices, 'run' | 'isAlone' | 'later'>;
  /** Looks through a long line. */
  inspect(bytes: Buffer, start: number, end: number): Work<Known>;
  /** Takes a line; `known` is what was seen in a long one. */
  take(bytes: Buffer, start: number, end: number, known: Known | undefined): void;
  oversize(line: Oversize): void;
}

/** A line that waits. */
export interface WaitingLine {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

export class Inbox<Known> implements LineListener {
  readonly #options: InboxOptions<Known>;
  #waiting: (WaitingLine | Oversize)[] = [];
  /** The long line that is looked through. */
  #current: WaitingLine | undefined;
  /** What waits is taken in a later turn. */
  #isResting = false;
  /** Messages that were taken of a piece, and where the last one began in it. */
  #taken = 0;
  #lastStart = 0;

  constructor(options: InboxOptions<Known>) {
    this.#options = options;
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#current === undefined && !this.#isResting;
  }

  line(bytes: Buffer, start: number, end: number): void {
    if (start <= this.#lastStart) this.#taken = 0;
    this.#lastStart = start;
    if (this.isIdle && end - start <= LONG && !this.#rests()) {
      this.#options.take(bytes, start, end, undefined);
      return;
    }
    this.#waiting.push({ bytes, start, end });
    this.#next();
  }

  oversize(line: Oversize): void {
    this.#waiting.push(line);
    this.#next();
  }

  /** Takes nothing more of what waits, and returns it. */
  clear(): WaitingLine[] {
    const left = this.#waiting.filter((item) => 'bytes' in item);
    if (this.#current !== undefined) left.unshift(this.#current);
    this.#waiting = [];
    this.#current = undefined;
    this.#isResting = false;
    return left;
  }

  /** Whether enough messages were taken for now; what waits goes on in a later turn then. */
  #rests(): boolean {
    if (++this.#taken <= MOST_AT_ONCE) return false;
    const { slices } = this.#options;
    this.#taken = 1;
    if (slices.isAlone) return false;
    this.#isResting = true;
    slices.later(() => {
      if (!this.#isResting) return;
      this.#isResting = false;
      this.#taken = 0;
      this.#next();
    });
    return true;
  }

  #next(): void {
    const { slices, inspect, take, oversize } = this.#options;
    while (this.isIdle) {
      const item = this.#waiting[0];
      if (item === undefined || this.#rests()) return;
      this.#waiting.shift();
      if (!('bytes' in item)) oversize(item);
      else if (item.end - item.start <= LONG) take(item.bytes, item.start, item.end, undefined);
      else {
        this.#current = item;
        slices.run(inspect(item.bytes, item.start, item.end), (known) => {
          // It may have been taken away.
          if (this.#current !== item) return;
          this.#current = undefined;
          take(item.bytes, item.start, item.end, known);
          this.#next();
        });
      }
    }
  }
}

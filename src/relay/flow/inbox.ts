// The messages of one side, in their order. A short one is taken as it comes; a long one is looked through in slices, and
// what comes after it waits. Of many that come together the first are taken, and while other sessions have something to do the
// rest wait until those have had their turn: see message-turns.ts. While anything waits, that side is to be read no further.
import type { BegunLine, LineListener, Oversize } from '../../json/lines.ts';
import { ComingLine } from './coming-line.ts';
import type { MessageTurns } from './message-turns.ts';
import type { Slices, Work } from './slices.ts';

/** A line of more bytes is long. A short one is read at once: that takes a few milliseconds at most, whatever is in it. */
export const LONG = 65_536;

export interface InboxOptions<Known> {
  readonly slices: Pick<Slices, 'run'>;
  readonly turns: Pick<MessageTurns, 'mayTake' | 'later'>;
  /** Looks through a long line, and ends once it is whole, or dropped. */
  inspect(line: ComingLine): Work<Known>;
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
  #waiting: (WaitingLine | Oversize | undefined)[] = [];
  /** The first of them: there may be so many that to move the others up each time would take long. */
  #first = 0;
  /** The long line that is looked through. */
  #current: (WaitingLine & { readonly line: ComingLine }) | undefined;
  /** A long line that is looked through while it comes: the next of all. */
  #coming: ComingLine | undefined;
  /** What waits is taken in a later turn. */
  #isResting = false;

  constructor(options: InboxOptions<Known>) {
    this.#options = options;
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#current === undefined && !this.#isResting;
  }

  /** More of a long line is there, which is looked through already where nothing is before it. */
  begun(line: BegunLine): void {
    if (this.#coming !== undefined) this.#coming.grow();
    else if (this.isIdle) {
      this.#coming = new ComingLine(line);
      this.#inspect(this.#coming);
    }
  }

  dropped(): void {
    this.#coming?.drop();
    this.#coming = undefined;
  }

  line(bytes: Buffer, start: number, end: number): void {
    const coming = this.#coming;
    if (coming !== undefined) {
      this.#coming = undefined;
      this.#current = { bytes, start, end, line: coming };
      coming.finish(bytes, start, end);
      return;
    }
    if (this.isIdle && end - start <= LONG) {
      if (this.#options.turns.mayTake()) {
        this.#options.take(bytes, start, end, undefined);
        return;
      }
      this.#rest();
    }
    this.#waiting.push({ bytes, start, end });
    this.#next(false);
  }

  oversize(line: Oversize): void {
    this.#waiting.push(line);
    this.#next(false);
  }

  /** Takes nothing more of what waits, and returns it. */
  clear(): WaitingLine[] {
    const left = this.#waiting.filter((item) => item !== undefined && 'bytes' in item);
    const current = this.#current;
    if (current !== undefined) left.unshift(current);
    this.#waiting = [];
    this.#first = 0;
    this.#current = undefined;
    this.#isResting = false;
    current?.line.drop();
    this.dropped();
    return left;
  }

  /** Goes on in a later turn. */
  #rest(): void {
    this.#isResting = true;
    this.#options.turns.later(() => {
      if (!this.#isResting) return;
      this.#isResting = false;
      this.#next(true);
    });
  }

  /** Takes what may be taken. `mayTake`: at least one message, as this is the turn that it has waited for. */
  #next(mayTake: boolean): void {
    const { turns, take, oversize } = this.#options;
    let isFirst = mayTake;
    while (this.isIdle) {
      const item = this.#waiting[this.#first];
      if (item === undefined) {
        if (this.#first > 0) this.#waiting = [];
        this.#first = 0;
        return;
      }
      if (!isFirst && !turns.mayTake()) {
        this.#rest();
        return;
      }
      isFirst = false;
      this.#waiting[this.#first++] = undefined;
      if (!('bytes' in item)) oversize(item);
      else if (item.end - item.start <= LONG) take(item.bytes, item.start, item.end, undefined);
      else {
        const line = ComingLine.whole(item.bytes, item.start, item.end);
        this.#current = { ...item, line };
        this.#inspect(line);
      }
    }
  }

  #inspect(line: ComingLine): void {
    const { slices, inspect, take } = this.#options;
    slices.run(inspect(line), (known) => {
      const current = this.#current;
      // It may have been taken away.
      if (current?.line !== line) return;
      this.#current = undefined;
      take(current.bytes, current.start, current.end, known);
      this.#next(false);
    });
  }
}

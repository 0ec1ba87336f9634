// The messages of one side, in their order. A short one is taken as it comes; a long one is looked through in slices, and
// what comes after it waits. While anything waits, that side is to be read no further.
import type { LineListener, Oversize } from '../../json/lines.ts';
import type { Slices, Work } from './slices.ts';

/** A line of more bytes is long. A short one is read at once: that takes a few milliseconds at most, whatever is in it. */
export const LONG = 65_536;

export interface InboxOptions<Known> {
  readonly slices: Slices;
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

  constructor(options: InboxOptions<Known>) {
    this.#options = options;
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#current === undefined;
  }

  line(bytes: Buffer, start: number, end: number): void {
    if (this.#current === undefined && end - start <= LONG) {
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
    return left;
  }

  #next(): void {
    const { slices, inspect, take, oversize } = this.#options;
    while (this.#current === undefined) {
      const item = this.#waiting.shift();
      if (item === undefined) return;
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

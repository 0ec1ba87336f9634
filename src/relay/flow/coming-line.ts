// A long line, from its first bytes on: what is to be known of it is found as it comes.
import type { BegunLine } from '../../json/lines.ts';

export class ComingLine {
  /** What of it is there, while it has not ended. */
  readonly #begun: BegunLine | undefined;
  #bytes: Buffer | undefined;
  #start = 0;
  #end = 0;
  #isDropped = false;
  #goOn: (() => void) | undefined;

  constructor(begun?: BegunLine) {
    this.#begun = begun;
  }

  /** A line that is whole. */
  static whole(bytes: Buffer, start: number, end: number): ComingLine {
    const line = new ComingLine();
    line.finish(bytes, start, end);
    return line;
  }

  /** It lies from `start` to `end` in these, as far as it is there. Both may be others after each `more`. */
  get bytes(): Buffer {
    return this.#bytes ?? (this.#begun as BegunLine).bytes;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#bytes === undefined ? (this.#begun?.length ?? 0) : this.#end;
  }

  get isWhole(): boolean {
    return this.#bytes !== undefined;
  }

  /** Nobody wants to know of it any more, and it may never be whole. */
  get isDropped(): boolean {
    return this.#isDropped;
  }

  /** What who looks at it waits for where it has seen all that is there. */
  readonly more = (goOn: () => void): void => {
    this.#goOn = goOn;
  };

  /** More of it is there. */
  grow(): void {
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }

  /** It has ended. Only what has not begun before may begin elsewhere than at 0. */
  finish(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.grow();
  }

  drop(): void {
    this.#isDropped = true;
    this.grow();
  }
}

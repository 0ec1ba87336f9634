// What goes to one side. Lines that lie one behind the other in the same buffer leave as one piece, and all
// that one incoming chunk gives rise to leaves in one write.

import type { Endpoint } from './endpoint.ts';

/** Bytes of the relay's own that a full side may be owed before no more of what causes them is read. */
const OWED = 65_536;

const LINE_FEED = Buffer.from('\n');

/** The way to one side. */
export class Outbox {
  readonly #endpoint: Endpoint;
  #pieces: Buffer[] = [];
  /** The run of whole lines that is not yet among the pieces. */
  #bytes: Buffer | undefined;
  #start = 0;
  #end = 0;
  #owed = 0;
  #full = false;

  /** `onDrain` is called each time that the other side has caught up. */
  constructor(endpoint: Endpoint, onDrain: () => void) {
    this.#endpoint = endpoint;
    endpoint.onDrain(() => {
      this.#full = false;
      this.#owed = 0;
      onDrain();
    });
  }

  /** The other side does not keep up: read no more of what goes on to it. */
  get full(): boolean {
    return this.#full;
  }

  /** It does not even keep up with what the relay itself has to say: read no more of what that answers. */
  get crowded(): boolean {
    return this.#full && this.#owed > OWED;
  }

  /** Adds a line as a `LineListener` gets it. */
  line(bytes: Buffer, start: number, end: number): void {
    if (this.#bytes === bytes && this.#end === start) {
      this.#end = end + 1;
    } else {
      this.#close();
      this.#bytes = bytes;
      this.#start = start;
      this.#end = end + 1;
    }
    if (end < bytes.length) return;
    this.#end = end;
    this.#close();
    this.#pieces.push(LINE_FEED);
  }

  /** Adds a message that is not a line as it came; the line feed follows by itself. */
  message(text: Buffer): void {
    this.#close();
    this.#pieces.push(text, LINE_FEED);
    this.#owed += text.length;
  }

  /** Writes what was added. */
  flush(): void {
    this.#close();
    if (this.#pieces.length === 0) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    if (!this.#full) this.#owed = 0;
    if (!this.#endpoint.write(pieces)) this.#full = true;
  }

  /** Notes that another way to the same side has found it full. */
  fill(): void {
    this.#full = true;
  }

  #close(): void {
    if (this.#bytes === undefined) return;
    const whole = this.#start === 0 && this.#end === this.#bytes.length;
    this.#pieces.push(whole ? this.#bytes : this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = undefined;
  }
}

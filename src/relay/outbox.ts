// What goes to one side. All that one incoming chunk gives rise to leaves in one write. Small messages are copied
// one behind the other into a block; large ones are passed on where they lie, in pieces where a value in them is
// replaced.
import type { Endpoint } from './endpoint.ts';

/** Bytes of the relay's own that a full side may be owed before no more of what causes them is read. */
const MAX_OWED = 65_536;
/** Messages up to this many bytes are copied. */
const COPIED = 4096;
const BLOCK = 32_768;

const LINE_FEED = 0x0a;
const FEED = Buffer.from('\n');

/** The queue to one side. */
export class Outbox {
  readonly #endpoint: Pick<Endpoint, 'write' | 'onDrain'>;
  #pieces: Buffer[] = [];
  /** Small messages are copied here: from `#sealed` to `#used` lies what is not yet among the pieces. */
  #block = Buffer.alloc(0);
  #sealed = 0;
  #used = 0;
  #owed = 0;
  #full = false;

  /** `onDrain` is called each time that the other side has caught up. */
  constructor(endpoint: Pick<Endpoint, 'write' | 'onDrain'>, onDrain: () => void) {
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

  /** It does not even keep up with the relay's own messages: read no more of what those answer. */
  get crowded(): boolean {
    return this.#full && this.#owed > MAX_OWED;
  }

  /**
   * Adds a message: the bytes from `start` to `end`, with `text` in the place of those between `from` and `to`. Its
   * line feed follows by itself. The bytes must not change until they are written.
   */
  add(bytes: Buffer, start: number, end: number, from: number, to: number, text: string): void {
    const length = end - start - (to - from) + 3 * text.length + 1;
    if (length > COPIED) {
      this.#seal();
      if (from > start) this.#pieces.push(bytes.subarray(start, from));
      if (text !== '') this.#pieces.push(Buffer.from(text));
      const feed = end < bytes.length && bytes[end] === LINE_FEED;
      this.#pieces.push(bytes.subarray(to, feed ? end + 1 : end));
      if (!feed) this.#pieces.push(FEED);
      return;
    }
    const block = this.#room(length);
    let at = this.#used;
    if (from > start) at += bytes.copy(block, at, start, from);
    if (text !== '') at += block.write(text, at);
    at += bytes.copy(block, at, to, end);
    block[at] = LINE_FEED;
    this.#used = at + 1;
  }

  /** Adds a message of the relay's own; the line feed follows by itself. */
  message(text: string): void {
    const bytes = Buffer.from(text);
    this.#owed += bytes.length;
    this.add(bytes, 0, bytes.length, 0, 0, '');
  }

  /** Writes what was added. */
  flush(): void {
    this.#seal();
    if (this.#pieces.length === 0) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    if (!this.#full) this.#owed = 0;
    if (!this.#endpoint.write(pieces)) this.#full = true;
  }

  /** Another way to the same side has found it full. */
  fill(): void {
    this.#full = true;
  }

  /** A block with room for `length` bytes from `#used` on. */
  #room(length: number): Buffer {
    if (this.#used + length > this.#block.length) {
      this.#seal();
      this.#block = Buffer.allocUnsafeSlow(BLOCK);
      this.#sealed = 0;
      this.#used = 0;
    }
    return this.#block;
  }

  #seal(): void {
    if (this.#used === this.#sealed) return;
    this.#pieces.push(this.#block.subarray(this.#sealed, this.#used));
    this.#sealed = this.#used;
  }
}

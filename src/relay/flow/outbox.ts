// What goes to one side. All that one incoming chunk gives rise to leaves in one write, once its records are written, or on the
// disk where the session asks for that: messages whose records could not be are taken back. Small messages are copied one behind the other into a block; large ones are
// passed on where they lie, in pieces where a value in them is replaced.
import { giveBack } from '../../json/lines.ts';
import type { Endpoint } from '../endpoint.ts';

/** Bytes of the relay's own that a full side may be owed before no more of what causes them is read. */
const MAX_OWED = 65_536;
/** Messages up to this many bytes are copied. */
const COPIED = 4096;
const BLOCK = 32_768;

/** Texts up to this many characters, and heads up to this many bytes, are copied one by one. */
const FEW = 16;
const FEW_BYTES = 48;

const LINE_FEED = 0x0a;
const FEED = Buffer.from('\n');

/** What waits for its records to be on the disk, up to this many bytes: beyond that the side counts as full. */
const MAX_HELD = 2 ** 20;

/**
 * Writes the records of what is about to leave. `'later'`: it may leave once `later` is called; calls come in the order of
 * theirs. Without `later` it may leave when this returns.
 */
export type Commit = (later?: () => void) => 'later' | undefined;

/** What left the queue together, and waits for its records or for what was before it. */
interface Held extends Span {
  readonly pieces: Buffer[];
  readonly spent: readonly Buffer[];
  isFree: boolean;
}

/** From one value of `Outbox.queued` to another. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The queue to one side. */
export class Outbox {
  readonly #endpoint: Pick<Endpoint, 'write' | 'onDrain'>;
  #pieces: Buffer[] = [];
  /** Lines that are among the pieces, and whose memory may be given back. */
  #spent: Buffer[] = [];
  /** Small messages are copied here: from `#sealed` to `#used` lies what is not yet among the pieces. */
  #block = Buffer.alloc(0);
  #sealed = 0;
  #used = 0;
  #owed = 0;
  #full = false;
  #queued = 0;
  /** Where the queue begins, and all that has not left. */
  #taken = 0;
  #left = 0;
  #held: Held[] = [];
  /** What is taken back, in the order in which it was added. */
  #withdrawn: Span[] = [];
  readonly #commit: Commit;

  /** `onDrain` is called each time that the other side has caught up. */
  constructor(endpoint: Pick<Endpoint, 'write' | 'onDrain'>, commit: Commit, onDrain: () => void) {
    this.#endpoint = endpoint;
    this.#commit = commit;
    endpoint.onDrain(() => {
      this.#full = false;
      this.#owed = 0;
      onDrain();
    });
  }

  /** The other side does not keep up: read no more of what goes on to it. */
  get full(): boolean {
    return this.#full || this.#taken - this.#left > MAX_HELD;
  }

  /** It does not even keep up with the relay's own messages: read no more of what those answer. */
  get crowded(): boolean {
    return this.full && this.#owed > MAX_OWED;
  }

  /** Bytes that were added so far. */
  get queued(): number {
    return this.#queued;
  }

  /** Bytes of those that have left. */
  get left(): number {
    return this.#left;
  }

  /** Takes back what was added between two values of `queued`. Called in the order in which it was added. */
  withdraw(span: Span): void {
    this.#withdrawn.push(span);
  }

  /**
   * Puts a message together: the bytes from `start` to `end`, with `text` in the place of those between `from` and
   * `to`. Its pieces, without the line feed; `push` adds them. The bytes must not change until they are written.
   */
  compose(
    bytes: Buffer,
    start: number,
    end: number,
    from: number,
    to: number,
    text: string,
  ): readonly Buffer[] {
    const length = end - start - (to - from) + 3 * text.length + 1;
    if (length > COPIED) {
      const head = from > start ? [bytes.subarray(start, from)] : [];
      return [...head, ...(text === '' ? [] : [Buffer.from(text)]), bytes.subarray(to, end)];
    }
    const block = this.#room(length);
    return [block.subarray(this.#used, this.#copy(block, bytes, start, end, from, to, text))];
  }

  /** Adds the message that was composed last; its line feed follows by itself. */
  push(pieces: readonly Buffer[]): void {
    const [only] = pieces;
    if (pieces.length === 1 && only?.buffer === this.#block.buffer) {
      this.#used += only.length;
      this.#block[this.#used++] = LINE_FEED;
      this.#queued += only.length + 1;
      return;
    }
    this.#seal();
    for (const piece of pieces) this.#queued += piece.length;
    this.#queued++;
    this.#pieces.push(...pieces, FEED);
  }

  /** A line of which pieces were pushed is used no more once they are written. */
  spend(line: Buffer): void {
    this.#spent.push(line);
  }

  /** Composes a message and adds it. */
  add(bytes: Buffer, start: number, end: number, from: number, to: number, text: string): void {
    const length = end - start - (to - from) + 3 * text.length + 1;
    if (length > COPIED) {
      this.push(this.compose(bytes, start, end, from, to, text));
      return;
    }
    const block = this.#room(length);
    const at = this.#copy(block, bytes, start, end, from, to, text);
    block[at] = LINE_FEED;
    this.#queued += at + 1 - this.#used;
    this.#used = at + 1;
  }

  /** Adds a message of the relay's own; the line feed follows by itself. */
  message(text: string): void {
    const bytes = Buffer.from(text);
    this.#owed += bytes.length;
    this.add(bytes, 0, bytes.length, 0, 0, '');
  }

  /** Writes what was added, or has it wait for its records. */
  flush(): void {
    const waits = this.#commit(this.#free) === 'later';
    if (!waits && this.#queued === this.#taken && this.#held.length === 0) return;
    const pieces = this.#take();
    const spent = this.#spent;
    if (spent.length > 0) this.#spent = [];
    const from = this.#taken;
    this.#taken = this.#queued;
    if (waits || this.#held.length > 0) {
      this.#held.push({ pieces, spent, from, to: this.#taken, isFree: !waits });
      this.#release();
    } else this.#write(pieces, spent, from);
  }

  /** Writes all that was added, when this returns. */
  finish(): void {
    this.#commit();
    this.flush();
  }

  /** The first of what waits has its records on the disk. */
  readonly #free = (): void => {
    const group = this.#held.find(({ isFree }) => !isFree);
    if (group !== undefined) group.isFree = true;
    this.#release();
  };

  #release(): void {
    while (this.#held[0]?.isFree === true) {
      const { pieces, spent, from, to } = this.#held.shift() as Held;
      this.#write(pieces, spent, from, to);
    }
  }

  /** What was added since it was called last. */
  #take(): Buffer[] {
    if (this.#pieces.length > 0) {
      this.#seal();
      const pieces = this.#pieces;
      this.#pieces = [];
      return pieces;
    }
    if (this.#used === this.#sealed) return [];
    const piece = this.#block.subarray(this.#sealed, this.#used);
    this.#sealed = this.#used;
    return [piece];
  }

  /** Writes pieces, which were added from `from` to `to`, without what was taken back of them. */
  #write(given: Buffer[], spent: readonly Buffer[], from: number, to: number = this.#taken): void {
    let pieces = given;
    this.#left = to;
    if (this.#withdrawn.length > 0) {
      const spans = this.#withdrawn.filter((span) => span.from < to);
      this.#withdrawn = this.#withdrawn.filter((span) => span.from >= to);
      if (spans.length > 0) pieces = without(pieces, spans, from);
    }
    if (pieces.length === 0) return;
    if (!this.#full) this.#owed = 0;
    if (!this.#endpoint.write(pieces, spent.length === 0 ? undefined : giverBack(spent))) this.#full = true;
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

  /** Copies a message behind what the block has. The index after it. */
  #copy(
    block: Buffer,
    bytes: Buffer,
    start: number,
    end: number,
    from: number,
    to: number,
    text: string,
  ): number {
    let at = this.#used;
    if (from - start > FEW_BYTES) at += bytes.copy(block, at, start, from);
    else for (let i = start; i < from; i++) block[at++] = bytes[i] as number;
    at += write(block, at, text);
    return at + bytes.copy(block, at, to, end);
  }

  #seal(): void {
    if (this.#used === this.#sealed) return;
    this.#pieces.push(this.#block.subarray(this.#sealed, this.#used));
    this.#sealed = this.#used;
  }
}

/** Gives lines back once they are written. */
function giverBack(spent: readonly Buffer[]): () => void {
  return () => spent.forEach(giveBack);
}

/** Writes a text, most of which are a few digits. The bytes that it takes. */
function write(block: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > FEW) return block.write(text, at);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return block.write(text, at);
    block[at + i] = code;
  }
  return length;
}

/** The pieces, which were added from `start` on, without some spans of them, which are in order. */
function without(pieces: readonly Buffer[], spans: readonly Span[], start: number): Buffer[] {
  const all = Buffer.concat(pieces);
  const kept: Buffer[] = [];
  let at = 0;
  for (const { from, to } of spans) {
    if (from - start > at) kept.push(all.subarray(at, from - start));
    at = to - start;
  }
  if (at < all.length) kept.push(all.subarray(at));
  return kept;
}

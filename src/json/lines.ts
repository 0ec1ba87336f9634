// Takes a stream of bytes apart into lines, however it arrives. A line that lies within one chunk is handed on
// where it lies; one that does not is gathered: a short one is joined at its end, a long one as it comes, so that no
// turn has to copy all of it. A line over the limit is let go as it comes:
// of it only the first and the last bytes are kept, which may tell to which request it belonged.

/** A line that was too long. */
export interface Oversize {
  /** Bytes, without the line feed. */
  readonly length: number;
  /** The first and the last bytes of it. */
  readonly head: Buffer;
  readonly tail: Buffer;
}

/** A long line that has begun: where its first bytes are now. They may be elsewhere after the splitter was called again. */
export interface BegunLine {
  readonly bytes: Buffer;
  readonly length: number;
}

/** What a splitter hands on. */
export interface LineListener {
  /** More of a long line is there, but not its end. The same object until it is passed to `line`, or is too long. */
  begun?(line: BegunLine): void;
  /** It is too long: nothing of it is there any more. `oversize` is called at its end. */
  dropped?(): void;
  /**
   * A line from `start` to `end`, without its line feed, which is at `end`. Only at the end of the stream may
   * `end` be the buffer's length: then there was none. Never empty.
   */
  line(bytes: Buffer, start: number, end: number): void;
  oversize(line: Oversize): void;
}

const LINE_FEED = 0x0a;

/** Whether a line has nothing but white space. */
export function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  }
  return true;
}

/** Bytes that are kept of the head and of the tail of a line over the limit. */
const KEPT = 1024;

/** Pieces shorter than this are copied together, so that many small ones cannot hold many buffers. */
const SMALL = 16_384;
const BLOCK = 65_536;

/**
 * A longer line is joined as it comes, in a buffer that is replaced by a larger one when it is full. What of it is not used
 * takes no memory.
 */
const JOINED = 2 ** 18;
const GROWTH = 4;
/** The first buffer has room for one somewhat longer than the long line before, up to so many bytes: often the next is as long. */
const EXPECTED = 2 ** 24;
const LONGER = 1.25;
/** What is read to its place in such a buffer at once: at most, and at least. */
const MOST_READ = 2 ** 18;
const LEAST_READ = 2 ** 14;

const NOTHING = Buffer.alloc(0);

/** What long lines were joined in, and nothing else is in. */
const alone = new WeakSet<ArrayBufferLike>();

/**
 * For who has passed on a line and keeps nothing of it: gives back its memory where only this line is in it, as the garbage
 * collector would much later. Whoever looked at it afterwards would see no bytes.
 */
export function giveBack({ buffer }: Buffer): void {
  if (alone.delete(buffer)) free(buffer);
}

/** Memory that another thread reads: by how many, and whether it is to be given back then. */
const held = new WeakMap<ArrayBufferLike, { readers: number; isSpent: boolean }>();

/** Keeps the memory of some bytes from being given back until what is returned is called, once. */
export function hold({ buffer }: Buffer): () => void {
  const known = held.get(buffer);
  const entry = known ?? { readers: 0, isSpent: false };
  if (known === undefined) held.set(buffer, entry);
  entry.readers++;
  return () => {
    if (--entry.readers > 0) return;
    held.delete(buffer);
    if (entry.isSpent) free(buffer);
  };
}

function free(buffer: ArrayBufferLike): void {
  const entry = held.get(buffer);
  if (entry !== undefined) entry.isSpent = true;
  else if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** The splitter. `limit` is the longest line in bytes, without its line feed. */
export class LineSplitter {
  readonly #listener: LineListener;
  readonly #limit: number;
  /** The pieces of the line that has begun and not ended, and the bytes in them. */
  #pieces: Buffer[] = [];
  #gathered = 0;
  /** The block into which small pieces are copied: the last of the pieces is the part of it in use. */
  #block: Buffer | undefined;
  #used = 0;
  /** A long line, of which the first bytes are there: as many as were gathered. */
  #joined: Buffer | undefined;
  /** What the listener is told of it. */
  #begun: { bytes: Buffer; length: number } | undefined;
  /** Bytes of the long line before. */
  #expected = 0;
  /** What the reader had room in when it last asked: until it asks again it may write there. */
  #lent: ArrayBufferLike | undefined;
  /** Of a line over the limit. */
  #head: Buffer | undefined;
  #tail: Buffer = NOTHING;

  constructor(listener: LineListener, limit: number) {
    this.#listener = listener;
    this.#limit = limit;
  }

  /** Bytes of a line that has begun and not ended. */
  get begun(): number {
    return this.#gathered;
  }

  /**
   * Where the next bytes are best read to: behind those of a long line, so that they need not be copied there. Undefined:
   * anywhere. What is read there must be what is pushed next.
   */
  room(): Buffer | undefined {
    this.#lent = undefined;
    if (this.#joined === undefined) return undefined;
    // The last byte is for the line feed.
    const left = (): number => (this.#joined?.length ?? 0) - 1 - this.#gathered;
    if (left() < LEAST_READ) {
      const before = this.#joined.buffer;
      this.#grow();
      // Nobody else had it, but who asks now, and reads to the other from now on, and the listener, who is told of the other.
      if (before !== this.#joined.buffer) free(before);
    }
    if (left() < LEAST_READ) return undefined;
    this.#lent = this.#joined.buffer;
    return this.#joined.subarray(this.#gathered, this.#gathered + Math.min(left(), MOST_READ));
  }

  push(given: Buffer): void {
    let chunk = given;
    let at = 0;
    if (this.#gathered > 0) {
      const joined = this.#joined?.buffer;
      const feed = chunk.indexOf(LINE_FEED);
      if (feed < 0) {
        this.#gather(chunk);
        this.#tell();
        return;
      }
      at = feed + 1;
      this.#gather(chunk.subarray(0, feed));
      this.#finish(chunk.subarray(feed, at));
      if (joined === chunk.buffer && at < chunk.length) {
        // The line is alone in its memory.
        chunk = Buffer.from(chunk.subarray(at));
        at = 0;
      }
    }
    while (at < chunk.length) {
      // Of those without anything between them there may be very many.
      if (chunk[at] === LINE_FEED) {
        at++;
        continue;
      }
      const feed = chunk.indexOf(LINE_FEED, at);
      if (feed < 0) break;
      if (feed - at > this.#limit) {
        this.#gather(chunk.subarray(at, feed));
        this.#finish(chunk.subarray(feed, feed + 1));
      } else {
        this.#listener.line(chunk, at, feed);
      }
      at = feed + 1;
    }
    if (at < chunk.length) {
      this.#gather(chunk.subarray(at));
      this.#tell();
    }
  }

  /** The stream has ended: a last line without a line feed is a line. */
  end(): void {
    if (this.#gathered > 0) this.#finish(NOTHING);
  }

  /** Tells the listener of a long line that has begun. */
  #tell(): void {
    if (this.#joined === undefined || this.#listener.begun === undefined) return;
    this.#begun ??= { bytes: this.#joined, length: 0 };
    this.#begun.bytes = this.#joined;
    this.#begun.length = this.#gathered;
    this.#listener.begun(this.#begun);
  }

  #gather(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#gathered += piece.length;
    if (this.#head !== undefined) {
      if (this.#head.length < KEPT) this.#head = firstOf([this.#head, piece]);
      this.#tail = lastOf([this.#tail, piece]);
    } else if (this.#gathered > this.#limit) {
      const before = this.#gathered - piece.length;
      const pieces = this.#joined === undefined ? this.#pieces : [this.#joined.subarray(0, before)];
      this.#head = firstOf([...pieces, piece]);
      this.#tail = lastOf([...pieces, piece]);
      if (this.#begun !== undefined) this.#listener.dropped?.();
      this.#release();
    } else if (this.#gathered > JOINED) {
      this.#join(piece);
    } else if (piece.length < SMALL) {
      this.#copy(piece);
    } else {
      this.#pieces.push(piece);
      this.#block = undefined;
    }
  }

  /** Copies a piece of a long line behind the others, if it was not read there. */
  #join(piece: Buffer): void {
    const at = this.#gathered - piece.length;
    if (this.#joined === undefined || this.#gathered >= this.#joined.length) this.#grow(at);
    const joined = this.#joined as Buffer;
    const isThere = piece.buffer === joined.buffer && piece.byteOffset === joined.byteOffset + at;
    if (!isThere) piece.copy(joined, at);
  }

  /** Makes room for what has been gathered and as much again; `length` bytes of it are there. */
  #grow(length: number = this.#gathered): void {
    // One byte more than the line, for its line feed.
    const expected = this.#joined === undefined ? this.#expected : 0;
    const size = Math.min(this.#limit + 1, Math.max(GROWTH * this.#gathered, JOINED, expected));
    if (size <= (this.#joined?.length ?? 0)) return;
    const joined = Buffer.allocUnsafeSlow(size);
    const pieces = this.#joined === undefined ? this.#pieces : [this.#joined.subarray(0, length)];
    let at = 0;
    for (const each of pieces) at += each.copy(joined, at);
    this.#pieces = [];
    this.#block = undefined;
    this.#joined = joined;
    if (this.#begun !== undefined) this.#begun.bytes = joined;
  }

  #copy(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#block === undefined || this.#used === this.#block.length) {
        this.#block = Buffer.allocUnsafe(Math.min(BLOCK, Math.max(SMALL / 4, this.#gathered)));
        this.#used = 0;
        this.#pieces.push(this.#block);
      }
      const copied = piece.copy(this.#block, this.#used, at);
      at += copied;
      this.#used += copied;
      this.#pieces[this.#pieces.length - 1] = this.#block.subarray(0, this.#used);
    }
  }

  /** The line that was gathered is whole. `feed` is its line feed, or empty at the end of the stream. */
  #finish(feed: Buffer): void {
    const length = this.#gathered;
    const head = this.#head;
    const tail = this.#tail;
    const joined = this.#joined;
    let bytes = head;
    if (joined !== undefined) {
      feed.copy(joined, length);
      this.#expected = Math.min(Math.ceil(LONGER * length), EXPECTED);
      bytes = joined.subarray(0, length + feed.length);
      // Whoever reads may still have room in it, if the line's end was not read there: only then it asks again at once.
      const isLeft = joined.buffer !== this.#lent || joined.buffer === feed.buffer;
      if (feed.length > 0 && isLeft) alone.add(joined.buffer);
    }
    bytes ??= Buffer.concat([...this.#pieces, feed]);
    this.#release();
    this.#gathered = 0;
    this.#head = undefined;
    this.#tail = NOTHING;
    if (head === undefined) this.#listener.line(bytes, 0, length);
    else this.#listener.oversize({ length, head, tail });
  }

  #release(): void {
    this.#pieces = [];
    this.#block = undefined;
    this.#joined = undefined;
    this.#begun = undefined;
  }
}

/** A copy of the first bytes, so that what they came in is not held. */
function firstOf(pieces: readonly Buffer[]): Buffer {
  const kept: Buffer[] = [];
  let length = 0;
  for (const piece of pieces) {
    if (length >= KEPT) break;
    kept.push(piece.subarray(0, KEPT - length));
    length += piece.length;
  }
  return Buffer.concat(kept);
}

/** A copy of the last bytes. */
function lastOf(pieces: readonly Buffer[]): Buffer {
  const kept: Buffer[] = [];
  let length = 0;
  for (const piece of pieces.toReversed()) {
    if (length >= KEPT) break;
    kept.unshift(piece.subarray(Math.max(0, piece.length - (KEPT - length))));
    length += piece.length;
  }
  return Buffer.concat(kept);
}

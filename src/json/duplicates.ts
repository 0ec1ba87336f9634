// Finds a member name that occurs twice in one object, at any depth. RFC 8259, section 4, leaves open what such
// an object means: some parsers take the first value, others the last, so two programs read two values.
//
// Names are compared exactly, after their escapes are decoded. A lone surrogate counts as U+FFFD, because many
// parsers read it so. Time is linear in the number of bytes. Memory is bounded by `MAX_NAMES` and
// `MAX_NAME_BYTES`, which are summed over the objects that are open at the same time.
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  MAX_DEPTH,
  OPEN_ARRAY,
  OPEN_OBJECT,
  skipColon,
  skipKey,
  skipSpace,
  skipValue,
} from './json.ts';

/** Most names, and the bytes in them, of the objects that are open at the same time. */
export const MAX_NAMES = 65_536;
export const MAX_NAME_BYTES = 4 * 2 ** 20;

/** Up to so many names of an object are compared with each other as bytes; more go into a set. */
const FEW = 8;

/** Entries for ranges that are kept from one search to the next. */
const MAX_KEPT = 1024;

const NOTHING = Buffer.alloc(0);
const BACKSLASH = 0x5c;

/**
 * Whether any object in the JSON value from `start` to `end` has a member twice. Also true where that cannot be
 * found out: beyond the two bounds, and for bytes that are no JSON value.
 */
export function hasDuplicateMembers(bytes: Buffer, start: number, end: number): boolean {
  const from = skipSpace(bytes, start, end);
  const after = search.run(bytes, from, end);
  return after < 0 || skipSpace(bytes, after, end) !== end;
}

/** The names of the objects that are open, the outermost first. */
export class OpenNames {
  #bytes: Buffer;
  /** The ranges of the names, quotes included, as pairs. */
  readonly #ranges: number[] = [];
  #nameBytes = 0;
  /** Of each open object: where its names begin in `#ranges`, the bytes of those before, and its names if they are many. */
  readonly #firsts: number[] = [];
  readonly #outsides: number[] = [];
  readonly #sets: (Set<string> | undefined)[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The same bytes are elsewhere now. */
  follow(bytes: Buffer): void {
    this.#bytes = bytes;
  }

  /** An object begins. */
  enter(): void {
    this.#firsts.push(this.#ranges.length);
    this.#outsides.push(this.#nameBytes);
    this.#sets.push(undefined);
  }

  /** A name of the innermost object, from quote to quote. False: it was there, or there are more than can be kept. */
  add(start: number, end: number): boolean {
    const first = this.#firsts.at(-1) ?? 0;
    const ranges = this.#ranges;
    this.#nameBytes += end - start;
    if (ranges.length >= 2 * MAX_NAMES || this.#nameBytes > MAX_NAME_BYTES) return false;
    let names = this.#sets.at(-1);
    if (names === undefined && (ranges.length - first >= 2 * FEW || hasEscape(this.#bytes, start, end))) {
      names = decodeFrom(this.#bytes, ranges, first, ranges.length);
      this.#sets[this.#sets.length - 1] = names;
    }
    const isKnown =
      names === undefined
        ? isAmong(this.#bytes, ranges, first, ranges.length, start, end)
        : !isNew(names, decode(this.#bytes, start, end));
    ranges.push(start, end);
    return !isKnown;
  }

  /** The innermost object ends. */
  leave(): void {
    this.#ranges.length = this.#firsts.pop() ?? 0;
    this.#nameBytes = this.#outsides.pop() ?? 0;
    this.#sets.pop();
  }
}

/** Searches, one after the other. `value` and its parts return the index after what they have read, or -1 to end it: see above. */
class Search {
  #bytes: Buffer = NOTHING;
  #end = 0;
  /** The ranges of the names of the objects that are open, quotes included, as pairs; the first so many entries are in use. */
  #ranges: number[] = [];
  #used = 0;
  #nameBytes = 0;

  /** Searches the value at `at`. */
  run(bytes: Buffer, at: number, end: number): number {
    this.#bytes = bytes;
    this.#end = end;
    this.#used = 0;
    this.#nameBytes = 0;
    const after = this.value(at, 0);
    this.#bytes = NOTHING;
    if (this.#ranges.length > MAX_KEPT) this.#ranges = [];
    return after;
  }

  /** `depth` is that of the container which holds the value, 0 at the top. */
  value(at: number, depth: number): number {
    const first = this.#bytes[at];
    if (first === OPEN_OBJECT) return this.#object(at, depth + 1);
    if (first === OPEN_ARRAY) return this.#array(at, depth + 1);
    return skipValue(this.#bytes, at, this.#end, depth);
  }

  #object(at: number, depth: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    if (depth > MAX_DEPTH) return -1;
    let i = skipSpace(bytes, at + 1, end);
    if (i < end && bytes[i] === CLOSE_OBJECT) return i + 1;
    const ranges = this.#ranges;
    const first = this.#used;
    const outside = this.#nameBytes;
    let names: Set<string> | undefined;
    for (;;) {
      const close = skipKey(bytes, i, end);
      if (close < 0) return -1;
      this.#nameBytes += close - i;
      const used = this.#used;
      if (used >= 2 * MAX_NAMES || this.#nameBytes > MAX_NAME_BYTES) return -1;
      if (names === undefined && (used - first >= 2 * FEW || hasEscape(bytes, i, close))) {
        names = decodeFrom(bytes, ranges, first, used);
      }
      if (
        names === undefined
          ? isAmong(bytes, ranges, first, used, i, close)
          : !isNew(names, decode(bytes, i, close))
      ) {
        return -1;
      }
      ranges[used] = i;
      ranges[used + 1] = close;
      this.#used = used + 2;
      const value = skipColon(bytes, close, end);
      if (value < 0 || value >= end) return -1;
      const after = this.value(value, depth);
      if (after < 0) return -1;
      i = skipSpace(bytes, after, end);
      if (i < end && bytes[i] === CLOSE_OBJECT) break;
      if (i >= end || bytes[i] !== COMMA) return -1;
      i = skipSpace(bytes, i + 1, end);
    }
    this.#used = first;
    this.#nameBytes = outside;
    return i + 1;
  }

  #array(at: number, depth: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    if (depth > MAX_DEPTH) return -1;
    let i = skipSpace(bytes, at + 1, end);
    if (i < end && bytes[i] === CLOSE_ARRAY) return i + 1;
    for (;;) {
      if (i >= end) return -1;
      const after = this.value(i, depth);
      if (after < 0) return -1;
      i = skipSpace(bytes, after, end);
      if (i < end && bytes[i] === CLOSE_ARRAY) return i + 1;
      if (i >= end || bytes[i] !== COMMA) return -1;
      i = skipSpace(bytes, i + 1, end);
    }
  }
}

const search = new Search();

/** The names of the object whose ranges are from `first` to `last`. */
function decodeFrom(bytes: Buffer, ranges: readonly number[], first: number, last: number): Set<string> {
  const names = new Set<string>();
  for (let i = first; i < last; i += 2) {
    names.add(decode(bytes, ranges[i] as number, ranges[i + 1] as number));
  }
  return names;
}

/** Whether a name has the very bytes of one before it in its object. */
function isAmong(
  bytes: Buffer,
  ranges: readonly number[],
  first: number,
  last: number,
  start: number,
  end: number,
): boolean {
  for (let i = first; i < last; i += 2) if (isSame(bytes, ranges, i, start, end)) return true;
  return false;
}

function isSame(bytes: Buffer, ranges: readonly number[], i: number, start: number, end: number): boolean {
  const from = ranges[i] as number;
  if ((ranges[i + 1] as number) - from !== end - start) return false;
  for (let j = start; j < end; j++) if (bytes[j] !== bytes[from + j - start]) return false;
  return true;
}

/** Adds a name. False: it was there. */
function isNew(names: Set<string>, name: string): boolean {
  const { size } = names;
  return names.add(name).size > size;
}

function hasEscape(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === BACKSLASH) return true;
  return false;
}

/** The name whose quotes are at `start` and before `end`. */
function decode(bytes: Buffer, start: number, end: number): string {
  if (!hasEscape(bytes, start, end)) return bytes.toString('utf8', start + 1, end - 1);
  return String(JSON.parse(bytes.toString('utf8', start, end))).toWellFormed();
}

// The grammar of JSON (RFC 8259) over bytes, without building values: each function takes the index at which
// something begins and returns the index after it, or -1 where there is no such thing before `end`. What is
// accepted here, `JSON.parse` accepts too; the other way round there are four differences, all of them so
// that no two readers can see two different messages in one line:
//
// - white space is space and tab. A carriage return inside a line would end the line for a server that reads
//   with universal newlines (Python's `TextIOWrapper`, Node's `readline`), and start a message of its own.
// - nesting ends at `MAX_DEPTH`, and a number after `MAX_NUMBER` bytes.
// - a byte order mark is nothing that a line begins with.
//
// That bytes are UTF-8 is the caller's to check.
import { CAPACITY, type StringMarks, stringMarks } from './string-marks.ts';

/** The deepest nesting of arrays and objects in a message, the message itself counted. */
export const MAX_DEPTH = 256;

/** The longest number, in bytes. */
export const MAX_NUMBER = 4096;

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/** Bytes of a string that are looked at one by one before four are looked at together. */
const LONG = 64;
/** Those after which sixteen are, and how many are looked through first: twice as many each time. */
const VERY_LONG = 512;
const FIRST = 1024;

/** The index of the next byte that is no space and no tab. May be `end`. */
export function skipSpace(bytes: Buffer, at: number, end: number): number {
  let i = at;
  while (i < end && (bytes[i] === 0x20 || bytes[i] === 0x09)) i++;
  return i;
}

/** 1 for each byte that ends a run of plain bytes in a string: a quote, a backslash, a control character. */
export const SPECIAL = new Uint8Array(256);
SPECIAL.fill(1, 0, 0x20);
SPECIAL[QUOTE] = 1;
SPECIAL[BACKSLASH] = 1;

/** 1 for each byte that is an escape with the backslash before it; the other escape is `\\u`. */
const ESCAPED = new Uint8Array(256);
for (const byte of Buffer.from('"\\\\/bfnrt')) ESCAPED[byte] = 1;

/** Skips a string whose opening quote is before `at`. */
function skipString(bytes: Buffer, at: number, end: number): number {
  let i = at;
  let long = i + LONG;
  let veryLong = i + VERY_LONG;
  search: while (i < end) {
    if (i >= veryLong) {
      const marks = stringMarks();
      const after = marks === undefined ? undefined : skipVeryLong(marks, bytes, i, end, end);
      if (after !== undefined) return after > BROKEN ? after : -1;
      veryLong = end;
    }
    while (
      i + 4 <= end &&
      ((SPECIAL[bytes[i] as number] as number) |
        (SPECIAL[bytes[i + 1] as number] as number) |
        (SPECIAL[bytes[i + 2] as number] as number) |
        (SPECIAL[bytes[i + 3] as number] as number)) ===
        0
    ) {
      i += 4;
      if (i >= long) {
        i = skipPlain(bytes, i, Math.min(end, veryLong + LONG));
        if (i >= veryLong) continue search;
        long = end;
      }
    }
    while (i < end && SPECIAL[bytes[i] as number] === 0) i++;
    if (i >= end) return -1;
    const byte = bytes[i] as number;
    if (byte === QUOTE) return i + 1;
    if (byte !== BACKSLASH) return -1;
    i = skipEscape(bytes, i, end);
    if (i < 0) return -1;
    long = i + LONG;
  }
  return -1;
}

/** What `skipStringUntil` returns where there is no string. */
export const BROKEN = 0;

/**
 * Goes on within a string, up to `until` or a few bytes beyond. Returns the index after its closing quote; `~i` if it
 * has not ended, and goes on at `i`; or `BROKEN`. `passed`: bytes of it before that had no end.
 */
export function skipStringUntil(bytes: Buffer, at: number, until: number, end: number, passed = 0): number {
  if (passed >= CAPACITY) {
    const marks = stringMarks();
    if (marks !== undefined) return skipVeryLong(marks, bytes, at, until, end, CAPACITY);
  }
  let i = at;
  let long = i + LONG;
  let veryLong = i + VERY_LONG;
  search: while (i < until) {
    if (i >= veryLong) {
      const marks = stringMarks();
      if (marks !== undefined) return skipVeryLong(marks, bytes, i, until, end);
      veryLong = end;
    }
    while (i < until && SPECIAL[bytes[i] as number] === 0) {
      i++;
      if (i >= long) {
        i = skipPlain(bytes, i, Math.min(until, veryLong + LONG));
        if (i >= veryLong) continue search;
        long = until;
      }
    }
    if (i >= until) break;
    const byte = bytes[i] as number;
    if (byte === QUOTE) return i + 1;
    if (byte !== BACKSLASH) return BROKEN;
    i = skipEscape(bytes, i, end);
    if (i < 0) return BROKEN;
    long = i + LONG;
  }
  return ~i;
}

/** As `skipStringUntil`, by vectors. */
function skipVeryLong(
  marks: StringMarks,
  bytes: Buffer,
  at: number,
  until: number,
  end: number,
  first: number = FIRST,
): number {
  let i = at;
  for (let size = first; i < until; size = Math.min(2 * size, CAPACITY)) {
    const from = i;
    const to = Math.min(until, from + size);
    const count = marks.count(bytes, from, to);
    const { places } = marks;
    for (let index = 0; index < count; index++) {
      const mark = from + (places[index] as number);
      // It is part of the escape before.
      if (mark < i) continue;
      const byte = bytes[mark];
      if (byte === BACKSLASH && mark + 1 < end && ESCAPED[bytes[mark + 1] as number] === 1) {
        i = mark + 2;
        continue;
      }
      if (byte === QUOTE) return mark + 1;
      if (byte !== BACKSLASH) return BROKEN;
      i = skipEscape(bytes, mark, end);
      if (i < 0) return BROKEN;
    }
    if (i < to) i = to;
  }
  return ~i;
}

/**
 * Passes over plain bytes, four a step; stops at, or up to three before, a special one. The three bytes before
 * `at` are plain: the first word may begin there. A byte is a quote or a control character if and only if, with
 * bit 1 flipped, it is less than 0x21; the test for a byte less than n in a word is
 * `(word - n in each byte) & ~word & 0x80808080`.
 */
function skipPlain(bytes: Buffer, at: number, end: number): number {
  const from = (bytes.byteOffset + at) >> 2;
  const words = new Int32Array(bytes.buffer, from << 2, Math.max(0, ((bytes.byteOffset + end) >> 2) - from));
  const { length } = words;
  let i = 0;
  for (; i < length; i++) {
    const word = words[i] as number;
    const low = word ^ 0x02020202;
    const slash = word ^ 0x5c5c5c5c;
    if (((((low - 0x21212121) & ~low) | ((slash - 0x01010101) & ~slash)) & 0x80808080) !== 0) break;
  }
  return i === 0 ? at : ((from + i) << 2) - bytes.byteOffset;
}

function skipEscape(bytes: Buffer, at: number, end: number): number {
  switch (bytes[at + 1]) {
    case 0x22: // "
    case 0x2f: // /
    case 0x5c: // \
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2 <= end ? at + 2 : -1;
    case 0x75: // u
      if (at + 6 > end) return -1;
      for (let i = at + 2; i < at + 6; i++) if (!isHex(bytes[i] as number)) return -1;
      return at + 6;
    default:
      return -1;
  }
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Skips any value. `depth` is that of the container which holds it, 0 at the top. */
export function skipValue(bytes: Buffer, at: number, end: number, depth: number): number {
  if (at >= end) return -1;
  const byte = bytes[at] as number;
  switch (byte) {
    case QUOTE:
      return skipString(bytes, at + 1, end);
    case OPEN_OBJECT:
      return skipObject(bytes, at, end, depth + 1);
    case OPEN_ARRAY:
      return skipArray(bytes, at, end, depth + 1);
    case 0x74: // t
      return skipWord(bytes, at, end, TRUE);
    case 0x66: // f
      return skipWord(bytes, at, end, FALSE);
    case 0x6e: // n
      return skipWord(bytes, at, end, NULL);
    default:
      return byte === MINUS || isDigit(byte) ? skipNumber(bytes, at, end) : -1;
  }
}

function skipWord(bytes: Buffer, at: number, end: number, word: Uint8Array): number {
  if (at + word.length > end) return -1;
  for (let i = 1; i < word.length; i++) if (bytes[at + i] !== word[i]) return -1;
  return at + word.length;
}

function skipNumber(bytes: Buffer, at: number, last: number): number {
  const end = Math.min(last, at + MAX_NUMBER);
  let i = at;
  if (bytes[i] === MINUS) i++;
  if (i < end && bytes[i] === 0x30) i++;
  else i = skipDigits(bytes, i, end);
  if (i < 0) return -1;
  if (i < end && bytes[i] === 0x2e) i = skipDigits(bytes, i + 1, end);
  if (i < 0) return -1;
  if (i < end && (bytes[i] === 0x65 || bytes[i] === 0x45)) {
    i++;
    if (i < end && (bytes[i] === 0x2b || bytes[i] === MINUS)) i++;
    i = skipDigits(bytes, i, end);
  }
  return i;
}

/** Skips at least one digit. */
function skipDigits(bytes: Buffer, at: number, end: number): number {
  let i = at;
  while (i < end && isDigit(bytes[i] as number)) i++;
  return i > at ? i : -1;
}

function skipObject(bytes: Buffer, at: number, end: number, depth: number): number {
  if (depth > MAX_DEPTH) return -1;
  let i = skipSpace(bytes, at + 1, end);
  if (i < end && bytes[i] === CLOSE_OBJECT) return i + 1;
  for (;;) {
    i = skipKey(bytes, i, end);
    if (i < 0) return -1;
    i = skipColon(bytes, i, end);
    if (i < 0) return -1;
    i = skipValue(bytes, i, end, depth);
    if (i < 0) return -1;
    i = skipSpace(bytes, i, end);
    if (i >= end) return -1;
    if (bytes[i] === CLOSE_OBJECT) return i + 1;
    if (bytes[i] !== COMMA) return -1;
    i = skipSpace(bytes, i + 1, end);
  }
}

function skipArray(bytes: Buffer, at: number, end: number, depth: number): number {
  if (depth > MAX_DEPTH) return -1;
  let i = skipSpace(bytes, at + 1, end);
  if (i < end && bytes[i] === CLOSE_ARRAY) return i + 1;
  for (;;) {
    i = skipValue(bytes, i, end, depth);
    if (i < 0) return -1;
    i = skipSpace(bytes, i, end);
    if (i >= end) return -1;
    if (bytes[i] === CLOSE_ARRAY) return i + 1;
    if (bytes[i] !== COMMA) return -1;
    i = skipSpace(bytes, i + 1, end);
  }
}

/** The index after a key's closing quote. */
export function skipKey(bytes: Buffer, at: number, end: number): number {
  return at < end && bytes[at] === QUOTE ? skipString(bytes, at + 1, end) : -1;
}

/** Skips the colon after a key, and the space around it: the index of the value, which may be `end`. */
export function skipColon(bytes: Buffer, at: number, end: number): number {
  const i = skipSpace(bytes, at, end);
  return i < end && bytes[i] === COLON ? skipSpace(bytes, i + 1, end) : -1;
}

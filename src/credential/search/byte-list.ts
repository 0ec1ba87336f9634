// Finds a value in a list of the numbers of its bytes, as programs print a buffer:
//
//     103,104,112             JSON.stringify of a buffer, on one line or one number a line, also as text in JSON
//     0x67, 0x68, 0x70        C, Go, Rust
//     67 68 70                a dump: pairs of hexadecimal digits
//     - 103\n- 104            YAML
//     {"0":103,"1":104}       JSON.stringify of a Uint8Array: what a colon follows is an index
//
// Between two numbers may be white space, raw or escaped, but no empty line, commas, semicolons, quotes and hyphens, up to `MAX_GAP` bytes. Zeros do
// not count, so that the bytes of UTF-16 are found as well. Most data is told from a list without reading it: a list contains
// few of the letters, and no number that is none of the bytes of a value.
import { digitOf } from './folded-view.ts';
import type { FoundRange } from './ranges.ts';
import { NO_STATE, SymbolAutomaton } from './symbol-automaton.ts';

/** What a search has found. It holds until the next one. */
export interface ListResult {
  matches: FoundRange[];
  /** The first position of a match whose end may be yet to come; the data's length if there is none. */
  incomplete: number;
}

const NONE: never[] = [];
/** The most bytes between two numbers. */
const MAX_GAP = 32;
/** The longest number: `0x67`. */
const MAX_NUMBER = 4;
/** The most bytes of a match: for each byte of the value, and beside that. */
const MAX_LENGTH_EACH = 32;
const MAX_LENGTH_BESIDE = 256;
const NO_NUMBER = -1;
const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const ZERO = 0x30;
const LOWER_X = 0x78;

/** Kinds of bytes in a list: of a number, between two, the latter only behind a backslash, and none. */
const OTHER = 0;
const NUMBER = 1;
const SEPARATOR = 2;
const ESCAPED_SEPARATOR = 3;
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (/[0-9a-fA-FxX]/.test(character)) return NUMBER;
  if (' \t\r\n,;"\'-:\\'.includes(character)) return SEPARATOR;
  return 'nrt'.includes(character) ? ESCAPED_SEPARATOR : OTHER;
});

/** One way to read the numbers of a list, and how far it is. */
class Reading {
  readonly form: 'decimal' | 'hex-list';
  /** The state of the automaton. */
  state = 0;
  #count = 0;
  /** Where the last numbers began, as many as the longest value has at least; a power of two. */
  #starts = new Int32Array(1);

  constructor(form: 'decimal' | 'hex-list') {
    this.form = form;
  }

  reserve(numbers: number): void {
    if (numbers >= this.#starts.length) this.#starts = new Int32Array(2 ** Math.ceil(Math.log2(numbers + 1)));
  }

  begin(start: number): void {
    this.#starts[this.#count++ & (this.#starts.length - 1)] = start;
  }

  /** Where the numbers began that are so many until now. */
  startOf(numbers: number): number {
    return this.#starts[(this.#count - numbers) & (this.#starts.length - 1)] as number;
  }
}

export class ByteListSearch {
  readonly #automaton = new SymbolAutomaton(256);
  /** By index: the longest match of a value, in bytes. */
  readonly #maxLengths: number[] = [];
  #maxLength = 0;
  /** By byte, from the second on: whether a value contains it, or it is zero. */
  readonly #bytes = new Uint8Array(257);
  /** The bytes of the shortest list. */
  #least = Number.POSITIVE_INFINITY;
  readonly #numbers = new Reading('decimal');
  readonly #pairs = new Reading('hex-list');
  readonly #result: ListResult = { matches: NONE, incomplete: 0 };

  /** The longest match, in bytes. */
  get maxLength(): number {
    return this.#maxLength;
  }

  /** Adds a value, behind the others. Without bytes it is not searched for, but counted. */
  add(bytes: Uint8Array): void {
    const index = this.#maxLengths.push(bytes.length * MAX_LENGTH_EACH + MAX_LENGTH_BESIDE) - 1;
    if (bytes.length === 0) return;
    this.#automaton.add(bytes, index);
    this.#bytes[1] = 1;
    for (const byte of bytes) this.#bytes[byte + 1] = 1;
    this.#maxLength = Math.max(this.#maxLength, this.#maxLengths[index] ?? 0);
    this.#least = Math.min(this.#least, 2 * bytes.length - 1);
    this.#numbers.reserve(bytes.length);
    this.#pairs.reserve(bytes.length);
  }

  /** Finds the matches; in a `whole` text there is nothing after the data. */
  scan(data: Uint8Array, whole: boolean): ListResult {
    const result = this.#result;
    result.matches = NONE;
    result.incomplete = data.length;
    const least = this.#least;
    if (least === Number.POSITIVE_INFINITY) return result;
    // No match contains the byte at `clear`. Those after it up to `seen` may be in one.
    let clear = -1;
    let seen = -1;
    for (;;) {
      const far = clear + least;
      if (far >= data.length) break;
      let at = this.#lastExcluding(data, far, seen);
      if (at > seen) {
        clear = at;
        seen = far;
        continue;
      }
      at = this.#firstExcluding(data, far + 1);
      if (at === data.length) break;
      this.#read(data, clear + 1, at, true, result);
      clear = at;
      seen = at;
    }
    const from = this.#lastExcluding(data, data.length - 1, clear) + 1;
    if (from < data.length && (!whole || data.length - from >= least))
      this.#read(data, from, data.length, whole, result);
    return result;
  }

  /** The last position from `far` down to `seen` that no match contains; `seen` if there is none. */
  #lastExcluding(data: Uint8Array, far: number, seen: number): number {
    for (let at = far; at > seen; at--) {
      if (!isOfList(data, at)) return at;
      if (!isOfNumber(data, at)) continue;
      const start = startOfNumber(data, at);
      if (!this.#mayContain(data, start)) return at;
      at = start;
    }
    return seen;
  }

  /** The first position from `from` on that no match contains; the data's length if there is none. */
  #firstExcluding(data: Uint8Array, from: number): number {
    for (let at = from; at < data.length; at++) {
      if (!isOfList(data, at)) return at;
      if (!isOfNumber(data, at)) continue;
      // What began before `from` was looked at already.
      if (!isOfNumber(data, at - 1) && !this.#mayContain(data, at)) return at;
    }
    return data.length;
  }

  /** Whether a match may contain the number that begins there. It may be an index, and may go on where the data ends. */
  #mayContain(data: Uint8Array, start: number): boolean {
    const bytes = this.#bytes;
    let end = start + 1;
    while (end - start <= MAX_NUMBER && end < data.length && isOfNumber(data, end)) end++;
    if (end - start > MAX_NUMBER) return false;
    // A zero does not count, and what is no number has no byte.
    if (bytes[readByte(data, start, end) + 1] === 1 || bytes[readPair(data, start, end) + 1] === 1)
      return true;
    for (let at = end; at < data.length && at - end <= MAX_GAP; at++) {
      if (data[at] === COLON || !isOfList(data, at)) return true;
      if (isOfNumber(data, at)) return false;
    }
    return true;
  }

  /** Reads a run of bytes of a list. `ends`: no number goes on behind it, and no colon follows. */
  #read(data: Uint8Array, from: number, to: number, ends: boolean, result: ListResult): void {
    this.#restart();
    /** The last number, which is an index if a colon follows. */
    let number = -1;
    let numberEnd = -1;
    for (let at = from; at < to; ) {
      const byte = data[at] as number;
      if (KINDS[byte] !== NUMBER) {
        if (byte === COLON) number = -1;
        else if (byte === LF && isEmptyLine(data, at)) {
          if (number >= 0) this.#take(data, number, numberEnd, result);
          number = -1;
          this.#restart();
        }
        at++;
        continue;
      }
      if (number >= 0) this.#take(data, number, numberEnd, result);
      const start = at;
      while (at < to && KINDS[data[at] as number] === NUMBER) at++;
      const isNumber = at - start <= MAX_NUMBER && !(start === from && endsWord(data, start));
      if (!isNumber || (numberEnd >= 0 && start - numberEnd > MAX_GAP)) this.#restart();
      number = isNumber ? start : -1;
      numberEnd = at;
    }
    if (ends) {
      if (number >= 0) this.#take(data, number, numberEnd, result);
      return;
    }
    if (to - numberEnd > MAX_GAP) {
      if (number >= 0) this.#take(data, number, numberEnd, result);
      return;
    }
    if (number >= 0) this.#hold(data, number, result);
    this.#holdOpen(data, this.#numbers, result);
    this.#holdOpen(data, this.#pairs, result);
  }

  #restart(): void {
    this.#numbers.state = 0;
    this.#pairs.state = 0;
  }

  /** Moves on by a number. */
  #take(data: Uint8Array, from: number, to: number, result: ListResult): void {
    this.#move(this.#numbers, readByte(data, from, to), from, to, result);
    this.#move(this.#pairs, readPair(data, from, to), from, to, result);
  }

  /** `byte`: what the number stands for; `NO_NUMBER` if it is none. */
  #move(reading: Reading, byte: number, from: number, to: number, result: ListResult): void {
    const automaton = this.#automaton;
    if (byte === NO_NUMBER) reading.state = 0;
    if (byte <= 0) return;
    reading.begin(from);
    reading.state = automaton.next(reading.state, byte);
    if (reading.state === 0) return;
    for (
      let found = automaton.firstEnd(reading.state);
      found !== NO_STATE;
      found = automaton.nextEnd(found)
    ) {
      const start = reading.startOf(automaton.depthOf(found));
      for (const index of automaton.keysAt(found)) {
        if (to - start > (this.#maxLengths[index] ?? 0)) continue;
        if (result.matches === NONE) result.matches = [];
        result.matches.push({ start, end: to, index, form: reading.form });
      }
    }
  }

  #holdOpen(data: Uint8Array, reading: Reading, result: ListResult): void {
    const open = this.#automaton.firstOpen(reading.state);
    if (open > 0) this.#hold(data, reading.startOf(this.#automaton.depthOf(open)), result);
  }

  #hold(data: Uint8Array, start: number, result: ListResult): void {
    if (data.length - start <= this.#maxLength) result.incomplete = Math.min(result.incomplete, start);
  }
}

/** The start of what looks like a list at the end of the data, whatever the values are; not before `least`. */
export function trailingList(data: Uint8Array, least: number): number {
  let start = data.length;
  for (let at = data.length; ; ) {
    const end = at;
    while (at > least && end - at <= MAX_GAP && isOfList(data, at - 1) && !isOfNumber(data, at - 1)) {
      at--;
      if (data[at] === LF && isEmptyLine(data, at)) return start;
    }
    const numberEnd = at;
    if (end - numberEnd > MAX_GAP) return start;
    while (at > least && numberEnd - at <= MAX_NUMBER && isOfNumber(data, at - 1)) at--;
    if (at === numberEnd || numberEnd - at > MAX_NUMBER || endsWord(data, at)) return start;
    start = at;
  }
}

function isOfList(data: Uint8Array, at: number): boolean {
  const kind = KINDS[data[at] as number] as number;
  return kind === ESCAPED_SEPARATOR ? data[at - 1] === BACKSLASH : kind !== OTHER;
}

/** Where a number begins; less than that if it is too long to be a byte. */
function startOfNumber(data: Uint8Array, at: number): number {
  let start = at;
  while (at - start <= MAX_NUMBER && start > 0 && isOfNumber(data, start - 1)) start--;
  return start;
}

/** Whether a letter or digit stands before a number, and is no escape. */
function endsWord(data: Uint8Array, at: number): boolean {
  if (at > 0 && isOfNumber(data, at - 1)) return true;
  const lower = (data[at - 1] ?? 0) | 0x20;
  return lower >= 0x61 && lower <= 0x7a && !isOfList(data, at - 1);
}

/** Whether a line feed ends a line without characters. */
function isEmptyLine(data: Uint8Array, at: number): boolean {
  const before = data[at - 1] === CR ? at - 2 : at - 1;
  return data[before] === LF;
}

function isOfNumber(data: Uint8Array, at: number): boolean {
  return KINDS[data[at] as number] === NUMBER;
}

/** A byte in up to three decimal digits, or `0x` and up to two hexadecimal ones. */
function readByte(data: Uint8Array, from: number, to: number): number {
  const isHex = to - from > 2 && data[from] === ZERO && ((data[from + 1] as number) | 0x20) === LOWER_X;
  const base = isHex ? 16 : 10;
  const first = isHex ? from + 2 : from;
  if (to - first > (isHex ? 2 : 3)) return NO_NUMBER;
  let value = 0;
  for (let at = first; at < to; at++) {
    const digit = digitOf(data[at] as number);
    if (digit < 0 || digit >= base) return NO_NUMBER;
    value = value * base + digit;
  }
  return value > 255 ? NO_NUMBER : value;
}

/** A byte in two hexadecimal digits. */
function readPair(data: Uint8Array, from: number, to: number): number {
  if (to - from !== 2) return NO_NUMBER;
  const high = digitOf(data[from] as number);
  const low = digitOf(data[from + 1] as number);
  return high < 0 || low < 0 ? NO_NUMBER : high * 16 + low;
}

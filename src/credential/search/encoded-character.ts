// One character of a secret, and every way in which it may be written:
//
//     raw       its UTF-8 bytes
//     URL       %XX for each byte, in either case, or %25XX where it was encoded twice; "+" for a space
//     JSON      \uXXXX in either case, \n \t \" \/ and so on, under up to three layers of JSON in JSON, where
//               each layer doubles the backslashes
//     HTML      &amp; &lt; &gt; &quot; &apos;, and any character's number: &#39; &#039; &#x27;
//
// Base64 is broken into lines by some who write it: a break, raw or as JSON says it, may stand before each of
// its characters but the first.

export interface Unit {
  readonly bytes: Uint8Array;
  /** UTF-16 code units, for `\uXXXX`. */
  readonly codes: readonly number[];
  /** The code point, for HTML. */
  readonly point: number;
  /** The byte behind a backslash in JSON's short form, or -1. */
  readonly short: number;
  /** Another byte that stands for the character, or -1. */
  readonly also: number;
  /** Its names in HTML, with the semicolon. */
  readonly entities: readonly Uint8Array[];
  /** Encoders leave the character as it is. */
  readonly plain: boolean;
  /** It is only ever written as itself. */
  readonly fixed: boolean;
  /** A line break may stand before it. */
  readonly wraps: boolean;
}

/** The most bytes that a line break takes. */
export const LONGEST_BREAK = 16;

/** Backslashes before an escaped character: one layer of JSON has 1, two 3, three 7. */
const DEEPEST = 7;
/** The most digits of a character's number in HTML, zeros before it included. */
const MOST_DIGITS = 7;

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const MARKS = [PERCENT, BACKSLASH, AMPERSAND];
const SHORT = new Map([
  ['\b', 'b'],
  ['\t', 't'],
  ['\n', 'n'],
  ['\f', 'f'],
  ['\r', 'r'],
  ['"', '"'],
  ['/', '/'],
]);
const ENTITIES = new Map([
  ['&', ['amp;', 'AMP;']],
  ['<', ['lt;', 'LT;']],
  ['>', ['gt;', 'GT;']],
  ['"', ['quot;', 'QUOT;']],
  ["'", ['apos;']],
]);
const encoder = new TextEncoder();
const TWICE = encoder.encode('%25');
const ONCE = TWICE.subarray(0, 1);

/** A character as it stands in a text. */
export function rawUnit(character: string): Unit {
  const point = character.codePointAt(0) ?? 0;
  return {
    bytes: point < 0x80 ? Uint8Array.of(point) : encoder.encode(character),
    codes: Array.from({ length: character.length }, (_, index) => character.charCodeAt(index)),
    point,
    short: SHORT.get(character)?.charCodeAt(0) ?? -1,
    also: character === ' ' ? 0x2b : -1,
    entities: (ENTITIES.get(character) ?? []).map((name) => encoder.encode(name)),
    plain: /^[A-Za-z0-9._-]$/.test(character),
    fixed: false,
    wraps: false,
  };
}

/** A character of base64: "+" and "/" of the standard alphabet may be "-" and "_" of the other. */
function base64Unit(character: string): Unit {
  const also = character === '+' ? 0x2d : character === '/' ? 0x5f : -1;
  return { ...rawUnit(character), also, fixed: also < 0 };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_';

/** The characters of base64 and of hexadecimal digits. */
export const CODED: ReadonlyMap<string, Unit> = new Map(
  Array.from(ALPHABET, (one) => [one, base64Unit(one)]),
);

/** The characters of base64 that may be broken into lines. */
export const WRAPPED: ReadonlyMap<string, Unit> = new Map(
  Array.from(CODED, ([character, unit]) => [character, { ...unit, wraps: true }]),
);

/** The bytes that a unit's escapes begin with. */
export function marksOf({ fixed }: Unit): readonly number[] {
  return fixed ? [] : MARKS;
}

/** The most bytes that a unit takes, without a line break. */
export function longestOf({ bytes, codes, fixed }: Unit): number {
  return fixed ? bytes.length : Math.max(5 * bytes.length, (DEEPEST + 5) * codes.length);
}

/** Adds each place where the unit, written at `at`, may end. `true`: the data ended before all was said. */
export function step(one: Unit, data: Uint8Array, at: number, ends: number[]): boolean {
  if (at >= data.length) return true;
  const { bytes } = one;
  const byte = data[at];
  let open = false;
  if (byte === bytes[0]) {
    let length = 1;
    while (length < bytes.length && data[at + length] === bytes[length]) length++;
    if (length === bytes.length) ends.push(at + length);
    else if (at + length >= data.length) open = true;
  }
  if (byte === one.also) ends.push(at + 1);
  if (one.fixed) return open;
  if (byte === PERCENT) {
    for (const mark of [ONCE, TWICE]) {
      if (percent(bytes, mark, data, at, ends)) open = true;
      if (one.also >= 0 && percent([one.also], mark, data, at, ends)) open = true;
    }
  }
  if (byte === AMPERSAND && entity(one, data, at + 1, ends)) open = true;
  if (byte === BACKSLASH && escaped(one, data, at, ends)) open = true;
  return open;
}

/** The place behind a line break that begins at `at`; `at` where there is none, -1 where the data ended. */
export function behindBreak(data: Uint8Array, at: number): number {
  let place = at;
  for (let count = 0; count < 2; count++) {
    let next = place;
    while (next - place < DEEPEST && data[next] === BACKSLASH) next++;
    const byte = data[next];
    if (byte === undefined) return -1;
    const letter = next > place;
    if (byte === (letter ? 0x72 : 0x0d) && count === 0) place = next + 1;
    else if (byte === (letter ? 0x6e : 0x0a)) return next + 1;
    else break;
  }
  return place;
}

/** `%XX%XX…` for the bytes, or with another mark in the place of `%`. */
function percent(
  bytes: ArrayLike<number>,
  mark: Uint8Array,
  data: Uint8Array,
  at: number,
  ends: number[],
): boolean {
  let place = at;
  for (let index = 0; index < bytes.length; index++) {
    const marked = spelled(mark, data, place);
    const length = marked ? hex(bytes[index] ?? 0, 2, data, place + mark.length) : 0;
    if (length < 0 || marked === undefined) return true;
    if (length === 0) return false;
    place += mark.length + 2;
  }
  ends.push(place);
  return false;
}

/** Whether bytes stand at a place; `undefined`: the data ended in them. */
function spelled(bytes: Uint8Array, data: Uint8Array, at: number): boolean | undefined {
  for (let index = 0; index < bytes.length; index++) {
    const byte = data[at + index];
    if (byte === undefined) return undefined;
    if (byte !== bytes[index]) return false;
  }
  return true;
}

/** Whether `digits` hexadecimal digits at a place say `value`: their number; 0: no; -1: the data ended. */
function hex(value: number, digits: number, data: Uint8Array, at: number): number {
  for (let digit = 0; digit < digits; digit++) {
    const byte = data[at + digit];
    if (byte === undefined) return -1;
    if (digitOf(byte) !== ((value >> (4 * (digits - 1 - digit))) & 15)) return 0;
  }
  return digits;
}

function digitOf(byte: number): number {
  const lower = byte | 0x20;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return lower >= 0x61 && lower <= 0x66 ? lower - 87 : -1;
}

/** HTML's ways, behind the ampersand. */
function entity(one: Unit, data: Uint8Array, at: number, ends: number[]): boolean {
  let open = at >= data.length;
  for (const name of one.entities) {
    const there = spelled(name, data, at);
    if (there) ends.push(at + name.length);
    else if (there === undefined) open = true;
  }
  if (data[at] !== 0x23) return open;
  const base = ((data[at + 1] ?? 0) | 0x20) === 0x78 ? 16 : 10;
  const first = base === 16 ? at + 2 : at + 1;
  let place = first;
  let number = 0;
  for (; place - first < MOST_DIGITS; place++) {
    const digit = digitOf(data[place] ?? 0);
    if (digit < 0 || digit >= base) break;
    number = number * base + digit;
  }
  if (place >= data.length) return true;
  if (number === one.point && place > first && data[place] === 0x3b) ends.push(place + 1);
  return open;
}

/** The ways that begin with a backslash. */
function escaped(one: Unit, data: Uint8Array, at: number, ends: number[]): boolean {
  let count = 1;
  while (count <= DEEPEST && data[at + count] === BACKSLASH) count++;
  let open = at + count >= data.length;
  if (one.bytes[0] === BACKSLASH) {
    for (const written of [2, 4, 8]) {
      if (written <= count) ends.push(at + written);
    }
  }
  if (count > DEEPEST) return open;
  const next = data[at + count];
  if (next === one.short) ends.push(at + count + 1);
  if (next !== 0x75) return open;
  let place = at;
  for (const code of one.codes) {
    // Each half of a surrogate pair has backslashes of its own.
    let slashes = 0;
    while (slashes <= DEEPEST && data[place] === BACKSLASH) {
      place++;
      slashes++;
    }
    if (place >= data.length) return true;
    if (slashes === 0 || slashes > DEEPEST || data[place] !== 0x75) return open;
    const length = hex(code, 4, data, place + 1);
    if (length < 0) open = true;
    if (length <= 0) return open;
    place += 5;
  }
  ends.push(place);
  return open;
}

// One character of a secret, and every encoding that it can have:
//
//     raw       its UTF-8 bytes
//     URL       %XX for each byte, in either case, or %25XX after two encodings; "+" for a space
//     JSON      \uXXXX in either case, \n \t \" \/ and so on, up to three layers of JSON in JSON; each layer
//               doubles the backslashes
//     HTML      &amp; &lt; &gt; &quot; &apos;, and the number of any character: &#39; &#039; &#x27;
//
// Some encoders break base64 into lines: a line break, raw or JSON-escaped, may precede each of its characters
// but the first.

export interface EncodedCharacter {
  readonly bytes: Uint8Array;
  /** UTF-16 code units, for `\uXXXX`. */
  readonly codeUnits: readonly number[];
  /** The code point, for HTML. */
  readonly codePoint: number;
  /** The byte after the backslash in JSON's short escape, or -1. */
  readonly jsonEscape: number;
  /** Another byte that encodes the character, or -1. */
  readonly alternative: number;
  /** Its entity names in HTML, with the semicolon. */
  readonly entities: readonly Uint8Array[];
  /** Encoders do not escape the character. */
  readonly unreserved: boolean;
  /** It is never escaped. */
  readonly literal: boolean;
  /** A line break may precede it. */
  readonly mayFollowBreak: boolean;
}

/** The longest line break, in bytes. */
export const MAX_BREAK = 16;

/** Backslashes before an escaped character: 1 in one layer of JSON, 3 in two, 7 in three. */
const MAX_BACKSLASHES = 7;
/** The most digits of a character's number in HTML, leading zeros included. */
const MAX_ENTITY_DIGITS = 7;

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const ESCAPE_BYTES = [PERCENT, BACKSLASH, AMPERSAND];
const JSON_ESCAPES = new Map([
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
const PERCENT_TWICE = encoder.encode('%25');
const PERCENT_ONCE = PERCENT_TWICE.subarray(0, 1);

/** A character of a text. */
export function encodedCharacter(character: string): EncodedCharacter {
  const point = character.codePointAt(0) ?? 0;
  return {
    bytes: point < 0x80 ? Uint8Array.of(point) : encoder.encode(character),
    codeUnits: Array.from({ length: character.length }, (_, index) => character.charCodeAt(index)),
    codePoint: point,
    jsonEscape: JSON_ESCAPES.get(character)?.charCodeAt(0) ?? -1,
    alternative: character === ' ' ? 0x2b : -1,
    entities: (ENTITIES.get(character) ?? []).map((name) => encoder.encode(name)),
    unreserved: /^[A-Za-z0-9._-]$/.test(character),
    literal: false,
    mayFollowBreak: false,
  };
}

/** A character of base64: "+" and "/" of the standard alphabet may be "-" and "_" of the URL-safe one. */
function base64Character(character: string): EncodedCharacter {
  const also = character === '+' ? 0x2d : character === '/' ? 0x5f : -1;
  return { ...encodedCharacter(character), alternative: also, literal: also < 0 };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_';

/** The characters of base64 and of hexadecimal digits. */
export const BASE64_CHARACTERS: ReadonlyMap<string, EncodedCharacter> = new Map(
  Array.from(ALPHABET, (character) => [character, base64Character(character)]),
);

/** The characters of base64 that is broken into lines. */
export const WRAPPED_BASE64_CHARACTERS: ReadonlyMap<string, EncodedCharacter> = new Map(
  Array.from(BASE64_CHARACTERS, ([character, encoded]) => [character, { ...encoded, mayFollowBreak: true }]),
);

/** The bytes that the character's escapes begin with. */
export function escapeBytesOf({ literal: fixed }: EncodedCharacter): readonly number[] {
  return fixed ? [] : ESCAPE_BYTES;
}

/** The longest encoding of the character in bytes, without a line break. */
export function maxLengthOf({ bytes, codeUnits: codes, literal: fixed }: EncodedCharacter): number {
  return fixed ? bytes.length : Math.max(5 * bytes.length, (MAX_BACKSLASHES + 5) * codes.length);
}

/**
 * Matches the character at `at`, and adds the end of each of its encodings there to `ends`. Returns whether the data
 * ended within a possible encoding.
 */
export function matchCharacter(
  character: EncodedCharacter,
  data: Uint8Array,
  at: number,
  ends: number[],
): boolean {
  if (at >= data.length) return true;
  const { bytes } = character;
  const byte = data[at];
  let incomplete = false;
  if (byte === bytes[0]) {
    let length = 1;
    while (length < bytes.length && data[at + length] === bytes[length]) length++;
    if (length === bytes.length) ends.push(at + length);
    else if (at + length >= data.length) incomplete = true;
  }
  if (byte === character.alternative) ends.push(at + 1);
  if (character.literal) return incomplete;
  if (byte === PERCENT) {
    for (const mark of [PERCENT_ONCE, PERCENT_TWICE]) {
      if (matchPercent(bytes, mark, data, at, ends)) incomplete = true;
      if (character.alternative >= 0 && matchPercent([character.alternative], mark, data, at, ends))
        incomplete = true;
    }
  }
  if (byte === AMPERSAND && matchEntity(character, data, at + 1, ends)) incomplete = true;
  if (byte === BACKSLASH && matchBackslash(character, data, at, ends)) incomplete = true;
  return incomplete;
}

/** The position after a line break that begins at `at`; `at` if there is none, -1 if the data ended. */
export function skipLineBreak(data: Uint8Array, at: number): number {
  let position = at;
  for (let count = 0; count < 2; count++) {
    let next = position;
    while (next - position < MAX_BACKSLASHES && data[next] === BACKSLASH) next++;
    const byte = data[next];
    if (byte === undefined) return -1;
    const letter = next > position;
    if (byte === (letter ? 0x72 : 0x0d) && count === 0) position = next + 1;
    else if (byte === (letter ? 0x6e : 0x0a)) return next + 1;
    else break;
  }
  return position;
}

/** Matches `%XX%XX…` for the bytes, or the same with another mark for `%`. */
function matchPercent(
  bytes: ArrayLike<number>,
  mark: Uint8Array,
  data: Uint8Array,
  at: number,
  ends: number[],
): boolean {
  let position = at;
  for (let index = 0; index < bytes.length; index++) {
    const marked = bytesAt(mark, data, position);
    const length = marked ? matchHex(bytes[index] ?? 0, 2, data, position + mark.length) : 0;
    if (length < 0 || marked === undefined) return true;
    if (length === 0) return false;
    position += mark.length + 2;
  }
  ends.push(position);
  return false;
}

/** Whether the data has these bytes at `at`; `undefined` if it ended within them. */
function bytesAt(bytes: Uint8Array, data: Uint8Array, at: number): boolean | undefined {
  for (let index = 0; index < bytes.length; index++) {
    const byte = data[at + index];
    if (byte === undefined) return undefined;
    if (byte !== bytes[index]) return false;
  }
  return true;
}

/** Matches `value` in `digits` hexadecimal digits: returns their number, 0 for another value, -1 if the data ended. */
function matchHex(value: number, digits: number, data: Uint8Array, at: number): number {
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

/** Matches HTML's entities, after the ampersand. */
function matchEntity(character: EncodedCharacter, data: Uint8Array, at: number, ends: number[]): boolean {
  let incomplete = at >= data.length;
  for (const name of character.entities) {
    const matches = bytesAt(name, data, at);
    if (matches) ends.push(at + name.length);
    else if (matches === undefined) incomplete = true;
  }
  if (data[at] !== 0x23) return incomplete;
  const base = ((data[at + 1] ?? 0) | 0x20) === 0x78 ? 16 : 10;
  const first = base === 16 ? at + 2 : at + 1;
  let position = first;
  let number = 0;
  for (; position - first < MAX_ENTITY_DIGITS; position++) {
    const digit = digitOf(data[position] ?? 0);
    if (digit < 0 || digit >= base) break;
    number = number * base + digit;
  }
  if (position >= data.length) return true;
  if (number === character.codePoint && position > first && data[position] === 0x3b) ends.push(position + 1);
  return incomplete;
}

/** Matches the escapes that begin with a backslash. */
function matchBackslash(character: EncodedCharacter, data: Uint8Array, at: number, ends: number[]): boolean {
  let count = 1;
  while (count <= MAX_BACKSLASHES && data[at + count] === BACKSLASH) count++;
  let incomplete = at + count >= data.length;
  if (character.bytes[0] === BACKSLASH) {
    for (const written of [2, 4, 8]) {
      if (written <= count) ends.push(at + written);
    }
  }
  if (count > MAX_BACKSLASHES) return incomplete;
  const next = data[at + count];
  if (next === character.jsonEscape) ends.push(at + count + 1);
  if (next !== 0x75) return incomplete;
  let position = at;
  for (const code of character.codeUnits) {
    // Each half of a surrogate pair has backslashes of its own.
    let slashes = 0;
    while (slashes <= MAX_BACKSLASHES && data[position] === BACKSLASH) {
      position++;
      slashes++;
    }
    if (position >= data.length) return true;
    if (slashes === 0 || slashes > MAX_BACKSLASHES || data[position] !== 0x75) return incomplete;
    const length = matchHex(code, 4, data, position + 1);
    if (length < 0) incomplete = true;
    if (length <= 0) return incomplete;
    position += 5;
  }
  ends.push(position);
  return incomplete;
}

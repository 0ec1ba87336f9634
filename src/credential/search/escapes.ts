// Reads one character of text in every way in which it can be written:
//
//     raw       its UTF-8 bytes
//     URL       %XX for each byte, in either case, or %25XX after two encodings
//     JSON      \uXXXX in either case, \n \t \" \/ and so on, up to three layers of JSON in JSON; each layer
//               doubles the backslashes
//     HTML      &amp; &lt; &gt; &quot; &apos;, and the number of any character: &#39; &#039; &#x27;
//
// A position can be read in several ways: "%41" is a percent sign, or an "A". What is read does not depend on the
// value that is searched for, so the cost is that of the data alone.
//
// Some encoders break base64 into lines: a line break, raw or JSON-escaped, may precede each of its characters
// but the first.

/** Characters that may stand at a position, each with the position after it. Reused: it is filled for many positions. */
export interface Readings {
  /** Code points. */
  readonly points: number[];
  readonly ends: number[];
  count: number;
  /** The data ended within a possible character. */
  incomplete: boolean;
}

export function emptyReadings(): Readings {
  return { points: [], ends: [], count: 0, incomplete: false };
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
const HASH = 0x23;
const SEMICOLON = 0x3b;
const LOWER_U = 0x75;
const NO_CHARACTER = -1;
const DATA_ENDED = -2;

/** By the byte after the backslashes: the character that JSON's short escape stands for, or 0. */
const SHORT_ESCAPES = new Uint8Array(256);
for (const [letter, character] of ['b\b', 't\t', 'n\n', 'f\f', 'r\r', '""', '//'])
  SHORT_ESCAPES[letter?.charCodeAt(0) ?? 0] = character?.charCodeAt(0) ?? 0;

const encoder = new TextEncoder();
const ENTITIES = ['&amp', '<lt', '>gt', '"quot', "'apos"].flatMap((entity) => {
  const name = entity.slice(1);
  return [name, name.toUpperCase()].map((written) => ({
    point: entity.charCodeAt(0),
    name: encoder.encode(`${written};`),
  }));
});

/** Bytes that begin a character of several bytes, or one that can be read in several ways. */
const SPECIAL = new Uint8Array(256).fill(1, 0x80);
for (const byte of [PERCENT, BACKSLASH, AMPERSAND, 0x0a, 0x0d]) SPECIAL[byte] = 1;

/** Whether a byte is more than the character that it is in ASCII: it begins an escape, a line break or a longer character. */
export function isSpecial(byte: number): boolean {
  return SPECIAL[byte] === 1;
}

/** Whether an escape may begin with two bytes. */
export function mayBeginEscape(byte: number, next: number): boolean {
  if (byte === PERCENT) return digitOf(next) >= 0;
  if (byte === AMPERSAND) return next === HASH || ENTITIES.some(({ name }) => name[0] === next);
  return byte === BACKSLASH && (next === BACKSLASH || next === LOWER_U || SHORT_ESCAPES[next] !== 0);
}

/** Adds the characters that may begin at `at`, which is within the data. */
export function readCharacters(data: Uint8Array, at: number, into: Readings): void {
  const byte = data[at] as number;
  if (byte < 0x80) {
    add(into, byte, at + 1);
    if (byte === PERCENT) {
      readPercent(data, at, 1, into);
      readPercent(data, at, 3, into);
    } else if (byte === AMPERSAND) readEntity(data, at + 1, into);
    else if (byte === BACKSLASH) readBackslash(data, at, into);
    return;
  }
  const length = lengthOfUtf8(byte);
  if (length === 0) return;
  let point = byte & (0x7f >> length);
  for (let index = 1; index < length; index++) {
    const next = data[at + index];
    if (next === undefined) {
      into.incomplete = true;
      return;
    }
    if ((next & 0xc0) !== 0x80) return;
    point = (point << 6) | (next & 0x3f);
  }
  add(into, point, at + length);
}

/** The longest encoding of a character in bytes, without a line break. */
export function maxLengthOf(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  const bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  return Math.max(5 * bytes, (MAX_BACKSLASHES + 5) * character.length);
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

function add(into: Readings, point: number, end: number): void {
  into.points[into.count] = point;
  into.ends[into.count] = end;
  into.count++;
}

/** The bytes of a character in UTF-8 that begins with this one, two at least; 0 if none does. */
function lengthOfUtf8(byte: number): number {
  return byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? (byte < 0xf0 ? 3 : 0) : byte >= 0xc2 ? 2 : 0;
}

/** Reads `%XX%XX…`, or with a mark of three bytes `%25XX%25XX…`: one character of UTF-8. */
function readPercent(data: Uint8Array, at: number, mark: 1 | 3, into: Readings): void {
  const first = readMarkedByte(data, at, mark);
  if (first < 0) {
    if (first === DATA_ENDED) into.incomplete = true;
    return;
  }
  const length = first < 0x80 ? 1 : lengthOfUtf8(first);
  if (length === 0) return;
  let point = length === 1 ? first : first & (0x7f >> length);
  for (let index = 1; index < length; index++) {
    const next = readMarkedByte(data, at + index * (mark + 2), mark);
    if (next === DATA_ENDED) into.incomplete = true;
    if (next < 0 || (next & 0xc0) !== 0x80) return;
    point = (point << 6) | (next & 0x3f);
  }
  add(into, point, at + length * (mark + 2));
}

function readMarkedByte(data: Uint8Array, at: number, mark: 1 | 3): number {
  if (at >= data.length) return DATA_ENDED;
  if (data[at] !== PERCENT) return NO_CHARACTER;
  if (mark === 3) {
    if (at + 1 >= data.length) return DATA_ENDED;
    if (data[at + 1] !== 0x32) return NO_CHARACTER;
    if (at + 2 >= data.length) return DATA_ENDED;
    if (data[at + 2] !== 0x35) return NO_CHARACTER;
  }
  return readHex(data, at + mark, 2);
}

/** A number of so many hexadecimal digits. */
function readHex(data: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let index = at; index < at + digits; index++) {
    const byte = data[index];
    if (byte === undefined) return DATA_ENDED;
    const digit = digitOf(byte);
    if (digit < 0) return NO_CHARACTER;
    value = (value << 4) | digit;
  }
  return value;
}

function digitOf(byte: number): number {
  const lower = byte | 0x20;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return lower >= 0x61 && lower <= 0x66 ? lower - 87 : -1;
}

/** Reads HTML's entities, after the ampersand. */
function readEntity(data: Uint8Array, at: number, into: Readings): void {
  if (at >= data.length) into.incomplete = true;
  if (data[at] !== HASH) {
    for (const { point, name } of ENTITIES) {
      if (data[at] !== name[0]) continue;
      let length = 1;
      while (length < name.length && data[at + length] === name[length]) length++;
      if (length === name.length) add(into, point, at + length);
      else if (at + length >= data.length) into.incomplete = true;
    }
    return;
  }
  const base = ((data[at + 1] ?? 0) | 0x20) === 0x78 ? 16 : 10;
  const first = base === 16 ? at + 2 : at + 1;
  let position = first;
  let point = 0;
  for (; position - first < MAX_ENTITY_DIGITS; position++) {
    const digit = digitOf(data[position] ?? 0);
    if (digit < 0 || digit >= base) break;
    point = point * base + digit;
  }
  if (position >= data.length) into.incomplete = true;
  else if (position > first && data[position] === SEMICOLON) add(into, point, position + 1);
}

/** Reads the escapes that begin with a backslash. */
function readBackslash(data: Uint8Array, at: number, into: Readings): void {
  let count = 1;
  while (count <= MAX_BACKSLASHES && data[at + count] === BACKSLASH) count++;
  if (at + count >= data.length) into.incomplete = true;
  for (let written = 2; written <= count; written *= 2) add(into, BACKSLASH, at + written);
  if (count > MAX_BACKSLASHES) return;
  const next = data[at + count] ?? 0;
  const short = SHORT_ESCAPES[next] as number;
  if (short !== 0) add(into, short, at + count + 1);
  if (next !== LOWER_U) return;
  const end = at + count + 5;
  const unit = readHex(data, end - 4, 4);
  if (unit === DATA_ENDED) into.incomplete = true;
  if (unit < 0) return;
  if (unit >= 0xd800 && unit < 0xdc00) readSecondHalf(data, end, unit, into);
  else add(into, unit, end);
}

/** Reads the second half of a surrogate pair, which has backslashes of its own. */
function readSecondHalf(data: Uint8Array, at: number, high: number, into: Readings): void {
  let count = 0;
  while (count <= MAX_BACKSLASHES && data[at + count] === BACKSLASH) count++;
  if (at + count >= data.length) into.incomplete = true;
  if (count === 0 || count > MAX_BACKSLASHES || data[at + count] !== LOWER_U) return;
  const end = at + count + 5;
  const low = readHex(data, end - 4, 4);
  if (low === DATA_ENDED) into.incomplete = true;
  if (low >= 0xdc00 && low < 0xe000) add(into, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), end);
}

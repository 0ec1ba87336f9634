// The folded view of data: its letters and digits without case, and nothing else. Escapes are decoded; separators, NULs,
// line breaks and backslashes are left out. A value that is written in several ways at once, a way of its own for each
// character, has the same letters and digits in this view as the value itself.
//
// A character may be written as
//
//     JSON, C      \uXXXX, \UXXXXXXXX, \xXX after any number of backslashes
//     URL          %XX, or %25XX after more encodings; %uXXXX
//     HTML         &#39; &#039; &#x27; &amp; &lt; and so on, also after "&" itself became "&amp;"
//     quoted       =XX, and = at the end of a line (quoted-printable, RFC 2045 6.7), where the data is read so: elsewhere
//                  "=" separates a name from its value
//
// What ends a token (a space, a quote, a comma, a bracket, an empty line) ends a run of the view too, unless a value
// contains it: words of a sentence or values of a list do not become one value. Spaces and tabs at the beginning of a line are part
// of the line break before them: text is wrapped so in YAML, XML, mail headers (RFC 5322 2.2.3) and source code.

/** The symbols of the view: 26 letters and 10 digits. */
export const SYMBOLS = 36;
/** The byte is no symbol. */
export const NO_SYMBOL = 64;
/** The escape may go on where the data ends. */
export const INCOMPLETE = -1;

/** Letters and digits that an escape may have directly after its mark, at most. */
export const MAX_ESCAPE_RUN = 9;
/** Bytes of the longest escape that `readUnit` reads, backslashes before the last seven aside. */
export const MAX_ESCAPE = 24;
/** How often "%" or "&" may be escaped itself. */
const MAX_LAYERS = 3;
const MAX_ENTITY_DIGITS = 7;
/** Letters of the longest name of a character, as in "&quot;". */
const MAX_NAME = 4;
/** A longer run of backslashes is read in parts. */
const MAX_BACKSLASHES = 64;

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const HASH = 0x23;
const UPPER_U = 0x55;
const LOWER_U = 0x75;
const LOWER_X = 0x78;
const LOWER_P = 0x70;
const LOWER_N = 0x6e;
const LOWER_R = 0x72;
const LOWER_T = 0x74;
const EQUALS = 0x3d;
const SEMICOLON = 0x3b;
const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
/** The most spaces and tabs of an indentation. */
export const MAX_INDENTATION = 32;
/** A unit is its length and the code that it stands for, in one number: it is read for many positions. */
const CODE_BITS = 21;
const CODE_MASK = (1 << CODE_BITS) - 1;
/** The code of what stands for no character of a value. */
const FILLER = 0;

const ENTITIES: readonly (readonly [string, number])[] = [
  ['amp;', 0x26],
  ['AMP;', 0x26],
  ['lt;', 0x3c],
  ['LT;', 0x3c],
  ['gt;', 0x3e],
  ['GT;', 0x3e],
  ['quot;', 0x22],
  ['QUOT;', 0x22],
  ['apos;', 0x27],
];

/** By byte: its symbol, or `NO_SYMBOL`. */
export const SYMBOL_OF: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a ? lower - 0x61 + 10 : NO_SYMBOL;
});

/** What an escape's letters and digits may follow. */
export const MARK_BYTES: readonly number[] = [...'\\%&#;='].map((mark) => mark.charCodeAt(0));

/** By byte: an escape's letters and digits may follow it. */
const MARKS: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => (MARK_BYTES.includes(byte) ? 1 : 0));

/** The symbols of a text that has no escapes. */
export function foldText(text: string): Uint8Array {
  return foldCodes(Uint16Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)));
}

/** The symbols of a text that has no escapes, by its code points. */
export function foldCodes(codes: ArrayLike<number>): Uint8Array {
  const symbols = new Uint8Array(codes.length);
  let count = 0;
  for (let at = 0; at < codes.length; at++) {
    const symbol = symbolOf(codes[at] as number);
    if (symbol !== NO_SYMBOL) symbols[count++] = symbol;
  }
  return symbols.slice(0, count);
}

export function symbolOf(code: number): number {
  return code < 128 ? (SYMBOL_OF[code] as number) : NO_SYMBOL;
}

export function lengthOfUnit(unit: number): number {
  return unit >> CODE_BITS;
}

export function codeOfUnit(unit: number): number {
  return unit & CODE_MASK;
}

/** Whether escapes may be anywhere in data: not in base64, such as that of an image. */
export function mayHaveEscapes(data: Buffer): boolean {
  return MARK_BYTES.some((mark) => data.includes(mark));
}

/** Whether a letter or digit may belong to an escape that begins before it. */
export function mayBeInEscape(data: Uint8Array, at: number): boolean {
  const least = Math.max(0, at - MAX_ESCAPE_RUN);
  for (let before = at - 1; before >= least; before--) {
    const byte = data[before] as number;
    if (SYMBOL_OF[byte] === NO_SYMBOL) return MARKS[byte] === 1 && at - before <= reachOf(data, before);
  }
  return false;
}

/** How many letters and digits directly after a mark may belong to its escape. */
function reachOf(data: Uint8Array, mark: number): number {
  const next = data[mark + 1] ?? 0;
  switch (data[mark]) {
    case BACKSLASH:
      if (next === LOWER_U) return 5;
      return next === UPPER_U ? 9 : next === LOWER_X ? 3 : 1;
    case PERCENT:
      if (next === LOWER_U) return 5;
      return next === 0x32 && data[mark + 2] === 0x35 ? 2 + 2 * MAX_LAYERS : 2;
    case HASH:
      return data[mark - 1] === AMPERSAND || data[mark - 1] === SEMICOLON ? 1 + MAX_ENTITY_DIGITS : 0;
    case SEMICOLON:
      // Of "&amp;", which another name may follow.
      return data[mark - 1] === LOWER_P ? MAX_NAME : 0;
    case AMPERSAND:
      return MAX_NAME;
    default:
      return digitOf(next) >= 0 && digitOf(data[mark + 2] ?? 0) >= 0 ? 2 : 0;
  }
}

export function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

export function isLineBreak(code: number): boolean {
  return code === LF || code === CR;
}

/**
 * Reads the byte or escape at `at`, which is within the data: see `lengthOfUnit` and `codeOfUnit`. `INCOMPLETE` if the
 * data ends where an escape could go on, unless it is `whole`. `quoted`: "=" begins an escape.
 */
export function readUnit(data: Uint8Array, at: number, whole: boolean, quoted: boolean): number {
  const byte = data[at] as number;
  let unit: number;
  if (byte === BACKSLASH) unit = readBackslash(data, at);
  else if (byte === PERCENT) unit = readPercent(data, at);
  else if (byte === AMPERSAND) unit = readEntity(data, at);
  else if (quoted && byte === EQUALS) unit = readQuoted(data, at);
  else return unitOf(1, byte);
  if (unit !== INCOMPLETE) return unit;
  return whole ? unitOf(1, byte) : INCOMPLETE;
}

function unitOf(length: number, code: number): number {
  return (length << CODE_BITS) | Math.min(code, CODE_MASK);
}

function readBackslash(data: Uint8Array, at: number): number {
  let count = 1;
  while (count < MAX_BACKSLASHES && data[at + count] === BACKSLASH) count++;
  const letter = data[at + count];
  if (letter === undefined) return INCOMPLETE;
  const digits = letter === LOWER_U ? 4 : letter === LOWER_X ? 2 : letter === UPPER_U ? 8 : 0;
  if (digits > 0) {
    const code = readHex(data, at + count + 1, digits);
    if (code === INCOMPLETE) return INCOMPLETE;
    return code < 0 ? unitOf(count, BACKSLASH) : unitOf(count + 1 + digits, code);
  }
  if (letter === LOWER_N) return unitOf(count + 1, LF);
  if (letter === LOWER_R) return unitOf(count + 1, CR);
  if (letter === LOWER_T) return unitOf(count + 1, TAB);
  // \b, \f
  const control = letter === 0x62 || letter === 0x66;
  return control ? unitOf(count + 1, FILLER) : unitOf(count, BACKSLASH);
}

/** A soft line break is one with what precedes it: spaces that were added on the way. */
function readQuoted(data: Uint8Array, at: number): number {
  let end = at + 1;
  while (end - at < MAX_INDENTATION && isBlank(data[end] ?? 0)) end++;
  const byte = data[end];
  if (byte === undefined) return INCOMPLETE;
  if (isLineBreak(byte)) return unitOf(end + 1 - at, LF);
  if (byte === BACKSLASH) {
    const unit = readBackslash(data, end);
    if (unit === INCOMPLETE) return INCOMPLETE;
    if (isLineBreak(codeOfUnit(unit))) return unitOf(end + lengthOfUnit(unit) - at, LF);
  }
  const code = readHex(data, at + 1, 2);
  if (code === INCOMPLETE) return INCOMPLETE;
  return code < 0 ? unitOf(1, EQUALS) : unitOf(3, code);
}

function readPercent(data: Uint8Array, at: number): number {
  let digits = at + 1;
  for (let layer = 0; layer < MAX_LAYERS; layer++) {
    if (data[digits] !== 0x32 || data[digits + 1] !== 0x35) break;
    const code = readHex(data, digits + 2, 2);
    if (code === INCOMPLETE) return INCOMPLETE;
    if (code < 0) break;
    digits += 2;
  }
  const wide = data[digits] === LOWER_U ? 1 : 0;
  const code = readHex(data, digits + wide, wide === 1 ? 4 : 2);
  if (code === INCOMPLETE) return INCOMPLETE;
  return code < 0 ? unitOf(1, PERCENT) : unitOf(digits + wide + (wide === 1 ? 4 : 2) - at, code);
}

function readEntity(data: Uint8Array, at: number): number {
  let from = at + 1;
  for (let layer = 1; layer < MAX_LAYERS && matchesText(data, from, 'amp;') === 1; layer++) from += 4;
  if (from >= data.length) return INCOMPLETE;
  if (data[from] === HASH) {
    const hex = ((data[from + 1] ?? 0) | 0x20) === 0x78;
    const first = from + (hex ? 2 : 1);
    let code = 0;
    let end = first;
    for (; end - first < MAX_ENTITY_DIGITS; end++) {
      const digit = digitOf(data[end] ?? 0);
      if (digit < 0 || (!hex && digit > 9)) break;
      code = code * (hex ? 16 : 10) + digit;
    }
    if (end >= data.length) return INCOMPLETE;
    return end > first && data[end] === SEMICOLON ? unitOf(end + 1 - at, code) : unitOf(1, AMPERSAND);
  }
  for (const [name, code] of ENTITIES) {
    const matches = matchesText(data, from, name);
    if (matches === INCOMPLETE) return INCOMPLETE;
    if (matches === 1) return unitOf(from + name.length - at, code);
  }
  return unitOf(from - at, AMPERSAND);
}

/** 1: the text is there. `INCOMPLETE`: the data ends within it. */
function matchesText(data: Uint8Array, at: number, text: string): 0 | 1 | typeof INCOMPLETE {
  for (let index = 0; index < text.length; index++) {
    const byte = data[at + index];
    if (byte === undefined) return INCOMPLETE;
    if (byte !== text.charCodeAt(index)) return 0;
  }
  return 1;
}

/** A number of so many hexadecimal digits; `INCOMPLETE` if the data ends within it, less if it is none. */
function readHex(data: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let index = 0; index < digits; index++) {
    const byte = data[at + index];
    if (byte === undefined) return INCOMPLETE;
    const digit = digitOf(byte);
    if (digit < 0) return -2;
    value = value * 16 + digit;
  }
  return value;
}

/** The value of a hexadecimal digit; -1 if it is none. */
export function digitOf(byte: number): number {
  const symbol = SYMBOL_OF[byte] as number;
  return symbol < 16 ? symbol : -1;
}

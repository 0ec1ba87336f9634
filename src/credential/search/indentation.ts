// Spaces and tabs in the folded view: those at the beginning of a line are part of the line break before them, all others end a run.
// That is asked for much of all data, so what the two bytes before a space show is told from tables.
import {
  digitOf,
  isBlank,
  isLineBreak,
  MAX_INDENTATION,
  mayBeInEscape,
  NO_SYMBOL,
  SYMBOL_OF,
} from './folded-view.ts';

const LF = 0x0a;
const CR = 0x0d;
const LOWER_T = 0x74;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** When indentation may follow a byte. */
const NEVER = 0;
const ALWAYS = 1;
const AFTER_BACKSLASH = 2;
/** Of 10, 13, 9 and 32, the codes of line breaks, tabs and spaces, and of these in hexadecimal. */
const LAST_DIGIT = 3;
const ENDS_ENTITY = 4;
const ENDS_QUOTED = 5;
const AS_BEFORE = 6;
const BEFORE_INDENTATION: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if ('\n\r'.includes(character)) return ALWAYS;
  if (isBlank(byte)) return AS_BEFORE;
  if ('nr'.includes(character)) return AFTER_BACKSLASH;
  if ('0239adAD'.includes(character)) return LAST_DIGIT;
  if (character === ';') return ENDS_ENTITY;
  return character === '=' ? ENDS_QUOTED : NEVER;
});

/** Three bits, for the three ways in which `wordEnd` knows. */
export const BLANK_BITS = 0x700;
/** By the byte before a space: the way in which the one before that tells. */
export const LAST: Uint16Array = Uint16Array.from(BEFORE_INDENTATION, (when, byte) => {
  if (byte === LOWER_T) return 0x200;
  return when === NEVER ? 0x100 : when === AFTER_BACKSLASH ? 0x200 : when === LAST_DIGIT ? 0x400 : 0;
});
/** By the byte before that: the ways in which it ends no escape of a blank with the next. */
export const LAST_BUT_ONE: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  if (byte === BACKSLASH) return 0x500;
  return byte >= 0x30 && byte <= 0x33 ? 0x300 : 0x700;
});

/**
 * Bits of `BLANK_BITS`, at least one if a space or a tab at a position, the third at least, is no indentation for certain, as
 * the two bytes before it show.
 */
export function wordEnd(data: Uint8Array, at: number): number {
  return (LAST[data[at - 1] as number] as number) & (LAST_BUT_ONE[data[at - 2] as number] as number);
}

/**
 * Whether a space or a tab may have nothing but such between it and a line break, raw or escaped; or stand between "=" and a line
 * break, as what is added at the end of a line of quoted-printable does.
 */
export function isIndentation(data: Uint8Array, at: number): boolean {
  if (!isBlank(data[at] as number)) return false;
  const least = Math.max(0, at - MAX_INDENTATION);
  let before = at - 1;
  for (; before >= least; before--) {
    const byte = data[before] as number;
    if (isBlank(byte)) continue;
    if (byte !== LOWER_T || data[before - 1] !== BACKSLASH) break;
    while (data[before - 1] === BACKSLASH) before--;
  }
  return before >= 0 && mayPrecedeIndentation(data, before);
}

/** Whether a line break may end there, or an escape of one, of a space or of a tab: \\n, \\r, %0A, &#10; and the like. */
function mayPrecedeIndentation(data: Uint8Array, at: number): boolean {
  const byte = data[at] as number;
  switch (BEFORE_INDENTATION[byte]) {
    case NEVER:
    // The indentation is too long.
    case AS_BEFORE:
      return false;
    case AFTER_BACKSLASH:
      return data[at - 1] === BACKSLASH;
    case LAST_DIGIT:
      return SYMBOL_OF[data[at - 1] ?? 0] !== NO_SYMBOL && mayBeInEscape(data, at);
    case ENDS_ENTITY:
      return BEFORE_INDENTATION[data[at - 1] ?? 0] === LAST_DIGIT && mayBeInEscape(data, at - 1);
    case ENDS_QUOTED:
      return mayEndLine(data, at + 1);
    default:
      return true;
  }
}

/** Whether a line may end there, after spaces and tabs; or the data. */
function mayEndLine(data: Uint8Array, at: number): boolean {
  let end = at;
  while (end - at < MAX_INDENTATION && isBlank(data[end] ?? 0)) end++;
  const byte = data[end];
  return byte === undefined || isLineBreak(byte) || byte === BACKSLASH;
}

/** Whether a line that ends with a line break has no characters but spaces and tabs. The line before must end with a raw break. */
export function endsEmptyLine(data: Uint8Array, at: number): boolean {
  const before = beforeBlanks(data, beforeBreak(data, at));
  if (!isLineBreak(data[before] ?? 0)) return false;
  // A soft line break of quoted-printable is none.
  return data[beforeBlanks(data, beforeBreak(data, before))] !== EQUALS;
}

/** The position before a line break that ends at `at`. */
function beforeBreak(data: Uint8Array, at: number): number {
  return data[at] === LF && data[at - 1] === CR ? at - 2 : at - 1;
}

/** The position before spaces and tabs that end at `at`, if they are not too many. */
function beforeBlanks(data: Uint8Array, at: number): number {
  let before = at;
  while (before > at - MAX_INDENTATION && isBlank(data[before] ?? 0)) before--;
  return before;
}

/** Whether an escape of quoted-printable may begin at "=". */
export function mayBeQuoted(data: Uint8Array, at: number): boolean {
  if (mayEndLine(data, at + 1)) return true;
  const last = data[at + 2];
  return digitOf(data[at + 1] ?? 0) >= 0 && (last === undefined || digitOf(last) >= 0);
}

// The part of a scan (scan.ts) in which nothing is noted, which is nearly all of a message with structured content: what lies deeper
// than the members of `params` or `result`, where no names are kept. One loop, as a token takes less than a call.
import {
  BROKEN,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  MAX_DEPTH,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  SPECIAL,
  skipStringUntil,
  skipValue,
} from './json.ts';

// What comes next: the value of the line; a value; a value or the end of an array; the rest of a string that is a value,
// or a name; a name; a name or the end of an object; a colon; what follows a value; white space to the end of the line;
// the same in a line that has nothing else; or the line is no JSON.
export const START = 0;
export const VALUE = 1;
export const FIRST_VALUE = 2;
export const TEXT = 3;
export const NAME = 4;
export const KEY = 5;
export const FIRST_KEY = 6;
export const COLON = 7;
export const AFTER = 8;
export const TRAILING = 9;
export const BLANK = 10;
export const FAULTY = 11;

/** What is in a container of this depth and of those above is noted. */
export const NOTED = 2;

/** Where a scan is. */
export interface ScanPlace {
  at: number;
  next: number;
  depth: number;
  /** Where the string began that is read, a value or a name. */
  textStart: number;
  /** By depth: whether the container there is an object. */
  readonly isObject: Uint8Array;
}

/**
 * Goes on up to `until`, or a token beyond; stops before the end of a container whose end is noted. `place` is between two tokens
 * (or FAULTY), or within a string that goes beyond `until`.
 */
export function scanDeep(place: ScanPlace, bytes: Buffer, until: number, end: number): void {
  const { isObject } = place;
  let { at, next, depth } = place;
  while (at < until) {
    const byte = bytes[at] as number;
    if (byte === 0x20 || byte === 0x09) {
      at++;
      continue;
    }
    if (next === COLON) {
      if (byte !== 0x3a) {
        next = FAULTY;
        break;
      }
      at++;
      next = VALUE;
      continue;
    }
    if (next === AFTER && byte === COMMA) {
      at++;
      next = isObject[depth] === 1 ? KEY : VALUE;
      continue;
    }
    if (
      next === AFTER ||
      (next === FIRST_VALUE && byte === CLOSE_ARRAY) ||
      (next === FIRST_KEY && byte === CLOSE_OBJECT)
    ) {
      if (byte !== (isObject[depth] === 1 ? CLOSE_OBJECT : CLOSE_ARRAY)) next = FAULTY;
      if (next === FAULTY || depth === NOTED + 1) break;
      depth--;
      at++;
      next = AFTER;
      continue;
    }
    const isName = next === KEY || next === FIRST_KEY;
    if (byte === QUOTE) {
      let i = at + 1;
      while (i < until && SPECIAL[bytes[i] as number] === 0 && i < at + SHORT) i++;
      if (i < until && bytes[i] === QUOTE) i++;
      else {
        i = skipStringUntil(bytes, at + 1, until, end);
        if (i === BROKEN) {
          next = FAULTY;
          break;
        }
        if (i < BROKEN) {
          // It goes beyond.
          place.textStart = at;
          next = isName ? NAME : TEXT;
          at = ~i;
          break;
        }
      }
      at = i;
      next = isName ? COLON : AFTER;
    } else if (isName) {
      next = FAULTY;
      break;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (++depth > MAX_DEPTH) {
        next = FAULTY;
        break;
      }
      isObject[depth] = byte === OPEN_OBJECT ? 1 : 0;
      next = byte === OPEN_OBJECT ? FIRST_KEY : FIRST_VALUE;
      at++;
    } else {
      const after = skipValue(bytes, at, end, depth);
      next = after < 0 ? FAULTY : AFTER;
      if (after < 0) break;
      at = after;
    }
  }
  place.at = at;
  place.next = next;
  place.depth = depth;
}

/** Bytes of a string that are looked at here. */
const SHORT = 48;

// Reads single values out of JSON text, and turns into values only what is within a bound. Every function may
// be given any bytes: what is no JSON, or not of the kind asked for, is absent.
import { isUtf8 } from 'node:buffer';
import { readString } from './envelope.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipColon,
  skipKey,
  skipSpace,
  skipValue,
} from './json.ts';
import { type Keys, keysOf, matchKey, NO_KEY } from './member.ts';

/** Where a value is: from `start` to before `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What `readMember` found. `ambiguous`: two parsers could read two values. */
export type Member = Range | 'absent' | 'ambiguous';

/** The names that were looked for, prepared: as many as there are such constants. */
const KEYS = new Map<string, Keys>();

/**
 * The value of a member of the object from `start` to `end`. Its name occurs once and is spelled plainly, else it
 * is `ambiguous`; of what is no object every member is `absent`. `name` is that of a constant in the source.
 */
export function readMember(bytes: Buffer, start: number, end: number, name: string): Member {
  let keys = KEYS.get(name);
  if (keys === undefined) {
    keys = keysOf({ [name]: 0 });
    KEYS.set(name, keys);
  }
  return findMember(bytes, start, end, keys);
}

/** The value of a member that is there once; undefined where it is not there, or two readers could see two values. */
export function memberIn(bytes: Buffer, range: Range | undefined, name: string): Range | undefined {
  if (range === undefined) return undefined;
  const member = readMember(bytes, range.start, range.end, name);
  return typeof member === 'string' ? undefined : member;
}

/** The whole of a JSON text. */
export function whole(bytes: Buffer): Range {
  return { start: 0, end: bytes.length };
}

/** As `readMember`, for many objects: `keys` has one key. */
export function findMember(bytes: Buffer, start: number, end: number, keys: Keys): Member {
  let found: Range | undefined;
  let i = skipSpace(bytes, start, end);
  if (i >= end || bytes[i] !== OPEN_OBJECT) return 'absent';
  i = skipSpace(bytes, i + 1, end);
  if (i < end && bytes[i] === CLOSE_OBJECT) return 'absent';
  for (;;) {
    const close = skipKey(bytes, i, end);
    const value = close < 0 ? -1 : skipColon(bytes, close, end);
    const after = value < 0 ? -1 : skipValue(bytes, value, end, 0);
    if (after < 0) return 'absent';
    const slot = matchKey(bytes, i + 1, close - 1, keys);
    if (slot !== NO_KEY) {
      if (slot < NO_KEY || found !== undefined) return 'ambiguous';
      found = { start: value, end: after };
    }
    i = skipSpace(bytes, after, end);
    if (i < end && bytes[i] === CLOSE_OBJECT) return found ?? 'absent';
    if (i >= end || bytes[i] !== COMMA) return 'absent';
    i = skipSpace(bytes, i + 1, end);
  }
}

/** A member of an object: where it is with its name, which of the keys that name is (see `matchKey`), and its value. */
export interface NamedMember extends Range {
  /** With its quotes. */
  readonly name: Range;
  readonly slot: number;
  readonly value: Range;
}

/** The members of the object from `start` to `end`, as they come. Nothing for what is no object; stops where the JSON is broken. */
export function* readMembers(
  bytes: Buffer,
  start: number,
  end: number,
  keys: Keys,
): Generator<NamedMember, void> {
  let i = skipSpace(bytes, start, end);
  if (i >= end || bytes[i] !== OPEN_OBJECT) return;
  i = skipSpace(bytes, i + 1, end);
  while (i < end && bytes[i] === QUOTE) {
    const close = skipKey(bytes, i, end);
    const value = close < 0 ? -1 : skipColon(bytes, close, end);
    const after = value < 0 ? -1 : skipValue(bytes, value, end, 0);
    if (after < 0) return;
    const slot = matchKey(bytes, i + 1, close - 1, keys);
    yield { start: i, end: after, name: { start: i, end: close }, slot, value: { start: value, end: after } };
    i = skipSpace(bytes, after, end);
    if (i >= end || bytes[i] !== COMMA) return;
    i = skipSpace(bytes, i + 1, end);
  }
}

/**
 * The elements of the array from `start` to `end`, one by one, so that the caller can stop in between. Yields
 * nothing for what is no array, and stops where the JSON is broken.
 */
export function* readElements(bytes: Buffer, start: number, end: number): Generator<Range, void> {
  let i = skipSpace(bytes, start, end);
  if (i >= end || bytes[i] !== OPEN_ARRAY) return;
  i = skipSpace(bytes, i + 1, end);
  while (i < end && bytes[i] !== CLOSE_ARRAY) {
    const after = skipValue(bytes, i, end, 0);
    if (after < 0) return;
    yield { start: i, end: after };
    i = skipSpace(bytes, after, end);
    if (i >= end || bytes[i] !== COMMA) return;
    i = skipSpace(bytes, i + 1, end);
  }
}

/** The string in a range; `undefined` if it is none, is not UTF-8, or is longer than `maxBytes` as JSON text. */
export function readText(bytes: Buffer, { start, end }: Range, maxBytes: number): string | undefined {
  if (end - start > maxBytes || bytes[start] !== QUOTE || skipKey(bytes, start, end) !== end)
    return undefined;
  return isUtf8(bytes.subarray(start, end)) ? readString(bytes, start, end) : undefined;
}

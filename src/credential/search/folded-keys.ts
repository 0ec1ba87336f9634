// The keys of a value: strings of symbols by which the folded view is searched for it.
//
// What a match in this view proves depends on the key:
//
//     loose    16 letters and digits or more: case and separators do not count
//     strict   fewer: each character must be the value's, in whatever writing; only NULs, line breaks and backslashes
//              do not count. Words and short numbers would be found everywhere otherwise
//     anchor   a part of a value that contains marks of escapes, so that it can be read in several ways: the exact
//              search looks there
import type { Encoding } from './encodings.ts';
import { foldCodes, foldText } from './folded-view.ts';

export interface Key {
  readonly symbols: Uint8Array;
  readonly use: 'loose' | 'strict' | 'anchor';
  /** The index of its value. */
  readonly index: number;
  /** It is the value itself, not its base64 or hexadecimal digits. */
  readonly raw: boolean;
  /** The longest match, in bytes. */
  readonly maxLength: number;
}

const MIN_LOOSE = 16;
const MIN_STRICT = 8;
const MIN_ANCHOR = 6;
/** A longer base64 of base64, or base32, is not searched for in this view: it would take much memory. */
const MAX_RARE = 160;
/** The most bytes of a match: for each character, and beside that. */
const MAX_LENGTH_EACH = 16;
const MAX_LENGTH_BESIDE = 256;

const MARKS = /[\\%&]/;
/** What an escape may take from the text after its mark. */
const ESCAPED = /^#?[A-Za-z0-9]{0,10}/;

/** Whether a value can be read in one way only, and is long enough to be found in this view. */
export function isPlain(value: string): boolean {
  return !MARKS.test(value) && foldText(value).length >= MIN_STRICT;
}

/** The keys of a value. */
export function keysOf(value: string, encodings: readonly Encoding[], index: number): Key[] {
  if (encodings.length === 0) return [];
  const keys: Key[] = [];
  const add = (symbols: Uint8Array, use: Key['use'], characters: number, raw: boolean): void => {
    const maxLength = characters * MAX_LENGTH_EACH + MAX_LENGTH_BESIDE;
    keys.push({ symbols, use, index, raw, maxLength });
  };
  let hasHex = false;
  for (const { kind, characters } of encodings) {
    if (
      kind === 'raw' ||
      ((kind === 'double-base64' || kind === 'base32') && characters.length > MAX_RARE) ||
      // Lower and upper case are the same here.
      (kind === 'hex' && hasHex)
    )
      continue;
    hasHex ||= kind === 'hex';
    const symbols = foldCodes(characters);
    if (symbols.length >= MIN_STRICT) add(symbols, 'loose', characters.length, false);
  }
  const symbols = foldText(value);
  if (symbols.length >= MIN_STRICT)
    add(symbols, symbols.length >= MIN_LOOSE ? 'loose' : 'strict', value.length, true);
  if (isPlain(value)) return keys;
  const [first = '', ...others] = value.split(MARKS);
  const runs = [first, ...others.map((text) => text.replace(ESCAPED, ''))].map(foldText);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best));
  if (longest.length >= MIN_ANCHOR) add(longest, 'anchor', value.length, true);
  return keys;
}

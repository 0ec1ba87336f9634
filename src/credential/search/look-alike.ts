// The end of data that looks like the beginning of a value, whatever the values are. A stream that holds back what begins a
// value tells its receiver so. One that holds back all this reveals nothing.
import { trailingList } from './byte-list.ts';
import { isIndentation } from './indentation.ts';

/** The characters of a run that looks like a value, beside those of the values: ASCII without spaces and delimiters. */
const TOKEN_CHARACTER = /[!#$%&*+./0-9:;=?@A-Z\\^_`a-z|~-]/;
/** A run this short is not held back: it reveals no more than a value's first characters, mostly its kind. */
const MAX_UNBUFFERED_RUN = 2;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const PLUS = 0x2b;

/** By byte: whether a run that looks like a value may contain it. NULs stand between the characters of UTF-16. */
export function tokenBytes(): boolean[] {
  return Array.from(
    { length: 256 },
    (_, byte) => byte === 0 || TOKEN_CHARACTER.test(String.fromCharCode(byte)),
  );
}

/** Adds the bytes of a value. */
export function addTokenBytes(tokens: boolean[], value: Uint8Array): void {
  for (const byte of value) tokens[byte] = true;
  // A space may stand for the "+" of a value.
  if (value.includes(PLUS)) tokens[SPACE] = true;
}

/**
 * The start of what looks like a value at the end of the data, not before `least`: a run without spaces and delimiters, which
 * single line breaks may be in, with indentation; or, if there are `lists`, a list of numbers.
 */
export function trailingLookAlike(
  data: Uint8Array,
  least: number,
  tokens: readonly boolean[],
  lists: boolean,
): number {
  const isToken = (at: number): boolean =>
    at >= least && (tokens[data[at] ?? 0] === true || isIndentation(data, at));
  let at = data.length;
  while (at > least) {
    let last = at - 1;
    if (!isToken(last)) {
      if (data[last] !== LF && data[last] !== CR) break;
      if (data[last] === LF && data[last - 1] === CR) last--;
      if (!isToken(last - 1)) break;
    }
    at = last;
  }
  const start = lists ? Math.min(at, trailingList(data, least)) : at;
  return data.length - start > MAX_UNBUFFERED_RUN ? start : data.length;
}

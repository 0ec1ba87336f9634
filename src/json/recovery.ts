// Finds the id of a message in a line that cannot be passed on, so that whoever waits for an answer gets one. The
// search is lenient: a byte order mark, any nesting, bytes that are not UTF-8, carriage returns and a broken end
// are all passed over. What it finds is used to answer with an error, never to let anything through.
import { type Id, readId } from './envelope.ts';
import { QUOTE, skipKey } from './json.ts';
import { type Keys, keysOf, matchKey, NO_KEY } from './member.ts';
import { idOf, kindOf } from './oversize.ts';

/** Whose id was found. `unknown`: the line has neither a `method` nor a `result` or `error`, or has both. */
export interface Found {
  readonly id: Id;
  readonly kind: 'request' | 'response' | 'unknown';
}

/** The longest line, in bytes, that is searched as a whole; of a longer one the two ends. */
export const MAX_SEARCHED = 2 ** 20;

/** Bytes of either end that are searched then. */
const END = 1024;

const ID = 0;
const METHOD = 1;
const ANSWER = 2;
const KEYS: Keys = [...keysOf({ id: ID, method: METHOD, result: ANSWER }), ...keysOf({ error: ANSWER })];

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/**
 * The id of the one message in the line from `start` to `end`. Undefined if there is none, if there are two that
 * differ, or if one is spelled so that some parsers see it and others do not.
 */
export function findId(bytes: Buffer, start: number, end: number): Found | undefined {
  if (end - start > MAX_SEARCHED) {
    const head = bytes.subarray(start, start + END);
    const id = idOf({ length: end - start, head, tail: bytes.subarray(end - END, end) });
    return id === undefined ? undefined : { id, kind: kindOf(head) };
  }
  let at = start;
  if (end - at >= 3 && BYTE_ORDER_MARK.compare(bytes, at, at + 3) === 0) at += 3;
  while (at < end && isSpace(bytes[at] as number)) at++;
  return bytes[at] === 0x7b ? findInObject(bytes, at + 1, end) : undefined;
}

function findInObject(bytes: Buffer, from: number, end: number): Found | undefined {
  let id: Id | undefined;
  let method = false;
  let answer = false;
  let depth = 1;
  let i = from;
  while (i < end && depth > 0) {
    const byte = bytes[i] as number;
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    if (byte !== QUOTE) {
      i++;
      continue;
    }
    const close = skipText(bytes, i, end);
    let next = close;
    while (next < end && isSpace(bytes[next] as number)) next++;
    if (depth === 1 && bytes[next] === 0x3a && next < end) {
      next++;
      // A name with a broken escape is no name that any parser reads.
      const slot = skipKey(bytes, i, close) === close ? matchKey(bytes, i + 1, close - 1, KEYS) : NO_KEY;
      if (slot === METHOD) method = true;
      else if (slot === ANSWER) answer = true;
      else if (slot < NO_KEY) return undefined;
      else if (slot === ID) {
        while (next < end && isSpace(bytes[next] as number)) next++;
        const found = idAt(bytes, next, end);
        if (found === undefined || (id !== undefined && id !== found)) return undefined;
        id = found;
        if (bytes[next] === QUOTE) next = skipText(bytes, next, end);
      }
    }
    i = next;
  }
  if (id === undefined) return undefined;
  return { id, kind: method === answer ? 'unknown' : method ? 'request' : 'response' };
}

/** The id whose JSON text begins at `at`. Digits at the end of the line may be cut off, and are none. */
function idAt(bytes: Buffer, at: number, end: number): Id | undefined {
  let after = at;
  if (bytes[at] === QUOTE) after = skipKey(bytes, at, end);
  else while (after < end && /[-+.\deE]/.test(String.fromCharCode(bytes[after] as number))) after++;
  return after <= at || (after === end && bytes[at] !== QUOTE) ? undefined : readId(bytes, at, after);
}

/** The index after a string whose quote is at `at`; `end` if it does not end. Any bytes may be in it. */
function skipText(bytes: Buffer, at: number, end: number): number {
  for (let i = at + 1; i < end; i++) {
    if (bytes[i] === 0x5c) i++;
    else if (bytes[i] === QUOTE) return i + 1;
  }
  return end;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}

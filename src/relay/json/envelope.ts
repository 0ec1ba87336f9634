// The envelope of a message: what one line of JSON-RPC 2.0 is, found in one pass over its bytes and without
// building values, so that the line itself can go on as it came.
//
// The relay decides on what it reads here, and then another program reads the same bytes with a parser of its
// own. So a line in which two parsers could see two different messages has a fault:
//
// - a member that the relay goes by must not occur twice: some parsers take the first, others the last;
// - nor may its name be spelled with escapes, in other case (Go's `encoding/json` folds case, U+017F and
//   U+212A included: GHSA-wvj2-96wp-fq3f), or with control characters in it (GHSA-q382-vc8q-7jhj);
// - the line is one JSON object from its first byte to its last, and nothing in it ends a line: see json.ts;
// - `method` beside `result` or `error`, or both of these, is no message.
//
// That bytes are UTF-8 is the caller's to check.
import {
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
import { alike, type Keys, keysOf, matchKey, NO_KEY } from './member.ts';

/** An id as a key of a `Map`: `1` and `"1"` differ, and integers beyond 2^53 stay what they are. */
export type Id = number | string | bigint;

/** What is wrong with a line. */
export interface Fault {
  /** The code of the answer: JSON-RPC 2.0, section 5.1. */
  readonly code: -32700 | -32600;
  /** For the sender and the log; tells nothing of the line's content. */
  readonly text: string;
}

/**
 * One line, taken apart. Ranges are indexes into the bytes that were read; a start of -1 says "not there".
 * With a `fault` the line is not to go on; the other members then hold what could be read safely all the same.
 */
export interface Envelope {
  readonly fault: Fault | undefined;
  readonly kind: 'request' | 'notification' | 'response' | 'unknown';
  /** Of a request or a response. */
  readonly id: Id | undefined;
  readonly idStart: number;
  readonly idEnd: number;
  /** Of a request or a notification, else empty. */
  readonly method: string;
  readonly paramsStart: number;
  readonly paramsEnd: number;
  readonly nameStart: number;
  readonly nameEnd: number;
  readonly argumentsStart: number;
  readonly argumentsEnd: number;
  readonly metaStart: number;
  readonly metaEnd: number;
  readonly requestIdStart: number;
  readonly requestIdEnd: number;
  readonly resultStart: number;
  readonly resultEnd: number;
  /** The response is an error. */
  readonly failed: boolean;
  /** `result.isError` is true. */
  readonly isError: boolean;
  /** The result may be a task's ticket or ask for input first: it has a `task`, or a `resultType` that begins so. */
  readonly isInterim: boolean;
  /** The line is an array, as a batch of 2025-03-26 is; then it has a fault as well. */
  readonly isBatch: boolean;
}

/** The longest id, and the longest name of a method, in bytes of JSON text. */
export const MAX_ID = 1024;
export const MAX_METHOD = 256;

// What is noted of a line: the places of the message's own members, then of some in `params` and `result`.
const JSONRPC = 0;
const ID = 1;
const METHOD = 2;
const PARAMS = 3;
const RESULT = 4;
const ERROR = 5;
const NAME = 6;
const ARGUMENTS = 7;
const REQUEST_ID = 8;
const META = 9;
const IS_ERROR = 10;
const TASK = 11;
const RESULT_TYPE = 12;

const MESSAGE = keysOf({
  method: METHOD,
  params: PARAMS,
  jsonrpc: JSONRPC,
  id: ID,
  result: RESULT,
  error: ERROR,
});
const IN_PARAMS = keysOf({ name: NAME, arguments: ARGUMENTS, requestId: REQUEST_ID, _meta: META });
const IN_RESULT = keysOf({ isError: IS_ERROR, task: TASK, resultType: RESULT_TYPE });

const VERSION = Buffer.from('"2.0"');
const CALL = 'tools/call';
const CANCELLED = 'notifications/cancelled';

const NOT_JSON: Fault = { code: -32700, text: 'the line is not one JSON object' };
const BATCH: Fault = { code: -32600, text: 'a batch is no message of this protocol' };
const SCALAR: Fault = { code: -32600, text: 'a message is an object' };
const TWICE: Fault = {
  code: -32600,
  text: 'a member that decides is there twice, or spelled so that some see it twice',
};
const BAD_VERSION: Fault = { code: -32600, text: '"jsonrpc" is not "2.0"' };
const BAD_ID: Fault = { code: -32600, text: `an id is a string or an integer of at most ${MAX_ID} bytes` };
const BAD_METHOD: Fault = { code: -32600, text: `"method" is not a string of at most ${MAX_METHOD} bytes` };
const BAD_PARAMS: Fault = { code: -32600, text: '"params" is neither an object nor an array' };
const NO_KIND: Fault = { code: -32600, text: 'neither a request nor a notification nor a response' };

/** The members of one line: where they are, and which are there twice, or nearly. */
class Members {
  readonly starts = [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1];
  readonly ends = [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1];
  /** Bits of the slots that are there twice. */
  twice = 0;
  /** Bits of the slots beside which something is spelled alike. */
  alike = 0;
  isError = false;
  isInterim = false;
}

/** Reads the line from `start` to `end`, without its line feed. */
export function readEnvelope(bytes: Buffer, start: number, end: number): Envelope {
  let last = end;
  while (last > start && isTrailing(bytes[last - 1])) last--;
  const first = skipSpace(bytes, start, last);
  const members = new Members();
  if (first === last || bytes[first] !== OPEN_OBJECT) {
    const whole = skipValue(bytes, first, last, 0) === last;
    return envelope(members, whole ? (bytes[first] === OPEN_ARRAY ? BATCH : SCALAR) : NOT_JSON, 'unknown');
  }
  if (readObject(bytes, first, last, 1, MESSAGE, members) !== last) {
    return envelope(new Members(), NOT_JSON, 'unknown');
  }
  return classify(bytes, members);
}

/** The id whose JSON text is from `start` to `end`; `undefined` if that is none. */
export function readId(bytes: Buffer, start: number, end: number): Id | undefined {
  if (end - start > MAX_ID) return undefined;
  if (bytes[start] === QUOTE) return readString(bytes, start, end);
  let value = 0;
  let i = bytes[start] === 0x2d ? start + 1 : start;
  if (end - i > 15) return readLongId(bytes.toString('latin1', start, end));
  for (const from = i; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9)
      return i > from ? readLongId(bytes.toString('latin1', start, end)) : undefined;
    value = value * 10 + digit;
  }
  return bytes[start] === 0x2d ? -value : value;
}

/** A number of many digits, or in other spelling: a server may say 1.0 where the host said 1. */
function readLongId(text: string): Id | undefined {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  return /^-?\d+$/.test(text) ? BigInt(text) : undefined;
}

/** The string whose JSON text, quotes included, is from `start` to `end`. */
export function readString(bytes: Buffer, start: number, end: number): string {
  for (let i = start + 1; i < end - 1; i++) {
    if (bytes[i] === 0x5c) return String(JSON.parse(bytes.toString('utf8', start, end)));
  }
  return bytes.toString('utf8', start + 1, end - 1);
}

/** The JSON text of an id. */
export function idText(id: Id | undefined): string {
  return id === undefined ? 'null' : typeof id === 'string' ? JSON.stringify(id) : String(id);
}

/** The line from `start` to `end` with another id in the place of the value from `idStart` to `idEnd`. */
export function withId(
  bytes: Buffer,
  start: number,
  end: number,
  idStart: number,
  idEnd: number,
  id: Id,
): Buffer {
  return Buffer.concat([bytes.subarray(start, idStart), Buffer.from(idText(id)), bytes.subarray(idEnd, end)]);
}

function isTrailing(byte: number | undefined): boolean {
  return byte === 0x0d || byte === 0x20 || byte === 0x09;
}

/** Notes the members of an object that begins at `at`; the index after it, or -1. */
function readObject(
  bytes: Buffer,
  at: number,
  end: number,
  depth: number,
  keys: Keys,
  members: Members,
): number {
  let i = skipSpace(bytes, at + 1, end);
  if (i < end && bytes[i] === CLOSE_OBJECT) return i + 1;
  for (;;) {
    const close = skipKey(bytes, i, end);
    if (close < 0) return -1;
    const slot = matchKey(bytes, i + 1, close - 1, keys);
    const start = skipColon(bytes, close, end);
    if (start < 0) return -1;
    if (start < end && bytes[start] === OPEN_OBJECT && (slot === PARAMS || slot === RESULT)) {
      i = readObject(bytes, start, end, depth + 1, slot === PARAMS ? IN_PARAMS : IN_RESULT, members);
    } else {
      i = skipValue(bytes, start, end, depth);
    }
    if (i < 0) return -1;
    if (slot === IS_ERROR) members.isError ||= bytes[start] === 0x74;
    else if (slot === TASK) members.isInterim ||= bytes[start] === OPEN_OBJECT;
    else if (slot === RESULT_TYPE)
      members.isInterim ||= bytes[start + 1] === 0x74 || bytes[start + 1] === 0x69;
    else if (slot !== NO_KEY) note(members, slot, start, i);
    i = skipSpace(bytes, i, end);
    if (i >= end) return -1;
    if (bytes[i] === CLOSE_OBJECT) return i + 1;
    if (bytes[i] !== COMMA) return -1;
    i = skipSpace(bytes, i + 1, end);
  }
}

function note(members: Members, slot: number, start: number, end: number): void {
  if (slot < NO_KEY) {
    members.alike |= 1 << alike(slot);
    return;
  }
  if (members.starts[slot] !== -1) members.twice |= 1 << slot;
  members.starts[slot] = start;
  members.ends[slot] = end;
}

function classify(bytes: Buffer, members: Members): Envelope {
  const has = (slot: number): boolean => members.starts[slot] !== -1;
  const unsure = members.twice | members.alike;
  const method = has(METHOD) && (unsure & (1 << METHOD)) === 0 ? methodAt(bytes, members) : undefined;
  const id =
    has(ID) && (unsure & (1 << ID)) === 0
      ? readId(bytes, members.starts[ID] as number, members.ends[ID] as number)
      : undefined;
  const answers = has(RESULT) || has(ERROR);
  const kind = has(METHOD) ? (has(ID) ? 'request' : 'notification') : answers ? 'response' : 'unknown';
  // What `params` means is known for these methods alone: elsewhere a name that looks alike is just a name.
  const decisive = method === CALL || method === CANCELLED ? -1 : (1 << NAME) - 1;
  let fault: Fault | undefined;
  if ((members.twice | (members.alike & decisive)) !== 0) fault = TWICE;
  else if (!isVersion(bytes, members)) fault = BAD_VERSION;
  else if (has(METHOD) ? answers : has(RESULT) === has(ERROR) || !has(ID)) fault = NO_KIND;
  else if (has(METHOD) && method === undefined) fault = BAD_METHOD;
  else if (has(ID) && id === undefined && !(kind === 'response' && isNull(bytes, members, ID)))
    fault = BAD_ID;
  else if (has(PARAMS) && !isStructure(bytes, members)) fault = BAD_PARAMS;
  return envelope(members, fault, kind, id, method);
}

function envelope(
  { starts, ends, isError, isInterim }: Members,
  fault: Fault | undefined,
  kind: Envelope['kind'],
  id?: Id,
  method = '',
): Envelope {
  return {
    fault,
    kind,
    id,
    idStart: starts[ID] as number,
    idEnd: ends[ID] as number,
    method,
    paramsStart: starts[PARAMS] as number,
    paramsEnd: ends[PARAMS] as number,
    nameStart: starts[NAME] as number,
    nameEnd: ends[NAME] as number,
    argumentsStart: starts[ARGUMENTS] as number,
    argumentsEnd: ends[ARGUMENTS] as number,
    metaStart: starts[META] as number,
    metaEnd: ends[META] as number,
    requestIdStart: starts[REQUEST_ID] as number,
    requestIdEnd: ends[REQUEST_ID] as number,
    resultStart: starts[RESULT] as number,
    resultEnd: ends[RESULT] as number,
    failed: starts[ERROR] !== -1,
    isError,
    isInterim,
    isBatch: fault === BATCH,
  };
}

/** The method; `undefined` if there is something else, or something too long. */
function methodAt(bytes: Buffer, { starts, ends }: Members): string | undefined {
  const start = starts[METHOD] as number;
  const end = ends[METHOD] as number;
  return bytes[start] === QUOTE && end - start <= MAX_METHOD ? readString(bytes, start, end) : undefined;
}

function isVersion(bytes: Buffer, { starts, ends }: Members): boolean {
  const start = starts[JSONRPC] as number;
  return start !== -1 && VERSION.compare(bytes, start, ends[JSONRPC]) === 0;
}

function isNull(bytes: Buffer, { starts }: Members, slot: number): boolean {
  return bytes[starts[slot] as number] === 0x6e;
}

/** An object or an array, or null, which some hosts say for nothing. */
function isStructure(bytes: Buffer, members: Members): boolean {
  const byte = bytes[members.starts[PARAMS] as number];
  return byte === OPEN_OBJECT || byte === OPEN_ARRAY || isNull(bytes, members, PARAMS);
}

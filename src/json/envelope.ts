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
  /** The request may be one made again with what was asked for: it has a `requestState` or `inputResponses`. */
  readonly isRetry: boolean;
  /** The line is an array, as a batch of 2025-03-26 is; then it has a fault as well. */
  readonly isBatch: boolean;
}

/** The longest id, and the longest name of a method, in bytes of JSON text. */
export const MAX_ID = 1024;
const MAX_METHOD = 256;

// What is noted of a line: the places of the message's own members, then of some in `params` and `result`.
const JSONRPC = 0;
export const ID = 1;
const METHOD = 2;
export const PARAMS = 3;
export const RESULT = 4;
const ERROR = 5;
const NAME = 6;
export const ARGUMENTS = 7;
const REQUEST_ID = 8;
const META = 9;
const IS_ERROR = 10;
const TASK = 11;
const RESULT_TYPE = 12;
const REQUEST_STATE = 13;
const INPUT_RESPONSES = 14;

export const MESSAGE = keysOf({
  method: METHOD,
  params: PARAMS,
  jsonrpc: JSONRPC,
  id: ID,
  result: RESULT,
  error: ERROR,
});
export const IN_PARAMS = keysOf({
  name: NAME,
  arguments: ARGUMENTS,
  requestId: REQUEST_ID,
  _meta: META,
  requestState: REQUEST_STATE,
  inputResponses: INPUT_RESPONSES,
});
export const IN_RESULT = keysOf({ isError: IS_ERROR, task: TASK, resultType: RESULT_TYPE });

const VERSION = Buffer.from('"2.0"');
const CALL = 'tools/call';
const CALL_TEXT = Buffer.from(`"${CALL}"`);
const CANCELLED = 'notifications/cancelled';
const NULL = 0x6e;

export const NOT_JSON: Fault = { code: -32700, text: 'the line is not one JSON object' };
export const BATCH: Fault = { code: -32600, text: 'a batch is no message of this protocol' };
export const SCALAR: Fault = { code: -32600, text: 'a message is an object' };
const TWICE: Fault = {
  code: -32600,
  text: 'a member that decides is there twice, or spelled so that some see it twice',
};
const BAD_VERSION: Fault = { code: -32600, text: '"jsonrpc" is not "2.0"' };
const BAD_ID: Fault = { code: -32600, text: `an id is a string or an integer of at most ${MAX_ID} bytes` };
const BAD_METHOD: Fault = { code: -32600, text: `"method" is not a string of at most ${MAX_METHOD} bytes` };
const BAD_PARAMS: Fault = { code: -32600, text: '"params" is neither an object nor an array' };
const NO_KIND: Fault = { code: -32600, text: 'neither a request nor a notification nor a response' };

/** An envelope while it is read. */
export class Reading implements Envelope {
  fault: Fault | undefined;
  kind: Envelope['kind'] = 'unknown';
  id: Id | undefined;
  method = '';
  idStart = -1;
  idEnd = -1;
  methodStart = -1;
  methodEnd = -1;
  paramsStart = -1;
  paramsEnd = -1;
  resultStart = -1;
  resultEnd = -1;
  nameStart = -1;
  nameEnd = -1;
  argumentsStart = -1;
  argumentsEnd = -1;
  requestIdStart = -1;
  requestIdEnd = -1;
  metaStart = -1;
  metaEnd = -1;
  failed = false;
  isError = false;
  isInterim = false;
  isRetry = false;
  isBatch = false;
  /** "jsonrpc" is "2.0". */
  isVersion2 = false;
  /** Bits of the slots that are there, that are there twice, and beside which something is spelled alike. */
  present = 0;
  twice = 0;
  alike = 0;

  /** Whether the line has a member; a slot is one of those up to `META`. */
  has(slot: number): boolean {
    return (this.present & (1 << slot)) !== 0;
  }

  /** Whether two parsers could see two values of a member. */
  isAmbiguous(slot: number): boolean {
    return ((this.twice | this.alike) & (1 << slot)) !== 0;
  }
}

/** Reads the line from `start` to `end`, without its line feed. */
export function readEnvelope(bytes: Buffer, start: number, end: number): Envelope {
  let last = end;
  while (last > start && isTrailing(bytes[last - 1])) last--;
  const first = skipSpace(bytes, start, last);
  const reading = new Reading();
  if (first === last || bytes[first] !== OPEN_OBJECT) {
    const whole = skipValue(bytes, first, last, 0) === last;
    reading.isBatch = whole && bytes[first] === OPEN_ARRAY;
    reading.fault = whole ? (reading.isBatch ? BATCH : SCALAR) : NOT_JSON;
    return reading;
  }
  if (readObject(bytes, first, last, 1, MESSAGE, reading) === last) {
    classify(bytes, reading);
    return reading;
  }
  const broken = new Reading();
  broken.fault = NOT_JSON;
  return broken;
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

export function isTrailing(byte: number | undefined): boolean {
  return byte === 0x0d || byte === 0x20 || byte === 0x09;
}

/** Notes the members of an object that begins at `at`; the index after it, or -1. */
function readObject(
  bytes: Buffer,
  at: number,
  end: number,
  depth: number,
  keys: Keys,
  reading: Reading,
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
      i = readObject(bytes, start, end, depth + 1, slot === PARAMS ? IN_PARAMS : IN_RESULT, reading);
    } else {
      i = skipValue(bytes, start, end, depth);
    }
    if (i < 0) return -1;
    if (slot !== NO_KEY) note(bytes, reading, slot, start, i);
    i = skipSpace(bytes, i, end);
    if (i >= end) return -1;
    if (bytes[i] === CLOSE_OBJECT) return i + 1;
    if (bytes[i] !== COMMA) return -1;
    i = skipSpace(bytes, i + 1, end);
  }
}

/** Notes a member whose value is from `start` to `end`. */
export function note(bytes: Buffer, reading: Reading, slot: number, start: number, end: number): void {
  if (slot < NO_KEY) {
    const like = alike(slot);
    if (like <= META) reading.alike |= 1 << like;
    return;
  }
  if (slot <= META) {
    if (reading.has(slot)) reading.twice |= 1 << slot;
    reading.present |= 1 << slot;
  }
  switch (slot) {
    case JSONRPC:
      reading.isVersion2 = isText(bytes, start, end, VERSION);
      break;
    case ID:
      reading.idStart = start;
      reading.idEnd = end;
      break;
    case METHOD:
      reading.methodStart = start;
      reading.methodEnd = end;
      break;
    case PARAMS:
      reading.paramsStart = start;
      reading.paramsEnd = end;
      break;
    case RESULT:
      reading.resultStart = start;
      reading.resultEnd = end;
      break;
    case ERROR:
      reading.failed = true;
      break;
    case NAME:
      reading.nameStart = start;
      reading.nameEnd = end;
      break;
    case ARGUMENTS:
      reading.argumentsStart = start;
      reading.argumentsEnd = end;
      break;
    case REQUEST_ID:
      reading.requestIdStart = start;
      reading.requestIdEnd = end;
      break;
    case META:
      reading.metaStart = start;
      reading.metaEnd = end;
      break;
    case IS_ERROR:
      reading.isError ||= bytes[start] === 0x74;
      break;
    case TASK:
      reading.isInterim ||= bytes[start] === OPEN_OBJECT;
      break;
    case RESULT_TYPE:
      reading.isInterim ||= bytes[start + 1] === 0x74 || bytes[start + 1] === 0x69;
      break;
    default:
      reading.isRetry = true;
  }
}

export function classify(bytes: Buffer, reading: Reading): void {
  const hasId = reading.has(ID);
  const hasMethod = reading.has(METHOD);
  const answers = reading.has(RESULT) || reading.failed;
  const method = hasMethod && !reading.isAmbiguous(METHOD) ? methodAt(bytes, reading) : undefined;
  const id = hasId && !reading.isAmbiguous(ID) ? readId(bytes, reading.idStart, reading.idEnd) : undefined;
  reading.method = method ?? '';
  reading.id = id;
  reading.kind = hasMethod ? (hasId ? 'request' : 'notification') : answers ? 'response' : 'unknown';
  // What `params` means is known for these methods alone: elsewhere a name that looks alike is just a name.
  const decisive = method === CALL || method === CANCELLED ? -1 : (1 << NAME) - 1;
  if ((reading.twice | (reading.alike & decisive)) !== 0) reading.fault = TWICE;
  else if (!reading.isVersion2) reading.fault = BAD_VERSION;
  else if (hasMethod ? answers : reading.has(RESULT) === reading.failed || !hasId) reading.fault = NO_KIND;
  else if (hasMethod && method === undefined) reading.fault = BAD_METHOD;
  else if (hasId && id === undefined && !(reading.kind === 'response' && bytes[reading.idStart] === NULL))
    reading.fault = BAD_ID;
  else if (reading.has(PARAMS) && !isStructure(bytes[reading.paramsStart])) reading.fault = BAD_PARAMS;
}

/** The method; `undefined` if there is something else, or something too long. */
function methodAt(bytes: Buffer, { methodStart: start, methodEnd: end }: Reading): string | undefined {
  if (isText(bytes, start, end, CALL_TEXT)) return CALL;
  return bytes[start] === QUOTE && end - start <= MAX_METHOD ? readString(bytes, start, end) : undefined;
}

/** Whether the bytes from `start` to `end` are `text`. */
function isText(bytes: Buffer, start: number, end: number, text: Buffer): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text[i]) return false;
  return true;
}

/** An object or an array, or null, which some hosts say for nothing. */
function isStructure(first: number | undefined): boolean {
  return first === OPEN_OBJECT || first === OPEN_ARRAY || first === NULL;
}

// What the relay has to know of a long line, found in slices: see inbox.ts. What is decided on it is decided afterwards, in
// one turn, as on any other line: see from-host.ts and from-server.ts.
//
// Each part goes through the line from its beginning to its end: that it is UTF-8, its grammar and envelope, the values in
// it, its digest.
import { isUtf8 } from 'node:buffer';
import { digestInSlices, digestOf, MAX_CANONICAL } from '../../json/digest.ts';
import type { Envelope, Id } from '../../json/envelope.ts';
import type { Range } from '../../json/read.ts';
import { LineScan, type Scanned } from '../../json/scan.ts';
import { type Call, LISTEN } from '../call.ts';
import type { Calls } from '../calls.ts';
import { CALL, methodOf } from '../methods.ts';
import type { DigestedText, Joins, RequestJoins } from '../recorder.ts';
import { type Interim, readInterim } from '../server/tasks.ts';
import type { Current, MessageRedaction } from '../upstream/current.ts';
import type { Work } from './slices.ts';

/** Bytes that are gone through between two places where the work may be interrupted. */
const SLICE = 65_536;

/** A long line of the host. */
export interface LongRequest {
  /** Undefined: the line is not UTF-8. */
  readonly scanned: Scanned | undefined;
  /** Of a request: what of it is recorded, where that is long. Of an answer: the line. */
  readonly text: DigestedText | undefined;
  /** By what a request joins the one before it, if it may. */
  readonly retry: RequestJoins | undefined;
}

/** A long line of the server. */
export interface LongAnswer {
  /** Undefined: the line is not UTF-8. */
  readonly scanned: Scanned | undefined;
  /** The line as it may go on; undefined where it has a fault. */
  readonly redacted: MessageRedaction | undefined;
  /** What the line was before values were taken out; undefined where none were. `scanned` is of the line as it may go on. */
  readonly original: Envelope | undefined;
  /** Of an answer: the line as its record says. Of a request: its `params`, if they are long. */
  readonly text: DigestedText | undefined;
  readonly interim: Interim | undefined;
}

export interface LongLinesOptions {
  readonly current: Current;
  readonly calls: Calls;
}

export class LongLines {
  readonly #options: LongLinesOptions;

  constructor(options: LongLinesOptions) {
    this.#options = options;
  }

  *fromHost(bytes: Buffer, start: number, end: number): Work<LongRequest> {
    const scanned = (yield* isText(bytes, start, end)) ? yield* scan(bytes, start, end) : undefined;
    if (scanned === undefined) return { scanned, text: undefined, retry: undefined };
    const { kind, method, paramsStart, paramsEnd, argumentsStart, argumentsEnd, isRetry } = scanned.message;
    if (kind === 'response') {
      const digest = yield* digestInSlices([bytes.subarray(start, end)]);
      return { scanned, text: { bytes: end - start, digest }, retry: undefined };
    }
    const recorded =
      method === CALL ? { start: argumentsStart, end: argumentsEnd } : { start: paramsStart, end: paramsEnd };
    const form = kind === 'request' ? 'request' : 'notification';
    const isRecorded = method === CALL || methodOf(method, 'host', form).event !== undefined;
    const text = isRecorded ? yield* this.#redacted(bytes, recorded) : undefined;
    return { scanned, text, retry: isRetry ? yield* retryOf(bytes, scanned) : undefined };
  }

  *fromServer(bytes: Buffer, start: number, end: number): Work<LongAnswer> {
    const scanned = (yield* isText(bytes, start, end)) ? yield* scan(bytes, start, end) : undefined;
    const none = { redacted: undefined, original: undefined, text: undefined, interim: undefined };
    if (scanned === undefined || scanned.message.fault !== undefined) return { scanned, ...none };
    const line = bytes.subarray(start, end);
    const redacted = yield* this.#message(line);
    if ('withheld' in redacted) return { scanned, ...none, redacted };
    const isClean = redacted.line === line;
    const original = isClean ? undefined : scanned.message;
    const at = isClean
      ? { bytes, start, end }
      : { bytes: redacted.line, start: 0, end: redacted.line.length };
    const left = isClean ? scanned : yield* scan(at.bytes, at.start, at.end);
    const { message } = left;
    if (message.kind === 'response') {
      const interim = message.isInterim ? yield* interimOf(at.bytes, left) : undefined;
      return { scanned: left, redacted, original, interim, text: yield* this.#answer(at, left) };
    }
    const params = at.bytes.subarray(Math.max(0, message.paramsStart), Math.max(0, message.paramsEnd));
    const isQuestion = message.kind === 'request' && params.length > SLICE;
    const text = isQuestion ? { bytes: params.length, digest: yield* digestInSlices([params]) } : undefined;
    return { scanned: left, redacted, original, interim: undefined, text };
  }

  /** What of a request is recorded, if it is long. */
  *#redacted(bytes: Buffer, { start, end }: Range): Work<DigestedText | undefined> {
    if (end - start <= SLICE) return undefined;
    const text = yield* this.#options.current.redactor.redactInSlices(bytes.subarray(start, end));
    return { bytes: text.length, digest: yield* digestInSlices([text]) };
  }

  /** A message for the host. What is to be taken out may change while it is looked for. */
  *#message(line: Buffer): Work<MessageRedaction> {
    const { current } = this.#options;
    for (;;) {
      const { redactor } = current;
      const redacted = yield* redactor.messageInSlices(line);
      if (redactor === current.redactor) return redacted;
    }
  }

  /** The digest of an answer, with the id that the host knows; of one that comes too late as it came. */
  *#answer(
    { bytes, start, end }: Range & { readonly bytes: Buffer },
    { message }: Scanned,
  ): Work<DigestedText | undefined> {
    const { id, idStart, idEnd } = message;
    for (;;) {
      const { call, isLate } = this.#recorded(id);
      if (call === undefined) return undefined;
      const pieces = isLate
        ? [bytes.subarray(start, end)]
        : [bytes.subarray(start, idStart), Buffer.from(call.idText), bytes.subarray(idEnd, end)];
      const digest = yield* digestInSlices(pieces);
      const now = this.#recorded(id);
      // The host may have cancelled it meanwhile.
      if (now.call !== call || now.isLate !== isLate) continue;
      return { bytes: pieces.reduce((sum, { length }) => sum + length, 0), digest };
    }
  }

  /** The request that an answer belongs to, if it is recorded. */
  #recorded(id: Id | undefined): { readonly call: Call | undefined; readonly isLate: boolean } {
    const { calls } = this.#options;
    const call = calls.sent(id);
    const late = call === undefined ? calls.late(id) : undefined;
    const found = call ?? late;
    const isRecorded = found?.name !== undefined && found.method !== LISTEN;
    return { call: isRecorded ? found : undefined, isLate: late !== undefined };
  }
}

/** Whether a line is UTF-8. */
function* isText(bytes: Buffer, start: number, end: number): Work<boolean> {
  for (let from = start; from < end; ) {
    const to = Math.min(end, from + SLICE);
    const until = to === end ? end : characterBefore(bytes, to);
    if (!isUtf8(bytes.subarray(from, until))) return false;
    from = until;
    yield;
  }
  return true;
}

/** The last position, up to three bytes before, at which a character may begin. */
function characterBefore(bytes: Buffer, at: number): number {
  for (let back = at; back > at - 4; back--) if (((bytes[back] as number) & 0xc0) !== 0x80) return back;
  return at;
}

function* scan(bytes: Buffer, start: number, end: number): Work<Scanned> {
  const scanning = new LineScan(bytes, start, end);
  for (let until = start + SLICE; !scanning.step(until); until += SLICE) yield;
  return scanning.result;
}

function* retryOf(bytes: Buffer, { find }: Scanned): Work<RequestJoins> {
  const state = find('requestState');
  const responses = find('inputResponses');
  return {
    ...(typeof state !== 'string' && { state: yield* digestOfLong(bytes, state) }),
    ...(typeof responses !== 'string' && { responses: yield* digestOfLong(bytes, responses) }),
  };
}

function* interimOf(bytes: Buffer, { find }: Scanned): Work<Interim | undefined> {
  const interim = readInterim(bytes, find);
  if (interim?.state === undefined) return interim;
  const joins: Joins = { state: yield* digestOfLong(bytes, interim.state) };
  return { ...interim, joins };
}

/** As `digestOf`. */
function* digestOfLong(bytes: Buffer, range: Range): Work<string> {
  const { start, end } = range;
  return end - start > MAX_CANONICAL
    ? yield* digestInSlices([bytes.subarray(start, end)])
    : digestOf(bytes, range);
}

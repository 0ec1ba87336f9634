// What the relay has to know of a long line, found in slices: see inbox.ts. What is decided on it is decided afterwards, in
// one turn, as on any other line: see from-host.ts and from-server.ts. Lines of the server: long-answer.ts.
//
// Each part goes through the line from its beginning to its end: that it is UTF-8, its grammar and envelope, the values in
// it, its digest.
import { isUtf8 } from 'node:buffer';
import { digestInSlices, digestOf, MAX_CANONICAL } from '../../json/digest.ts';
import type { Range } from '../../json/read.ts';
import { LineScan, type Scanned } from '../../json/scan.ts';
import { CALL, methodOf } from '../methods.ts';
import type { DigestedText, RequestJoins } from '../recorder.ts';
import type { Current } from '../upstream/current.ts';
import type { ComingLine } from './coming-line.ts';
import type { Work } from './slices.ts';

/** Bytes that are gone through between two places where the work may be interrupted. */
export const SLICE = 65_536;

/** A long line of the host. */
export interface LongRequest {
  /** Undefined: the line is not UTF-8. */
  readonly scanned: Scanned | undefined;
  /** Of a request: what of it is recorded, where that is long. Of an answer: the line. */
  readonly text: DigestedText | undefined;
  /** By what a request joins the one before it, if it may. */
  readonly retry: RequestJoins | undefined;
}

export interface LongLinesOptions {
  readonly current: Current;
}

export class LongLines {
  readonly #options: LongLinesOptions;

  constructor(options: LongLinesOptions) {
    this.#options = options;
  }

  *fromHost(line: ComingLine): Work<LongRequest> {
    while (!line.isWhole && !line.isDropped) yield line.more;
    const { bytes, start, end } = line;
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

  /** What of a request is recorded, if it is long. */
  *#redacted(bytes: Buffer, { start, end }: Range): Work<DigestedText | undefined> {
    if (end - start <= SLICE) return undefined;
    const text = yield* this.#options.current.redactor.redactInSlices(bytes.subarray(start, end));
    return { bytes: text.length, digest: yield* digestInSlices([text]) };
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
export function characterBefore(bytes: Buffer, at: number): number {
  for (let back = at; back > at - 4; back--) if (((bytes[back] as number) & 0xc0) !== 0x80) return back;
  return at;
}

export function* scan(bytes: Buffer, start: number, end: number): Work<Scanned> {
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

/** As `digestOf`. */
export function* digestOfLong(bytes: Buffer, range: Range): Work<string> {
  const { start, end } = range;
  return end - start > MAX_CANONICAL
    ? yield* digestInSlices([bytes.subarray(start, end)])
    : digestOf(bytes, range);
}

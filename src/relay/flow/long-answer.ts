// What the relay has to know of a long line of the server: see long-lines.ts. It is looked through as it comes, while the rest is
// still on its way: a part at a time is checked to be UTF-8, read, searched for values, and digested by another thread. What is
// decided on it is decided once it is whole.
//
// Nothing of it goes on before. What has left cannot be called back, and up to its last byte a line may turn out to be no JSON, not
// UTF-8 or too long, to have a member twice that decides, an id of nobody (many servers write it last), a value where none can be
// taken out, or a question that is decided on first; its call may be cancelled, its record not be written, its server stop or end
// within it. Its host would be left with half a line: one that decodes a stream of JSON reads nothing after that, for the others a
// line of its own would have to spoil it, and all else that goes to that host would wait behind a server that stopped. It would
// gain a quarter at most: by a time line the host reads for 3 to 4 of 13 ms of 10 MB, and two cores have work all the time before.
import { isUtf8 } from 'node:buffer';
import { digestInSlices } from '../../json/digest.ts';
import type { Envelope } from '../../json/envelope.ts';
import { LineScan, MAX_TOKEN, type Scanned } from '../../json/scan.ts';
import type { Clock } from '../../os/clock.ts';
import type { DigestedText, Joins } from '../recorder.ts';
import { type Interim, readInterim } from '../server/tasks.ts';
import type { Current, MessageRedaction } from '../upstream/current.ts';
import { AnswerDigest, type AnswerDigestOptions } from './answer-digest.ts';
import type { ComingLine } from './coming-line.ts';
import { characterBefore, digestOfLong, SLICE, scan } from './long-lines.ts';
import type { Work } from './slices.ts';

/**
 * Bytes that are gone through together: a search of hostile ones takes a few milliseconds. Twice as many where those before took
 * less than so many milliseconds.
 */
const PART = 32_768;
const QUICK = 0.25;

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

/** Nothing is known of it. */
const NONE = { redacted: undefined, original: undefined, text: undefined, interim: undefined };

export interface LongAnswersOptions extends AnswerDigestOptions {
  readonly current: Current;
  readonly clock: Clock;
}

export class LongAnswers {
  readonly #options: LongAnswersOptions;

  constructor(options: LongAnswersOptions) {
    this.#options = options;
  }

  /** Goes through a line as it comes, and ends once it is whole, or dropped. */
  *look(line: ComingLine): Work<LongAnswer> {
    const { current } = this.#options;
    using digest = new AnswerDigest(this.#options);
    let { redactor } = current;
    const search = redactor.messageAsItComes();
    const scanned = yield* read(line, this.#options.clock, (reading, to, isLast) => {
      const { bytes, start } = line;
      search.next(start === 0 ? bytes : bytes.subarray(start), to - start, isLast);
      digest.follow(line, reading);
    });
    if (scanned === undefined || scanned.message.fault !== undefined) return { scanned, ...NONE };
    const whole = line.bytes.subarray(line.start, line.end);
    let redacted = yield* search.message(whole);
    for (;;) {
      const known = yield* this.#known(line, whole, scanned, redacted, digest);
      // What is to be taken out may change while it is looked for.
      if (redactor === current.redactor) return known;
      redactor = current.redactor;
      redacted = yield* redactor.messageInSlices(whole);
    }
  }

  *#known(
    { bytes, start, end }: ComingLine,
    whole: Buffer,
    scanned: Scanned,
    redacted: MessageRedaction,
    digest: AnswerDigest,
  ): Work<LongAnswer> {
    if ('withheld' in redacted) return { scanned, ...NONE, redacted };
    const isClean = redacted.line === whole;
    const original = isClean ? undefined : scanned.message;
    const at = isClean
      ? { bytes, start, end }
      : { bytes: redacted.line, start: 0, end: redacted.line.length };
    const left = isClean ? scanned : yield* scan(at.bytes, at.start, at.end);
    const { message } = left;
    if (message.kind === 'response') {
      const interim = message.isInterim ? yield* interimOf(at.bytes, left) : undefined;
      const text = isClean ? yield* digest.followed(at, message) : yield* digest.of(at, message);
      return { scanned: left, redacted, original, interim, text };
    }
    const params = at.bytes.subarray(Math.max(0, message.paramsStart), Math.max(0, message.paramsEnd));
    const isQuestion = message.kind === 'request' && params.length > SLICE;
    const text = isQuestion ? { bytes: params.length, digest: yield* digestInSlices([params]) } : undefined;
    return { scanned: left, redacted, original, interim: undefined, text };
  }
}

/** Reads a line as it comes, and calls `seen` for each part of it that is JSON so far. Undefined: the line is not UTF-8, or dropped. */
function* read(
  line: ComingLine,
  clock: Clock,
  seen: (reading: LineScan, to: number, isLast: boolean) => void,
): Work<Scanned | undefined> {
  while (line.end === 0 && !line.isDropped) yield line.more;
  const reading = new LineScan(line.bytes, line.start, line.end);
  /** Up to where it was looked through, and up to where it is UTF-8. */
  let at = line.start;
  let textEnd = line.start;
  let isText = true;
  let part = PART;
  for (let isLast = false; !isLast && !line.isDropped; ) {
    const { bytes, end, isWhole } = line;
    const isDone = !isText || reading.isFaulty;
    if (isDone && isWhole) break;
    // What is behind the part must be there too: it may belong to a character that begins in it.
    if (!isWhole && (isDone || at + part >= end)) {
      yield line.more;
      continue;
    }
    const began = clock.monotonic();
    at = Math.min(end, at + part);
    isLast = isWhole && at === end;
    const until = isLast ? end : characterBefore(bytes, at);
    isText = isUtf8(bytes.subarray(textEnd, until));
    textEnd = until;
    if (!isText) continue;
    reading.follow(bytes, end);
    reading.step(isWhole ? at : Math.min(at, end - MAX_TOKEN));
    if (!reading.isFaulty) seen(reading, at, isLast);
    part = clock.monotonic() - began < QUICK ? 2 * PART : PART;
    if (!isLast) yield;
  }
  if (line.isDropped || !isText) return undefined;
  reading.follow(line.bytes, line.end);
  return reading.result;
}

function* interimOf(bytes: Buffer, { find }: Scanned): Work<Interim | undefined> {
  const interim = readInterim(bytes, find);
  if (interim?.state === undefined) return interim;
  const joins: Joins = { state: yield* digestOfLong(bytes, interim.state) };
  return { ...interim, joins };
}

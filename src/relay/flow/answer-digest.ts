// The digest of a long answer, as its record has it: with the id that the host knows. Where another thread can make it, it is
// begun with the first bytes: what is in no id is the same for both, and an id that is seen is known from then on, wherever in the
// message it is. Where it turns out to be another's, or something is taken out of the line, that digest is thrown away.
import { digestInSlices } from '../../json/digest.ts';
import { type Envelope, type Id, readId } from '../../json/envelope.ts';
import { hold } from '../../json/lines.ts';
import type { Range } from '../../json/read.ts';
import type { LineScan } from '../../json/scan.ts';
import type { BackgroundDigest, BackgroundDigests } from '../../os/background-digest.ts';
import { type Call, LISTEN } from '../call.ts';
import type { Calls } from '../calls.ts';
import type { DigestedText } from '../recorder.ts';
import type { ComingLine } from './coming-line.ts';
import type { Work } from './slices.ts';

export interface AnswerDigestOptions {
  readonly calls: Calls;
  /** Undefined: nobody else can make it. */
  readonly digests: BackgroundDigests | undefined;
}

/** Bytes of a line that is digested sooner than another thread has been asked. */
const FEW = 2 ** 18;

/** A line, or what has taken its place. */
interface Line extends Range {
  readonly bytes: Buffer;
}

/** The request that an answer is recorded with. */
interface Recorded {
  readonly call: Call;
  /** It is cancelled: its answer is recorded as it came. */
  readonly isLate: boolean;
}

/** What was digested of the line that comes. */
interface Begun {
  readonly digest: BackgroundDigest;
  /** Up to where. */
  end: number;
  length: number;
  idStart: number;
  idEnd: number;
  recorded: Recorded | undefined;
}

export class AnswerDigest implements Disposable {
  readonly #options: AnswerDigestOptions;
  #begun: Begun | undefined;
  #isOff = false;

  constructor(options: AnswerDigestOptions) {
    this.#options = options;
  }

  /** More of the line was read. */
  follow(line: ComingLine, reading: LineScan): void {
    if (this.#isOff) return;
    this.#begun ??= this.#begin(line);
    const begun = this.#begun;
    if (begun === undefined) return;
    const { bytes } = line;
    const { idStart, idEnd } = reading;
    if (begun.idEnd < 0 && idEnd >= 0) {
      const recorded = this.#recorded(readId(bytes, idStart, idEnd));
      if (recorded === undefined) {
        this[Symbol.dispose]();
        return;
      }
      add(begun, bytes, idStart);
      Object.assign(begun, { recorded, idStart, idEnd });
      if (!recorded.isLate) {
        const text = Buffer.from(recorded.call.idText);
        begun.digest.update(text);
        begun.length += text.length;
        begun.end = idEnd;
      }
    }
    add(begun, bytes, reading.settled);
  }

  /** The digest of the line that was followed to its end; undefined where it is not recorded. */
  *followed(line: Line, message: Envelope): Work<DigestedText | undefined> {
    const begun = this.#begun;
    this.#begun = undefined;
    this.#isOff = true;
    const recorded = this.#recorded(message.id);
    if (
      begun?.recorded !== undefined &&
      begun.idStart === message.idStart &&
      begun.idEnd === message.idEnd &&
      isSame(begun.recorded, recorded)
    ) {
      add(begun, line.bytes, line.end);
      const digest = yield* finish(begun.digest);
      // The host may have cancelled it meanwhile.
      if (digest !== undefined && isSame(begun.recorded, this.#recorded(message.id)))
        return { bytes: begun.length, digest };
    } else begun?.digest[Symbol.dispose]();
    return yield* this.of(line, message);
  }

  /** The digest of a line of which nothing is digested; undefined where it is not recorded. */
  *of({ bytes, start, end }: Line, { id, idStart, idEnd }: Envelope): Work<DigestedText | undefined> {
    this[Symbol.dispose]();
    for (;;) {
      const recorded = this.#recorded(id);
      if (recorded === undefined) return undefined;
      const pieces = recorded.isLate
        ? [bytes.subarray(start, end)]
        : [bytes.subarray(start, idStart), Buffer.from(recorded.call.idText), bytes.subarray(idEnd, end)];
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      const digest = (yield* this.#elsewhere(pieces, length)) ?? (yield* digestInSlices(pieces));
      if (isSame(recorded, this.#recorded(id))) return { bytes: length, digest };
    }
  }

  [Symbol.dispose](): void {
    this.#begun?.digest[Symbol.dispose]();
    this.#begun = undefined;
    this.#isOff = true;
  }

  #begin({ start, end }: ComingLine): Begun | undefined {
    const digest = this.#digestFor(end - start);
    return digest && { digest, end: start, length: 0, idStart: -1, idEnd: -1, recorded: undefined };
  }

  #digestFor(length: number): BackgroundDigest | undefined {
    return length < FEW ? undefined : this.#options.digests?.();
  }

  /** Undefined where no other thread makes it. */
  *#elsewhere(pieces: readonly Buffer[], length: number): Work<string | undefined> {
    const digest = this.#digestFor(length);
    if (digest === undefined) return undefined;
    for (const piece of pieces) digest.update(piece, hold(piece));
    return yield* finish(digest);
  }

  #recorded(id: Id | undefined): Recorded | undefined {
    const { calls } = this.#options;
    const sent = calls.sent(id);
    const call = sent ?? calls.late(id);
    return call?.name === undefined || call.method === LISTEN
      ? undefined
      : { call, isLate: sent === undefined };
  }
}

/** Digests the bytes up to `end` that were not yet. */
function add(begun: Begun, bytes: Buffer, end: number): void {
  if (end <= begun.end) return;
  const piece = bytes.subarray(begun.end, end);
  begun.digest.update(piece, hold(piece));
  begun.length += piece.length;
  begun.end = end;
}

function* finish(digest: BackgroundDigest): Work<string | undefined> {
  let made: string | undefined;
  yield (goOn) =>
    digest.finish((result) => {
      made = result;
      goOn();
    });
  return made && `sha256:${made}`;
}

function isSame(one: Recorded, other: Recorded | undefined): boolean {
  return one.call === other?.call && one.isLate === other.isLate;
}

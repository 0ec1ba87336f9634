// Answers that are checked against what the user has accepted of the server before the host gets them: pages of its
// lists, what it says of itself, the contents of its interfaces. What is held back of them is taken out, or the answer
// is an error.

import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import { memberIn, type Range, readMember } from '../../json/read.ts';
import type { Scanned, Wanted } from '../../json/scan.ts';
import { splice } from '../../json/splice.ts';
import { decide, denies } from '../../policy/decide.ts';
import type { Call } from '../call.ts';
import { isInterface } from '../listed-kinds.ts';
import type { AnswerBook } from '../lists/answer-book.ts';
import { cacheEdits } from '../lists/list-page.ts';
import type { ServerList } from '../lists/server-list.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CALL, READ } from '../methods.ts';
import { isRefusal } from '../recorded-answers.ts';
import { readInterim } from '../server/tasks.ts';
import type { Trust } from '../trust.ts';
import type { Current } from '../upstream/current.ts';
import { DISCOVER } from '../upstream/replay.ts';
import { contentsDigest } from './contents.ts';
import { readIntroduction, withoutIntroduction } from './introduction.ts';
import type { TrustGate } from './trust-gate.ts';

export interface CheckedAnswersOptions {
  readonly current: Current;
  readonly lists: ServerLists;
  readonly trust: Trust;
  readonly gate: TrustGate;
  readonly book: Pick<AnswerBook, 'introduced' | 'refused'> | undefined;
}

/** An answer of the server that is no error, and what is known of it if it is long. */
export interface ServerAnswer {
  readonly message: Envelope;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly scanned: Scanned | undefined;
}

const TWICE =
  'the answer of the server is withheld: a member of it is there twice, or spelled so that some see it twice';
const TASK = 'the answer of the server is withheld: it makes a task of a resource that is to be shown';

export class CheckedAnswers {
  readonly #options: CheckedAnswersOptions;

  constructor(options: CheckedAnswersOptions) {
    this.#options = options;
  }

  /** A page of a list: noted, and without what is held back or denied. */
  page(call: Call, list: ServerList, { message, bytes, start, end, scanned }: ServerAnswer): void {
    const { policy } = this.#options.current;
    const { idStart, idEnd, resultStart, resultEnd } = message;
    const hides = list.shape.kind === 'tools' && denies(policy, 'tools');
    const hidden = (name: string): boolean =>
      decide(policy, { kind: 'tools', name, method: CALL }).decision === 'deny';
    const result = { start: resultStart, end: resultEnd };
    const page = { bytes, start, end, result, find: scanned?.find, isFirst: !call.isFurtherPage };
    list.read(page, hides ? hidden : undefined, (read) => {
      // It may have ended while a long list was read.
      if (call.state !== 'sent') return;
      const rest = { joins: undefined, text: undefined };
      if (read.fault !== undefined) call.fail('error', { code: 'withheld', text: read.fault });
      else if (read.line === undefined) call.answer('ok', { bytes, start, end, idStart, idEnd, ...rest });
      else {
        // What was changed lies before the id or after it.
        const { line } = read;
        const by = idStart < resultStart ? -start : line.length - end;
        const answer = { bytes: line, start: 0, end: line.length, ...rest };
        call.answer('ok', { ...answer, idStart: idStart + by, idEnd: idEnd + by });
      }
    });
  }

  /** What the server says of itself: the line that the host may get; undefined: it has ended the request. */
  introduction(call: Call, { message, bytes, start, end }: ServerAnswer): Buffer | undefined {
    const { trust } = this.#options;
    const result = { start: message.resultStart, end: message.resultEnd };
    const said = readIntroduction(bytes, result);
    if (said === undefined) {
      call.fail('error', { code: 'withheld', text: TWICE });
      return undefined;
    }
    this.#declared(bytes, result);
    const held = trust.introduced(said) ?? trust.blocked;
    const line = held === undefined ? bytes.subarray(start, end) : withoutIntroduction(bytes, start, end);
    return call.method === DISCOVER ? shortLived(line) : line;
  }

  /** The host has got what the server says of itself: the result, as it came, is kept for sessions to come. */
  keep(result: Buffer): void {
    this.#options.book?.introduced(result);
  }

  /** The server has answered `server/discover` with an error, the line from `start` to `end`. */
  refused(bytes: Buffer, start: number, end: number): void {
    // What is answered in the place of a server is no word of it.
    if (this.#options.current.isRecorded) return;
    const code = memberIn(bytes, memberIn(bytes, { start, end }, 'error'), 'code');
    const said: unknown =
      code === undefined ? undefined : Number(bytes.toString('utf8', code.start, code.end));
    if (isRefusal(said)) this.#options.book?.refused(said);
  }

  /** What the server says of itself to the relay alone: the result as JSON text. */
  introduced(bytes: Buffer): void {
    const result = { start: 0, end: bytes.length };
    const said = readIntroduction(bytes, result);
    if (said === undefined) return;
    this.#declared(bytes, result);
    this.#options.trust.introduced(said);
  }

  #declared(bytes: Buffer, result: Range): void {
    const capabilities = readMember(bytes, result.start, result.end, 'capabilities');
    if (typeof capabilities !== 'string') this.#options.lists.declared(bytes, capabilities);
  }

  /** Whether an answer has contents that are checked. */
  hasInterface({ method, targets: [target] }: Call): boolean {
    return method === READ && target !== undefined && isInterface(target.name);
  }

  /** The contents of an interface. `then` goes on with the answer, unless they are held back. */
  contents(call: Call, { message, bytes, scanned }: ServerAnswer, then: () => void): void {
    const { trust, lists, gate } = this.#options;
    const { resultStart, resultEnd } = message;
    const find = scanned?.find ?? ((name: Wanted) => readMember(bytes, resultStart, resultEnd, name));
    const contents = find('contents');
    const uri = call.targets[0]?.name ?? '';
    lists.run(contentsDigest(bytes, contents), (digest) => {
      if (call.state !== 'sent') return;
      // What comes later, as the result of a task, would be compared with nothing.
      const isTask =
        contents === 'absent' && message.isInterim && readInterim(bytes, find)?.outcome === 'task';
      if (contents === 'ambiguous' || isTask) {
        call.fail('error', { code: 'withheld', text: isTask ? TASK : TWICE });
        return;
      }
      const why = digest === undefined ? undefined : trust.read(uri, digest);
      if (why === undefined) then();
      else
        call.fail(
          'error',
          gate.refusal(call, `the contents of ${JSON.stringify(call.shown)} are held back: ${why}`),
        );
    });
  }
}

/** An answer that a host may keep for a short time. It is short itself. */
function shortLived(line: Buffer): Buffer {
  const { resultStart: start, resultEnd: end } = readEnvelope(line, 0, line.length);
  const edits = cacheEdits(line, { start, end }, (name) => readMember(line, start, end, name));
  return edits === undefined ? line : whole(splice(line, 0, line.length, edits));
}

function whole(work: Generator<void, Buffer>): Buffer {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

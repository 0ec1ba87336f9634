// Messages on their way from the server to the host: redact, match, audit, forward. An answer goes on only if it is
// the first to a request that is open; what is no message does not go on at all. What goes on is the message as it
// came, byte for byte, but for ids and what is redacted.

import { batchOf } from '../../json/batch.ts';
import { digestOf } from '../../json/digest.ts';
import { type Envelope, idText, readEnvelope } from '../../json/envelope.ts';
import { OPEN_ARRAY } from '../../json/json.ts';
import { isBlank, type Oversize } from '../../json/lines.ts';
import { idOf } from '../../json/oversize.ts';
import { readMember } from '../../json/read.ts';
import { findId } from '../../json/recovery.ts';
import type { Wanted } from '../../json/scan.ts';
import type { Clock } from '../../os/clock.ts';
import type { Anomalies } from '../anomalies.ts';
import type { Budgets } from '../budgets.ts';
import { type Call, LISTEN } from '../call.ts';
import type { Calls } from '../calls.ts';
import type { BegunCalls } from '../consent/begun-calls.ts';
import { errorLine } from '../error-response.ts';
import type { LongAnswer } from '../flow/long-answer.ts';
import type { Outbox } from '../flow/outbox.ts';
import type { ServerList } from '../lists/server-list.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CALL } from '../methods.ts';
import type { DigestedText, Recorder } from '../recorder.ts';
import type { CheckedAnswers, ServerAnswer } from '../trust/checked-answers.ts';
import type { Current, MessageRedaction } from '../upstream/current.ts';
import type { OwnRequests } from '../upstream/own-requests.ts';
import { DISCOVER, INITIALIZE, type Replay } from '../upstream/replay.ts';
import type { Questions } from './questions.ts';
import type { ServerInputs } from './server-inputs.ts';
import { ServerNotices } from './server-notices.ts';
import { withSubscription } from './subscriptions.ts';
import { readInterim, type Tasks } from './tasks.ts';

export interface FromServerOptions {
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly tasks: Tasks;
  readonly lists: ServerLists;
  readonly answers: CheckedAnswers;
  readonly inputs: ServerInputs;
  readonly begun: BegunCalls;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly calls: Calls;
  readonly questions: Questions;
  readonly ownRequests: OwnRequests;
  readonly replay: Replay;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
}

/** Bytes of a line that is no message in the daemon's log. */
const MAX_PREFIX = 200;
/** Bytes in which values are looked for meanwhile: many more than a value has. */
const MAX_REDACTED = 65_536;
/** Methods whose answers the relay reads itself, as one whole. */
const READ: ReadonlySet<string> = new Set([INITIALIZE, DISCOVER, LISTEN]);
const TWO_SUBSCRIPTIONS =
  'the answer of the server is withheld: it names a subscription in two ways, or another one';
const TOO_LONG = 'the answer is longer than the relay takes for this method';

/** What a person can do where a value stands in what must not change. */
const FIXED =
  'Warder removes values from text only: rename what contains it, or give the credential another value';

const NOT_UTF8 = 'it is not UTF-8';

/** Takes the messages of the server that has the session. */
export class FromServer {
  readonly #options: FromServerOptions;
  readonly #notices: ServerNotices;

  constructor(options: FromServerOptions) {
    this.#options = options;
    this.#notices = new ServerNotices(options);
  }

  /** Tells the host that lists may be others, if it has opened the session or subscribed to that. */
  announce(lists: readonly ServerList[]): void {
    this.#notices.announce(lists);
  }

  /** `known`: what was seen in a line that is long. */
  message(bytes: Buffer, start: number, end: number, known?: LongAnswer): void {
    const { current } = this.#options;
    if (known !== undefined) {
      this.#long(known, bytes, start, end);
      return;
    }
    if (!current.isText(bytes, start, end)) {
      this.#withhold(undefined, bytes, start, end, NOT_UTF8);
      return;
    }
    const message = readEnvelope(bytes, start, end);
    if (current.isClean(bytes)) {
      this.#pass(message, bytes, start, end);
      return;
    }
    const line = bytes.subarray(start, end);
    const redacted = current.redactor.message(line);
    if (!this.#mayPass(redacted, message, bytes, start, end)) return;
    if (redacted.line === line) this.#pass(message, bytes, start, end);
    else {
      const left = readEnvelope(redacted.line, 0, redacted.line.length);
      this.#passRedacted(message, left, redacted.line, undefined);
    }
  }

  #long(known: LongAnswer, bytes: Buffer, start: number, end: number): void {
    const { scanned, redacted } = known;
    if (scanned === undefined) {
      this.#withhold(undefined, bytes, start, end, NOT_UTF8);
      return;
    }
    const { message } = scanned;
    if (redacted === undefined) this.#pass(message, bytes, start, end, known);
    else if (!this.#mayPass(redacted, message, bytes, start, end)) return;
    else if (known.original === undefined) this.#pass(message, bytes, start, end, known);
    else this.#passRedacted(known.original, message, redacted.line, known);
  }

  /** Whether a redacted message may go on; if not, it is withheld. */
  #mayPass(
    redacted: MessageRedaction,
    message: Envelope,
    bytes: Buffer,
    start: number,
    end: number,
  ): redacted is Exclude<MessageRedaction, { withheld: unknown }> {
    if ('withheld' in redacted) {
      const { credential, place } = redacted.withheld;
      this.#withhold(message, bytes, start, end, `${place} contains the value of ${credential}`, FIXED);
      return false;
    }
    for (const { credential, place } of redacted.stayed)
      this.#options.anomalies.remark('a value that is too simple to be withheld stays', {
        credential,
        place,
      });
    return true;
  }

  /** What was taken out may have been more than the content of a string: `left` is what there is now. */
  #passRedacted(message: Envelope, left: Envelope, line: Buffer, known: LongAnswer | undefined): void {
    const same = left.kind === message.kind && left.id === message.id && left.method === message.method;
    if (same && left.fault === message.fault) this.#pass(left, line, 0, line.length, known);
    else
      this.#withhold(message, line, 0, line.length, 'a credential is in it that cannot be taken out', FIXED);
  }

  oversize(line: Oversize): void {
    const { anomalies, calls, ownRequests, current } = this.#options;
    anomalies.note('a line of the server is over the limit', () => ({ bytes: line.length }));
    const text = 'the answer is longer than the relay takes';
    const id = idOf(line);
    calls.sent(id)?.fail('error', { code: 'withheld', text });
    ownRequests.unreadable(current.upstream, id);
  }

  #pass(message: Envelope, bytes: Buffer, start: number, end: number, known?: LongAnswer): void {
    const { fault } = message;
    if (fault === undefined) {
      if (message.kind === 'response') this.#answer(message, bytes, start, end, known);
      else if (message.kind === 'request')
        this.#options.questions.ask(message, bytes, start, end, known?.text);
      else this.#notices.pass(message, bytes, start, end);
      return;
    }
    // A long batch is not taken apart: nobody can say how long that takes.
    const isBatch = message.isBatch && known === undefined;
    const messages = isBatch ? batchOf(bytes, start, end, this.#options.budgets.batch) : undefined;
    if (messages !== undefined)
      for (const { start: from, end: to } of messages) {
        // A batch in a batch is no message: else their number, and the time to read them, would have no bound.
        if (bytes[from] === OPEN_ARRAY) this.#withhold(undefined, bytes, from, to, fault.text);
        else this.#one(bytes, from, to);
      }
    else if (!(known?.scanned?.isBlank ?? isBlank(bytes, start, end)))
      this.#withhold(message, bytes, start, end, fault.text);
  }

  /** One message of a batch. */
  #one(bytes: Buffer, start: number, end: number): void {
    this.#pass(readEnvelope(bytes, start, end), bytes, start, end);
  }

  /** An answer to a request of the host, or to one of the relay's own. */
  #answer(message: Envelope, bytes: Buffer, start: number, end: number, known: LongAnswer | undefined): void {
    const { calls, ownRequests, current } = this.#options;
    const call = calls.sent(message.id);
    if (call !== undefined) this.#end(call, message, bytes, start, end, known);
    else if (calls.keepAnswer(message.id, bytes, start, end)) return;
    else if (!ownRequests.answered(current.upstream, message, bytes, known?.scanned))
      this.#late(message, bytes.subarray(start, end), known?.text);
  }

  #end(
    call: Call,
    message: Envelope,
    bytes: Buffer,
    start: number,
    end: number,
    known: LongAnswer | undefined,
  ): void {
    const { lists, answers, budgets, inputs } = this.#options;
    const list = message.failed ? undefined : lists.of(call.method);
    if (list !== undefined) answers.page(call, list, { message, bytes, start, end, scanned: known?.scanned });
    else if (!message.failed && READ.has(call.method) && end - start > budgets.handshake)
      call.fail('error', { code: 'withheld', text: TOO_LONG });
    else if (!message.failed && answers.hasInterface(call))
      this.#checkContents(call, { message, bytes, start, end, scanned: known?.scanned }, known);
    else if (inputs.mayAsk(call, message))
      this.#checkInputs(call, { message, bytes, start, end, scanned: known?.scanned }, known);
    else this.#finish(call, message, bytes, start, end, known);
  }

  /** The contents of an interface are compared first. */
  #checkContents(call: Call, answer: ServerAnswer, known: LongAnswer | undefined): void {
    const { message, bytes, start, end } = answer;
    const { answers, inputs } = this.#options;
    answers.contents(call, answer, () => {
      if (inputs.mayAsk(call, message)) this.#checkInputs(call, answer, known);
      else this.#finish(call, message, bytes, start, end, known);
    });
  }

  /** What the server asks for with an answer is decided on first. */
  #checkInputs(call: Call, answer: ServerAnswer, known: LongAnswer | undefined): void {
    const { message, bytes, start, end } = answer;
    this.#options.inputs.check(call, answer, (line) => {
      if (line === undefined) this.#finish(call, message, bytes, start, end, known);
      else this.#finish(call, readEnvelope(line, 0, line.length), line, 0, line.length, undefined);
    });
  }

  /** Ends a request with an answer that the relay need not read, or only in part. */
  #finish(
    call: Call,
    message: Envelope,
    bytes: Buffer,
    start: number,
    end: number,
    known: LongAnswer | undefined,
  ): void {
    const { replay, answers } = this.#options;
    const { failed, idStart, idEnd, resultStart, resultEnd } = message;
    const text = known?.text;
    if (failed && call.method === DISCOVER) answers.refused(bytes, start, end);
    const outcome = failed ? 'error' : message.isError ? 'tool-error' : 'ok';
    if (!failed) {
      if (call.method === LISTEN) {
        const closed = withSubscription(call, message, bytes, start, end);
        if (closed === 'ambiguous') {
          call.fail('error', { code: 'withheld', text: TWO_SUBSCRIPTIONS });
          return;
        }
        if (closed !== 'absent') {
          answerWith(call, closed);
          return;
        }
      }
      const introduces = call.method === INITIALIZE || call.method === DISCOVER;
      const line = introduces
        ? answers.introduction(call, { message, bytes, start, end, scanned: known?.scanned })
        : undefined;
      if (call.state !== 'sent') return;
      replay.accepted(call.method, call.params, bytes, { start: resultStart, end: resultEnd });
      if (line !== undefined) {
        answers.keep(bytes.subarray(resultStart, resultEnd));
        answerWith(call, line);
        return;
      }
      const isRelated = call.task !== undefined || message.isInterim;
      if (isRelated && this.#interim(call, message, bytes, start, end, known)) return;
    }
    // Of the answers of other methods something may be kept.
    const isSpent = known !== undefined && call.method === CALL && !message.isInterim;
    call.answer(outcome, { bytes, start, end, idStart, idEnd, joins: undefined, text, isSpent });
  }

  /** What a task or a further request may come of. True: it has ended the request. */
  #interim(
    call: Call,
    { idStart, idEnd, resultStart, resultEnd, isInterim }: Envelope,
    bytes: Buffer,
    start: number,
    end: number,
    known: LongAnswer | undefined,
  ): boolean {
    const { tasks, begun } = this.#options;
    const find = known?.scanned?.find ?? ((name: Wanted) => readMember(bytes, resultStart, resultEnd, name));
    if (call.task !== undefined) tasks.answered(call.task, call.method, bytes, find);
    const interim = isInterim ? (known?.interim ?? readInterim(bytes, find)) : undefined;
    if (interim === undefined) return false;
    const { outcome, state } = interim;
    const joins =
      known === undefined && state !== undefined ? { state: digestOf(bytes, state) } : interim.joins;
    if (joins.task !== undefined)
      tasks.add(joins.task, call.task === undefined ? call.targets : tasks.targetsOf(call.task));
    if (outcome === 'input-required') begun.note(call, joins.state);
    call.answer(outcome, { bytes, start, end, idStart, idEnd, joins, text: known?.text });
    return true;
  }

  /** Nobody waits for the answer. */
  #late(message: Envelope, line: Buffer, text: DigestedText | undefined): void {
    const { calls, anomalies } = this.#options;
    const call = calls.takeLate(message.id);
    call?.noteLate(text ?? line);
    if (call !== undefined) return;
    anomalies.note('the server has answered what is not open', () => ({
      bytes: line.length,
      failed: message.failed,
    }));
  }

  /** A line is not to go on. If it was an answer, the host gets an error in its place. */
  #withhold(
    message: Envelope | undefined,
    bytes: Buffer,
    start: number,
    end: number,
    why: string,
    hint?: string,
  ): void {
    const { calls, anomalies, current, ownRequests } = this.#options;
    const found =
      message?.id === undefined ? findId(bytes, start, end) : { id: message.id, kind: message.kind };
    const call = found?.kind === 'response' ? calls.sent(found.id) : undefined;
    if (call !== undefined) {
      const text = `the answer of the server is withheld: ${why}`;
      call.fail('error', { code: 'withheld', text, ...(hint === undefined ? {} : { hint }) });
      return;
    }
    if (found?.kind === 'response') ownRequests.unreadable(current.upstream, found.id);
    if (found?.kind === 'request')
      current.upstream.answer(errorLine(idText(found.id), { code: 'withheld', text: why }));
    anomalies.note('the server has sent what is no message', () => ({
      bytes: end - start,
      why,
      prefix: JSON.stringify(
        current.redactor
          .redact(bytes.subarray(start, Math.min(end, start + MAX_REDACTED)))
          .subarray(0, MAX_PREFIX)
          .toString(),
      ),
    }));
  }
}

/** Answers with a line that was made anew. */
function answerWith(call: Call, line: Buffer): void {
  const { idStart, idEnd } = readEnvelope(line, 0, line.length);
  call.answer('ok', {
    bytes: line,
    start: 0,
    end: line.length,
    idStart,
    idEnd,
    joins: undefined,
    text: undefined,
  });
}

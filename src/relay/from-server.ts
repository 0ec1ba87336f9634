// Messages on their way from the server to the host: redact, match, audit, forward. An answer goes on only if it is
// the first to a request that is open; what is no message does not go on at all. What goes on is the message as it
// came, byte for byte, but for ids and what is redacted.
import type { Clock } from '../os/clock.ts';
import { decide, denies } from '../policy/decide.ts';
import type { Anomalies } from './anomalies.ts';
import type { Budgets } from './budgets.ts';
import { type Call, LISTEN } from './call.ts';
import type { Calls } from './calls.ts';
import type { Current } from './current.ts';
import { errorLine } from './error-response.ts';
import { batchOf } from './json/batch.ts';
import { type Envelope, idText, readEnvelope, readId } from './json/envelope.ts';
import { OPEN_ARRAY } from './json/json.ts';
import { isBlank, type Oversize } from './json/lines.ts';
import { idOf } from './json/oversize.ts';
import { findId } from './json/recovery.ts';
import { CALL, CANCELLED } from './methods.ts';
import type { Outbox } from './outbox.ts';
import type { OwnRequests } from './own-requests.ts';
import { requestIdOf } from './params.ts';
import type { Questions } from './questions.ts';
import type { Recorder } from './recorder.ts';
import type { Replay } from './replay.ts';
import { subscriptionIn, withSubscription } from './subscriptions.ts';
import { readInterim, type Tasks } from './tasks.ts';
import { LIST, type ToolList } from './tool-list.ts';
import { readToolPage } from './tools.ts';

export interface FromServerOptions {
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly tasks: Tasks;
  readonly tools: ToolList;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly calls: Calls;
  readonly questions: Questions;
  readonly ownRequests: OwnRequests;
  readonly replay: Replay;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
}

const LIST_CHANGED = 'notifications/tools/list_changed';
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
/** Bytes of a line that is no message in the daemon's log. */
const MAX_PREFIX = 200;

/** What a person can do where a value stands in what must not change. */
const FIXED =
  'Warder removes values from text only: rename what contains it, or give the credential another value';

const NOT_UTF8 = 'it is not UTF-8';

/** Takes the messages of the server that has the session. */
export class FromServer {
  readonly #options: FromServerOptions;

  constructor(options: FromServerOptions) {
    this.#options = options;
  }

  message(bytes: Buffer, start: number, end: number): void {
    const { current, anomalies } = this.#options;
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
    if ('withheld' in redacted) {
      const { credential, place } = redacted.withheld;
      this.#withhold(message, bytes, start, end, `${place} contains the value of ${credential}`, FIXED);
      return;
    }
    for (const { credential, place } of redacted.stayed)
      anomalies.remark('a value that is too simple to be withheld stays', { credential, place });
    if (redacted.line === line) {
      this.#pass(message, bytes, start, end);
      return;
    }
    // What was taken out may have been more than the content of a string.
    const left = readEnvelope(redacted.line, 0, redacted.line.length);
    const same = left.kind === message.kind && left.id === message.id && left.method === message.method;
    if (same && left.fault === message.fault) this.#pass(left, redacted.line, 0, redacted.line.length);
    else this.#withhold(message, bytes, start, end, 'a credential is in it that cannot be taken out', FIXED);
  }

  /** Tells a host that has opened the session with `initialize` that the list of tools may be another. */
  announceTools(): void {
    const { replay, toHost } = this.#options;
    if (replay.initialized !== undefined) toHost.message(`{"jsonrpc":"2.0","method":"${LIST_CHANGED}"}`);
  }

  oversize(line: Oversize): void {
    const { anomalies, calls, ownRequests, current } = this.#options;
    anomalies.note('a line of the server is over the limit', () => ({ bytes: line.length }));
    const text = 'the answer is longer than the relay takes';
    const id = idOf(line);
    calls.sent(id)?.fail('error', { code: 'withheld', text });
    ownRequests.unreadable(current.upstream, id);
  }

  #pass(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { fault } = message;
    if (fault === undefined) {
      if (message.kind === 'response') this.#answer(message, bytes, start, end);
      else if (message.kind === 'request') this.#options.questions.ask(message, bytes, start, end);
      else this.#notify(message, bytes, start, end);
      return;
    }
    const messages = message.isBatch ? batchOf(bytes, start, end, this.#options.budgets.batch) : undefined;
    if (messages !== undefined)
      for (const { start: from, end: to } of messages) {
        // A batch in a batch is no message: else their number, and the time to read them, would have no bound.
        if (bytes[from] === OPEN_ARRAY) this.#withhold(undefined, bytes, from, to, fault.text);
        else this.#one(bytes, from, to);
      }
    else if (!isBlank(bytes, start, end)) this.#withhold(message, bytes, start, end, fault.text);
  }

  /** One message of a batch. */
  #one(bytes: Buffer, start: number, end: number): void {
    this.#pass(readEnvelope(bytes, start, end), bytes, start, end);
  }

  /** An answer to a request of the host, or to one of the relay's own. */
  #answer(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { calls, ownRequests, current } = this.#options;
    const call = calls.sent(message.id);
    if (call !== undefined) this.#end(call, message, bytes, start, end);
    else if (!ownRequests.answered(current.upstream, message, bytes))
      this.#late(message, bytes.subarray(start, end));
  }

  #end(call: Call, message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { replay, tasks } = this.#options;
    const { failed, idStart, idEnd, resultStart, resultEnd } = message;
    const outcome = failed ? 'error' : message.isError ? 'tool-error' : 'ok';
    if (!failed) {
      if (call.method === LIST) {
        this.#page(call, message, bytes, start, end);
        return;
      }
      if (call.method === LISTEN) {
        const closed = withSubscription(call, message, bytes, start, end);
        if (closed !== undefined) {
          answerWith(call, closed);
          return;
        }
      }
      const result = { start: resultStart, end: resultEnd };
      replay.accepted(call.method, call.params, bytes, result);
      if (call.task !== undefined) tasks.answered(call.task, call.method, bytes, result);
      const interim = message.isInterim ? readInterim(bytes, result) : undefined;
      if (interim !== undefined) {
        if (interim.joins.task !== undefined) tasks.add(interim.joins.task);
        call.answer(interim.outcome, { bytes, start, end, idStart, idEnd, joins: interim.joins });
        return;
      }
    }
    call.answer(outcome, { bytes, start, end, idStart, idEnd, joins: undefined });
  }

  /** Nobody waits for the answer. */
  #late(message: Envelope, line: Buffer): void {
    const { calls, anomalies } = this.#options;
    const call = calls.takeLate(message.id);
    call?.noteLate(line);
    if (call !== undefined) return;
    anomalies.note('the server has answered what is not open', () => ({
      bytes: line.length,
      failed: message.failed,
    }));
  }

  /** A page of the list of tools: noted, and without what is denied. */
  #page(call: Call, message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { current, tools } = this.#options;
    const { policy } = current;
    const { idStart, idEnd, resultStart, resultEnd } = message;
    const isStrict = denies(policy, 'tools');
    const hidden = (name: string): boolean =>
      decide(policy, { kind: 'tools', name, method: CALL }).decision === 'deny';
    const reader = readToolPage(bytes, start, end, {
      result: { start: resultStart, end: resultEnd },
      limits: tools.limits,
      hidden: isStrict ? hidden : undefined,
    });
    tools.run(reader, (page) => {
      // It may have ended while a long list was read.
      if (call.state !== 'sent') return;
      const fault = page.fault ?? tools.add(page.tools, !call.isFurtherPage, page.isLast);
      if (fault !== undefined && isStrict) call.fail('error', { code: 'withheld', text: fault });
      else if (page.fault === undefined && page.line !== undefined) answerWith(call, page.line);
      else call.answer('ok', { bytes, start, end, idStart, idEnd, joins: undefined });
    });
  }

  #notify(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { toHost, calls, anomalies, tools } = this.#options;
    if (message.method === LIST_CHANGED) tools.invalidate();
    if (message.method === CANCELLED) {
      this.#cancelled(message, bytes, start, end);
      return;
    }
    const subscription = calls.isListening
      ? subscriptionIn(bytes, message.metaStart, message.metaEnd)
      : 'absent';
    if (subscription === 'absent') {
      toHost.add(bytes, start, end, start, start, '');
      return;
    }
    // What is there twice, or spelled in another way, names none that two readers would agree on.
    const call =
      subscription === 'ambiguous'
        ? undefined
        : calls.sent(readId(bytes, subscription.start, subscription.end));
    if (subscription === 'ambiguous' || call?.method !== LISTEN) {
      anomalies.note('the server has notified of a subscription that is not open', () => ({
        bytes: end - start,
      }));
    } else if (call.reopened && message.method === ACKNOWLEDGED) {
      // The host has seen the one of the server before.
      call.reopened = false;
    } else {
      toHost.add(bytes, start, end, subscription.start, subscription.end, call.idText);
    }
  }

  /** The server takes a request back; or, from 2026-07-28, ends a subscription of the host. */
  #cancelled(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { questions, calls, toHost, anomalies } = this.#options;
    const { requestIdStart, requestIdEnd } = message;
    const id = requestIdOf(message, bytes);
    if (questions.cancel(id, message, bytes, start, end)) return;
    const call = calls.sent(id);
    if (call?.method !== LISTEN) {
      anomalies.note('the server has cancelled what is not open', () => ({ bytes: end - start }));
      return;
    }
    call.cancel();
    toHost.add(bytes, start, end, requestIdStart, requestIdEnd, call.idText);
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
        current.redactor.redact(bytes.subarray(start, end)).subarray(0, MAX_PREFIX).toString(),
      ),
    }));
  }
}

/** Answers with a line that was made anew. */
function answerWith(call: Call, line: Buffer): void {
  const { idStart, idEnd } = readEnvelope(line, 0, line.length);
  call.answer('ok', { bytes: line, start: 0, end: line.length, idStart, idEnd, joins: undefined });
}

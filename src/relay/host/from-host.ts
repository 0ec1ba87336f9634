// Messages on their way from the host to the server: parse, policy, consent, audit, forward, in this order. There
// is one place where a request is let through, and every refusal leaves by the same exit. What is forwarded is the
// message as it came, byte for byte, but for its id.

import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import type { Oversize } from '../../json/lines.ts';
import { idOf, kindOf } from '../../json/oversize.ts';
import { readMember } from '../../json/read.ts';
import { findId } from '../../json/recovery.ts';
import type { Clock } from '../../os/clock.ts';
import type { Verdict } from '../../policy/decide.ts';
import type { Anomalies } from '../anomalies.ts';
import type { Budgets } from '../budgets.ts';
import { Call, UNAUDITED } from '../call.ts';
import type { Calls } from '../calls.ts';
import type { BegunCalls } from '../consent/begun-calls.ts';
import { ConsentWait } from '../consent/consent-wait.ts';
import type { FormDialog } from '../consent/form-dialog.ts';
import { InputDialog } from '../consent/input-dialog.ts';
import type { Consent, ConsentOutcome, HostDialog } from '../consent.ts';
import { NO_ID, type Refusal } from '../error-response.ts';
import type { WaitingLine } from '../flow/inbox.ts';
import type { LongRequest } from '../flow/long-lines.ts';
import type { Outbox } from '../flow/outbox.ts';
import type { Waiter, WaitingRoom, WaitReason } from '../flow/waiting-room.ts';
import { textOfId } from '../ids.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CALL, CANCELLED, methodOf } from '../methods.ts';
import { progressTokenOf } from '../progress.ts';
import type { Recorder } from '../recorder.ts';
import type { Questions } from '../server/questions.ts';
import type { ServerRequests } from '../server/server-requests.ts';
import type { Tasks } from '../server/tasks.ts';
import type { FirstUse } from '../trust/first-use.ts';
import { HELD, type TrustGate, type TrustVerdict } from '../trust/trust-gate.ts';
import type { Current } from '../upstream/current.ts';
import { REPLAYED, type Replay } from '../upstream/replay.ts';
import type { Upstream } from '../upstream.ts';
import { Admission } from './admission.ts';
import { RejectedLines } from './rejected-lines.ts';
import { RequestRecords } from './request-records.ts';
import { PROTOCOL, Verdicts } from './verdicts.ts';
import { Withdrawals } from './withdrawals.ts';

export interface FromHostOptions {
  /** The profile's name. */
  readonly profile: string;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly calls: Calls;
  readonly questions: Questions;
  readonly serverRequests: ServerRequests;
  readonly replay: Replay;
  readonly waiting: WaitingRoom;
  readonly tasks: Tasks;
  readonly lists: ServerLists;
  readonly gate: TrustGate;
  readonly firstUse: FirstUse;
  readonly consent: Consent;
  readonly forms: FormDialog;
  readonly begun: BegunCalls;
  readonly clock: Clock;
  /** A request that the server has already was made again: what the server has answered meanwhile. */
  readonly adopted: (call: Call, answer: Buffer | 'lost' | undefined) => void;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
  readonly recorder: Recorder;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
}

const INITIALIZED = 'notifications/initialized';
const PROGRESS = 'notifications/progress';

/** Nobody is to be asked. */
const UNASKED = { outcome: undefined };

const NOT_UTF8: Refusal = { code: -32700, text: 'the line is not UTF-8' };
const OVERSIZE: Refusal = { code: -32600, text: 'the line is longer than the relay takes' };

/** Takes the host's lines. */
export class FromHost {
  readonly #options: FromHostOptions;
  readonly #verdicts: Verdicts;
  readonly #admission: Admission;
  readonly #records: RequestRecords;
  readonly #rejected: RejectedLines;
  readonly #consent: ConsentWait;
  readonly #withdrawals: Withdrawals;

  constructor(options: FromHostOptions) {
    this.#options = options;
    this.#verdicts = new Verdicts(options);
    this.#admission = new Admission(options, this.#verdicts);
    this.#records = new RequestRecords(options);
    const inputs = new InputDialog({ ...options, records: this.#records });
    this.#consent = new ConsentWait({ ...options, inputs });
    this.#withdrawals = new Withdrawals({ ...options, consent: this.#consent, records: this.#records });
    this.#rejected = new RejectedLines(options, (bytes, start, end) => this.line(bytes, start, end));
  }

  /** `known`: what was seen in a line that is long. */
  line(bytes: Buffer, start: number, end: number, known?: LongRequest): void {
    const { current, questions } = this.#options;
    const isText = known === undefined ? current.isText(bytes, start, end) : known.scanned !== undefined;
    if (!isText) {
      this.#rejected.unread(findId(bytes, start, end), NOT_UTF8);
      return;
    }
    const message = known?.scanned?.message ?? readEnvelope(bytes, start, end);
    const { fault, kind, method } = message;
    if (kind === 'request' || method === CALL) this.#request(message, bytes, start, end, known);
    else if (fault !== undefined) this.#rejected.line(message, fault, bytes, start, end, known?.scanned);
    else if (kind === 'notification') this.#notify(message, bytes, start, end, known);
    else questions.reply(message, bytes, start, end, known?.text);
  }

  /** A line that was not read, and will not be. */
  leaveUnread({ bytes, start, end }: WaitingLine, refusal: Refusal): void {
    this.#rejected.unread(findId(bytes, start, end), refusal);
  }

  oversize(line: Oversize): void {
    const id = idOf(line);
    this.#rejected.unread(id === undefined ? undefined : { id, kind: kindOf(line.head) }, OVERSIZE);
  }

  /** Requests that wait go on no more: the host gets an answer that says why. */
  refuseWaiting(refusal: Refusal): void {
    for (const call of this.#withdrawals.all(refusal)) this.#refuse(call, refusal);
  }

  /** The dialog of the host for a request that the server has. */
  dialogOf(call: Call): HostDialog | undefined {
    return this.#consent.dialogOfSent(call);
  }

  /** Nobody is to be asked any more. */
  withdrawConsent(): void {
    this.#consent.withdrawAll();
  }

  /** The session is over. */
  close(): void {
    this.#consent.close();
  }

  /** Nothing waits any more. */
  releaseAll(): void {
    this.release('rotation');
    this.release('listing');
  }

  /** Messages have waited long enough. */
  release(reason: WaitReason): void {
    for (const waiter of this.#options.waiting.close(reason)) this.#resume(waiter);
  }

  // The one way of a request. `waiter`: it has waited, and is judged again.
  #request(
    message: Envelope,
    bytes: Buffer,
    start: number,
    end: number,
    known: LongRequest | undefined,
    waiter?: Waiter,
  ): void {
    const { current, waiting, replay, budgets } = this.#options;

    // parse
    const call = waiter?.call ?? this.#receive(message, bytes);
    const { metaStart, metaEnd } = message;
    if (metaStart !== -1) replay.noteMeta(bytes, metaStart, metaEnd, budgets.replay - replay.bytes);
    const malformed =
      waiter === undefined ? this.#admission.fault(call, message, bytes, known?.scanned) : undefined;
    const retry =
      waiter === undefined && malformed === undefined && message.isRetry
        ? this.#consent.retry(call, message, bytes, start, end)
        : undefined;
    if (retry !== undefined && 'line' in retry) {
      waiting.add('person', retry.line, call);
      this.#consent.resume(call, retry.asked, message, bytes, () => this.#resumeCall(call));
      return;
    }

    if (malformed === undefined) call.arguments = this.#verdicts.argumentsOf(call, message, bytes);
    const reason =
      malformed === undefined && retry === undefined
        ? this.#admission.waitsFor(call, waiter?.reason)
        : undefined;
    if (reason !== undefined) {
      waiting.add(reason, kept(bytes, start, end, known), call, known);
      if (reason === 'listing') this.#list();
      return;
    }

    const fault = malformed ?? retry?.fault ?? this.#admission.unlisted(call);

    // policy
    const verdict = fault === undefined ? this.#verdicts.decide(call) : PROTOCOL;

    // trust
    const held =
      fault === undefined && verdict.decision !== 'deny' ? this.#hold(call, message, bytes) : undefined;
    if (held === 'first-use' || held === 'prepare') {
      waiting.add('person', kept(bytes, start, end, known), call, known);
      const then = (): void => this.#resumeCall(call);
      if (held === 'first-use') this.#consent.agree(call, message, bytes, then);
      else this.#consent.prepare(call, message, bytes, then);
      return;
    }

    // consent
    const consent =
      fault === undefined && held === undefined && verdict.decision === 'ask'
        ? this.#consent.decide(call, verdict, message, bytes)
        : UNASKED;
    if ('unasked' in consent) {
      waiting.add('person', kept(bytes, start, end, known), call, known);
      this.#consent.ask(call, consent.unasked, verdict, message, bytes, () => this.#resumeCall(call));
      return;
    }
    const { outcome } = consent;
    const judged = held ?? outcome ?? verdict;
    const refusal = fault ?? held?.refusal ?? this.#refusalBy(call, verdict, outcome);

    // audit
    const { upstream } = current;
    const isSent = refusal === undefined && message.kind === 'request' && call.continues === undefined;
    const unwritten = isSent ? (): void => this.#takeBack(call, upstream) : undefined;
    const written = this.#records.write(call, judged, fault, refusal, message, bytes, known, unwritten);
    if (refusal !== undefined || !written) {
      this.#refuse(call, refusal ?? UNAUDITED);
      return;
    }
    call.judged();

    // forward
    if (message.kind === 'notification') {
      this.#send(call.method, bytes, start, end, start, start, '');
      return;
    }
    this.#note(call, message, bytes, known);
    if (upstream.mayWait) {
      call.progressToken = progressTokenOf(message, bytes);
      this.#consent.keep(call, message, bytes, start, end);
    }
    if (call.continues !== undefined) {
      this.#options.adopted(call, call.adopt(call.continues));
      return;
    }
    const { idStart: from, idEnd: to, method } = message;
    const id = call.send();
    if (call.name !== undefined && upstream.isReady) current.onAct();
    upstream.send({ bytes, start, end, from, to, text: String(id), method, name: call.shown, id });
  }

  /** That a request is let through could not be recorded: it does not leave. */
  #takeBack(call: Call, upstream: Upstream): void {
    upstream.withdraw(call.ownId);
    this.#refuse(call, UNAUDITED);
  }

  /** Why a request is not let through; undefined if it is. */
  #refusalBy(call: Call, verdict: Verdict, outcome: ConsentOutcome | undefined): Refusal | undefined {
    if (outcome === undefined) return this.#verdicts.refusal(call, verdict);
    return outcome.decision === 'allow' ? undefined : this.#refusalOf(call, outcome);
  }

  #refusalOf(call: Call, { reason, rule }: ConsentOutcome): Refusal {
    const refusal = { code: 'refused', text: `refused: ${reason ?? rule}` } as const;
    if (call.method !== CALL) return refusal;
    return { ...refusal, asResult: this.#options.replay.meta === undefined ? 'plain' : 'complete' };
  }

  /** What stands in the way of a request that the policy lets through: `prepare`: its server is to be made ready. */
  #hold(call: Call, message: Envelope, bytes: Buffer): TrustVerdict | 'prepare' | undefined {
    const { gate, firstUse, current } = this.#options;
    const held = gate.judge(call);
    const { name, preparation } = call;
    const { upstream, comparison, isRecorded } = current;
    // What a server offers is listed for its first use: that needs it, too. So does what is held back by what was known before.
    const needsServer =
      held === undefined ||
      (held === 'first-use' && firstUse.needed === 'baseline') ||
      (isHeldBack(held) && isRecorded && preparation === undefined);
    if (!needsServer || current.isReady) return held;
    const isAnswered =
      comparison === undefined && upstream.answers !== undefined
        ? upstream.answers(call, { message, bytes })
        : name === undefined;
    if (isAnswered || (message.kind !== 'request' && !isRecorded)) return held;
    if (preparation === undefined) return 'prepare';
    if (preparation.decision === 'allow') return held;
    return { decision: 'deny', rule: preparation.rule, refusal: this.#refusalOf(call, preparation) };
  }

  #receive(message: Envelope, bytes: Buffer): Call {
    const { calls, recorder } = this.#options;
    const { id, idStart, idEnd, method, kind } = message;
    const text = id === undefined ? NO_ID : textOfId(bytes, idStart, idEnd, id);
    // A tool call without an id is recorded as what it was meant to be.
    const form = kind === 'notification' && method !== CALL ? 'notification' : 'request';
    const governance = methodOf(method, 'host', form);
    const name = governance.event === undefined ? undefined : recorder.nextName(governance.event);
    return new Call(calls, message, text, governance, name);
  }

  /** Has the relay list the tools; what waits for that is then judged. */
  #list(): void {
    const { waiting, lists, resume, anomalies } = this.#options;
    waiting.open('listing');
    const release = (fault: string | undefined): void => {
      if (fault !== undefined)
        anomalies.note('the tools of the server cannot be listed', () => ({ why: fault }));
      this.release('listing');
    };
    void lists.tools.list().then((fault) => resume(() => release(fault)));
  }

  /** What of a request that goes on a new server may have to be told. */
  #note(call: Call, message: Envelope, bytes: Buffer, known: LongRequest | undefined): void {
    const { lists } = this.#options;
    const { paramsStart, paramsEnd } = message;
    if (paramsStart !== -1 && lists.of(call.method) !== undefined) {
      const cursor = known?.scanned?.find('cursor') ?? readMember(bytes, paramsStart, paramsEnd, 'cursor');
      call.isFurtherPage = cursor !== 'absent';
    }
    if (paramsStart !== -1 && REPLAYED.has(call.method))
      call.keep(Buffer.from(bytes.subarray(paramsStart, paramsEnd)));
  }

  #notify(message: Envelope, bytes: Buffer, start: number, end: number, known?: LongRequest): void {
    const { waiting, replay, budgets } = this.#options;
    const { method } = message;
    if (method === CANCELLED) {
      const sent = this.#withdrawals.cancel(message, bytes, end - start);
      if (sent === undefined) return;
      const { requestIdStart, requestIdEnd } = message;
      this.#send(CANCELLED, bytes, start, end, requestIdStart, requestIdEnd, String(sent.ownId));
    } else if (methodOf(method, 'host', 'notification').governedBy !== 'lifecycle') {
      this.#request(message, bytes, start, end, known);
    } else if (method !== PROGRESS && waiting.isOpen('rotation')) {
      waiting.add('rotation', kept(bytes, start, end, known), undefined, known);
    } else {
      if (method === INITIALIZED) replay.noteInitialized(bytes, start, end, budgets.replay - replay.bytes);
      this.#send(method, bytes, start, end, start, start, '');
    }
  }

  #send(
    method: string,
    bytes: Buffer,
    start: number,
    end: number,
    from: number,
    to: number,
    text: string,
  ): void {
    const { upstream } = this.#options.current;
    upstream.send({ bytes, start, end, from, to, text, method, name: '', id: undefined });
  }

  /** A request that has waited for a person goes on. */
  #resumeCall(call: Call): void {
    const waiter = this.#options.waiting.remove(call);
    if (waiter !== undefined) this.#resume(waiter);
  }

  #resume(waiter: Waiter): void {
    const { line, call, known } = waiter;
    const message = known?.scanned?.message ?? readEnvelope(line, 0, line.length);
    if (call === undefined) this.#notify(message, line, 0, line.length, known);
    else this.#request(message, line, 0, line.length, known, waiter);
  }

  /** The one exit of requests that are not forwarded. */
  #refuse(call: Call, refusal: Refusal): void {
    this.#options.anomalies.note('refused a request of the host', () => ({ why: refusal.text }));
    call.refuse(refusal);
  }
}

/** Whether a server is compared with what was accepted, and it is not as that. */
function isHeldBack(verdict: TrustVerdict | undefined): boolean {
  return typeof verdict === 'object' && verdict.rule === HELD;
}

/** A line that is kept: a long one is in a buffer of its own. */
function kept(bytes: Buffer, start: number, end: number, known: LongRequest | undefined): Buffer {
  const line = bytes.subarray(start, end);
  return known === undefined ? Buffer.from(line) : line;
}

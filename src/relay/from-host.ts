// Messages on their way from the host to the server: parse, policy, consent, audit, forward, in this order. There
// is one place where a request is let through, and every refusal leaves by the same exit. What is forwarded is the
// message as it came, byte for byte, but for its id.
import type { Verdict } from '../policy/decide.ts';
import type { Anomalies } from './anomalies.ts';
import type { Budgets } from './budgets.ts';
import { Call, UNAUDITED } from './call.ts';
import type { Calls } from './calls.ts';
import type { Current } from './current.ts';
import { BUSY, errorLine, NO_ID, type Refusal } from './error-response.ts';
import { textOfId } from './ids.ts';
import { type Envelope, readEnvelope } from './json/envelope.ts';
import type { LineListener, Oversize } from './json/lines.ts';
import { idOf, kindOf } from './json/oversize.ts';
import { readMember } from './json/read.ts';
import { findId } from './json/recovery.ts';
import { CALL, CANCELLED, methodOf, readTargets } from './methods.ts';
import type { Outbox } from './outbox.ts';
import { callFault, requestIdOf, retryOf, toolOf } from './params.ts';
import type { Decided, Recorder } from './recorder.ts';
import { RejectedLines } from './rejected-lines.ts';
import { INITIALIZE, REPLAYED, type Replay } from './replay.ts';
import type { ServerRequests } from './server-requests.ts';
import type { Tasks } from './tasks.ts';
import { LIST, type ToolList } from './tool-list.ts';
import { Verdicts } from './verdicts.ts';
import type { Waiter, WaitingRoom, WaitReason } from './waiting-room.ts';

export interface FromHostOptions {
  /** The profile's name. */
  readonly profile: string;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly calls: Calls;
  readonly serverRequests: ServerRequests;
  readonly replay: Replay;
  readonly waiting: WaitingRoom;
  readonly tasks: Tasks;
  readonly tools: ToolList;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
  readonly recorder: Recorder;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
}

const INITIALIZED = 'notifications/initialized';
const PROGRESS = 'notifications/progress';

const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

const NOT_UTF8: Refusal = { code: -32700, text: 'the line is not UTF-8' };
const OVERSIZE: Refusal = { code: -32600, text: 'the line is longer than the relay takes' };
const NOT_A_REQUEST: Refusal = { code: -32600, text: 'a tool call without an id has no answer' };
const ID_TAKEN: Refusal = { code: -32600, text: 'the id is that of a request still open', unnamed: true };
const UNLISTED: Refusal = {
  code: 'refused',
  text: 'refused: the server has not listed a tool of this name',
  hint: 'where a policy denies tools, only those can be called that the server lists',
};
const NO_TASK: Refusal = { code: -32602, text: 'the task is none of this session' };
const PROTOCOL: Verdict = { decision: 'allow', rule: 'protocol' };
const WITHDRAWN: Refusal = { code: 'refused', text: 'the host has cancelled it while it waited' };
const TOO_MUCH_KEPT: Refusal = {
  code: 'busy',
  text: 'what the session has to remember, with this, is more than the relay keeps',
};

/** Takes the host's lines. */
export class FromHost implements LineListener {
  readonly #options: FromHostOptions;
  readonly #verdicts: Verdicts;
  readonly #rejected: RejectedLines;

  constructor(options: FromHostOptions) {
    this.#options = options;
    this.#verdicts = new Verdicts(options);
    this.#rejected = new RejectedLines(options, (bytes, start, end) => this.line(bytes, start, end));
  }

  line(bytes: Buffer, start: number, end: number): void {
    const { current } = this.#options;
    if (!current.isText(bytes, start, end)) {
      this.#rejected.unread(findId(bytes, start, end), NOT_UTF8);
      return;
    }
    const message = readEnvelope(bytes, start, end);
    const { fault, kind, method } = message;
    if (kind === 'request' || method === CALL) this.#request(message, bytes, start, end);
    else if (fault !== undefined) this.#rejected.line(message, fault, bytes, start, end);
    else if (kind === 'notification') this.#notify(message, bytes, start, end);
    else this.#reply(message, bytes, start, end);
  }

  oversize(line: Oversize): void {
    const id = idOf(line);
    this.#rejected.unread(id === undefined ? undefined : { id, kind: kindOf(line.head) }, OVERSIZE);
  }

  /** Requests that wait go on no more: the host gets an answer that says why. */
  refuseWaiting(refusal: Refusal): void {
    for (const call of this.#options.calls.all()) {
      if (call.state !== 'waiting') continue;
      this.#withdraw(call, refusal);
      this.#refuse(call, refusal);
    }
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
  #request(message: Envelope, bytes: Buffer, start: number, end: number, waiter?: Waiter): void {
    const { current, waiting } = this.#options;

    // parse
    const call = waiter?.call ?? this.#receive(message, bytes);
    const malformed = waiter === undefined ? this.#faultOf(call, message, bytes) : undefined;
    const reason = malformed === undefined ? this.#waitsFor(call, waiter?.reason) : undefined;
    if (reason !== undefined) {
      waiting.add(reason, copyOf(bytes, start, end), call);
      if (reason === 'listing') this.#list();
      return;
    }

    const fault = malformed ?? this.#unlisted(call);

    // policy
    const verdict = fault === undefined ? this.#verdicts.decide(call) : PROTOCOL;

    // consent: until somebody can be asked, `ask` is a refusal that says so
    const refusal = fault ?? this.#verdicts.refusal(call, verdict);

    // audit
    const written = this.#record(call, verdict, fault, refusal, message, bytes);
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
    this.#note(call, message, bytes);
    const { idStart: from, idEnd: to, method } = message;
    const id = call.send();
    current.upstream.send({ bytes, start, end, from, to, text: String(id), method, name: call.shown, id });
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

  /** What is wrong with a request. Reads what it acts on. */
  #faultOf(call: Call, message: Envelope, bytes: Buffer): Refusal | undefined {
    const { calls, budgets, replay } = this.#options;
    const { fault, id, method, kind } = message;
    const unread = this.#readTargets(call, message, bytes);
    if (fault !== undefined) return fault;
    if (id === undefined && method === CALL) return NOT_A_REQUEST;
    if (kind === 'request') {
      if (id === undefined) return NOT_A_REQUEST;
      if (calls.has(id)) return ID_TAKEN;
      if (calls.size >= budgets.open) return BUSY;
    }
    if (unread !== undefined) return unread;
    if (REPLAYED.has(method)) {
      const kept = replay.bytes + calls.keptBytes + message.paramsEnd - message.paramsStart;
      if (kept > budgets.replay) return TOO_MUCH_KEPT;
    }
    return undefined;
  }

  /** What a request has to wait for. `waited`: what it has just waited for; the list of tools is not asked for twice. */
  #waitsFor(call: Call, waited: WaitReason | undefined): WaitReason | undefined {
    const { waiting, tools, tasks } = this.#options;
    // What is asked of a task that is open is for the server that has it.
    const isForOpenTask = call.task !== undefined && tasks.isOpen(call.task);
    if (waiting.isOpen('rotation') && !isForOpenTask) return 'rotation';
    if (waited === 'listing' || !this.#needsList(call) || tools.isComplete || !tools.canList)
      return undefined;
    // What is refused as it is need not wait.
    return this.#verdicts.decide(call).decision === 'allow' ? 'listing' : undefined;
  }

  /** Under a policy that denies anything, a tool has to be listed. */
  #needsList({ method, targets }: Call): boolean {
    if (!this.#verdicts.deniesTools || method !== CALL) return false;
    const [only] = targets;
    return only !== undefined && !this.#options.tools.has(only.name);
  }

  #unlisted(call: Call): Refusal | undefined {
    return this.#needsList(call) && this.#verdicts.decide(call).decision === 'allow' ? UNLISTED : undefined;
  }

  /** Has the relay list the tools; what waits for that is then judged. */
  #list(): void {
    const { waiting, tools, resume } = this.#options;
    waiting.open('listing');
    void tools.list().then(() => resume(() => this.release('listing')));
  }

  /** Reads what a request acts on. Returns what is wrong with it. */
  #readTargets(call: Call, message: Envelope, bytes: Buffer): Refusal | undefined {
    const { budgets, tasks } = this.#options;
    if (call.method === CALL) {
      const name = toolOf(message, bytes, budgets.name);
      this.#verdicts.nameTool(call, name);
      return callFault(name, message, bytes, budgets.name);
    }
    const { paramsStart: start, paramsEnd: end } = message;
    const params = start === -1 ? undefined : { start, end };
    const read = readTargets(call.method, call.governance, bytes, params);
    if (read.fault !== undefined) return { code: -32602, text: read.fault };
    call.targets = read.targets;
    call.shown = this.#verdicts.show(
      read.targets.flatMap(({ kind, name }) => (kind === 'methods' ? [] : [name])).join(' '),
    );
    if (read.task === undefined) return undefined;
    call.task = tasks.digestOf(read.task);
    return tasks.has(call.task) ? undefined : NO_TASK;
  }

  /** Writes what was decided, if it is recorded. False: not written. */
  #record(
    call: Call,
    { rule }: Verdict,
    fault: Refusal | undefined,
    refusal: Refusal | undefined,
    message: Envelope,
    bytes: Buffer,
  ): boolean {
    const { governance, name, method, task } = call;
    const { event } = governance;
    if (event === undefined || name === undefined) return true;
    const { recorder, replay } = this.#options;
    const { kind, paramsStart, paramsEnd, argumentsStart, argumentsEnd } = message;
    const isTool = event === 'tool.call';
    const text = isTool
      ? this.#redacted(bytes, argumentsStart, argumentsEnd)
      : this.#redacted(bytes, paramsStart, paramsEnd);
    const retry =
      message.isRetry && replay.meta !== undefined ? retryOf(bytes, paramsStart, paramsEnd) : undefined;
    const decided: Decided = {
      call: name,
      event,
      method,
      target: call.shown,
      id: kind === 'notification' && !isTool ? undefined : call.idText,
      decision: refusal === undefined ? 'allow' : 'deny',
      rule: fault === undefined ? rule : 'protocol',
      reason: fault?.text,
      joins: task === undefined ? retry : { ...retry, task },
      isSecret: governance.governedBy === 'tasks' && governance.target !== undefined,
    };
    return recorder.decided(decided, text);
  }

  #redacted(bytes: Buffer, start: number, end: number): Buffer {
    if (start === -1) return NOTHING;
    const { current } = this.#options;
    const text = bytes.subarray(start, end);
    return current.isClean(bytes) ? text : current.redactor.redact(text);
  }

  /** What of a request that goes on a new server may have to be told. */
  #note(call: Call, message: Envelope, bytes: Buffer): void {
    const { replay, budgets } = this.#options;
    const { metaStart, metaEnd, paramsStart, paramsEnd } = message;
    if (call.method === LIST && paramsStart !== -1)
      call.isFurtherPage = readMember(bytes, paramsStart, paramsEnd, 'cursor') !== 'absent';
    if (metaStart !== -1) replay.noteMeta(bytes, metaStart, metaEnd, budgets.replay - replay.bytes);
    if (paramsStart !== -1 && REPLAYED.has(call.method))
      call.keep(Buffer.from(bytes.subarray(paramsStart, paramsEnd)));
  }

  #notify(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { waiting, replay, budgets } = this.#options;
    const { method } = message;
    if (method === CANCELLED) {
      this.#cancel(message, bytes, start, end);
    } else if (methodOf(method, 'host', 'notification').governedBy !== 'lifecycle') {
      this.#request(message, bytes, start, end);
    } else if (method !== PROGRESS && waiting.isOpen('rotation')) {
      waiting.add('rotation', copyOf(bytes, start, end), undefined);
    } else {
      if (method === INITIALIZED) replay.noteInitialized(bytes, start, end, budgets.replay - replay.bytes);
      this.#send(method, bytes, start, end, start, start, '');
    }
  }

  /** The host takes a request back. What the server may still answer is then passed on to nobody. */
  #cancel(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { calls, anomalies } = this.#options;
    const id = requestIdOf(message, bytes);
    const call = id === undefined ? undefined : calls.get(id);
    if (call === undefined || call.method === INITIALIZE) {
      anomalies.note('the host has cancelled what is not open', () => ({ bytes: end - start }));
      return;
    }
    if (call.state === 'waiting') {
      this.#withdraw(call, WITHDRAWN);
      call.cancel();
      return;
    }
    call.cancel();
    const { requestIdStart, requestIdEnd } = message;
    this.#send(CANCELLED, bytes, start, end, requestIdStart, requestIdEnd, String(call.ownId));
  }

  /** A request that waits is not to go on: takes it out, and writes down why. */
  #withdraw(call: Call, refusal: Refusal): void {
    const line = this.#options.waiting.remove(call);
    if (line === undefined) return;
    const message = readEnvelope(line, 0, line.length - 1);
    this.#record(call, PROTOCOL, refusal, refusal, message, line);
  }

  /** An answer of the host to a request of the server: on record before the server has it. */
  #reply(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { serverRequests, anomalies, current } = this.#options;
    const request = serverRequests.take(message.id);
    if (request === undefined) {
      anomalies.note('the host has answered what is not open', () => ({ bytes: end - start }));
      return;
    }
    const { idStart, idEnd, failed } = message;
    const line = bytes.subarray(start, end);
    if (serverRequests.record(request, failed ? 'error' : 'ok', line))
      this.#send('', bytes, start, end, idStart, idEnd, request.idText);
    else current.upstream.answer(errorLine(request.idText, UNAUDITED));
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

  #resume(waiter: Waiter): void {
    const { line, call } = waiter;
    const message = readEnvelope(line, 0, line.length - 1);
    if (call === undefined) this.#notify(message, line, 0, line.length - 1);
    else this.#request(message, line, 0, line.length - 1, waiter);
  }

  /** The one exit of requests that are not forwarded. */
  #refuse(call: Call, refusal: Refusal): void {
    this.#options.anomalies.note('refused a request of the host', () => ({ why: refusal.text }));
    call.refuse(refusal);
  }
}

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const line = Buffer.allocUnsafe(end - start + 1);
  bytes.copy(line, 0, start, end);
  line[end - start] = LINE_FEED;
  return line;
}

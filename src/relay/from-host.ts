// Messages on their way from the host to the server: parse, policy, consent, audit, forward, in this order. There
// is one place where a request is let through, and every refusal leaves by the same exit. What is forwarded is the
// message as it came, byte for byte, but for its id.
import { decide, decideAll, denies, type Verdict } from '../policy/decide.ts';
import type { Anomalies } from './anomalies.ts';
import type { Budgets } from './budgets.ts';
import { Call, type Calls, UNAUDITED } from './call.ts';
import type { Current } from './current.ts';
import { errorLine, NO_ID, type Refusal } from './error-response.ts';
import { textOfId } from './ids.ts';
import { batchOf } from './json/batch.ts';
import { digestOf } from './json/digest.ts';
import { hasDuplicateMembers } from './json/duplicates.ts';
import { type Envelope, type Id, idText, readEnvelope, readId, readString } from './json/envelope.ts';
import { OPEN_ARRAY } from './json/json.ts';
import { isBlank, type LineListener, type Oversize } from './json/lines.ts';
import { idOf, kindOf } from './json/oversize.ts';
import { readMember } from './json/read.ts';
import { type Found, findId } from './json/recovery.ts';
import { methodOf, readTargets } from './methods.ts';
import type { Outbox } from './outbox.ts';
import type { Recorder } from './recorder.ts';
import { INITIALIZE, REPLAYED, type Replay } from './replay.ts';
import type { ServerRequests } from './server-requests.ts';
import type { Tasks } from './tasks.ts';
import { LIST, type ToolList } from './tool-list.ts';
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

/** A verdict on a tool, and the tool's name as it may be shown. */
interface KnownTool extends Verdict {
  readonly shown: string;
}

/** Tools whose verdicts are kept. */
const MAX_KNOWN = 1024;

export const CALL = 'tools/call';
export const CANCELLED = 'notifications/cancelled';
const INITIALIZED = 'notifications/initialized';
const PROGRESS = 'notifications/progress';

const QUOTE = 0x22;
const OPEN_OBJECT = 0x7b;
const NULL = 0x6e;
const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);
/** Bytes of JSON text that one character of a string has at most: `\\u` and four digits. */
const LONGEST_CHARACTER = 6;

export const BUSY: Refusal = { code: 'busy', text: 'too many requests are open' };
const NOT_UTF8: Refusal = { code: -32700, text: 'the line is not UTF-8' };
const OVERSIZE: Refusal = { code: -32600, text: 'the line is longer than the relay takes' };
const NOT_A_REQUEST: Refusal = { code: -32600, text: 'a tool call without an id has no answer' };
const ID_TAKEN: Refusal = { code: -32600, text: 'the id is that of a request still open', unnamed: true };
const BAD_ARGUMENTS: Refusal = { code: -32602, text: 'the arguments of a tool are an object' };
const DUPLICATE: Refusal = { code: -32602, text: 'a member of the arguments is there twice' };
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
  readonly #known = new Map<string, KnownTool>();
  /** Whether the policy denies any tool. */
  #denies: boolean;

  constructor(options: FromHostOptions) {
    this.#options = options;
    this.#denies = denies(options.current.policy, 'tools');
    options.current.onChange(() => {
      this.#known.clear();
      this.#denies = denies(options.current.policy, 'tools');
    });
  }

  line(bytes: Buffer, start: number, end: number): void {
    const { current } = this.#options;
    if (!current.isText(bytes, start, end)) {
      this.#refuseUnread(findId(bytes, start, end), NOT_UTF8);
      return;
    }
    const message = readEnvelope(bytes, start, end);
    const { fault, kind, method } = message;
    if (kind === 'request' || method === CALL) this.#request(message, bytes, start, end);
    else if (fault !== undefined) this.#refuseLine(message, fault, bytes, start, end);
    else if (kind === 'notification') this.#notify(message, bytes, start, end);
    else this.#reply(message, bytes, start, end);
  }

  oversize(line: Oversize): void {
    const id = idOf(line);
    this.#refuseUnread(id === undefined ? undefined : { id, kind: kindOf(line.head) }, OVERSIZE);
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
    const { calls, current, waiting } = this.#options;

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
    const verdict = fault === undefined ? this.#decide(call) : PROTOCOL;

    // consent: until somebody can be asked, `ask` is a refusal that says so
    const refusal = fault ?? this.#judge(call, verdict);

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
    call.since = calls.options.clock.monotonic();
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
    return this.#decide(call).decision === 'allow' ? 'listing' : undefined;
  }

  /** Under a policy that denies anything, a tool has to be listed. */
  #needsList({ method, targets }: Call): boolean {
    if (!this.#denies || method !== CALL) return false;
    const [only] = targets;
    return only !== undefined && !this.#options.tools.has(only.name);
  }

  #unlisted(call: Call): Refusal | undefined {
    if (!this.#needsList(call)) return undefined;
    return this.#decide(call).decision === 'allow' ? UNLISTED : undefined;
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
      call.targets = [{ kind: 'tools', name }];
      call.shown = this.#known.get(name)?.shown ?? this.#show(name);
      return callFault(name, message, bytes, budgets.name);
    }
    const { paramsStart: start, paramsEnd: end } = message;
    const params = start === -1 ? undefined : { start, end };
    const read = readTargets(call.method, call.governance, bytes, params);
    if (read.fault !== undefined) return { code: -32602, text: read.fault };
    call.targets = read.targets;
    call.shown = this.#show(
      read.targets.flatMap(({ kind, name }) => (kind === 'methods' ? [] : [name])).join(' '),
    );
    if (read.task === undefined) return undefined;
    call.task = tasks.digestOf(read.task);
    return tasks.has(call.task) ? undefined : NO_TASK;
  }

  /** A name as it may be shown and recorded. */
  #show(name: string): string {
    const { current, budgets } = this.#options;
    const text = name === '' ? '' : current.redactor.text(name);
    if (text.length <= budgets.name) return text.toWellFormed();
    // A copy: a slice of a string keeps all of it.
    return Buffer.from(text.slice(0, budgets.name)).toString();
  }

  #decide({ method, targets, governance, shown }: Call): Verdict {
    const { current, budgets } = this.#options;
    const [only] = targets;
    if (method !== CALL || only === undefined) {
      const subjects = targets.map((target) => ({ ...target, method }));
      return decideAll(current.policy, subjects, governance.unlisted);
    }
    const known = this.#known.get(only.name);
    if (known !== undefined) return known;
    const verdict = { ...decide(current.policy, { ...only, method }), shown };
    if (this.#known.size < MAX_KNOWN && only.name.length <= budgets.name) this.#known.set(only.name, verdict);
    return verdict;
  }

  #judge({ shown, method }: Call, { decision, rule }: Verdict): Refusal | undefined {
    return refusalOf(this.#options.profile, decision, rule, shown === '' ? method : shown);
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
    const { event, governedBy, target } = call.governance;
    if (event === undefined || call.name === undefined) return true;
    const { recorder, replay } = this.#options;
    const { paramsStart, paramsEnd, argumentsStart, argumentsEnd } = message;
    const text =
      event === 'tool.call'
        ? this.#redacted(bytes, argumentsStart, argumentsEnd)
        : this.#redacted(bytes, paramsStart, paramsEnd);
    const isRetry = replay.meta !== undefined && paramsStart !== -1;
    return recorder.decided(
      {
        call: call.name,
        event,
        method: call.method,
        target: call.shown,
        id: message.kind === 'notification' && event === 'request' ? undefined : call.idText,
        decision: refusal === undefined ? 'allow' : 'deny',
        rule: fault === undefined ? rule : 'protocol',
        ...(fault === undefined ? {} : { reason: fault.text }),
        ...(call.task === undefined ? {} : { task: call.task }),
        ...(isRetry ? retryOf(bytes, paramsStart, paramsEnd) : {}),
        isSecret: governedBy === 'tasks' && target !== undefined,
      },
      text,
    );
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

  /** A line that is no message, or one of which nothing can be known. */
  #refuseLine(message: Envelope, fault: Refusal, bytes: Buffer, start: number, end: number): void {
    const { anomalies } = this.#options;
    if (isBlank(bytes, start, end)) return;
    if (message.kind === 'unknown') {
      if (!this.#split(message, fault, bytes, start, end))
        this.#refuseUnread(found(message, bytes, start, end), fault);
      return;
    }
    anomalies.note('refused a line of the host', () => ({ why: fault.text }));
    // A notification has no answer, and an answer becomes an error.
    if (message.kind === 'response') this.#refuseReply(message.id, fault);
  }

  /** Takes a batch of 2025-03-26 apart, if the line is one. Each message in it is answered by itself. */
  #split(message: Envelope, fault: Refusal, bytes: Buffer, start: number, end: number): boolean {
    if (!message.isBatch) return false;
    const messages = batchOf(bytes, start, end, this.#options.budgets.batch);
    for (const { start: from, end: to } of messages ?? []) {
      // A batch in a batch is no message: else their number, and the time to read them, would have no bound.
      if (bytes[from] === OPEN_ARRAY) this.#refuseUnread(undefined, fault);
      else this.line(bytes, from, to);
    }
    return messages !== undefined;
  }

  /** Answers a line that could not be read, under its id if that was found and is no open request's. */
  #refuseUnread(found: Found | undefined, refusal: Refusal): void {
    const { anomalies, calls, toHost } = this.#options;
    anomalies.note('refused a line of the host', () => ({ why: refusal.text }));
    if (found?.kind === 'response') {
      this.#refuseReply(found.id, refusal);
      return;
    }
    const named = found !== undefined && !calls.has(found.id);
    toHost.message(errorLine(named ? idText(found.id) : NO_ID, refusal));
  }

  /** The server gets an error in the place of an answer that is not passed on. */
  #refuseReply(id: Id | undefined, { text }: Refusal): void {
    const { serverRequests, current } = this.#options;
    const request = serverRequests.take(id);
    if (request === undefined) return;
    const line = errorLine(request.idText, { code: 'withheld', text });
    serverRequests.record(request, 'error', Buffer.from(line));
    current.upstream.answer(line);
  }

  /** The one exit of requests that are not forwarded. */
  #refuse(call: Call, refusal: Refusal): void {
    this.#options.anomalies.note('refused a request of the host', () => ({ why: refusal.text }));
    call.refuse(refusal);
  }
}

/** The request that `notifications/cancelled` speaks of. */
export function requestIdOf({ requestIdStart, requestIdEnd }: Envelope, bytes: Buffer): Id | undefined {
  return requestIdStart === -1 ? undefined : readId(bytes, requestIdStart, requestIdEnd);
}

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const line = Buffer.allocUnsafe(end - start + 1);
  bytes.copy(line, 0, start, end);
  line[end - start] = LINE_FEED;
  return line;
}

/** Why a verdict lets nothing through; undefined if it does. */
export function refusalOf(
  profile: string,
  decision: Verdict['decision'],
  rule: string,
  shown: string,
): Refusal | undefined {
  if (decision === 'allow') return undefined;
  const says = `refused: ${rule} of profile "${profile}" says ${decision} for ${JSON.stringify(shown)}`;
  return decision === 'deny'
    ? { code: 'refused', text: says, hint: 'only the user can change what a profile allows' }
    : {
        code: 'refused',
        text: `${says}, and nobody can be asked yet`,
        hint: `the user can say allow or deny instead, with "warder edit ${profile}"`,
      };
}

/** By what a request that is made again with what was asked for joins the one before it. */
function retryOf(bytes: Buffer, start: number, end: number): { state?: string; responses?: string } {
  const state = readMember(bytes, start, end, 'requestState');
  const responses = readMember(bytes, start, end, 'inputResponses');
  return {
    ...(typeof state === 'string' ? {} : { state: digestOf(bytes, state) }),
    ...(typeof responses === 'string' ? {} : { responses: digestOf(bytes, responses) }),
  };
}

/** What is wrong with a tool call as such. */
function callFault(tool: string, message: Envelope, bytes: Buffer, maxName: number): Refusal | undefined {
  if (tool === '' || tool.length > maxName || !tool.isWellFormed())
    return { code: -32602, text: `a tool's name is a string of 1 to ${maxName} characters` };
  const { argumentsStart, argumentsEnd } = message;
  const first = bytes[argumentsStart];
  if (argumentsStart === -1 || first === NULL) return undefined;
  if (first !== OPEN_OBJECT) return BAD_ARGUMENTS;
  return hasDuplicateMembers(bytes, argumentsStart, argumentsEnd) ? DUPLICATE : undefined;
}

/** The name of the tool that is called; empty if there is none, or one that cannot be as short as it must be. */
function toolOf({ nameStart, nameEnd }: Envelope, bytes: Buffer, maxName: number): string {
  if (nameStart === -1 || bytes[nameStart] !== QUOTE || nameEnd - nameStart > LONGEST_CHARACTER * maxName + 2)
    return '';
  return readString(bytes, nameStart, nameEnd);
}

/** What the sender of a line that is no message may wait for. */
function found(message: Envelope, bytes: Buffer, start: number, end: number): Found | undefined {
  return message.id === undefined ? findId(bytes, start, end) : { id: message.id, kind: 'unknown' };
}

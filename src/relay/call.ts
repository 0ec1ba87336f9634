// Requests of the host, each from its arrival to its one end. Towards the server a request has an id of the
// relay's own, so that the host may use its ids as it likes: what a server answers late, twice or by mistake can
// never be taken for the answer to another request.
import type { Fields } from '../audit/events.ts';
import type { Envelope, Id } from '../json/envelope.ts';
import type { CallArguments } from '../policy/condition.ts';
import type { ConsentOutcome, ConsentSubject } from './consent.ts';
import { errorLine, NO_ID, type Refusal } from './error-response.ts';
import type { Outbox } from './flow/outbox.ts';
import type { Method, Target } from './methods.ts';
import type { DigestedText, Ended, Joins, Recorder } from './recorder.ts';
import type { Trust } from './trust.ts';

/**
 * received: read, and not decided on; judged: decided on and on record; waiting: kept until it can be judged; sent:
 * the server has it; ended: answered, refused or cancelled.
 */
export type CallState = 'received' | 'judged' | 'waiting' | 'sent' | 'ended';

/** How a request ended: as a record says it, or refused before the server had it. */
export type Outcome = Fields['tool.result']['outcome'] | 'refused';

/** The method whose answer comes only when the subscription ends. */
export const LISTEN = 'subscriptions/listen';

export const UNAUDITED: Refusal = {
  code: 'audit-unwritable',
  text: 'the audit log cannot be written, and nothing happens that is not in it',
  hint: 'the user can find out why with "warder doctor"',
};

/** An answer: bytes of the server, with the id's text to put in. See `Outbox.add`. */
export interface Answer {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly idStart: number;
  readonly idEnd: number;
  readonly joins: Joins | undefined;
  /** Of a long answer: the line that the host gets, as its record says. */
  readonly text: DigestedText | undefined;
  /** Nothing else is made of `bytes`. */
  readonly isSpent?: boolean;
}

/** What a request writes to. */
export interface CallContext {
  readonly recorder: Recorder;
  /** When the turn that runs began, in milliseconds of the monotonic clock. */
  readonly turn: { readonly began: number };
  readonly toHost: Outbox;
}

/** The books that a request is in: see calls.ts. */
export interface CallBooks {
  readonly options: CallContext;
  /** Bytes that open requests keep. */
  keptBytes: number;
  /** The host's id is taken. */
  take(call: Call): void;
  /** Gives it the next id of the relay's own, and returns that. */
  send(call: Call): number;
  /** The server may still answer it. */
  expectLate(call: Call): void;
  /** It is open no more. */
  remove(call: Call): void;
  /** Its host makes it again. */
  detach(call: Call): void;
  /** It is what was made again. */
  adopt(call: Call, id: number): Buffer | 'lost' | undefined;
}

/** One request of the host. */
export class Call {
  /** Undefined where the line's id could not be read; then the answer says `null`. */
  readonly id: Id | undefined;
  /** The id as the host wrote it. */
  readonly idText: string;
  readonly method: string;
  /** What the protocol says of the method. */
  readonly governance: Method;
  /** The request's number in the audit log, where it is recorded. */
  readonly name: string | undefined;
  /** What it acts on, once that is read; `shown` is that as it may be shown. */
  targets: readonly Target[] = [];
  shown = '';
  /** Its arguments, where the policy may ask for them, until it is decided on. */
  arguments: CallArguments | undefined;
  /** What a person has answered about the first use that it waited for, and about which: see trust.ts. */
  agreement: { readonly outcome: ConsentOutcome; readonly about: Trust['firstUse'] } | undefined;
  /** Whether its server was made ready for it, and why not. */
  preparation: ConsentOutcome | undefined;
  /** What a person has answered, and about what. */
  consent: { readonly outcome: ConsentOutcome; readonly about: ConsentSubject } | undefined;
  /** The digest of the state by which it joins another one, where the relay has made that state. */
  joinedState: string | undefined;
  /** The digest of the id of the task that it acts on. */
  task: string | undefined;
  /** Its `params` name tasks, whose ids may be bearer tokens. */
  namesTasks = false;
  /** The JSON text of its `progressToken`, where the server may have it wait for a person. */
  progressToken: string | undefined;
  /** Its line, where its host can be asked something while the server has it. */
  line: Buffer | undefined;
  /** It was made again: the id by which the server has it already. */
  continues: number | undefined;
  /** The id towards the server, once it is sent. */
  ownId = 0;
  /** When the chunk had come with which it was sent, in milliseconds of the monotonic clock. */
  since = 0;
  /** It calls a tool of Warder's own: see upstream.ts. */
  isOwn = false;
  /** Of `tools/list`: it asks for a page that is not the first. */
  isFurtherPage = false;
  /** Of a subscription: the host has seen it acknowledged. */
  isAcknowledged = false;
  /** A new server will acknowledge a subscription that the host has seen acknowledged. */
  reopened = false;
  /** Called when it ends. */
  onEnd: (() => void) | undefined;
  /** The host's id is taken by it. */
  isTaken = false;
  /** By this those whose ids are taken are in their order. */
  order = 0;
  #state: CallState = 'received';
  #params: Buffer | undefined;
  /** Where what its host was told at its end ends in what goes to the host. */
  #toldUntil = 0;
  /** No answer may be given: it is a notification. */
  readonly #silent: boolean;
  readonly #calls: CallBooks;

  constructor(
    calls: CallBooks,
    message: Envelope,
    idText: string,
    governance: Method,
    name: string | undefined,
  ) {
    this.#calls = calls;
    this.id = message.id;
    this.idText = idText;
    this.method = message.method;
    this.governance = governance;
    this.name = name;
    this.#silent = message.kind === 'notification';
  }

  get state(): CallState {
    return this.#state;
  }

  /** What a new server has to be sent again: the JSON text of `params`, of some methods. */
  get params(): Buffer | undefined {
    return this.#params;
  }

  /** Keeps its `params` until it ends. */
  keep(params: Buffer): void {
    this.#params = params;
    this.#calls.keptBytes += params.length;
  }

  /** It is decided on and on record. */
  judged(): void {
    this.#state = 'judged';
    this.arguments = undefined;
  }

  /** It waits until it can be judged; its id is taken from now on. */
  wait(): void {
    this.#state = 'waiting';
    this.arguments = undefined;
    this.#calls.take(this);
  }

  /** It goes to the server, under the id that is returned. */
  send(): number {
    this.#state = 'sent';
    if (this.ownId === 0) this.since = this.#calls.options.turn.began;
    return this.#calls.send(this);
  }

  /** The server has it already, by the id of the request that this one is made again of. Returns what it has answered. */
  adopt(id: number): Buffer | 'lost' | undefined {
    this.#state = 'sent';
    this.since = this.#calls.options.turn.began;
    return this.#calls.adopt(this, id);
  }

  /**
   * The host is asked something, and makes it again then; the server still has it. `result` is JSON text, `state` the digest of
   * what joins the two. False: it has ended, or that cannot be recorded.
   */
  askBack(result: string, state: string): boolean {
    const line = `{"jsonrpc":"2.0","id":${this.idText},"result":${result}}`;
    if (!this.#end()) return false;
    this.#calls.detach(this);
    const { toHost } = this.#calls.options;
    if (this.#isOnRecord && !this.#write('input-required', [Buffer.from(line)], { state })) {
      toHost.message(errorLine(this.idText, UNAUDITED));
      return false;
    }
    toHost.message(line);
    return true;
  }

  /** The server has answered. */
  answer(outcome: Outcome, answer: Answer): void {
    const { bytes, start, end, idStart, idEnd, joins, text, isSpent } = answer;
    const { toHost } = this.#calls.options;
    if (!this.#end()) return;
    if (this.name === undefined) {
      toHost.add(bytes, start, end, idStart, idEnd, this.idText);
      return;
    }
    const line = toHost.compose(bytes, start, end, idStart, idEnd, this.idText);
    this.#tell(outcome, text ?? line, joins, line);
    if (isSpent === true) toHost.spend(bytes);
  }

  /** The server will not answer, or its answer is not passed on. */
  fail(outcome: Outcome, refusal: Refusal): void {
    const line = errorLine(this.idText, refusal);
    if (!this.#end()) return;
    this.#tell(outcome, [Buffer.from(line)], undefined, line);
  }

  /** It is not passed on to the server. */
  refuse(refusal: Refusal): void {
    if (!this.#end() || this.#silent) return;
    this.#calls.options.toHost.message(errorLine(refusal.unnamed ? NO_ID : this.idText, refusal));
  }

  /** The relay answers it, and the server never has it. `result` is JSON text. */
  reply(result: string): void {
    if (!this.#end() || this.#silent) return;
    this.#calls.options.toHost.message(`{"jsonrpc":"2.0","id":${this.idText},"result":${result}}`);
  }

  /** The host has taken it back: there is no answer. */
  cancel(): void {
    const sent = this.#state === 'sent';
    if (!this.#end()) return;
    if (sent) this.#calls.expectLate(this);
    if (this.#isOnRecord) this.#write('cancelled', [], undefined, () => {});
  }

  /** The one place where a request ends. False: it has ended before. */
  #end(): boolean {
    if (this.#state === 'ended') return false;
    this.#state = 'ended';
    this.#calls.remove(this);
    this.onEnd?.();
    this.onEnd = undefined;
    // Of a cancelled request that is remembered no more is kept than a late answer's record needs.
    this.#params = undefined;
    this.line = undefined;
    this.targets = [];
    this.arguments = undefined;
    return true;
  }

  /** The server has answered what the host had cancelled; the answer goes nowhere. */
  noteLate(line: Buffer | DigestedText): void {
    if (this.name !== undefined) this.#write('late', 'digest' in line ? line : [line], undefined, () => {});
  }

  /** Whether how it ends is recorded: it was let through, and that is. */
  get #isOnRecord(): boolean {
    return this.name !== undefined && this.ownId !== 0;
  }

  /** Has the host told how it ended, by a composed answer or a message of the relay's own. */
  #tell(
    outcome: Outcome,
    line: Ended['line'],
    joins: Joins | undefined,
    told: readonly Buffer[] | string,
  ): void {
    const { toHost } = this.#calls.options;
    const from = toHost.queued;
    if (this.#isOnRecord && outcome !== 'refused')
      this.#write(outcome, line, joins, () => this.#takeBack(from));
    if (typeof told === 'string') toHost.message(told);
    else toHost.push(told);
    this.#toldUntil = toHost.queued;
  }

  /** That could not be recorded: the host is told so instead. `from`: where it begins in what goes to the host. */
  #takeBack(from: number): void {
    const { toHost } = this.#calls.options;
    toHost.withdraw({ from, to: this.#toldUntil });
    toHost.message(errorLine(this.idText, UNAUDITED));
  }

  /** False: not written. With `unwritten` it is written before anything leaves: see `Recorder`. */
  #write(
    outcome: Exclude<Outcome, 'refused'> | 'late',
    line: Ended['line'],
    joins: Joins | undefined,
    unwritten?: () => void,
  ): boolean {
    const { recorder, turn } = this.#calls.options;
    const { name: call = '', method, shown: target, governance } = this;
    const event = governance.event ?? 'request';
    const ms = turn.began - this.since;
    return recorder.ended({ call, event, method, target, outcome, line, ms, joins }, unwritten);
  }
}

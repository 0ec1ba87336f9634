// What the two ways of messages through a session share: who is at either end, what is open between them, and
// what the relay says in its own name.
import type { ToolResult } from '../audit/events.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { ProfilePolicy } from '../profile/format.ts';
import { Oddities } from './anomalies.ts';
import { type AnswerCode, errorLine } from './error-response.ts';
import { Handshake } from './handshake.ts';
import { type Open, Requests } from './host-requests.ts';
import { type Envelope, type Id, idText, readId } from './json/envelope.ts';
import type { Ledger } from './ledger.ts';
import type { Outbox } from './outbox.ts';
import { Questions } from './server-requests.ts';
import type { Upstream } from './upstream.ts';

/** Takes the values of credentials out of what passes: see `Redactor`. */
export interface Redaction {
  /** The same object if there is nothing to take out. */
  redact(bytes: Buffer): Buffer;
  text(text: string): string;
  /** For bytes that come in pieces. */
  stream(): { push(chunk: Buffer): Buffer[]; flush(): Buffer[] };
}

export interface ExchangeOptions {
  /** The session's id. */
  readonly id: string;
  /** The profile's name. */
  readonly profile: string;
  readonly policy: ProfilePolicy;
  readonly ledger: Ledger;
  readonly redactor: Redaction;
  readonly clock: Clock;
  readonly log: Log;
  /** Open requests of either side, at most. */
  readonly open: number;
  readonly toHost: Outbox;
  readonly upstream: Upstream;
}

/** Why something is not passed on. `unnamed`: the answer must not carry the id. */
export interface Refusal {
  readonly code: AnswerCode | number;
  readonly text: string;
  readonly hint?: string;
  readonly unnamed?: true;
}

export const CANCELLED = 'notifications/cancelled';
export const INITIALIZE = 'initialize';
export const DISCOVER = 'server/discover';
export const CALL = 'tools/call';

export const BUSY: Refusal = { code: 'busy', text: 'too many requests are open' };
export const ID_OURS: Refusal = { code: -32600, text: 'the id is one of the relay' };
export const UNAUDITED: Refusal = {
  code: 'audit-unwritable',
  text: 'the audit log cannot be written, and nothing happens that is not in it',
  hint: 'the user can find out why with "warder doctor"',
};

const CLOSE = Buffer.from('}');

/** The state of a session's messages. Nothing leaves before `flush`. */
export class Exchange {
  readonly options: ExchangeOptions;
  readonly toHost: Outbox;
  readonly requests = new Requests();
  readonly questions = new Questions(() => this.mint());
  readonly handshake = new Handshake();
  readonly odd: Oddities;
  /** Subscriptions that a new server will acknowledge, which the host has heard already. */
  readonly relisted = new Set<Id>();
  #upstream: Upstream;
  #redactor: Redaction;
  /** What the ids begin with that the relay makes. */
  readonly #ours: string;
  #minted = 0;
  /** The last buffer that was looked at, and whether it was clean: found out once for many lines. */
  #looked: Buffer | undefined;
  #clean = false;

  constructor(options: ExchangeOptions) {
    this.options = options;
    this.toHost = options.toHost;
    this.odd = new Oddities(options.log, options.id);
    this.#upstream = options.upstream;
    this.#redactor = options.redactor;
    this.#ours = `warder:${options.id}:`;
  }

  /** The server that has the session. */
  get upstream(): Upstream {
    return this.#upstream;
  }

  /** What takes credentials out. Set anew, it holds from now on. */
  get redactor(): Redaction {
    return this.#redactor;
  }

  set redactor(redactor: Redaction) {
    this.#redactor = redactor;
    this.#looked = undefined;
  }

  /** Whether no credential is anywhere in a buffer. */
  isClean(bytes: Buffer): boolean {
    if (this.#looked !== bytes) {
      this.#looked = bytes;
      this.#clean = this.#redactor.redact(bytes) === bytes;
    }
    return this.#clean;
  }

  /** Whether nothing is open whose end can be waited for. */
  get isQuiet(): boolean {
    return this.requests.pending === 0 && this.questions.size === 0;
  }

  /** An id that neither side uses. */
  mint(): string {
    return `${this.#ours}${++this.#minted}`;
  }

  isOurs(id: Id): boolean {
    return typeof id === 'string' && id.startsWith(this.#ours);
  }

  /** Answers the host with an error. */
  tell(id: Id | undefined, { code, text, hint }: Refusal): void {
    this.toHost.message(errorLine(id, code, text, hint));
  }

  /** Answers a request, which is open no more, in the server's place. */
  fail(open: Open, code: 'lost' | 'withheld', text: string): void {
    const line = errorLine(open.id, code, text);
    if (this.record(open, code === 'lost' ? 'lost' : 'error', line)) this.toHost.message(line);
    else this.tell(open.id, UNAUDITED);
  }

  /** Writes how a request has ended, if it was a tool call. False: that could not be written. */
  record(open: Open, outcome: ToolResult['outcome'], line: Buffer): boolean {
    if (open.call === undefined) return true;
    return this.options.ledger.answered(open, outcome, line, this.options.clock.monotonic() - open.since);
  }

  /** Answers all open requests: the server will not. Subscriptions stay open if a new server is to have them. */
  lose(text: string, listening: boolean): void {
    for (const open of this.requests.takeAll(listening)) this.fail(open, 'lost', text);
  }

  /**
   * Gives the session to another server, and tells it what the host has told the one before it and it does not
   * know yet. `completed`: it knows of `notifications/initialized`.
   */
  move(next: Upstream, completed: boolean): void {
    this.requests.forget();
    for (const id of this.questions.abandon()) {
      const params = `{"requestId":${idText(id)},"reason":"the server was replaced"}`;
      this.toHost.message(Buffer.from(`{"jsonrpc":"2.0","method":"${CANCELLED}","params":${params}}`));
    }
    this.#upstream = next;
    const { initialized } = this.handshake;
    if (initialized !== undefined && !completed) next.out.message(initialized);
    for (const { method, params } of this.handshake.rest()) {
      const head = `{"jsonrpc":"2.0","id":"${this.mint()}","method":"${method}","params":`;
      next.out.message(Buffer.concat([Buffer.from(head), params, CLOSE]));
    }
    this.relisted.clear();
    for (const { id, kept } of this.requests.listening()) {
      this.relisted.add(id);
      if (kept !== undefined) next.out.message(kept);
    }
  }

  /** Writes what there is for both sides. */
  flush(): void {
    this.#looked = undefined;
    this.toHost.flush();
    this.#upstream.out.flush();
  }
}

/** The request that `notifications/cancelled` speaks of. */
export function requestIdOf({ requestIdStart, requestIdEnd }: Envelope, bytes: Buffer): Id | undefined {
  return requestIdStart === -1 ? undefined : readId(bytes, requestIdStart, requestIdEnd);
}

/** Whether a line has nothing but white space. */
export function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  }
  return true;
}

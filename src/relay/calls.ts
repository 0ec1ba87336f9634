// The open requests of a host, by its own ids and by those that the server knows.

import type { Id } from '../json/envelope.ts';
import { type Call, type CallBooks, type CallContext, LISTEN } from './call.ts';
import { IdTable } from './id-table.ts';
import { ownId } from './ids.ts';
import { forgetOldest } from './oldest.ts';

/** Requests that are waited for to be made again, and the longest answer that is kept for one, in bytes. */
const MAX_DETACHED = 256;
const MAX_KEPT = 2 ** 20;

export interface CallsOptions extends CallContext {
  /** Gives the next id of the relay's own. */
  readonly nextId: () => number;
  /** Cancelled requests that are remembered. */
  readonly late: number;
}

export class Calls implements CallBooks {
  readonly options: CallsOptions;
  readonly #byHostId = new IdTable<Call>();
  readonly #byOwnId = new IdTable<Call>();
  /** Cancelled requests that a server may still answer. */
  readonly #late = new Map<number, Call>();
  /** Requests that the server has and that their host is to make again, with what the server has answered meanwhile. */
  readonly #detached = new Map<number, Buffer | 'long' | undefined>();
  #listening = 0;
  /** Requests whose ids were taken so far. */
  #taken = 0;
  /** The server has had a request that acts, and so is on record. */
  hasActed = false;
  /** Bytes that open requests keep. */
  keptBytes = 0;
  /** When a request that acts ended last, in milliseconds of the monotonic clock; 0: none has. */
  usedAt = 0;

  constructor(options: CallsOptions) {
    this.options = options;
  }

  /** Open requests. */
  get size(): number {
    return this.#byHostId.size;
  }

  /** Requests that the server has and whose answer can be waited for. */
  get pending(): number {
    return this.#byOwnId.size - this.#listening;
  }

  /** Open requests that can still be answered: all but subscriptions, which end with the session. */
  get unanswered(): number {
    return this.#byHostId.size - this.#listening;
  }

  /** Whether no request waits, is open, or is to be made again, but for subscriptions. */
  get isAllAnswered(): boolean {
    return this.unanswered === 0 && this.#detached.size === 0;
  }

  /** Whether subscriptions are open whose answer comes when they end. */
  get isListening(): boolean {
    return this.#listening > 0;
  }

  /** Whether a host's id is that of an open request. */
  has(id: Id): boolean {
    return this.#byHostId.has(id);
  }

  /** The open request that the host means. */
  get(id: Id): Call | undefined {
    return this.#byHostId.get(id);
  }

  /** The open request that the server means. */
  sent(id: Id | undefined): Call | undefined {
    const own = ownId(id);
    return own === undefined ? undefined : this.#byOwnId.get(own);
  }

  /** The cancelled request that a late answer belongs to. */
  late(id: Id | undefined): Call | undefined {
    const own = ownId(id);
    return own === undefined ? undefined : this.#late.get(own);
  }

  /** As `late`; the request is forgotten with this. */
  takeLate(id: Id | undefined): Call | undefined {
    const own = ownId(id);
    const call = own === undefined ? undefined : this.#late.get(own);
    if (own !== undefined) this.#late.delete(own);
    return call;
  }

  /** Whether one of a method is with the server. */
  some(method: string): boolean {
    return this.#byOwnId.values().some((call) => call.method === method);
  }

  /** The recorded requests that the server has, by their numbers in the audit log, the oldest first. */
  names(): string[] {
    return bySending(this.#byOwnId).flatMap(({ name }) => (name === undefined ? [] : [name]));
  }

  /** The subscriptions that are open. */
  listening(): Call[] {
    return this.#listening === 0 ? [] : bySending(this.#byOwnId).filter(({ method }) => method === LISTEN);
  }

  /** The requests that the server has, subscriptions left out unless asked for. */
  open(listening: boolean): Call[] {
    return bySending(this.#byOwnId).filter(({ method }) => listening || method !== LISTEN);
  }

  /** All open requests, those that wait too. */
  all(): Call[] {
    return this.#byHostId.values().sort((one, other) => one.order - other.order);
  }

  /** The server that cancelled requests might still have been answered by is gone. */
  forgetLate(): void {
    this.#late.clear();
  }

  /** For `Call` alone: the host's id is taken. */
  take(call: Call): void {
    if (call.id === undefined) return;
    if (!call.isTaken) call.order = ++this.#taken;
    call.isTaken = true;
    this.#byHostId.set(call.id, call);
  }

  /** For `Call` alone: gives it the next id of the relay's own. */
  send(call: Call): number {
    if (call.name !== undefined) this.hasActed = true;
    if (call.ownId === 0) {
      this.take(call);
      if (call.method === LISTEN) this.#listening++;
    } else {
      this.#byOwnId.delete(call.ownId);
    }
    call.ownId = this.options.nextId();
    this.#byOwnId.set(call.ownId, call);
    return call.ownId;
  }

  /** An answer of the server for a request that is to be made again is kept until then. False: it is for none. */
  keepAnswer(id: Id | undefined, bytes: Buffer, start: number, end: number): boolean {
    const own = ownId(id);
    if (own === undefined || !this.#detached.has(own)) return false;
    this.#detached.set(own, end - start > MAX_KEPT ? 'long' : Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  /** For `Call` alone: its host makes it again, under another id. */
  detach(call: Call): void {
    this.#detached.set(call.ownId, undefined);
    forgetOldest(this.#detached, MAX_DETACHED);
  }

  /**
   * For `Call` alone: it is what was made again, and the server has it by that id. Returns what the server has answered
   * already; `lost`: that is not there any more.
   */
  adopt(call: Call, id: number): Buffer | 'lost' | undefined {
    const answer = this.#detached.get(id);
    const isKnown = this.#detached.delete(id);
    call.ownId = id;
    this.take(call);
    this.#byOwnId.set(id, call);
    return isKnown && answer !== 'long' ? answer : 'lost';
  }

  /** For `Call` alone: the server may still answer it. */
  expectLate(call: Call): void {
    this.#late.set(call.ownId, call);
    forgetOldest(this.#late, this.options.late);
  }

  /** For `Call` alone: it is open no more. */
  remove(call: Call): void {
    this.keptBytes -= call.params?.length ?? 0;
    if (call.name !== undefined) this.usedAt = this.options.turn.began;
    if (call.isTaken && call.id !== undefined) this.#byHostId.delete(call.id);
    if (call.ownId !== 0 && this.#byOwnId.delete(call.ownId) && call.method === LISTEN) this.#listening--;
  }
}

/** Those that the server has, the oldest first: ids of the relay's own are counted up. */
function bySending(calls: IdTable<Call>): Call[] {
  return calls.values().sort((one, other) => one.ownId - other.ownId);
}

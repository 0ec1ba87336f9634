// Requests of a server that the host has not answered yet. Towards the host each has an id of the relay's own, so
// that an answer can reach no other request than the one it was given to: not one of a server that is gone, and
// not a second one under the same id.

import type { Id } from '../../json/envelope.ts';
import type { Clock } from '../../os/clock.ts';
import { counter, ownId } from '../ids.ts';
import type { DigestedText, Recorder } from '../recorder.ts';

/** A request of a server. */
export interface ServerRequest {
  /** The id that the host knows. */
  readonly ownId: number;
  /** The id that the server knows, and its JSON text as the server wrote it. */
  readonly id: Id;
  readonly idText: string;
  readonly method: string;
  /** Its number in the audit log, where it is recorded. */
  readonly name: string | undefined;
  /** When it was passed on, in milliseconds of the monotonic clock. */
  readonly since: number;
}

export interface ServerRequestsOptions {
  readonly recorder: Recorder;
  readonly clock: Clock;
}

/** The open ones of one session. */
export class ServerRequests {
  readonly #options: ServerRequestsOptions;
  readonly #nextId = counter();
  readonly #open = new Map<number, ServerRequest>();
  /** Those of each id of the server, the latest last. */
  readonly #byId = new Map<Id, ServerRequest[]>();
  #closed = false;

  constructor(options: ServerRequestsOptions) {
    this.#options = options;
  }

  /** Requests that are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Whether nobody is left to answer. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** The host answers no more: the requests that were open, which are so no more. */
  close(): ServerRequest[] {
    this.#closed = true;
    return this.takeAll();
  }

  /** An id for a request of the relay's own to the host. */
  nextOwnId(): number {
    return this.#nextId();
  }

  /** Notes a request. */
  add(request: Omit<ServerRequest, 'ownId'>): ServerRequest {
    const added = { ...request, ownId: this.#nextId() };
    this.#open.set(added.ownId, added);
    const same = this.#byId.get(added.id);
    if (same === undefined) this.#byId.set(added.id, [added]);
    else same.push(added);
    return added;
  }

  /** Writes how a request ended, if it is recorded. `line`: what the server gets. False: not written. */
  record(
    { name, method, since }: ServerRequest,
    outcome: 'ok' | 'error' | 'cancelled' | 'lost',
    line: Buffer | DigestedText,
  ): boolean {
    if (name === undefined) return true;
    const { recorder, clock } = this.#options;
    const ms = clock.monotonic() - since;
    const reply = { call: name, event: 'question', method, target: '', joins: undefined } as const;
    return recorder.ended({ ...reply, outcome, line: 'digest' in line ? line : [line], ms });
  }

  /** The request that the host has answered; it is open no more. */
  take(id: Id | undefined): ServerRequest | undefined {
    const own = ownId(id);
    const request = own === undefined ? undefined : this.#open.get(own);
    if (request !== undefined) this.#remove(request);
    return request;
  }

  /** The request that the server takes back; it is open no more. Of several under one id, the latest. */
  cancel(id: Id | undefined): ServerRequest | undefined {
    const found = id === undefined ? undefined : this.#byId.get(id)?.at(-1);
    if (found !== undefined) this.#remove(found);
    return found;
  }

  /** All that are open, which are open no more. */
  takeAll(): ServerRequest[] {
    const all = [...this.#open.values()];
    this.#open.clear();
    this.#byId.clear();
    return all;
  }

  #remove(request: ServerRequest): void {
    this.#open.delete(request.ownId);
    const same = this.#byId.get(request.id) ?? [];
    same.splice(same.lastIndexOf(request), 1);
    if (same.length === 0) this.#byId.delete(request.id);
  }
}

// The requests of a host that have no answer yet: each gets one, the server's or an error, and what they may take of the daemon
// is bounded.

import type { WarderError } from '../../errors.ts';
import type { Envelope } from '../../json/envelope.ts';
import { BUSY, type Refusal } from '../../relay/error-response.ts';
import type { PipeParts, RemoteMessage } from '../pipe.ts';
import { failure, refusalFor } from './failure.ts';

/** A request without an answer. */
export interface OpenRequest {
  readonly id: number;
  readonly method: string;
  readonly message: RemoteMessage;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** It has an answer, or needs none. */
  readonly isDone: boolean;
  /** Resolves when the request has left, or is done. */
  readonly sent: Promise<void>;
  /** The request has left. */
  onSent(): void;
}

class Entry implements OpenRequest {
  readonly message: RemoteMessage;
  readonly id: number;
  readonly controller = new AbortController();
  readonly #sent = Promise.withResolvers<void>();
  readonly #onSent: () => void;
  isDone = false;
  isSent = false;

  constructor(message: RemoteMessage, id: number, onSent: () => void) {
    this.message = message;
    this.id = id;
    this.#onSent = onSent;
  }

  get method(): string {
    return this.message.method;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get sent(): Promise<void> {
    return this.#sent.promise;
  }

  onSent(): void {
    if (!this.isSent) this.#onSent();
    this.isSent = true;
    this.#sent.resolve();
  }
}

/** Bodies are kept until they are answered, so that they can be sent again: so many times the longest message, together. */
const KEPT_LINES = 2;
/** Messages that are let go and have a line of the log of their own. */
const MAX_TOLD = 20;

export class OpenRequests {
  readonly #parts: Pick<PipeParts, 'listener' | 'budgets' | 'log'>;
  readonly #open = new Map<number, Entry>();
  /** Bytes that have not left, and bytes that are kept. */
  #unsent = 0;
  #kept = 0;
  #wasFull = false;
  /** Messages of the server that were let go. */
  #dropped = 0;

  constructor(parts: Pick<PipeParts, 'listener' | 'budgets' | 'log'>) {
    this.#parts = parts;
  }

  get full(): boolean {
    const { waiting, line, open } = this.#parts.budgets;
    const isFull = this.#unsent > waiting || this.#kept > KEPT_LINES * line || this.#open.size >= open;
    this.#wasFull ||= isFull;
    return isFull;
  }

  /** Undefined where too many are open: then it has its answer already. */
  open(message: RemoteMessage): OpenRequest | undefined {
    const { id = 0, json } = message;
    if (this.#open.size >= this.#parts.budgets.open || this.#open.has(id)) {
      this.#parts.listener.message(failure(id, BUSY), id);
      return undefined;
    }
    const { length } = json;
    this.#unsent += length;
    this.#kept += length;
    const entry = new Entry(message, id, () => {
      this.#unsent -= length;
      this.#drain();
    });
    this.#open.set(id, entry);
    return entry;
  }

  find(id: number): OpenRequest | undefined {
    return this.#open.get(id);
  }

  /** What a notification or an answer of the host takes until it has left. Returns what to call then. */
  hold(length: number): () => void {
    this.#unsent += length;
    return () => {
      this.#unsent -= length;
      this.#drain();
    };
  }

  /** The answer to a request. False: it has one already. */
  answer(request: OpenRequest, json: Buffer, stream?: number): boolean {
    if (!this.#finish(request)) return false;
    this.#parts.listener.message(json, stream);
    return true;
  }

  /** An error as the answer. What was aborted because nobody waits gets none. */
  fail(request: OpenRequest, error: unknown): void {
    this.refuse(request, refusalFor(error));
  }

  refuse(request: OpenRequest, refusal: Refusal): void {
    this.answer(request, failure(request.id, refusal), request.id);
  }

  /** The answer shows that the server is of another era. */
  mismatch(request: OpenRequest, json: Buffer): void {
    if (this.#finish(request)) this.#parts.listener.wrongEra(request.id, json);
  }

  /** Nobody waits for the answer any more: there will be none. */
  forget(request: OpenRequest): void {
    this.#finish(request);
    (request as Entry).controller.abort(new DOMException('nobody waits for it', 'AbortError'));
  }

  /** A message of the server is let go; the first few are told of in the log. */
  drop(what: string, message: Envelope): void {
    if (++this.#dropped > MAX_TOLD) return;
    const { kind, method } = message;
    this.#parts.log.warn({ kind, method, what }, 'a message of a remote server is let go');
  }

  /** Fails all, and aborts what is under way for them. */
  cut(reason: WarderError): void {
    for (const entry of [...this.#open.values()]) {
      this.fail(entry, reason);
      entry.controller.abort(reason);
    }
  }

  /** Forgets all, and tells how many messages were let go beside those that were told of. */
  clear(): void {
    const count = this.#dropped;
    this.#dropped = 0;
    if (count > MAX_TOLD) this.#parts.log.warn({ count }, 'messages of a remote server were let go');
    for (const entry of [...this.#open.values()]) this.forget(entry);
  }

  #finish(request: OpenRequest): boolean {
    const entry = request as Entry;
    if (entry.isDone) return false;
    entry.isDone = true;
    this.#open.delete(entry.id);
    this.#kept -= entry.message.json.length;
    entry.onSent();
    this.#drain();
    return true;
  }

  #drain(): void {
    if (!this.#wasFull || this.full) return;
    this.#wasFull = false;
    this.#parts.listener.drained();
  }
}

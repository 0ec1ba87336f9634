// Requests of the host that have no answer yet. An id may be used again once its request is answered; once it is
// cancelled it may not, for an answer may still come, and must not be taken for another's.
import type { Id } from './json/envelope.ts';

/** A request that was forwarded. */
export interface Open {
  readonly id: Id;
  readonly method: string;
  /** What a rotation may have to say again: the line, or the `params`, of the methods that matter there. */
  readonly kept: Buffer | undefined;
  /** Of a tool call: its number in the audit log, else undefined. */
  readonly call: string | undefined;
  readonly tool: string;
  /** Of a tool call: milliseconds of the monotonic clock. */
  readonly since: number;
}

/** The method whose answer comes only when the subscription ends. */
export const LISTEN = 'subscriptions/listen';

/** Ids of cancelled requests that are remembered; the oldest are forgotten first. */
const MAX_CANCELLED = 10_000;

/** The open requests. */
export class Requests {
  readonly #open = new Map<Id, Open>();
  readonly #cancelled = new Set<Id>();
  #listening = 0;

  get size(): number {
    return this.#open.size;
  }

  /** Requests whose answer can be waited for. */
  get pending(): number {
    return this.#open.size - this.#listening;
  }

  /** Whether an id is taken. */
  has(id: Id): boolean {
    return this.#open.has(id) || this.#cancelled.has(id);
  }

  get(id: Id): Open | undefined {
    return this.#open.get(id);
  }

  add(request: Open): void {
    this.#open.set(request.id, request);
    if (request.method === LISTEN) this.#listening++;
  }

  /** The request that an answer belongs to; it is open no more. */
  take(id: Id): Open | undefined {
    const request = this.#open.get(id);
    if (request === undefined) {
      this.#cancelled.delete(id);
      return undefined;
    }
    this.#open.delete(id);
    if (request.method === LISTEN) this.#listening--;
    return request;
  }

  /** As `take`, for a request whose answer, if one comes, is nobody's. */
  cancel(id: Id): Open | undefined {
    const request = this.take(id);
    if (request === undefined) return undefined;
    this.#cancelled.add(id);
    if (this.#cancelled.size > MAX_CANCELLED) {
      for (const oldest of this.#cancelled) {
        this.#cancelled.delete(oldest);
        break;
      }
    }
    return request;
  }

  /** The tool calls that are open, by their numbers in the audit log, the oldest first. */
  calls(): string[] {
    return [...this.#open.values()].flatMap(({ call }) => (call === undefined ? [] : [call]));
  }

  /** Whether one of a method is open. */
  some(method: string): boolean {
    for (const request of this.#open.values()) if (request.method === method) return true;
    return false;
  }

  /** The subscriptions that are open. */
  listening(): Open[] {
    return this.#listening === 0 ? [] : [...this.#open.values()].filter(({ method }) => method === LISTEN);
  }

  /** Requests that are open, subscriptions left out unless asked for; they are open no more. */
  takeAll(listening: boolean): Open[] {
    const taken = [...this.#open.values()].filter(({ method }) => listening || method !== LISTEN);
    for (const { id } of taken) this.take(id);
    return taken;
  }

  /** The server that cancelled requests might still have been answered by is gone. */
  forget(): void {
    this.#cancelled.clear();
  }
}

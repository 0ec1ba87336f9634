// Requests of a translator's own to the server, which the host knows nothing of.
import { memberIn, type Range, whole } from '../../json/read.ts';
import type { RemoteMessage } from '../pipe.ts';
import { type Incoming, requestMessage, resultOf } from './messages.ts';
import { textOf } from './objects.ts';

/** How one ended: its result, or its error and the line with that, as JSON texts. */
export type OwnAnswer = { readonly result: Buffer } | { readonly error: Buffer; readonly line: Buffer };

type Done = (answer: OwnAnswer) => void;

const NO_ERROR = Buffer.from('{}');

export class OwnRequests {
  readonly #nextId: () => number;
  readonly #send: (message: RemoteMessage) => void;
  readonly #open = new Map<number, Done>();

  constructor(nextId: () => number, send: (message: RemoteMessage) => void) {
    this.#nextId = nextId;
    this.#send = send;
  }

  /** An id for the next one. */
  next(): number {
    return this.#nextId();
  }

  /**
   * Sends one; `done` is called once, unless it is forgotten. `name`: of the task that it is about. `waitedFor`: the id of the
   * host's request that acts and waits for it.
   */
  ask(
    id: number,
    method: string,
    params: Buffer | undefined,
    done: Done,
    { name, waitedFor }: { readonly name?: string; readonly waitedFor?: number | undefined } = {},
  ): void {
    this.#open.set(id, done);
    this.#send({ ...requestMessage(id, method, params, name), waitedFor });
  }

  has(id: number): boolean {
    return this.#open.has(id);
  }

  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  /** The server that was asked is gone. */
  forgetAll(): void {
    this.#open.clear();
  }

  /** The answer is for nobody any more. */
  forget(id: number): void {
    this.#open.delete(id);
  }

  /** An answer of the server. False: it is to none of these. */
  answered(id: number, message: Incoming): boolean {
    const done = this.#open.get(id);
    if (done === undefined) return false;
    this.#open.delete(id);
    const { json, envelope } = message;
    const result: Range | undefined = envelope.failed ? undefined : resultOf(envelope);
    if (result !== undefined) done({ result: Buffer.from(textOf(json, result)) });
    else {
      const error = memberIn(json, whole(json), 'error');
      done({ error: error === undefined ? NO_ERROR : Buffer.from(textOf(json, error)), line: json });
    }
    return true;
  }
}

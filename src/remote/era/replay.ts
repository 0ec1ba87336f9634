// A server that is opened anew is told what the host has told the one before: the handshake, what a session has set, the
// subscriptions that are open. What it answers to that is for nobody but this.
import { memberIn } from '../../json/read.ts';
import type { RemoteMessage } from '../pipe.ts';
import { ownIdOf } from './ids.ts';
import { type Incoming, incoming, paramsOf } from './messages.ts';
import { metaIn } from './meta.ts';
import { objectOf, textOf } from './objects.ts';
import { type OwnAnswer, OwnRequests } from './own-requests.ts';
import type { Promises } from './promises.ts';
import { ACKNOWLEDGED, DISCOVER, type Era, FIRST_OWN_ID, INITIALIZE, SUBSCRIPTION } from './protocol.ts';

export interface ReplayParts {
  readonly era: Era;
  readonly promises: Promises;
  readonly nextId: () => number;
  readonly send: (message: RemoteMessage) => void;
}

export class Replay {
  readonly #parts: ReplayParts;
  readonly #own: OwnRequests;
  #isUnderWay = false;
  /** A request may still be answered that nobody waits for. */
  #hasForgotten = false;
  /** Subscriptions whose acknowledgement the host has seen. */
  readonly #acknowledged = new Set<number>();

  constructor(parts: ReplayParts) {
    this.#parts = parts;
    this.#own = new OwnRequests(parts.nextId, parts.send);
  }

  /** Whether the server is being told: nothing else goes to it meanwhile. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** Whether no message of the server can be for this. */
  get isIdle(): boolean {
    return this.#own.isIdle && this.#acknowledged.size === 0 && !this.#hasForgotten;
  }

  /** Whether a request is one of these. */
  has(id: number): boolean {
    return this.#own.has(id);
  }

  /** Repeats the handshake. `done` gets the server's answer; undefined: the host has made none. */
  begin(done: (answer: OwnAnswer | undefined) => void): void {
    const { era, promises } = this.#parts;
    const { initialize, meta } = promises;
    this.#isUnderWay = true;
    if (era === 'session' && initialize !== undefined)
      this.#own.ask(this.#own.next(), INITIALIZE, initialize, done);
    else if (era === 'stateless' && meta !== undefined)
      this.#own.ask(this.#own.next(), DISCOVER, objectOf({ _meta: meta }), done);
    else done(undefined);
  }

  /** Repeats what follows the handshake, and is done. */
  finish(): void {
    const { promises, send } = this.#parts;
    const { initialized, settings, listens } = promises;
    this.#isUnderWay = false;
    if (initialized !== undefined) send(initialized);
    for (const { method, json: line } of settings) {
      const params = paramsOf(incoming(line).envelope);
      this.#own.ask(this.#own.next(), method, params && Buffer.from(textOf(line, params)), () => {});
    }
    for (const listen of listens) {
      if (listen.id !== undefined) this.#acknowledged.add(listen.id);
      send(listen);
    }
  }

  /** The server cannot be told. */
  stop(): void {
    this.#isUnderWay = false;
  }

  /** The server that was asked is gone. */
  forget(): void {
    this.#hasForgotten = true;
    this.#own.forgetAll();
  }

  /** A message of the server; `id`: of the request that it answers. True: it was for this, and the host must not have it. */
  takes(id: number | undefined, message: Incoming): boolean {
    if (id !== undefined) return this.#own.answered(id, message) || id > FIRST_OWN_ID;
    return message.envelope.method === ACKNOWLEDGED && this.#wasAcknowledged(message);
  }

  #wasAcknowledged({ json: line, envelope }: Incoming): boolean {
    const stream = memberIn(line, metaIn(line, paramsOf(envelope)), SUBSCRIPTION);
    const id = stream === undefined ? undefined : ownIdOf(line, stream.start, stream.end);
    return id !== undefined && this.#acknowledged.delete(id);
  }
}

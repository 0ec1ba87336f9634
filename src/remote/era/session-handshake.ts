// The handshake with a server of the session era, made with what the first request of a host of the stateless era says of it.
// Requests wait until it is done; a person may have to sign in for it, if one of them acts.

import type { ErrorCode } from '../../errors.ts';
import { memberIn, whole } from '../../json/read.ts';
import { isAnsweredOffline } from '../offline/answers.ts';
import type { RemoteMessage } from '../pipe.ts';
import { clientForOther, serverForOther } from './capabilities.ts';
import {
  BAD_VERSION,
  error,
  type Incoming,
  incoming,
  notificationMessage,
  paramsOf,
  withId,
} from './messages.ts';
import { metaIn } from './meta.ts';
import { EMPTY, json, objectOf, textOf, UNNAMED } from './objects.ts';
import type { OwnAnswer, OwnRequests } from './own-requests.ts';
import {
  CAPABILITIES,
  CLIENT,
  INITIALIZE,
  INITIALIZED,
  SERVER,
  SESSION_VERSIONS,
  STATELESS_VERSION,
  shortText,
} from './protocol.ts';

export interface SessionHandshakeParts {
  readonly own: OwnRequests;
  readonly send: (message: RemoteMessage) => void;
  readonly toHost: (json: Buffer) => void;
  /** Goes on with a request that has waited. */
  readonly goOn: (message: RemoteMessage) => void;
}

export class SessionHandshake {
  readonly #parts: SessionHandshakeParts;
  #waiting: RemoteMessage[] = [];
  #isOpen = false;
  /** The id of the `initialize` that is under way. */
  #opening: number | undefined;
  #capabilities: Buffer = EMPTY;
  #serverInfo: Buffer = UNNAMED;
  #instructions: Buffer | undefined;

  constructor(parts: SessionHandshakeParts) {
    this.#parts = parts;
  }

  /** Whether requests need not wait. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What the server offers. */
  get capabilities(): Buffer {
    return this.#capabilities;
  }

  /** The result of `server/discover`. */
  get discovered(): Buffer {
    return objectOf({
      resultType: json('complete'),
      supportedVersions: json([STATELESS_VERSION]),
      capabilities: serverForOther(this.#capabilities),
      instructions: this.#instructions,
      ttlMs: json(0),
      cacheScope: json('private'),
      _meta: objectOf({ [SERVER]: this.#serverInfo }),
    });
  }

  /** Has the session opened, for which a request waits. */
  wait(message: RemoteMessage, { json: line, envelope }: Incoming): void {
    this.#waiting.push(message);
    if (this.#opening === undefined) this.#open(message, { json: line, envelope });
  }

  #open({ id, method }: RemoteMessage, { json: line, envelope }: Incoming): void {
    const meta = metaIn(line, paramsOf(envelope));
    const capabilities = memberIn(line, meta, CAPABILITIES);
    const info = memberIn(line, meta, CLIENT);
    const params = objectOf({
      protocolVersion: json(SESSION_VERSIONS[0]),
      capabilities: capabilities === undefined ? EMPTY : clientForOther(textOf(line, capabilities)),
      clientInfo: info === undefined ? UNNAMED : textOf(line, info),
    });
    const { own } = this.#parts;
    const waitedFor = isAnsweredOffline(method) ? undefined : id;
    this.#opening = own.next();
    own.ask(this.#opening, INITIALIZE, params, (answer) => this.#answered(answer, waitedFor), { waitedFor });
  }

  /** The host takes a request back. False: it does not wait. */
  cancel(id: number): boolean {
    const left = this.#waiting.filter((message) => message.id !== id);
    const isWaiting = left.length < this.#waiting.length;
    this.#waiting = left;
    return isWaiting;
  }

  /** Whether a request is the `initialize` that is under way. */
  isOpening(id: number): boolean {
    return id === this.#opening;
  }

  /** The requests that wait for `initialize`, if that is the one: their ids. */
  waitingFor(id: number): number[] {
    return id === this.#opening ? this.#waiting.flatMap((message) => message.id ?? []) : [];
  }

  /** The `initialize` under way has no answer: the next request makes another. What waits is forgotten. */
  forget(): void {
    this.#waiting = [];
    this.#opening = undefined;
  }

  /** Answers what waits with an error. */
  fail(answer: (id: number) => Buffer): void {
    const waiting = this.#waiting;
    this.forget();
    this.#failEach(waiting, answer);
  }

  #failEach(messages: readonly RemoteMessage[], answer: (id: number) => Buffer): void {
    for (const { id } of messages) if (id !== undefined) this.#parts.toHost(answer(id));
  }

  /** `waitedFor`: the request that a person could be asked for. */
  #answered(answer: OwnAnswer, waitedFor: number | undefined): void {
    const fault = 'error' in answer ? answer.line : this.#introduce(answer.result);
    if (fault !== undefined) {
      const message = incoming(fault);
      const isUnasked = waitedFor === undefined && 'error' in answer && needsSignIn(answer.error);
      if (isUnasked) this.#openForActing((id) => withId(message, id));
      else this.fail((id) => withId(message, id));
      return;
    }
    const { send, goOn } = this.#parts;
    const waiting = this.#waiting;
    this.forget();
    this.#isOpen = true;
    send(notificationMessage(INITIALIZED));
    for (const message of waiting) goOn(message);
  }

  /** Nobody has signed in: what acts has the session opened once more, so that a person is asked; the rest fails. */
  #openForActing(answer: (id: number) => Buffer): void {
    const waiting = this.#waiting;
    this.forget();
    this.#waiting = waiting.filter(({ method }) => !isAnsweredOffline(method));
    const [first] = this.#waiting;
    if (first !== undefined) this.#open(first, incoming(first.json));
    this.#failEach(
      waiting.filter(({ method }) => isAnsweredOffline(method)),
      answer,
    );
  }

  /** Takes what the server says of itself. Returns an error if no session can be had with it. */
  #introduce(said: Buffer): Buffer | undefined {
    const version = shortText(said, memberIn(said, whole(said), 'protocolVersion'));
    if (!SESSION_VERSIONS.some((known) => known === version))
      return error(0, BAD_VERSION, 'the server speaks a version of the protocol that Warder does not know', {
        supported: version === undefined ? [] : [version],
        requested: SESSION_VERSIONS[0],
      });
    const member = (name: 'capabilities' | 'serverInfo' | 'instructions'): Buffer | undefined => {
      const found = memberIn(said, whole(said), name);
      return found === undefined ? undefined : textOf(said, found);
    };
    this.#capabilities = member('capabilities') ?? EMPTY;
    this.#serverInfo = member('serverInfo') ?? UNNAMED;
    this.#instructions = member('instructions');
    return undefined;
  }
}

const SIGN_IN_NEEDED: ErrorCode = 'sign-in-needed';

/** Whether an error, a JSON text, says that nobody has signed in. */
function needsSignIn(error: Buffer): boolean {
  return shortText(error, memberIn(error, memberIn(error, whole(error), 'data'), 'code')) === SIGN_IN_NEEDED;
}

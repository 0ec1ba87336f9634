// What the host knows of its server: from the server itself or, while no request may go there, from what is known of it. Once
// the server can be asked, a host that was told something else learns that its lists may be others.
import type { OfflineRecord } from '../../relay/offline-record.ts';
import { codeOf } from '../era/errors.ts';
import { type Incoming, incoming, NO_METHOD, result } from '../era/messages.ts';
import type { Promises } from '../era/promises.ts';
import { DISCOVER, type Era } from '../era/protocol.ts';
import type { RemoteMessage } from '../pipe.ts';
import { emptyList, OfflineAnswers } from './answers.ts';

export interface IntroductionParts {
  readonly era: Era;
  /** The profile's name. */
  readonly profile: string;
  /** The host of the server's URL. */
  readonly host: string;
  readonly record: OfflineRecord | undefined;
  readonly promises: Promises;
  /** Gives the host a message. */
  readonly tell: (message: Buffer) => void;
}

export class Introduction {
  readonly #parts: IntroductionParts;
  readonly #offline: OfflineAnswers;
  #isByServer = false;
  #hasMissed = false;

  constructor(parts: IntroductionParts) {
    this.#parts = parts;
    this.#offline = new OfflineAnswers(parts);
  }

  /** Whether the host may have been shown the tool by which to sign in. */
  get showsTool(): boolean {
    return this.#offline.showsTool;
  }

  /** Whether the host was told something of its server that the server itself has not said yet. */
  get isProvisional(): boolean {
    return this.#offline.isUsed && !this.#isByServer;
  }

  /** Whether the host is to be told that lists may be others. */
  get hasMissed(): boolean {
    return this.#hasMissed;
  }

  /** Something may have changed that the host was not told. */
  missed(): void {
    this.#hasMissed = true;
  }

  /** Answers a request without the server. */
  answer(id: number, message: RemoteMessage): void {
    const { promises, tell } = this.#parts;
    this.#hasMissed = true;
    promises.noteInitialize(message);
    tell(this.#offline.to(id, incoming(message.json)));
  }

  /** The server has answered a request of `method` that could have been answered without it. */
  answered(id: number, method: string, message: Incoming): void {
    const { era, tell } = this.#parts;
    const { failed } = message.envelope;
    // Of lists the host may have been promised more than there are.
    const isPromised = failed && this.#offline.isUsed && codeOf(message) === NO_METHOD;
    const none = isPromised ? emptyList(era, method) : undefined;
    tell(none === undefined ? message.json : result(id, none));
    if (method === DISCOVER && !failed) this.#isByServer = true;
  }

  /** The server has taken the handshake of the host itself: who begins anew lists anew. */
  begun(initialize: RemoteMessage): void {
    this.#parts.promises.noteInitialize(initialize);
    this.#isByServer = true;
    this.#hasMissed = false;
  }

  /** The server has said what it is to Warder, on the host's behalf. */
  learnt(): void {
    this.#isByServer = true;
  }

  /** Tells the host that all lists may be others. */
  announce(): void {
    const { promises, tell } = this.#parts;
    this.#hasMissed = false;
    for (const line of promises.announcements) tell(line);
  }
}

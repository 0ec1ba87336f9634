// A remote server as messages, in one era of the protocol. The transports are pipes; the translators between the eras are
// pipes over pipes. Messages pass as bytes: a JSON text is never parsed and written again, so integers beyond 2^53, unknown
// members and their order stay.
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Authorizer, TokenMark } from './authorizer.ts';
import type { RemoteHttp } from './http/client.ts';

/** A message to the server. */
export interface RemoteMessage {
  /** One JSON text, sent as it is. */
  readonly json: Buffer;
  readonly kind: 'request' | 'notification' | 'response';
  /** Empty for a response. */
  readonly method: string;
  /** The tool's, prompt's or task's name, or the resource's URI; empty for other messages. */
  readonly name: string;
  /** The relay's own id, of a request. */
  readonly id: number | undefined;
  /** Of a request of Warder's own: the relay's id of the request that acts and waits for it. */
  readonly waitedFor?: number | undefined;
}

/** A server in one era. */
export interface Pipe {
  /**
   * Never throws. Each request gets exactly one response with its id: the server's, or an error of Warder's where the stream
   * was lost, the request refused, its time is over, or nobody has signed in. A request that the host has cancelled may get none.
   */
  send(message: RemoteMessage): void;
  /** The server does not keep up: read no more of the host. */
  readonly full: boolean;
  /** Stops and starts the flow of messages from the server. */
  pause(paused: boolean): void;
  /** Aborts all that is under way: each open request gets an error with the reason. Nothing is sent for it. */
  cut(reason: string): void;
  /** Aborts all streams without a word to the host, and ends the session at the server. Never rejects. */
  close(): Promise<void>;
}

/** What a pipe tells its owner. */
export interface PipeListener {
  /**
   * A message as it came: one JSON text, in one line. `stream` is the id of the request whose stream carried it; undefined for
   * a stream that belongs to none.
   */
  message(json: Buffer, stream?: number): void;
  /**
   * The answer to an opening request shows that the server is of another era: called instead of `message` with the error that
   * would have been the answer. The pipe is of no use then.
   */
  wrongEra(id: number, answer: Buffer): void;
  /** `full` is false again. */
  drained(): void;
  /** A request waits for a person, and what for; undefined: it waits no longer. */
  waiting(id: number, text: string | undefined): void;
  /** A message over the budget for a line was not read; the request that it answers, if known, gets an error of Warder's. */
  oversize(id: number | undefined, bytes: number): void;
  /** The session is gone for good. */
  lost(reason: string): void;
}

/** A request that carries a credential, for the log. */
export interface AuthorizedRequest {
  readonly mark: TokenMark;
  readonly url: URL;
  readonly method: string;
  /** The relay's id of the message that it carries. */
  readonly id: number | undefined;
}

/** Where the use of credentials is recorded. */
export interface CredentialLedger {
  /** Resolves when another use may be recorded. To be awaited before each. */
  pace(): Promise<void>;
  /** A credential is about to be sent. Throws `audit-unwritable`: then nothing is sent. */
  recordUse(request: AuthorizedRequest): void;
  /** The server has answered: recorded by `settle`, or when the turn of the event loop ends. Never throws. */
  recordAnswer(request: AuthorizedRequest, status: number): void;
  /** The server has not answered. Never throws. */
  recordNoAnswer(request: AuthorizedRequest, reason: string): void;
  /** A message of the server is about to be handed on: the record that it has answered comes before those of the message. */
  settle(): void;
}

/** Bounds of a pipe. */
export interface PipeBudgets {
  /** The longest message in bytes. */
  readonly line: number;
  /** Open requests. */
  readonly open: number;
  /** Bytes that wait to be sent; beyond, the pipe is full. */
  readonly waiting: number;
}

/** What a pipe is made of. */
export interface PipeParts {
  readonly server: URL;
  /** Headers of the profile: literals, never secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly http: Pick<RemoteHttp, 'request'>;
  readonly authorizer: Authorizer;
  readonly ledger: CredentialLedger;
  readonly listener: PipeListener;
  readonly clock: Clock;
  readonly log: Log;
  readonly budgets: PipeBudgets;
}

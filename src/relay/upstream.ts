// The server's side of a session as messages: what a session needs of a server, whether it is a process whose
// output is split into lines, or one behind HTTP, where each request has a stream of its own.

import type { Envelope } from '../json/envelope.ts';
import type { BegunLine, Oversize } from '../json/lines.ts';
import type { Ending } from '../os/spawn.ts';
import type { Call } from './call.ts';
import type { HostDialog } from './consent.ts';
import type { Commit } from './flow/outbox.ts';
import type { Listed } from './trust.ts';

/** A message to a server: one JSON text, and what a transport may have to say of it beside. */
export interface Outgoing {
  /** The text is the bytes from `start` to `end`, with `text` in the place of those between `from` and `to`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
  readonly text: string;
  /** Empty for an answer. */
  readonly method: string;
  /** The name of the tool or prompt, or the URI of the resource; empty for other messages. */
  readonly name: string;
  /** The id towards the server, of a request. */
  readonly id: number | undefined;
}

/** A request as it came. */
export interface AskedOf {
  readonly message: Envelope;
  readonly bytes: Buffer;
}

/** What a server's side tells its owner. Every call is one of a guarded turn: see guard.ts. */
export interface UpstreamListener {
  /** One message, as it came: the bytes from `start` to `end`. They stay as they are. */
  message(bytes: Buffer, start: number, end: number): void;
  /** More of a long message is there, which follows all that `message` was called with: see `LineListener`. */
  begun?(line: BegunLine): void;
  dropped?(): void;
  /** A message over the limit, of which only head and tail are known. */
  oversize(line: Oversize): void;
  /** So many bytes have arrived; `begun` are of a message that is not whole yet. */
  taken(bytes: number, begun: number): void;
  /** All messages of what has arrived are delivered. */
  settle(): void;
  /** The server takes messages again. */
  drained(): void;
  /** No more messages will come. */
  closed(): void;
  ended(ending: Ending): void;
  stderr(chunk: Buffer): void;
  /** A request waits for a person, as the text says: its host is told so now and then. `undefined`: it waits no longer. */
  waiting(id: number, text: string | undefined): void;
  /** What the server says of itself, in the result of an `initialize` or `server/discover` that the host does not get. */
  introduced(result: Buffer): void;
}

/** Does nothing with what a server sends. */
export const IGNORE: UpstreamListener = {
  message() {},
  oversize() {},
  taken() {},
  settle() {},
  drained() {},
  closed() {},
  ended() {},
  stderr() {},
  waiting() {},
  introduced() {},
};

/** What a session gives to the server's side that it opens. */
export interface UpstreamParts {
  /** What a server's side tells its owner is told in `run`. */
  readonly guard: { run(turn: () => void): void };
  /** The longest message, in bytes. */
  readonly line: number;
  /** Called by `flush` before anything leaves. It may call `withdraw`. */
  readonly commit: Commit;
}

/** A server that a session may have. */
export interface SessionServer {
  /** Makes the session's side of it. Called once; nothing comes before `listen`. */
  open(parts: UpstreamParts): Upstream;
  /** Ends it, whether it was opened or not. Settles when it is gone; never rejects. */
  stop(): Promise<unknown>;
}

/** One server of a session. */
export interface Upstream {
  /** Starts the flow; called again, hands the server to another owner, who asks `closed` and `ending` for the past. */
  listen(listener: UpstreamListener): void;
  /** Queues a message. `false`: it is taken, but send no more until `drained`. Nothing leaves before `flush`. */
  send(message: Outgoing): boolean;
  /** Takes back a request that is queued, by its id: it is not on record. Called in the order in which they were sent. */
  withdraw(id: number): void;
  /** Writes what is queued. */
  flush(): void;
  /** The server does not keep up: read no more of what goes on to it. */
  readonly full: boolean;
  /** It does not even keep up with the relay's own answers to it. */
  readonly crowded: boolean;
  /** Queues an answer of the relay's own, as JSON text. */
  answer(text: string): void;
  /** Stops and starts the flow of messages and of standard error. */
  pause(paused: boolean): void;
  /** The server sees the end of its input. */
  close(): void;
  /** Ends the server. Settles when it is gone; never rejects. */
  stop(): Promise<Ending>;
  /** No more messages will come. */
  readonly closed: boolean;
  /** How the server ended, if it has. */
  readonly ending: Ending | undefined;
  /** Whether it may call `waiting`. */
  readonly mayWait: boolean;
  /** Whether requests that act may go to it. If not, it is to be prepared first: a person may have to sign in. */
  readonly isReady: boolean;
  /** While it is not ready: whether a request can be answered all the same. Undefined: whatever does not act can be. */
  answers?(call: Pick<Call, 'method' | 'targets' | 'namesTasks'>, asked: AskedOf): boolean;
  /** A tool of Warder's own that its lists may hold: neither policy nor trust judge it. All calls of the name are its own. */
  readonly ownTool: Listed | undefined;
  /**
   * Has the server ready. `waits` is called with what that waits for; `dialog` is that of the host for the request that waits.
   * Settles with why it is not ready, if it is not; never rejects.
   */
  prepare(
    waits: (text: string) => void,
    signal: AbortSignal,
    dialog?: HostDialog,
  ): Promise<string | undefined>;
  /** Where the server is a process of this machine. */
  readonly process: { readonly pid: number } | undefined;
}

// A session's host as the daemon sees it: the launcher's end of a socket, as an endpoint of the relay. Bytes
// pass as the slices in which they came.
//
// Node does not notice that a socket's other side has gone while nobody reads from it. So while the flow from
// the host is held back, an empty DATA frame goes out once a second: writing to the dead fails.
import type { Socket } from 'node:net';
import { WarderError } from '../errors.ts';
import type { Endpoint } from '../relay/endpoint.ts';
import { Frame, type FrameListener, writeFrame, writeJson } from '../wire/frame.ts';
import type { Refusal, ServerIdentity } from '../wire/hello.ts';

/** The host's side of a session. After `exit` or `refuse`, or once the launcher has gone, nothing is written. */
export interface Host extends Endpoint {
  /** Passes on the server's standard error. Returns as `write` does. */
  stderr(chunk: Uint8Array): boolean;
  /** A server runs: tells the launcher which processes to end should the daemon die. Again for each that follows. */
  announceServer(server: ServerIdentity): void;
  /** The session is over: the launcher ends with this code. */
  exit(code: number): void;
  /** There will be no session: the launcher says why, and ends. */
  refuse(error: WarderError): void;
  /** Aborted when the launcher has gone or the daemon stops; also before `listen`. `end` comes as well. */
  readonly gone: AbortSignal;
}

/** Bytes that wait for a session which does not listen yet. Beyond that the flow stops. */
const QUEUE_LIMIT = 1024 * 1024;
/** Between two signs of life while the flow from the host is held back. Milliseconds. */
const KEEPALIVE_INTERVAL = 1000;

/** The host behind a socket. Whoever reads the socket hands it the frames after HELLO. */
export class SocketHost implements Host, FrameListener {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  #listener: { data(chunk: Buffer): void; end(): void } | undefined;
  #queue: Buffer[] = [];
  #queueLength = 0;
  #paused = false;
  /** The host has closed its output, or is taken for gone. */
  #ended = false;
  #endEmitted = false;
  /** EXIT or REFUSE is written. */
  #finished = false;
  #drain: (() => void) | undefined;
  #keepalive: NodeJS.Timeout | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => {
      clearInterval(this.#keepalive);
      this.end();
      // Nothing is written any more, so nothing is full.
      this.#drain?.();
    });
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** EXIT or REFUSE is written. */
  get finished(): boolean {
    return this.#finished;
  }

  bytes(type: number, slice: Buffer): void {
    if (type !== Frame.DATA) throw new WarderError('wire-malformed', `frame of type ${type} from a launcher`);
    if (this.#ended) return;
    this.#queue.push(slice);
    this.#queueLength += slice.length;
    this.#flow();
  }

  frame(type: number): void {
    if (type !== Frame.EOF) throw new WarderError('wire-malformed', `frame of type ${type} from a launcher`);
    this.#ended = true;
    this.#flow();
  }

  /** Takes the host for gone: what waits is dropped, and the session ends. */
  end(): void {
    this.#ended = true;
    this.#queue = [];
    this.#queueLength = 0;
    this.#gone.abort();
    this.#flow();
  }

  listen(on: { data(chunk: Buffer): void; end(): void }): void {
    this.#listener = on;
    this.#flow();
  }

  pause(): void {
    this.#paused = true;
    this.#flow();
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#isClosed() || writeFrame(this.#socket, Frame.DATA, chunks);
  }

  stderr(chunk: Uint8Array): boolean {
    return this.#isClosed() || writeFrame(this.#socket, Frame.STDERR, [chunk]);
  }

  onDrain(listener: () => void): void {
    this.#drain = listener;
    this.#socket.on('drain', listener);
  }

  close(): void {
    if (!this.#isClosed()) writeFrame(this.#socket, Frame.EOF, []);
  }

  announceServer(server: ServerIdentity): void {
    if (!this.#isClosed()) writeJson(this.#socket, Frame.OPEN, server);
  }

  exit(code: number): void {
    this.#finish(Frame.EXIT, { exit: code });
  }

  refuse({ code, message, hint, exit }: WarderError): void {
    const refusal: Refusal = { code, message, exit, ...(hint !== undefined && { hint }) };
    this.#finish(Frame.REFUSE, refusal);
  }

  #finish(type: number, value: object): void {
    if (this.#isClosed()) return;
    writeJson(this.#socket, type, value);
    this.#finished = true;
    // Half-closed only: the launcher may still be busy with what was written, and closes when it is done.
    this.#socket.end();
    this.#ended = true;
    this.#queue = [];
    this.#queueLength = 0;
    this.#flow();
  }

  #isClosed(): boolean {
    return this.#finished || this.#socket.destroyed;
  }

  /** Hands on what may be handed on, and lets the socket flow or stand. */
  #flow(): void {
    while (this.#listener !== undefined && !this.#paused) {
      const slice = this.#queue.shift();
      if (slice === undefined) break;
      this.#queueLength -= slice.length;
      this.#listener.data(slice);
    }
    if (this.#ended && !this.#endEmitted && this.#queue.length === 0 && this.#listener !== undefined) {
      this.#endEmitted = true;
      this.#listener.end();
    }
    const held = !this.#ended && (this.#paused || this.#queueLength > QUEUE_LIMIT);
    if (!held) {
      if (this.#socket.isPaused()) this.#socket.resume();
      return;
    }
    this.#socket.pause();
    this.#keepalive ??= setInterval(() => {
      if (this.#socket.isPaused() && this.#socket.writableLength === 0) this.write([]);
    }, KEEPALIVE_INTERVAL).unref();
  }
}

// A session's host as the daemon sees it: the launcher's socket as an endpoint of the relay. Bytes pass in the
// slices in which they arrived.
//
// While nobody reads from a socket, Node does not notice that its other side has gone. So while the flow from the
// host is paused, an empty DATA frame is sent once a second: the write fails if the launcher is gone.
import type { Socket } from 'node:net';
import { WarderError } from '../errors.ts';
import type { Endpoint } from '../relay/endpoint.ts';
import { Frame, type FrameListener, writeFrame, writeJson } from '../wire/frame.ts';
import type { Refusal, ServerIdentity } from '../wire/hello.ts';

/** The host's side of a session. Nothing is written after `exit` or `refuse`, or once the launcher has gone. */
export interface Host extends Endpoint {
  /** Passes on the server's standard error. Returns what `write` returns. */
  stderr(chunk: Uint8Array): boolean;
  /** Tells the launcher which processes to end if the daemon dies. Called for each server of the session. */
  announceServer(server: ServerIdentity): void;
  /** Ends the session: the launcher exits with this code. */
  exit(code: number): void;
  /** Ends the session as if the host had gone; the launcher is told why. */
  end(reason: WarderError): void;
  /** Refuses the session: the launcher prints the error and exits. */
  refuse(error: WarderError): void;
  /**
   * The first line of what the host sends, without its end, before `listen`: it stays to be listened to. Undefined: the host has
   * ended or gone before it was whole, or it is longer than so many bytes.
   */
  firstLine(most: number): Promise<Buffer | undefined>;
  /**
   * Aborted when the launcher has gone or the session is to end, also before `listen`; `end` is called as well. The
   * signal's reason is a `WarderError` where the launcher is still there to be told.
   */
  readonly gone: AbortSignal;
}

const LINE_FEED = 0x0a;
/** How many bytes may wait for a session that does not listen yet. Beyond that the flow is paused. */
const QUEUE_LIMIT = 1024 * 1024;
/** What a slice that waits costs beside its bytes. */
const SLICE_COST = 256;
/** The time between two empty frames while the flow from the host is paused, in milliseconds. */
const KEEPALIVE_INTERVAL = 1000;

/** The host behind a socket. The reader of the socket passes it the frames after HELLO. */
export class SocketHost implements Host, FrameListener {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  #listener: { data(chunk: Buffer): void; end(): void } | undefined;
  #queue: Buffer[] = [];
  #queueLength = 0;
  /** Called when more has come, or nothing more will. */
  #onBytes: () => void = () => {};
  #paused = false;
  /** The host has closed its output, or counts as gone. */
  #ended = false;
  #endEmitted = false;
  /** EXIT or REFUSE has been written. */
  #finished = false;
  #drain: (() => void) | undefined;
  #keepalive: NodeJS.Timeout | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => {
      clearInterval(this.#keepalive);
      this.end();
      // Nothing is written any more, so a writer that waits may go on.
      this.#drain?.();
    });
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether a session has taken the host's bytes. */
  get listening(): boolean {
    return this.#listener !== undefined;
  }

  /** Whether EXIT or REFUSE has been written. */
  get finished(): boolean {
    return this.#finished;
  }

  bytes(type: number, slice: Buffer): void {
    if (type !== Frame.DATA) throw new WarderError('wire-malformed', `frame of type ${type} from a launcher`);
    if (this.#ended || slice.length === 0) return;
    this.#queue.push(slice);
    this.#queueLength += slice.length + SLICE_COST;
    this.#onBytes();
    this.#flow();
  }

  frame(type: number): void {
    if (type !== Frame.EOF) throw new WarderError('wire-malformed', `frame of type ${type} from a launcher`);
    this.#ended = true;
    this.#onBytes();
    this.#flow();
  }

  /** Treats the host as gone: drops what waits, and ends the session. `reason`: what the launcher is to be told. */
  end(reason?: WarderError): void {
    this.#ended = true;
    this.#queue = [];
    this.#queueLength = 0;
    this.#gone.abort(reason);
    this.#onBytes();
    this.#flow();
  }

  firstLine(most: number): Promise<Buffer | undefined> {
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    let searched = 0;
    let before = 0;
    this.#onBytes = () => {
      for (; searched < this.#queue.length && before <= most; searched++) {
        const slice = this.#queue[searched] as Buffer;
        const at = slice.indexOf(LINE_FEED);
        if (at !== -1) {
          resolve(Buffer.concat(this.#queue.slice(0, searched + 1)).subarray(0, before + at));
          return;
        }
        before += slice.length;
      }
      if (this.#ended || before > most) resolve(undefined);
    };
    this.#onBytes();
    return promise.finally(() => {
      this.#onBytes = () => {};
    });
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
    // Half-closed only: the launcher may still be reading what was written, and closes when it is done.
    this.#socket.end();
    this.#ended = true;
    this.#queue = [];
    this.#queueLength = 0;
    this.#flow();
  }

  #isClosed(): boolean {
    return this.#finished || this.#socket.destroyed;
  }

  /** Passes on what may be passed on, and pauses or resumes the socket. */
  #flow(): void {
    while (this.#listener !== undefined && !this.#paused) {
      const slice = this.#queue.shift();
      if (slice === undefined) break;
      this.#queueLength -= slice.length + SLICE_COST;
      this.#listener.data(slice);
    }
    if (this.#ended && !this.#endEmitted && this.#queue.length === 0 && this.#listener !== undefined) {
      this.#endEmitted = true;
      this.#listener.end();
    }
    const blocked = !this.#ended && (this.#paused || this.#queueLength > QUEUE_LIMIT);
    if (!blocked) {
      if (this.#socket.isPaused()) this.#socket.resume();
      return;
    }
    this.#socket.pause();
    this.#keepalive ??= setInterval(() => {
      if (this.#socket.isPaused() && this.#socket.writableLength === 0) this.write([]);
    }, KEEPALIVE_INTERVAL).unref();
  }
}

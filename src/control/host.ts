// A session's host as the daemon sees it: as an endpoint of the relay. Its bytes come by the launcher's socket, as DATA frames,
// or, where the launcher has handed over the host's descriptors, from the host itself. They pass in the slices in which they
// arrived. The launcher's socket stays the session's life line: who is killed closes it, and the last frame on it is the end.
//
// While nobody reads from a socket, Node does not notice that its other side has gone. So while the flow from the
// launcher is paused, an empty DATA frame is sent once a second: the write fails if the launcher is gone. Where the flow is the
// host's own, the launcher's socket is never paused, and the launcher watches the host.
import type { Socket } from 'node:net';
import { WarderError } from '../errors.ts';
import type { HostStreams } from '../os/host-streams.ts';
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
   * ended or gone before it was whole, or it is longer than so many bytes. `nothing`: it has ended without a byte.
   */
  firstLine(most: number): Promise<Buffer | 'nothing' | undefined>;
  /**
   * Aborted when the launcher has gone or the session is to end, also before `listen`; `end` is called as well. The
   * signal's reason is a `WarderError` where the launcher is still there to be told.
   */
  readonly gone: AbortSignal;
}

const LINE_FEED = 0x0a;
/** How many bytes may wait for a session that does not listen yet. Beyond that the flow is paused. */
const QUEUE_LIMIT = 1024 * 1024;
/** How much of what the host sends is kept until it gets something, in bytes. */
const UNANSWERED_LIMIT = 1024 * 1024;
/** What a slice that waits costs beside its bytes. */
const SLICE_COST = 256;
/** The time between two empty frames while the flow from the host is paused, in milliseconds. */
const KEEPALIVE_INTERVAL = 1000;

/** The exit code, as in shells, of a program that wrote to a pipe that nobody reads (128 + SIGPIPE). */
const BROKEN_PIPE = 141;

/** The host behind a socket. The reader of the socket passes it the frames after HELLO. */
export class SocketHost implements Host, FrameListener {
  readonly #socket: Socket;
  /** The host's own, where they were handed over. */
  readonly #streams: HostStreams | undefined;
  readonly #gone = new AbortController();
  #listener: { data(chunk: Buffer): void; end(): void } | undefined;
  #queue: Buffer[] = [];
  #queueLength = 0;
  /** What the host has sent, while it has got nothing. The launcher keeps it of what it passes on. */
  #unanswered: Buffer[] | undefined;
  #unansweredLength = 0;
  /** Called when more has come, or nothing more will. */
  #onBytes: () => void = () => {};
  #paused = false;
  /** The host has closed its output, or counts as gone. */
  #ended = false;
  #endEmitted = false;
  /** EXIT or REFUSE has been written, or will be once the host has read all that was written. */
  #finished = false;
  #sent: Promise<void> = Promise.resolve();
  #broken = false;
  #closed = false;
  #drain: (() => void) | undefined;
  #keepalive: NodeJS.Timeout | undefined;

  constructor(socket: Socket, streams?: HostStreams) {
    this.#socket = socket;
    this.#streams = streams;
    this.#unanswered = streams && [];
    streams?.listen({
      data: (chunk) => this.#hear(chunk),
      end: () => this.#endInput(),
      drain: () => this.#drained(),
      broken: () => this.#lost(),
    });
    socket.once('close', () => {
      this.#closed = true;
      clearInterval(this.#keepalive);
      streams?.destroy();
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

  /** Whether the session has ended for the host. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Settles when EXIT or REFUSE has been written, or never will be. */
  get sent(): Promise<void> {
    return this.#sent;
  }

  bytes(type: number, slice: Buffer): void {
    if (type !== Frame.DATA || this.#streams !== undefined)
      throw new WarderError('wire-malformed', `frame of type ${type} from a launcher`);
    if (slice.length > 0) this.#take(slice);
  }

  frame(type: number): void {
    if (type !== Frame.EOF) throw new WarderError('wire-malformed', `frame of type ${type} from a launcher`);
    this.#endInput();
  }

  /** Takes bytes of the host's own stream. As with those in a frame, a fault ends this connection, and no other. */
  #hear(chunk: Buffer): void {
    try {
      this.#keep(chunk);
      this.#take(chunk);
    } catch (error) {
      this.#socket.destroy(error as Error);
    }
  }

  /** Keeps what is not answered yet. What lies behind the slice before becomes one with it: a host may write bytes one by one. */
  #keep(slice: Buffer): void {
    const kept = this.#unanswered;
    if (kept === undefined || this.#ended) return;
    const last = kept.at(-1);
    if (last?.buffer === slice.buffer && last.byteOffset + last.length === slice.byteOffset)
      kept[kept.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + slice.length);
    else kept.push(slice);
    this.#unansweredLength += slice.length;
    if (this.#unansweredLength > UNANSWERED_LIMIT) this.#unanswered = undefined;
  }

  #take(slice: Buffer): void {
    if (this.#ended) return;
    if (this.#queue.length === 0 && this.#listener !== undefined && !this.#paused) {
      this.#listener.data(slice);
      return;
    }
    this.#queue.push(slice);
    this.#queueLength += slice.length + SLICE_COST;
    this.#onBytes();
    this.#flow();
  }

  /** The host says no more, or is not heard any more. */
  #endInput(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#streams?.close();
    this.#onBytes();
    this.#flow();
  }

  /** Treats the host as gone: drops what waits, and ends the session. `reason`: what the launcher is to be told. */
  end(reason?: WarderError): void {
    this.#ended = true;
    this.#queue = [];
    this.#queueLength = 0;
    this.#streams?.close();
    this.#gone.abort(reason);
    this.#onBytes();
    this.#flow();
  }

  firstLine(most: number): Promise<Buffer | 'nothing' | undefined> {
    const { promise, resolve } = Promise.withResolvers<Buffer | 'nothing' | undefined>();
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
      if (this.#ended || before > most)
        resolve(before === 0 && !this.#gone.signal.aborted ? 'nothing' : undefined);
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

  /**
   * Whether the host has got nothing yet, and all that it has sent is listened to once more, by whoever answers it in place of a
   * session. Otherwise the launcher does.
   */
  rewind(): boolean {
    if (this.#unanswered === undefined || this.#isClosed()) return false;
    this.#listener = undefined;
    this.#endEmitted = false;
    this.#paused = false;
    this.#queue = this.#unanswered;
    this.#queueLength = this.#queue.reduce((sum, { length }) => sum + length + SLICE_COST, 0);
    this.#unanswered = undefined;
    return true;
  }

  pause(): void {
    this.#paused = true;
    this.#flow();
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  write(chunks: readonly Uint8Array[], done?: () => void): boolean {
    if (this.#isOver()) return true;
    if (this.#unanswered !== undefined && chunks.some(({ length }) => length > 0))
      this.#unanswered = undefined;
    if (this.#socket.destroyed) return false;
    return this.#streams?.write(chunks, done) ?? writeFrame(this.#socket, Frame.DATA, chunks);
  }

  stderr(chunk: Uint8Array): boolean {
    if (this.#isOver()) return true;
    return !this.#socket.destroyed && writeFrame(this.#socket, Frame.STDERR, [chunk]);
  }

  /** Nobody reads any more, and whoever writes knows. Until then what is written to who has gone waits for `onDrain`. */
  #isOver(): boolean {
    return this.#finished || this.#closed;
  }

  onDrain(listener: () => void): void {
    this.#drain = listener;
    this.#socket.on('drain', () => this.#drained());
  }

  /** One of the ways to the host has emptied. */
  #drained(): void {
    const isFull = this.#streams?.isFull === true || this.#socket.writableNeedDrain;
    if (!isFull && !this.#socket.destroyed) this.#drain?.();
  }

  /** The host does not read any more: the launcher ends as a program does that writes to a pipe without a reader. */
  #lost(): void {
    this.#broken = true;
    this.exit(BROKEN_PIPE);
    this.end();
    this.#drain?.();
  }

  close(): void {
    if (!this.#isClosed() && this.#streams === undefined) writeFrame(this.#socket, Frame.EOF, []);
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
    this.#finished = true;
    this.#sent = this.#send(type, value);
    this.#ended = true;
    this.#queue = [];
    this.#queueLength = 0;
    this.#streams?.close();
    this.#flow();
  }

  /** Writes the last frame, once the host has read what it was written: the launcher then ends. */
  async #send(type: number, value: object): Promise<void> {
    if (this.#streams !== undefined) {
      await this.#streams.finish();
      if (this.#socket.destroyed) return;
    }
    if (this.#broken) writeJson(this.#socket, Frame.EXIT, { exit: BROKEN_PIPE });
    else writeJson(this.#socket, type, value);
    // Half-closed only: the launcher may still be reading what was written, and closes when it is done.
    this.#socket.end();
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
    if (this.#streams !== undefined) {
      if (blocked) this.#streams.pause();
      else if (!this.#ended) this.#streams.resume();
      return;
    }
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

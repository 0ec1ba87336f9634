// One of a child's output pipes. Once a child has ended, Node discards what nobody has read, whether the pipe is
// paused or not. This class buffers it until it is read, so that a server's last output is never lost and a pause
// stays in force.
import type { Readable } from 'node:stream';
import { ReadBlocks } from '../os/read-blocks.ts';
import type { Reader } from '../os/spawn.ts';

/** Once no writer should be left: how long a pipe may stay silent (milliseconds), and how many bytes may still come. */
const DRAIN_SILENCE = 200;
const DRAIN_LIMIT = 16 * 2 ** 20;

/** Who listens to a pipe. */
export interface OutputListener {
  data(chunk: Buffer): void;
  end(): void;
  /** Where the next bytes are to be read to, if not anywhere: see `Endpoint`. */
  room?(): Buffer | undefined;
}

/** A pipe's bytes in order, buffered until somebody listens and while the pipe is paused. */
export class Output implements Reader {
  #stream: Readable | undefined;
  #blocks: ReadBlocks | undefined;
  #on: OutputListener | undefined;
  #hasSaidEnd = false;
  readonly #buffered: Buffer[] = [];
  #paused = false;
  #ended = false;
  #remaining = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly #first = Promise.withResolvers<void>();
  #hasCome = false;

  /** Settles once something has come, or nothing will. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  /** To be called at once when the pipe is there. `isRead`: it brings no `data`, as this is its reader. */
  open(stream: Readable, isRead: boolean): void {
    this.#stream = stream;
    if (!isRead) stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    for (const event of ['end', 'error', 'close']) stream.on(event, () => this.#finish());
    stream.pause();
  }

  room(): Buffer {
    // What waits comes first: only then is the next what follows it. In a pause it is too, whenever it is read.
    const room = this.#buffered.length === 0 ? this.#on?.room?.() : undefined;
    if (room !== undefined) return room;
    this.#blocks ??= new ReadBlocks();
    return this.#blocks.room();
  }

  take(length: number, room: Buffer): void {
    this.#receive(this.#blocks?.took(length, room) ?? room.subarray(0, length));
  }

  /** Starts the flow. `end` comes once, after the last `data`. */
  listen(on: OutputListener): void {
    this.#on = on;
    this.#flow();
  }

  /**
   * Adds bytes as if the pipe had brought them, to one without a reader: what is read to `room` would not follow them. After its end
   * they still reach whoever listens.
   */
  append(bytes: Buffer): void {
    if (this.#flowing && this.#buffered.length === 0) this.#on?.data(bytes);
    else this.#buffered.push(bytes);
  }

  pause(): void {
    this.#paused = true;
    if (this.#timer === undefined) this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  /**
   * For when no writer should be left: reads what is in the pipe, which is no more than the system buffers, and
   * closes it, even if another process keeps it open.
   */
  drain(): void {
    if (this.#ended) return;
    this.#remaining = DRAIN_LIMIT;
    this.#timer = setTimeout(() => this.#stream?.destroy(), DRAIN_SILENCE);
    this.#stream?.resume();
  }

  get #flowing(): boolean {
    return this.#on !== undefined && !this.#paused;
  }

  #receive(chunk: Buffer): void {
    if (!this.#hasCome) this.#come();
    if (this.#flowing && this.#buffered.length === 0) {
      this.#on?.data(chunk);
    } else {
      this.#buffered.push(chunk);
      if (this.#timer === undefined) this.#stream?.pause();
    }
    this.#remaining -= chunk.length;
    if (this.#remaining < 0) this.#stream?.destroy();
    this.#timer?.refresh();
  }

  #flow(): void {
    while (this.#flowing && this.#buffered.length > 0)
      this.#on?.data(this.#buffered.shift() ?? Buffer.alloc(0));
    if (!this.#flowing) return;
    if (this.#ended) this.#emitEnd();
    else this.#stream?.resume();
  }

  #come(): void {
    this.#hasCome = true;
    this.#first.resolve();
  }

  #finish(): void {
    this.#come();
    clearTimeout(this.#timer);
    this.#ended = true;
    if (this.#flowing && this.#buffered.length === 0) this.#emitEnd();
  }

  #emitEnd(): void {
    if (this.#hasSaidEnd) return;
    this.#hasSaidEnd = true;
    this.#on?.end();
  }
}

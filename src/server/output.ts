// One of a child's output pipes. Node lets go of what nobody reads once a child has ended, paused or not;
// this keeps it until it is asked for, so that a server's last words are never lost and a pause holds.
import type { Readable } from 'node:stream';

/** How long a pipe may stay silent, and how much may still come, once nobody is left to write to it. */
const DRAIN_SILENCE = 200;
const DRAIN_LIMIT = 16 * 2 ** 20;

/** A pipe's bytes in order, held back until somebody listens and while paused. */
export class Output {
  readonly #stream: Readable;
  #onData: ((chunk: Buffer) => void) | undefined;
  #onEnd = (): void => {};
  readonly #buffered: Buffer[] = [];
  #paused = false;
  #ended = false;
  #remaining = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    for (const event of ['end', 'error', 'close']) stream.on(event, () => this.#finish());
    stream.pause();
  }

  /** Starts the flow. `end` comes once, after the last `data`. */
  listen(data: (chunk: Buffer) => void, end: () => void): void {
    this.#onData = data;
    this.#onEnd = end;
    this.#flow();
  }

  pause(): void {
    this.#paused = true;
    if (this.#timer === undefined) this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  /**
   * Nobody should be left who writes: takes up what lies in the pipe, which is no more than the system
   * buffers, and closes it, whoever else may hold it open.
   */
  drain(): void {
    if (this.#ended) return;
    this.#remaining = DRAIN_LIMIT;
    this.#timer = setTimeout(() => this.#stream.destroy(), DRAIN_SILENCE);
    this.#stream.resume();
  }

  get #flowing(): boolean {
    return this.#onData !== undefined && !this.#paused;
  }

  #receive(chunk: Buffer): void {
    if (this.#flowing && this.#buffered.length === 0) {
      this.#onData?.(chunk);
    } else {
      this.#buffered.push(chunk);
      if (this.#timer === undefined) this.#stream.pause();
    }
    this.#remaining -= chunk.length;
    if (this.#remaining < 0) this.#stream.destroy();
    this.#timer?.refresh();
  }

  #flow(): void {
    while (this.#flowing && this.#buffered.length > 0)
      this.#onData?.(this.#buffered.shift() ?? Buffer.alloc(0));
    if (!this.#flowing) return;
    if (this.#ended) this.#emitEnd();
    else this.#stream.resume();
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#ended = true;
    if (this.#flowing && this.#buffered.length === 0) this.#emitEnd();
  }

  #emitEnd(): void {
    const end = this.#onEnd;
    this.#onEnd = () => {};
    end();
  }
}

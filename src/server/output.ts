// One of a child's output pipes. Once a child has ended, Node discards what nobody has read, whether the pipe is
// paused or not. This class buffers it until it is read, so that a server's last output is never lost and a pause
// stays in force.
import type { Readable } from 'node:stream';

/** Once no writer should be left: how long a pipe may stay silent (milliseconds), and how many bytes may still come. */
const DRAIN_SILENCE = 200;
const DRAIN_LIMIT = 16 * 2 ** 20;

/** A pipe's bytes in order, buffered until somebody listens and while the pipe is paused. */
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

  /** Adds bytes as if the pipe had brought them. After its end they still reach whoever listens. */
  append(bytes: Buffer): void {
    if (this.#flowing && this.#buffered.length === 0) this.#onData?.(bytes);
    else this.#buffered.push(bytes);
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
   * For when no writer should be left: reads what is in the pipe, which is no more than the system buffers, and
   * closes it, even if another process keeps it open.
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

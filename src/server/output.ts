// One of a child's output pipes. Node lets go of what nobody reads once a child has ended, paused or not;
// this keeps it until it is asked for, so that a server's last words are never lost and a pause holds.
import type { Readable } from 'node:stream';

/** How long a pipe may stay silent, and how much may still come, once nobody is left to write to it. */
const SILENCE = 200;
const REST = 16 * 2 ** 20;

/** A pipe's bytes in order, held back until somebody listens and while paused. */
export class Output {
  readonly #stream: Readable;
  #data: ((chunk: Buffer) => void) | undefined;
  #end = (): void => {};
  readonly #held: Buffer[] = [];
  #paused = false;
  #over = false;
  #rest = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    for (const event of ['end', 'error', 'close']) stream.on(event, () => this.#finish());
    stream.pause();
  }

  /** Starts the flow. `end` comes once, after the last `data`. */
  listen(data: (chunk: Buffer) => void, end: () => void): void {
    this.#data = data;
    this.#end = end;
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
  finish(): void {
    if (this.#over) return;
    this.#rest = REST;
    this.#timer = setTimeout(() => this.#stream.destroy(), SILENCE);
    this.#stream.resume();
  }

  get #flowing(): boolean {
    return this.#data !== undefined && !this.#paused;
  }

  #take(chunk: Buffer): void {
    if (this.#flowing && this.#held.length === 0) {
      this.#data?.(chunk);
    } else {
      this.#held.push(chunk);
      if (this.#timer === undefined) this.#stream.pause();
    }
    this.#rest -= chunk.length;
    if (this.#rest < 0) this.#stream.destroy();
    this.#timer?.refresh();
  }

  #flow(): void {
    while (this.#flowing && this.#held.length > 0) this.#data?.(this.#held.shift() ?? Buffer.alloc(0));
    if (!this.#flowing) return;
    if (this.#over) this.#tell();
    else this.#stream.resume();
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#over = true;
    if (this.#flowing && this.#held.length === 0) this.#tell();
  }

  #tell(): void {
    const end = this.#end;
    this.#end = () => {};
    end();
  }
}

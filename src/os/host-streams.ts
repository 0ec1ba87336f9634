// A host's standard input and output as the daemon has them. What is read is passed on where it lies: see read-blocks.ts.
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { HostDescriptors } from './descriptor-inbox.ts';
import { DirectWrites, writeTogether } from './direct-writes.ts';
import { ReadBlocks } from './read-blocks.ts';

/** What happens to them. */
export interface StreamListener {
  /** Bytes, which are the listener's to keep: for as long as it keeps them, their block is kept. */
  data(chunk: Buffer): void;
  /** The host says no more. */
  end(): void;
  /** What was written has been read, after `write` has returned `false`. */
  drain(): void;
  /** Nobody reads any more. */
  broken(): void;
}

/** Nobody listens yet. */
const NOBODY: StreamListener = { data() {}, end() {}, drain() {}, broken() {} };

/** The two streams of one host. An error of either is told as `broken`; none is thrown. */
export class HostStreams {
  readonly #input: Socket;
  readonly #output: Socket;
  readonly #direct: DirectWrites;
  #on = NOBODY;
  readonly #blocks = new ReadBlocks();

  /** Opens both. Undefined, with both closed, where Node cannot. Bytes come in a later turn: `listen` is called before. */
  static open(descriptors: HostDescriptors): HostStreams | undefined {
    const opened: Socket[] = [];
    try {
      return new HostStreams(descriptors, opened);
    } catch {
      for (const socket of opened) socket.destroy();
      const left = [descriptors.input, descriptors.output].slice(opened.length);
      for (const descriptor of left) closeSync(descriptor);
      return undefined;
    }
  }

  private constructor({ input, output }: HostDescriptors, opened: Socket[]) {
    const open = (options: ConstructorParameters<typeof Socket>[0]): Socket => {
      const socket = new Socket(options);
      opened.push(socket);
      return socket;
    };
    this.#input = open({
      fd: input,
      readable: true,
      writable: false,
      onread: {
        buffer: () => this.#blocks.room(),
        callback: (length, room) => this.#take(length, room as Buffer),
      },
    });
    this.#output = open({ fd: output, readable: false, writable: true });
    this.#direct = new DirectWrites(this.#output, output);
    // Reset by a host that has gone: there is no more, either.
    this.#input.on('error', () => {}).once('close', () => this.#on.end());
    this.#output.on('drain', () => this.#on.drain());
    this.#output.on('error', () => this.#on.broken());
  }

  listen(on: StreamListener): void {
    this.#on = on;
    this.#input.resume();
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    if (this.#input.isPaused()) this.#input.resume();
  }

  /** Reads no more. */
  close(): void {
    this.#input.destroy();
  }

  /**
   * Writes all of it at once. Returns `false` where no more should be written until `drain`, or `broken`. `done` is called when
   * all of it is written.
   */
  write(chunks: readonly Uint8Array[], done?: () => void): boolean {
    if (this.#output.destroyed) return false;
    const rest = done === undefined ? this.#direct.write(chunks) : chunks;
    return rest === undefined || writeTogether(this.#output, rest, done);
  }

  /** Whether `drain` is still to come. */
  get isFull(): boolean {
    return this.#output.writableNeedDrain;
  }

  /** Settles when all that was written has been read, or never will be. Nothing is written after. */
  async finish(): Promise<void> {
    if (this.#output.destroyed) return;
    const closed = new Promise<void>((resolve) => this.#output.once('close', () => resolve()));
    this.#output.end();
    await closed;
  }

  destroy(): void {
    this.#input.destroy();
    this.#output.destroy();
  }

  #take(length: number, room: Buffer): boolean {
    this.#on.data(this.#blocks.took(length, room));
    return true;
  }
}

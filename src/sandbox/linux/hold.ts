// The native program (src/native/hold.c) in the start of a sandbox: it enters control groups by itself, and inside the sandbox
// it stands in the server's place until all that confines it has been measured. Where there is none, the daemon moves the
// process, and the server is measured when it runs.
import { Socket } from 'node:net';

/** A native program: its descriptor in this process. What is started has it by another number, as `program` below. */
export interface NativeProgram {
  readonly descriptor: number;
}

/** The words that enter control groups by writing to these files, and then run the words that follow. */
export function enterCommand(program: string, files: readonly string[]): string[] {
  return [`/proc/self/fd/${program}`, '--warder-enter', String(files.length), ...files];
}

/** The words that wait in the sandbox, and then run the words that follow; without any, the program that comes (`Hold.release`). */
export function holdCommand(program: string, channel: string): string[] {
  return [`/proc/self/fd/${program}`, '--warder-hold', program, channel];
}

/** A server whose first instruction waits. */
export class Hold {
  readonly #channel: Socket;
  readonly #arrival = Promise.withResolvers<boolean>();

  /** `channel`: this side of the channel. */
  constructor(channel: unknown) {
    if (!(channel instanceof Socket)) throw new TypeError('no channel for a program that waits');
    this.#channel = channel;
    channel.once('data', () => this.#arrival.resolve(true));
    for (const event of ['end', 'error', 'close']) channel.on(event, () => this.#arrival.resolve(false));
  }

  /** Settles when the program waits in the sandbox; with false if it has ended before, or after `timeout` milliseconds. */
  async arrived(timeout: number): Promise<boolean> {
    const timer = setTimeout(() => this.#arrival.resolve(false), timeout);
    try {
      return await this.#arrival.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets the server run. `program`: what it is, where that was not known when its sandbox was made. */
  release(program?: HeldProgram): void {
    this.#channel.end(
      program === undefined ? '1' : Buffer.concat([Buffer.from('1'), encodeProgram(program)]),
    );
  }
}

/** A server whose sandbox was there before it. */
export interface HeldProgram {
  readonly folder: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** More bytes than that no program is given so. */
export const MAX_PROGRAM: number = 2 ** 20;

/** A program as hold.c reads it. */
export function encodeProgram({ folder, words, env }: HeldProgram): Buffer {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const texts = Buffer.from([folder, ...words, ...variables].map((text) => `${text}\0`).join(''));
  const head = Buffer.alloc(8);
  head.writeUInt32LE(texts.length, 0);
  head.writeUInt32LE(words.length, 4);
  return Buffer.concat([head, texts]);
}

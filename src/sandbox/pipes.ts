// The pipes between the daemon and the program that makes a sandbox.
import { Readable, Writable } from 'node:stream';
import type { Descriptor, Launch, SpawnedProcess } from './launch.ts';
import { Hold } from './linux/hold.ts';

/** Writes the launch's data to its descriptors. */
export function writeData(launch: Launch, spawned: SpawnedProcess): void {
  for (const [at, descriptor] of launch.descriptors.entries()) {
    if (descriptor.kind === 'data') writable(spawned, at).end(descriptor.data);
  }
}

/** This side of the channel of a launch's hold; undefined if it has none. */
export function holdOf(launch: Launch, spawned: SpawnedProcess): Hold | undefined {
  const at = indexOf(launch, 'hold');
  return at === -1 ? undefined : new Hold(spawned.stdio[at + 3]);
}

/** Lets the program continue that waits at the `block` descriptor. */
export function unblock(launch: Launch, spawned: SpawnedProcess): void {
  writable(spawned, indexOf(launch, 'block')).end('\n');
}

/** Collects what a launch reports. */
export class ReportReader {
  #text = '';
  readonly #line = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<void>();

  constructor(launch: Launch, spawned: SpawnedProcess) {
    const report = spawned.stdio[indexOf(launch, 'report') + 3];
    if (!(report instanceof Readable)) throw new TypeError('no pipe for the report');
    report.setEncoding('latin1');
    // Always read to the end: a full pipe would block its writer.
    report.on('data', (piece: string) => {
      this.#text += piece;
      if (this.#text.includes('\n')) this.#line.resolve();
    });
    for (const event of ['end', 'error', 'close']) report.on(event, () => this.#end.resolve());
  }

  /** Resolves with the text so far once there is a whole line, or at the end, or after `timeout` milliseconds. */
  async firstLine(timeout: number): Promise<string> {
    return this.#after(timeout, this.#line.promise);
  }

  /** Resolves with the text so far at the end, or after `timeout` milliseconds. */
  async readAll(timeout: number): Promise<string> {
    return this.#after(timeout);
  }

  async #after(timeout: number, ...events: Promise<void>[]): Promise<string> {
    const expired = Promise.withResolvers<void>();
    const timer = setTimeout(expired.resolve, timeout);
    await Promise.race([...events, this.#end.promise, expired.promise]);
    clearTimeout(timer);
    return this.#text;
  }
}

function writable(spawned: SpawnedProcess, at: number): Writable {
  const pipe = spawned.stdio[at + 3];
  if (!(pipe instanceof Writable)) throw new TypeError('no pipe for a descriptor');
  // The reader may end before it has read everything.
  pipe.on('error', () => {});
  return pipe;
}

function indexOf(launch: Launch, kind: Descriptor['kind']): number {
  return launch.descriptors.findIndex(({ kind: found }) => found === kind);
}

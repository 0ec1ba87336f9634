// The pipes between the daemon and what makes a sandbox, as Node hands them to whoever started it.
import { Readable, Writable } from 'node:stream';
import type { Descriptor, Launch, SpawnedProcess } from './launch.ts';

/** Writes to each descriptor what the launch has for it. */
export function writeData(launch: Launch, spawned: SpawnedProcess): void {
  for (const [at, descriptor] of launch.descriptors.entries()) {
    if (descriptor.kind === 'data') writable(spawned, at).end(descriptor.data);
  }
}

/** Lets what waits at the gate go on. */
export function unblock(launch: Launch, spawned: SpawnedProcess): void {
  writable(spawned, indexOf(launch, 'block')).end('\n');
}

/** What a launch reports, as it comes. */
export class ReportReader {
  #text = '';
  readonly #line = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<void>();

  constructor(launch: Launch, spawned: SpawnedProcess) {
    const report = spawned.stdio[indexOf(launch, 'report') + 3];
    if (!(report instanceof Readable)) throw new TypeError('no pipe for the report');
    report.setEncoding('latin1');
    // Read on to the end: a pipe that is left full would hold its writer up.
    report.on('data', (piece: string) => {
      this.#text += piece;
      if (this.#text.includes('\n')) this.#line.resolve();
    });
    for (const event of ['end', 'error', 'close']) report.on(event, () => this.#end.resolve());
  }

  /** What has come once there is a line, or the end, or so many milliseconds have gone. */
  async firstLine(patience: number): Promise<string> {
    return this.#after(patience, this.#line.promise);
  }

  /** What has come by the end, or when so many milliseconds have gone. */
  async readAll(patience: number): Promise<string> {
    return this.#after(patience);
  }

  async #after(patience: number, ...enough: Promise<void>[]): Promise<string> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, patience);
    await Promise.race([...enough, this.#end.promise, late.promise]);
    clearTimeout(timer);
    return this.#text;
  }
}

function writable(spawned: SpawnedProcess, at: number): Writable {
  const pipe = spawned.stdio[at + 3];
  if (!(pipe instanceof Writable)) throw new TypeError('no pipe for a descriptor');
  // Whoever reads it may end before it has read all.
  pipe.on('error', () => {});
  return pipe;
}

function indexOf(launch: Launch, kind: Descriptor['kind']): number {
  return launch.descriptors.findIndex((one) => one.kind === kind);
}

// The pipes between the daemon and what makes a sandbox, as Node hands them to whoever started it.
import { Readable, Writable } from 'node:stream';
import type { Descriptor, Launch, Spawned } from './launch.ts';

/** Writes to each descriptor what the launch has for it. */
export function feed(launch: Launch, spawned: Spawned): void {
  for (const [at, descriptor] of launch.descriptors.entries()) {
    if (descriptor.kind === 'data') writable(spawned, at).end(descriptor.data);
  }
}

/** Lets what waits at the gate go on. */
export function openGate(launch: Launch, spawned: Spawned): void {
  writable(spawned, indexOf(launch, 'gate')).end('\n');
}

/** The first line of the report, or what there is of it after so many milliseconds or at its end. */
export async function firstLine(launch: Launch, spawned: Spawned, patience: number): Promise<string> {
  return read(launch, spawned, patience, (text) => text.includes('\n'));
}

/** The whole report, or what there is of it after so many milliseconds. */
export async function whole(launch: Launch, spawned: Spawned, patience: number): Promise<string> {
  return read(launch, spawned, patience, () => false);
}

async function read(
  launch: Launch,
  spawned: Spawned,
  patience: number,
  enough: (text: string) => boolean,
): Promise<string> {
  const report = spawned.stdio[indexOf(launch, 'report') + 3];
  if (!(report instanceof Readable)) throw new TypeError('no pipe for the report');
  const told = Promise.withResolvers<void>();
  const timer = setTimeout(told.resolve, patience);
  let text = '';
  report.setEncoding('latin1');
  // Read on to the end: a pipe that is left full would hold its writer up.
  report.on('data', (piece: string) => {
    text += piece;
    if (enough(text)) told.resolve();
  });
  for (const event of ['end', 'error', 'close']) report.on(event, () => told.resolve());
  await told.promise;
  clearTimeout(timer);
  return text;
}

function writable(spawned: Spawned, at: number): Writable {
  const pipe = spawned.stdio[at + 3];
  if (!(pipe instanceof Writable)) throw new TypeError('no pipe for a descriptor');
  // Whoever reads it may end before it has read all.
  pipe.on('error', () => {});
  return pipe;
}

function indexOf(launch: Launch, kind: Descriptor['kind']): number {
  return launch.descriptors.findIndex((one) => one.kind === kind);
}

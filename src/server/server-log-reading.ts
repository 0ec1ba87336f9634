// Reads what is kept of a profile's servers, oldest first.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type ServerLine, serverLogPath } from './server-log.ts';

/** Where a reader is: after byte `end` of a file. */
export interface LogPlace {
  readonly file: number;
  readonly end: number;
}

const NOWHERE: LogPlace = { file: 0, end: 0 };

/** All lines that are kept, and the place after them. Throws the system's error. */
export function readServerLog(
  state: string,
  profile: string,
): { readonly lines: ServerLine[]; readonly place: LogPlace } {
  const path = serverLogPath(state, profile);
  const older = readFrom(`${path}.1`, NOWHERE);
  const { lines, place } = readFrom(path, NOWHERE);
  return { lines: [...older.lines, ...lines], place };
}

/** Yields the lines after a place as they are written, until `signal`. Polls every `poll` milliseconds. */
export async function* followServerLog(
  state: string,
  profile: string,
  from: LogPlace,
  signal: AbortSignal,
  poll: number,
): AsyncGenerator<ServerLine> {
  const path = serverLogPath(state, profile);
  let place = from;
  while (!signal.aborted) {
    const now = readFrom(path, place);
    // It was rotated: what came before is at the end of the older file.
    if (now.place.file !== place.file && place.file !== 0) {
      const older = readFrom(`${path}.1`, place);
      if (older.place.file === place.file) yield* older.lines;
    }
    yield* now.lines;
    if (now.place.file !== 0) place = now.place;
    await delay(poll, undefined, { signal }).catch(() => undefined);
  }
}

/** Whole lines of a file: after the place if it is in this file, else all. */
function readFrom(path: string, from: LogPlace): { lines: ServerLine[]; place: LogPlace } {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { lines: [], place: NOWHERE };
    throw error;
  }
  try {
    const { ino, size } = fstatSync(file);
    const start = ino === from.file && from.end <= size ? from.end : 0;
    const bytes = Buffer.alloc(size - start);
    let read = 0;
    for (let more = 1; more > 0 && read < bytes.length; read += more)
      more = readSync(file, bytes, read, bytes.length - read, start + read);
    const end = bytes.subarray(0, read).lastIndexOf(10) + 1;
    const lines = bytes.subarray(0, end).toString().split('\n').flatMap(parseLine);
    return { lines, place: { file: ino, end: start + end } };
  } finally {
    closeSync(file);
  }
}

/** A damaged line is left out. */
function parseLine(line: string): ServerLine[] {
  try {
    const { time, session, from, text } = JSON.parse(line);
    const isLine = [time, session, text].every((value) => typeof value === 'string');
    return isLine && (from === 'server' || from === 'warder') ? [{ time, session, from, text }] : [];
  } catch {
    return [];
  }
}

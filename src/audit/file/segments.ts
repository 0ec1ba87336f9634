// The files of a log and the lines in them. A segment is named by the number of its first record, padded with
// zeros, so that names sort like the records.
import { isUtf8 } from 'node:buffer';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** A file of the log. */
export interface Segment {
  readonly path: string;
  readonly name: string;
  /** The number of its first record, taken from its name; `undefined` if the name has none. */
  readonly first: number | undefined;
}

/** A line without its "\n"; `undefined` if it is not UTF-8, or longer than any record. */
export type LineText = string | undefined;

const NAME = /^(\d{16})\.jsonl$/;
const CHUNK = 1024 * 1024;

/** Bytes of a file's end that are read first; usually they suffice. */
const FIRST_READ = 16 * 1024;

/** The longest line that is kept in memory, in bytes. */
export const MAX_LINE = 16 * 1024 * 1024;

const NEWLINE = 0x0a;

/** The name of the segment that begins with record `seq`. */
export function segmentName(seq: number): string {
  return `${String(seq).padStart(16, '0')}.jsonl`;
}

/** The segments of a folder, oldest first; none if there is no folder. */
export async function listSegments(folder: string): Promise<Segment[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => segment(folder, name));
}

/** A file as a segment, whatever its name is. */
export function segment(folder: string, name: string): Segment {
  const digits = NAME.exec(name)?.[1];
  return { path: join(folder, name), name, first: digits === undefined ? undefined : Number(digits) };
}

/** A piece of a file, as `readLines` yields it. */
export interface Piece {
  readonly lines: readonly LineText[];
  /** Where the next line begins. */
  readonly end: number;
}

/**
 * The complete lines of a file from byte `from` on, which must be the beginning of a line. Bytes after the last
 * "\n" are left out: there are some if the file is longer than the last piece's `end`. Throws as `open` does.
 */
export async function* readLines(path: string, from = 0): AsyncGenerator<Piece> {
  await using file = await open(path);
  const chunk = Buffer.allocUnsafe(CHUNK);
  let rest: Buffer = Buffer.alloc(0);
  let skipping = false;
  let position = from;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    const bytes = chunk.subarray(0, bytesRead);
    const last = bytes.lastIndexOf(NEWLINE);
    if (last < 0) {
      skipping ||= rest.length + bytesRead > MAX_LINE;
      rest = skipping ? Buffer.alloc(0) : Buffer.concat([rest, bytes]);
      continue;
    }
    const lines = decode(Buffer.concat([rest, bytes.subarray(0, last)]));
    if (skipping) lines[0] = undefined;
    rest = Buffer.from(bytes.subarray(last + 1));
    skipping = false;
    yield { lines, end: position - rest.length };
  }
}

/** Like `readLines`, newest line first, from byte `end`, which is just after a "\n". Each piece is reversed too. */
export async function* readLinesBackward(path: string, end: number): AsyncGenerator<readonly LineText[]> {
  await using file = await open(path);
  let rest: Buffer = Buffer.alloc(0);
  let position = end;
  let size = FIRST_READ;
  while (position > 0) {
    const length = Math.min(size, position);
    size = CHUNK;
    position -= length;
    const bytes = Buffer.concat([await readAt(file, position, length), rest]);
    const first = position === 0 ? -1 : bytes.indexOf(NEWLINE);
    if (position > 0 && (first < 0 || first === bytes.length - 1)) {
      // Of a line that is too long to be a record only the beginning is yielded, which no reader accepts as one.
      rest = bytes.length > MAX_LINE ? bytes.subarray(-1) : bytes;
      continue;
    }
    rest = bytes.subarray(0, first + 1);
    yield decode(bytes.subarray(first + 1, -1)).reverse();
  }
}

/** The length of a file's complete lines, and of the whole file, in bytes. */
export async function wholeLength(path: string): Promise<{ readonly whole: number; readonly size: number }> {
  await using file = await open(path);
  const { size } = await file.stat();
  let chunk = FIRST_READ;
  for (let position = size; position > 0; chunk = CHUNK) {
    const length = Math.min(chunk, position);
    position -= length;
    const last = (await readAt(file, position, length)).lastIndexOf(NEWLINE);
    if (last >= 0) return { whole: position + last + 1, size };
  }
  return { whole: 0, size };
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** The lines of a text without its last "\n". One check covers all of it: normally everything is UTF-8. */
function decode(bytes: Buffer): LineText[] {
  if (isUtf8(bytes)) {
    const lines: LineText[] = bytes.toString('utf8').split('\n');
    return bytes.length > MAX_LINE ? lines.map((line) => dropLong(line)) : lines;
  }
  const lines: LineText[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const found = bytes.indexOf(NEWLINE, start);
    const stop = found < 0 ? bytes.length : found;
    const line = bytes.subarray(start, stop);
    lines.push(isUtf8(line) ? dropLong(line.toString('utf8')) : undefined);
    start = stop + 1;
  }
  return lines;
}

function dropLong(line: LineText): LineText {
  return line !== undefined && line.length > MAX_LINE ? undefined : line;
}

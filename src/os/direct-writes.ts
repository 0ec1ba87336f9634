// Writes to a socket whose descriptor is known, at once where nothing waits to be written: what a stream does around a write
// that the kernel takes anyway costs more than the write. What the kernel does not take goes by the stream, and so does all that
// follows until that has emptied: the order stays, and so do back pressure and errors.
import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/** What is longer goes by the stream: the kernel seldom takes it all. In bytes. */
const MOST = 65_536;

/** One writer for one socket: nobody else writes to it meanwhile. */
export class DirectWrites {
  readonly #socket: Socket;
  readonly #descriptor: number;

  /** The descriptor is the socket's own: it is closed with it. It does not block, as Node has opened it. */
  constructor(socket: Socket, descriptor: number) {
    this.#socket = socket;
    this.#descriptor = descriptor;
  }

  /** Writes what can be written at once. The rest, if there is any, has to be written to the stream. */
  write(chunks: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
    const [chunk] = chunks;
    const socket = this.#socket;
    if (chunks.length !== 1 || chunk === undefined || chunk.length > MOST || chunk.length === 0)
      return chunks;
    // One that is destroyed has a descriptor that may be another file's by now; neither is written to after its end.
    if (!socket.writable || socket.destroyed || socket.writableLength > 0) return chunks;
    let written = 0;
    try {
      written = writeSync(this.#descriptor, chunk);
    } catch {
      // Full, or broken: the stream finds out which.
    }
    return written === chunk.length ? undefined : [chunk.subarray(written)];
  }
}

/** Writes chunks to a stream as one. `done` is called when all of it is written. Returns what the last write does: whether more should follow. */
export function writeTogether(stream: Writable, chunks: readonly Uint8Array[], done?: () => void): boolean {
  let more = true;
  if (chunks.length > 1) stream.cork();
  for (const [at, chunk] of chunks.entries()) {
    const isLast = at === chunks.length - 1;
    more = stream.write(chunk, isLast && done !== undefined ? (error) => error ?? done() : undefined);
  }
  if (chunks.length > 1) stream.uncork();
  return more;
}

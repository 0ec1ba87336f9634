// Bodies that come in crumbs. Node makes a buffer of each chunk of a body, and of each record of TLS: hundreds of bytes
// for one, of which its streams hold as many as they may hold bytes. Nobody is to make the daemon grow by that.
import type { IncomingMessage } from 'node:http';

/** Bytes of a piece that is no crumb. */
const CHUNK_SIZE = 16 * 1024;

/**
 * Puts what comes of a message into whole pieces as long as nobody reads; what is read at once stays as it comes. To be
 * called before the first byte of its body.
 */
export function coalesce(message: IncomingMessage): void {
  const push = message.push.bind(message);
  const read = message.read.bind(message);
  let crumbs = Buffer.alloc(0);
  let length = 0;
  const sweep = (): void => {
    if (length === 0) return;
    const piece = crumbs.subarray(0, length);
    crumbs = Buffer.alloc(0);
    length = 0;
    push(piece);
  };
  message.push = (chunk: Buffer | null): boolean => {
    if (chunk === null || message.readableLength === 0 || length + chunk.length > CHUNK_SIZE) sweep();
    if (chunk === null || message.readableLength === 0 || chunk.length >= CHUNK_SIZE) return push(chunk);
    if (length === 0) crumbs = Buffer.allocUnsafeSlow(CHUNK_SIZE);
    length += chunk.copy(crumbs, length);
    return message.readableLength + length < message.readableHighWaterMark;
  };
  // Whoever has something to read reads it, and then also what is here.
  message.read = (size?: number): unknown => {
    sweep();
    return read(size);
  };
}

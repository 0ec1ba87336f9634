// A connection that passes unopened: bytes from one socket to the other and back, each side's end told to the other,
// each side read no faster than the other takes it.
import type { Duplex } from 'node:stream';

/** Joins the sandbox' socket with the host's. Settles when both have ended; never rejects. */
export async function tunnel(inside: Duplex, outside: Duplex): Promise<void> {
  await Promise.all([pass(inside, outside), pass(outside, inside)]);
}

function pass(from: Duplex, to: Duplex): Promise<void> {
  return new Promise((resolve) => {
    from.on('data', (chunk: Buffer<ArrayBuffer>) => {
      if (to.writable && !to.write(chunk, () => release(chunk))) from.pause();
    });
    to.on('drain', () => from.resume());
    if (from.readableEnded) to.end();
    else from.once('end', () => to.end());
    from.once('error', () => from.destroy());
    from.once('close', () => {
      // It broke, or nobody is left who could take what it has to say.
      if (!from.readableEnded) to.destroy();
      resolve();
    });
    if (from.closed) {
      to.destroy();
      resolve();
    } else from.resume();
  });
}

/**
 * Gives the memory of bytes that were written back at once. A collector of garbage sees a small object: it comes late,
 * and what waits for it is half the cost of a tunnel.
 */
function release({ buffer, byteLength }: Buffer<ArrayBuffer>): void {
  if (buffer.byteLength === byteLength) buffer.transfer(0);
}

// A connection that passes through undecrypted: bytes are copied in both directions, the end of each side is passed
// to the other, and each side is read no faster than the other accepts.
import type { Duplex } from 'node:stream';
import { releaseBuffer } from './buffer-transfer.ts';

/** Joins the sandbox's socket with the host's. Settles when both have ended; never rejects. */
export async function tunnel(inside: Duplex, outside: Duplex): Promise<void> {
  await Promise.all([pump(inside, outside), pump(outside, inside)]);
}

function pump(from: Duplex, to: Duplex): Promise<void> {
  return new Promise((resolve) => {
    from.on('data', (chunk: Buffer<ArrayBuffer>) => {
      if (to.writable && !to.write(chunk, () => releaseBuffer(chunk))) from.pause();
    });
    to.on('drain', () => from.resume());
    if (from.readableEnded) to.end();
    else from.once('end', () => to.end());
    from.once('error', () => from.destroy());
    from.once('close', () => {
      // It broke, or nobody is left to receive what it sends.
      if (!from.readableEnded) to.destroy();
      resolve();
    });
    if (from.closed) {
      to.destroy();
      resolve();
    } else from.resume();
  });
}

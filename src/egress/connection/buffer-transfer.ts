// `ArrayBuffer.prototype.transfer` on the memory of a chunk that Node has read: that a chunk owns its memory, and that
// nobody uses it once it was written, is not documented.
import { unsupportedNode } from '../../os/unsupported-node.ts';

/**
 * Returns the memory of a chunk that was written at once; a chunk that shares its memory stays. The garbage collector
 * sees a small object: it comes late, and the memory that waits for it is half the cost of a tunnel.
 */
export function releaseBuffer({ buffer, byteLength }: Buffer<ArrayBuffer>): void {
  if (buffer.byteLength === byteLength) buffer.transfer(0);
}

/** Throws `unsupported` where `release` does not return the memory of a chunk, or returns what is shared. */
export function checkBufferTransfer(release: (chunk: Buffer<ArrayBuffer>) => void = releaseBuffer): void {
  const whole = Buffer.from(new ArrayBuffer(64));
  const shared = Buffer.from(new ArrayBuffer(64), 0, 32);
  release(whole);
  release(shared);
  if (whole.byteLength !== 0 || shared.byteLength !== 32)
    throw unsupportedNode('return the memory of a buffer');
}

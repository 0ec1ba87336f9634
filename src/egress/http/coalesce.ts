// Bodies that arrive in tiny chunks. Node makes a buffer of each chunk of a body, and of each TLS record: hundreds of
// bytes for one, and its streams accept as many buffers as they accept bytes. This must not let the daemon grow.
import type { Readable } from 'node:stream';
import { replacePushAndRead } from './push-and-read.ts';

/** Bytes of a chunk that is passed on as it is. */
const CHUNK_SIZE = 16 * 1024;

/**
 * Joins the chunks of a message's body as long as nobody reads; what is read at once stays as it arrives. To be called
 * before the first byte of the body.
 */
export function coalesce(message: Readable): void {
  replacePushAndRead(message, (push) => {
    let buffered = Buffer.alloc(0);
    let length = 0;
    const flush = (): void => {
      if (length === 0) return;
      const chunk = buffered.subarray(0, length);
      buffered = Buffer.alloc(0);
      length = 0;
      push(chunk);
    };
    return {
      push(chunk) {
        if (chunk === null || message.readableLength === 0 || length + chunk.length > CHUNK_SIZE) flush();
        if (chunk === null || message.readableLength === 0 || chunk.length >= CHUNK_SIZE) return push(chunk);
        if (length === 0) buffered = Buffer.allocUnsafeSlow(CHUNK_SIZE);
        length += chunk.copy(buffered, length);
        return message.readableLength + length < message.readableHighWaterMark;
      },
      // Whoever has something to read also gets what is buffered here.
      beforeRead: flush,
    };
  });
}

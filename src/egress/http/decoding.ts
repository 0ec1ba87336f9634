// Decodes the pieces of a stream one after the other, each as far as it goes.
import { once } from 'node:events';
import {
  type BrotliDecompress,
  constants,
  createBrotliDecompress,
  createInflateRaw,
  createUnzip,
  createZstdDecompress,
  type InflateRaw,
  type Unzip,
  type ZstdDecompress,
} from 'node:zlib';

export type StreamCoding = 'gzip' | 'zlib' | 'deflate' | 'zstd' | 'brotli';

/** Takes what a piece decodes to. */
export type TakeDecoded = (decoded: Buffer) => Promise<void>;

export class Decoding {
  readonly #decoder: Unzip | InflateRaw | ZstdDecompress | BrotliDecompress;
  #sent = 0;
  #failure: Error | undefined;

  constructor(coding: StreamCoding) {
    this.#decoder = createDecoder(coding);
    this.#decoder.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** The bytes are not in that coding, from some place on. */
  get isBroken(): boolean {
    return this.#failure !== undefined;
  }

  /** Decodes a piece. Returns how many bytes of its end do not belong to the stream, which has ended before them. */
  async write(piece: Buffer, take: TakeDecoded): Promise<number> {
    await this.#run((done) => this.#decoder.write(piece, done), take);
    this.#sent += piece.length;
    return this.#failure === undefined ? this.#sent - Number(this.#decoder.bytesWritten) : 0;
  }

  /** Decodes what is left where nothing follows. */
  async end(take: TakeDecoded): Promise<void> {
    await this.#run((done) => this.#decoder.end(done), take);
  }

  close(): void {
    this.#decoder.destroy();
  }

  async #run(write: (done: () => void) => void, take: TakeDecoded): Promise<void> {
    const decoder = this.#decoder;
    let isWritten = false;
    const written = new Promise<void>((resolve) => {
      write(() => {
        isWritten = true;
        resolve();
      });
    });
    for (;;) {
      const piece: Buffer | null = decoder.read();
      if (piece !== null) await take(piece);
      else if (this.#failure !== undefined || isWritten || decoder.readableEnded) return;
      else {
        const waiting = new AbortController();
        const readable = once(decoder, 'readable', { signal: waiting.signal }).catch(() => {});
        await Promise.race([written, readable]);
        waiting.abort();
      }
    }
  }
}

/** Puts out what has arrived at once; an end that is missing is no error. */
function createDecoder(coding: StreamCoding): Unzip | InflateRaw | ZstdDecompress | BrotliDecompress {
  const { Z_SYNC_FLUSH, ZSTD_e_flush, BROTLI_OPERATION_FLUSH } = constants;
  switch (coding) {
    case 'gzip':
    case 'zlib':
      return createUnzip({ flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH });
    case 'deflate':
      return createInflateRaw({ flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH });
    case 'zstd':
      return createZstdDecompress({ finishFlush: ZSTD_e_flush });
    case 'brotli':
      return createBrotliDecompress({ flush: BROTLI_OPERATION_FLUSH, finishFlush: BROTLI_OPERATION_FLUSH });
  }
}

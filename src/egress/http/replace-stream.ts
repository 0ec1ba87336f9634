// A stream step that replaces what it finds in the bytes.
import { Transform, type TransformCallback } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';

/** Bytes buffered on either side: they may be as many pieces, each many times its size in memory. */
const BUFFER_SIZE = 4096;

/** Passes bytes on with matches replaced. An error of the replacement ends the stream. */
export class ReplaceStream extends Transform {
  readonly #replacing: ByteTransform;

  constructor(replacing: ByteTransform) {
    super({ highWaterMark: BUFFER_SIZE });
    this.#replacing = replacing;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#put(() => this.#replacing.push(chunk), done);
  }

  override _flush(done: TransformCallback): void {
    this.#put(() => this.#replacing.flush(), done);
  }

  #put(replace: () => Buffer[], done: TransformCallback): void {
    try {
      for (const piece of replace()) this.push(piece);
      done();
    } catch (error) {
      done(error as Error);
    }
  }
}

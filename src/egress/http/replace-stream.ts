// A step of a stream of bytes that replaces what it finds.
import { Transform, type TransformCallback } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';

/** Bytes that wait on either side: it may be as many pieces, each many times its size. */
const MOST_WAITING = 4096;

/** Passes bytes on with what was found in them replaced. What the replacing throws ends the stream. */
export class Rewrite extends Transform {
  readonly #replacing: ByteTransform;

  constructor(replacing: ByteTransform) {
    super({ highWaterMark: MOST_WAITING });
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

// Replaces what is found in bytes, in slices, so that no other session waits for a long body.
import { Transform, type TransformCallback } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';
import { BUDGETS } from '../budgets.ts';
import type { GateTurns } from '../turns.ts';

/** Bytes buffered on either side: they may be as many pieces, each many times its size in memory. */
const BUFFER_SIZE = 4096;

/** Passes bytes on with matches replaced. An error of the replacement ends the stream. */
export class ReplaceStream extends Transform {
  readonly #replacing: ByteTransform;
  readonly #turns: GateTurns;

  constructor(replacing: ByteTransform, turns: GateTurns) {
    super({ highWaterMark: BUFFER_SIZE });
    this.#replacing = replacing;
    this.#turns = turns;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const slice = chunk.subarray(0, BUDGETS.slice);
    const rest = chunk.subarray(slice.length);
    this.#put(
      () => this.#replacing.push(slice),
      (error) => {
        if (error || rest.length === 0) done(error);
        else this._transform(rest, _encoding, done);
      },
    );
  }

  override _flush(done: TransformCallback): void {
    this.#put(() => this.#replacing.flush(), done);
  }

  #put(replace: () => Buffer[], done: TransformCallback): void {
    this.#turns.run(() => {
      try {
        for (const piece of replace()) this.push(piece);
        done();
      } catch (error) {
        done(error as Error);
      }
    });
  }
}

/** The bytes after a transform. The same object if nothing was replaced. Rejects with what the replacement throws. */
export async function replaceInSlices(
  bytes: Buffer,
  replacing: ByteTransform,
  turns: GateTurns,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += BUDGETS.slice) {
    const slice = bytes.subarray(at, at + BUDGETS.slice);
    pieces.push(...(await turns.slice(() => replacing.push(slice))));
  }
  pieces.push(...(await turns.slice(() => replacing.flush())));
  const replaced = Buffer.concat(pieces);
  return replaced.equals(bytes) ? bytes : replaced;
}

// A body that is compressed without a `Content-Encoding`: a file, or an answer whose label is missing. It passes as it is,
// byte for byte, since programs verify digests of files; but first it is decoded and searched, and where it contains a
// secret or a new token it is refused.
import { Transform, type TransformCallback } from 'node:stream';
import type { BodySearchParts } from './body-search.ts';
import { FormattedBody } from './formatted-body.ts';

/** Passes a body on unchanged; one that is compressed, as far as its decoded bytes were searched. */
export class UnlabelledBody extends Transform {
  readonly #body: FormattedBody;

  constructor(parts: BodySearchParts) {
    super();
    this.#body = new FormattedBody(parts);
  }

  override _transform(piece: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#pass(this.#body.push(piece)).then(() => done(), done);
  }

  override _flush(done: TransformCallback): void {
    this.#pass(this.#body.end()).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#body.close();
    done(error);
  }

  async #pass(pieces: Promise<Buffer[]>): Promise<void> {
    for (const piece of await pieces) this.push(piece);
  }
}

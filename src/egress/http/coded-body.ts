// A body in one coding: a stream of gzip, zlib, zstd or brotli.
import { type BodySearch, type BodySearchParts, WaitingPieces } from './body-search.ts';
import { Decoding, type StreamCoding } from './decoding.ts';
import { Denial } from './substitution.ts';

/** Bytes that one more layer may decode to: each could multiply them by a thousand. */
const MAX_NESTED = 1024 ** 3;

/** A stream in one coding, and nothing behind it but padding. */
export class CodedBody implements BodySearch {
  readonly #coding: StreamCoding;
  readonly #parts: BodySearchParts;
  readonly #depth: number;
  readonly #decoding: Decoding;
  readonly #content: BodySearch;
  readonly #waiting = new WaitingPieces();
  /** The stream has ended. */
  #isAfter = false;
  /** It is no such coding after all. */
  #isOther = false;

  /** `content`: searches what it decodes to, `depth` layers within the body. */
  constructor(coding: StreamCoding, parts: BodySearchParts, depth: number, content: BodySearch) {
    this.#coding = coding;
    this.#parts = parts;
    this.#depth = depth;
    this.#decoding = new Decoding(coding);
    this.#content = content;
  }

  push(piece: Buffer): Buffer[] | Promise<Buffer[]> {
    return this.#isOther ? [piece] : this.#decode(piece);
  }

  async #decode(piece: Buffer): Promise<Buffer[]> {
    const unread = this.#isAfter
      ? piece.length
      : await this.#decoding.write(piece, (decoded) => this.#take(decoded));
    if (this.#decoding.isBroken) this.#fail();
    else if (unread > 0) {
      this.#isAfter = true;
      // Padding. Some programs would decode another body there.
      if (piece.subarray(-unread).some((byte) => byte !== 0)) this.#fail();
    }
    this.#waiting.add(piece);
    return this.#isOther ? this.#waiting.takeAll() : this.#waiting.takePassed();
  }

  async end(): Promise<Buffer[]> {
    if (!this.#isOther && !this.#isAfter) {
      await this.#decoding.end((decoded) => this.#take(decoded));
      if (this.#decoding.isBroken) this.#fail();
    }
    await this.#content.end();
    return this.#waiting.takeAll();
  }

  close(): void {
    this.#decoding.close();
    this.#content.close();
  }

  async #take(decoded: Buffer): Promise<void> {
    await this.#waiting.search(this.#content, decoded);
    if (this.#depth > 0 && this.#waiting.decoded > MAX_NESTED)
      throw new Denial(502, 'the body decodes to too much, layer by layer');
  }

  /** Text may begin like zlib, and anything may decode as brotli for a while; nothing else begins like the others. */
  #fail(): void {
    this.#isOther = true;
    if (this.#coding === 'brotli' || (this.#coding === 'zlib' && this.#waiting.decoded === 0)) return;
    if (!this.#parts.unsearched)
      throw new Denial(502, 'the body is compressed without a label, and cannot be decoded');
  }
}

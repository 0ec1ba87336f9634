// A body that is compressed without a `Content-Encoding`: a file, or an answer whose label is missing. It passes as it is,
// byte for byte, since programs verify digests of files; but first it is decoded and searched, and where it contains a
// secret or a new token it is refused.
import { once } from 'node:events';
import { Transform, type TransformCallback } from 'node:stream';
import { constants, createUnzip, createZstdDecompress, type Unzip, type ZstdDecompress } from 'node:zlib';
import type { ByteTransform } from '../../credential/finder.ts';
import type { GateTurns } from '../turns.ts';
import { Denial } from './substitution.ts';

export type UnlabelledCoding = 'gzip' | 'zlib' | 'zstd';

const GZIP = Buffer.of(0x1f, 0x8b);
/** After the first byte, which is 0x50 to 0x5f. */
const SKIPPABLE = Buffer.of(0x50, 0x2a, 0x4d, 0x18);
const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);

/**
 * The coding that a body begins with (RFC 1952 2.3.1, RFC 1950 2.2, RFC 8878 3.1.1); `undefined` for none. Brotli cannot be
 * told. What begins like zlib may still be text.
 */
export function unlabelledCoding(body: Uint8Array): UnlabelledCoding | undefined {
  const [first = 0, second = 0] = body;
  if (GZIP.equals(body.subarray(0, 2))) return 'gzip';
  if (ZSTD.equals(body.subarray(0, 4)) || (body.length >= 4 && isSkippable(body.subarray(0, 4))))
    return 'zstd';
  const isZlib =
    body.length >= 2 && (first & 0x0f) === 8 && first >> 4 <= 7 && ((first << 8) | second) % 31 === 0;
  return isZlib ? 'zlib' : undefined;
}

/** Whether these bytes, of four, begin a frame of zstd that has no content (RFC 8878 3.1.2). */
function isSkippable(body: Uint8Array): boolean {
  return body.every((byte, at) => (at === 0 ? byte >> 4 === 5 : byte === SKIPPABLE[at])) && body.length > 0;
}

/** Whether it takes more bytes to tell. */
function mayBecomeCoded(body: Buffer): boolean {
  if (body.length < 2)
    return body.every((byte) => byte === GZIP[0] || (byte & 0x0f) === 8 || byte >> 4 === 5);
  return body.length < ZSTD.length && (ZSTD.subarray(0, body.length).equals(body) || isSkippable(body));
}

/** Passes a body on unchanged; one that is compressed, as far as its decoded bytes were searched. */
export class UnlabelledBody extends Transform {
  readonly #search: () => ByteTransform;
  readonly #turns: GateTurns;
  /** The first bytes, until they tell the coding. */
  #first: Buffer | undefined = Buffer.alloc(0);
  #decoded: DecodedBody | undefined;

  /** `search`: passes decoded bytes on unchanged, and throws where it finds a secret. */
  constructor(search: () => ByteTransform, turns: GateTurns) {
    super();
    this.#search = search;
    this.#turns = turns;
  }

  override _transform(piece: Buffer, _: BufferEncoding, done: TransformCallback): void {
    if (this.#first === undefined) this.#pass(piece).then(() => done(), done);
    else {
      this.#first = Buffer.concat([this.#first, piece]);
      if (mayBecomeCoded(this.#first)) done();
      else this.#begin().then(() => done(), done);
    }
  }

  override _flush(done: TransformCallback): void {
    const end = async (): Promise<void> => {
      await this.#begin();
      for (const piece of (await this.#decoded?.end()) ?? []) this.push(piece);
    };
    end().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#decoded?.close();
    done(error);
  }

  async #begin(): Promise<void> {
    const first = this.#first;
    if (first === undefined) return;
    this.#first = undefined;
    const coding = unlabelledCoding(first);
    if (coding !== undefined) this.#decoded = new DecodedBody(coding, this.#search(), this.#turns);
    await this.#pass(first);
  }

  async #pass(piece: Buffer): Promise<void> {
    const pieces = this.#decoded === undefined ? [piece] : await this.#decoded.push(piece);
    for (const each of pieces) this.push(each);
  }
}

/** Decodes and searches a body; gives its pieces back when all that they decode to was passed by the search. */
class DecodedBody {
  readonly #coding: UnlabelledCoding;
  readonly #search: ByteTransform;
  readonly #turns: GateTurns;
  readonly #decoder: Unzip | ZstdDecompress;
  /** Pieces that wait, each with the decoded bytes up to its end. */
  #waiting: { readonly piece: Buffer; readonly end: number }[] = [];
  #decoded = 0;
  #searched = 0;
  /** Bytes that the decoder was given. */
  #sent = 0;
  /** The coding has ended. */
  #isAfter = false;
  /** It is no such coding after all. */
  #isOther = false;
  #failure: Error | undefined;

  constructor(coding: UnlabelledCoding, search: ByteTransform, turns: GateTurns) {
    this.#coding = coding;
    this.#search = search;
    this.#turns = turns;
    this.#decoder =
      coding === 'zstd'
        ? createZstdDecompress({ finishFlush: constants.ZSTD_e_flush })
        : createUnzip({ flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH });
    this.#decoder.on('error', (error) => {
      this.#failure = error;
    });
  }

  async push(piece: Buffer): Promise<Buffer[]> {
    if (!this.#isOther && !this.#isAfter) {
      await this.#decode((done) => this.#decoder.write(piece, done));
      this.#sent += piece.length;
    }
    const unread = this.#isAfter ? piece.length : this.#sent - Number(this.#decoder.bytesWritten);
    if (!this.#isOther && unread > 0) {
      this.#isAfter = true;
      // Padding. Some programs would decode another body there.
      if (piece.subarray(-unread).some((byte) => byte !== 0)) throw unreadable();
    }
    this.#waiting.push({ piece, end: this.#decoded });
    return this.#passed();
  }

  async end(): Promise<Buffer[]> {
    if (!this.#isOther && !this.#isAfter) await this.#decode((done) => this.#decoder.end(done));
    await this.#turns.slice(() => this.#search.flush());
    return this.#waiting.map(({ piece }) => piece);
  }

  close(): void {
    this.#decoder.destroy();
  }

  #passed(): Buffer[] {
    const count = this.#waiting.findIndex(({ end }) => end > this.#searched);
    return this.#waiting
      .splice(0, count < 0 || this.#isOther ? this.#waiting.length : count)
      .map(({ piece }) => piece);
  }

  /** Searches what a write decodes to, a piece at a time. */
  async #decode(write: (done: () => void) => void): Promise<void> {
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
      if (piece !== null) {
        this.#decoded += piece.length;
        await this.#turns.slice(() => {
          for (const { length } of this.#search.push(piece)) this.#searched += length;
        });
      } else if (this.#failure !== undefined) {
        this.#fail();
        return;
      } else if (isWritten || decoder.readableEnded) return;
      else {
        const waiting = new AbortController();
        const readable = once(decoder, 'readable', { signal: waiting.signal }).catch(() => {});
        await Promise.race([written, readable]);
        waiting.abort();
      }
    }
  }

  /** Text may begin like zlib; nothing else begins like the others. */
  #fail(): void {
    if (this.#coding !== 'zlib' || this.#decoded > 0) throw unreadable();
    this.#isOther = true;
  }
}

function unreadable(): Denial {
  return new Denial(502, 'the body is compressed without a label, and cannot be decoded');
}

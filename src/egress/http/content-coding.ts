// Content codings (RFC 9110 8.4.1): what the gate can open, so that nothing passes it compressed and unseen.
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';

export type Coding = 'identity' | 'gzip' | 'deflate' | 'br' | 'zstd';

const NAMES: Readonly<Record<string, Coding>> = {
  identity: 'identity',
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
};

/** The coding that a `Content-Encoding` names; `undefined`: one that cannot be opened here, or several at once. */
export function codingOf(header: string | undefined): Coding | undefined {
  const name = header?.trim().toLowerCase() ?? '';
  if (name === '') return 'identity';
  return Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
}

/** Of an `Accept-Encoding`, what the gate can open; `identity` where that is nothing. */
export function acceptable(header: string): string {
  const kept = header
    .split(',')
    .map((item) => item.trim())
    .filter((item) => Object.hasOwn(NAMES, item.split(';')[0]?.trim().toLowerCase() ?? ''));
  return kept.length === 0 ? 'identity' : kept.join(', ');
}

/** Whether a `Content-Type` names a character set in which a secret, or a word, would be other bytes. */
export function strange(type: string): boolean {
  return /charset\s*=\s*["']?(?:utf-?(?:7|16|32)|ucs|iso-10646-ucs|x?-?ebcdic|ibm0?\d+)/i.test(type);
}

/** Opens a coding, piece by piece: what has come is put out, not kept back for more. `undefined` for `identity`. */
export function decoder(coding: Coding): Transform | undefined {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = zlib.constants;
  switch (coding) {
    case 'identity':
      return undefined;
    case 'gzip':
    case 'deflate':
      // `deflate` is the zlib format (RFC 9110 8.4.1.2); a stream without its header is an error.
      return zlib.createUnzip({ flush: Z_SYNC_FLUSH });
    case 'br':
      return zlib.createBrotliDecompress({ flush: BROTLI_OPERATION_FLUSH });
    case 'zstd':
      return zlib.createZstdDecompress({ flush: ZSTD_e_flush });
  }
}

/** Puts a coding back. `undefined` for `identity`. */
export function encoder(coding: Coding): Transform | undefined {
  switch (coding) {
    case 'identity':
      return undefined;
    case 'gzip':
      return zlib.createGzip();
    case 'deflate':
      return zlib.createDeflate();
    case 'br':
      // The highest quality, which is the default, is for files that are compressed once.
      return zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } });
    case 'zstd':
      return zlib.createZstdCompress();
  }
}

/** As `decoder`, for a whole body. Throws where it is longer than `most` bytes, or no such coding. */
export function decode(coding: Coding, body: Buffer, most: number): Buffer {
  const bounded = { maxOutputLength: most };
  switch (coding) {
    case 'identity':
      return body;
    case 'gzip':
    case 'deflate':
      return zlib.unzipSync(body, bounded);
    case 'br':
      return zlib.brotliDecompressSync(body, bounded);
    case 'zstd':
      return zlib.zstdDecompressSync(body, bounded);
  }
}

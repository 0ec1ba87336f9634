// Content codings (RFC 9110 8.4.1) that the gate can decode, so that nothing passes it compressed and unsearched.
import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';

export type ContentCoding = 'identity' | 'gzip' | 'deflate' | 'br' | 'zstd';

const NAMES: Readonly<Record<string, ContentCoding>> = {
  identity: 'identity',
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
};

/**
 * The coding that a `Content-Encoding` names; undefined for one that cannot be decoded here, and for several at once.
 */
export function parseContentEncoding(header: string | undefined): ContentCoding | undefined {
  const name = header?.trim().toLowerCase() ?? '';
  if (name === '') return 'identity';
  return Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
}

/** Keeps of an `Accept-Encoding` what the gate can decode; `identity` where nothing is left. */
export function filterAcceptEncoding(header: string): string {
  const kept = header
    .split(',')
    .map((item) => item.trim())
    .filter((item) => Object.hasOwn(NAMES, item.split(';')[0]?.trim().toLowerCase() ?? ''));
  return kept.length === 0 ? 'identity' : kept.join(', ');
}

/** Character sets in which a secret, or a word, has other bytes than in ASCII. */
const UNSEARCHABLE = new Set(['utf-16le', 'utf-16be', 'iso-2022-jp', 'replacement']);

/**
 * Whether a `Content-Type` names a character set in which a secret, or a word, may have other bytes: by whatever alias
 * (WHATWG Encoding), and also one that is not known.
 */
export function isUnsearchable(type: string): boolean {
  const names = [...type.matchAll(/charset\s*=\s*(?:"([^"]*)"?|'([^']*)'?|([^\s;,"']*))/gi)];
  return names.some(([, quoted, single, bare]) => {
    const name = (quoted ?? single ?? bare ?? '').trim();
    if (name === '') return false;
    try {
      return UNSEARCHABLE.has(new TextDecoder(name).encoding);
    } catch {
      return true;
    }
  });
}

/** Decodes piece by piece: what has arrived is put out at once, not kept back for more. Undefined for `identity`. */
export function createDecoder(coding: ContentCoding): Transform | undefined {
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

/** Encodes anew. Undefined for `identity`. */
export function createEncoder(coding: ContentCoding): Transform | undefined {
  switch (coding) {
    case 'identity':
      return undefined;
    case 'gzip':
      return zlib.createGzip();
    case 'deflate':
      return zlib.createDeflate();
    case 'br':
      // The highest quality, which is the default, is meant for files that are compressed once.
      return zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } });
    case 'zstd':
      return zlib.createZstdCompress();
  }
}

const unzip = promisify(zlib.unzip);
const brotliDecompress = promisify(zlib.brotliDecompress);
const zstdDecompress = promisify(zlib.zstdDecompress);

/**
 * Decodes a whole body, off the event loop. Rejects where the result is longer than `maxLength` bytes, or the body is
 * not in that coding.
 */
export async function decode(coding: ContentCoding, body: Buffer, maxLength: number): Promise<Buffer> {
  const bounded = { maxOutputLength: maxLength };
  switch (coding) {
    case 'identity':
      return body;
    case 'gzip':
    case 'deflate':
      return await unzip(body, bounded);
    case 'br':
      return await brotliDecompress(body, bounded);
    case 'zstd':
      return await zstdDecompress(body, bounded);
  }
}

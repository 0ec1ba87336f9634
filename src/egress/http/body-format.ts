// What a body is compressed with, by its first bytes.

/** Formats that are decoded here. */
export type ReadFormat = 'gzip' | 'zlib' | 'zstd' | 'zip';
/** Formats that hold any bytes, and that nothing here decodes. */
export type UnreadFormat = 'bzip2' | 'xz' | '7z' | 'rar' | 'lz4' | 'lzip' | 'compress' | 'snappy';
export type BodyFormat = ReadFormat | UnreadFormat;

const MAGICS: readonly (readonly [BodyFormat, string])[] = [
  // RFC 1952 2.3.1, RFC 8878 3.1.1
  ['gzip', '1f8b'],
  ['zstd', '28b52ffd'],
  // PKWARE's APPNOTE 4.3.7: the header of a first entry. An archive without entries has no content.
  ['zip', '504b0304'],
  ['bzip2', '425a68??314159265359'],
  ['xz', 'fd377a585a00'],
  ['7z', '377abcaf271c'],
  ['rar', '526172211a07'],
  ['lz4', '04224d18'],
  ['lzip', '4c5a495001'],
  ['compress', '1f9d'],
  ['snappy', 'ff060000734e61507059'],
  // A frame of zstd without content (RFC 8878 3.1.2).
  ...Array.from({ length: 16 }, (_, low) => ['zstd', `5${low.toString(16)}2a4d18`] as const),
];
const PATTERNS = MAGICS.map(([format, hex]) => ({
  format,
  /** -1: any byte. */
  bytes: Array.from(hex.match(/../g) ?? [], (pair) => (pair === '??' ? -1 : Number.parseInt(pair, 16))),
}));

/** Bytes of a body that tell text from what brotli writes. */
export const MAX_TOLD = 256;

/** The format that a body begins with; `undefined` for none, `incomplete` where it takes more bytes to tell. */
export function bodyFormat(body: Uint8Array): BodyFormat | undefined | 'incomplete' {
  let isIncomplete = false;
  for (const { format, bytes } of PATTERNS) {
    const length = Math.min(bytes.length, body.length);
    if (!bytes.slice(0, length).every((byte, at) => byte < 0 || byte === body[at])) continue;
    if (length === bytes.length) return format;
    isIncomplete = true;
  }
  // RFC 1950 2.2. Text may begin so.
  const [first = 0, second] = body;
  if (body.length === 0 || ((first & 0x0f) === 8 && first >> 4 <= 7)) {
    if (second === undefined) return 'incomplete';
    if (((first << 8) | second) % 31 === 0) return 'zlib';
  }
  return isIncomplete ? 'incomplete' : undefined;
}

export function isRead(format: BodyFormat): format is ReadFormat {
  return format === 'gzip' || format === 'zlib' || format === 'zstd' || format === 'zip';
}

/** Whether the bytes are those of a text so far, in UTF-8 or an ASCII superset of one byte without control characters. */
export function isText(body: Uint8Array): boolean {
  return (
    body.every((byte) => byte > 0x1f || (byte >= 0x09 && byte <= 0x0d) || byte === 0x1b) &&
    !hasBrokenUtf8(body)
  );
}

/** A body has no coding whose bytes are told here. Brotli has no magic number: what is no text may be brotli. */
export function isPlain(body: Uint8Array): boolean {
  const format = bodyFormat(body);
  return (format === undefined || format === 'incomplete') && isText(body.subarray(0, MAX_TOLD));
}

/** Whether a byte of UTF-8 stands where none can (RFC 3629); a character that the end cuts is none. */
function hasBrokenUtf8(body: Uint8Array): boolean {
  const text = new TextDecoder('utf-8', { fatal: true });
  try {
    text.decode(body, { stream: true });
    return false;
  } catch {
    return true;
  }
}

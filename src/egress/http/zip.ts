// Headers of zip archives, read in order (PKWARE's APPNOTE 4.3). What the archive's directory says is not needed for that.

/** An entry's header. */
export interface ZipEntry {
  /** Bytes of the header itself. */
  readonly length: number;
  /** How its content is compressed. */
  readonly coding: 'stored' | 'deflate' | 'zstd' | 'unknown';
  /** Bytes of the compressed content; `undefined` where only a descriptor behind it says so. */
  readonly size: number | undefined;
}

const LOCAL_HEADER = 0x04034b50;
/** The directory, its end, and what may stand before them. */
const AFTER_ENTRIES = new Set([0x02014b50, 0x06054b50, 0x06064b50, 0x08064b50]);
const DESCRIPTOR = 0x08074b50;
const MARK = 0x4b50;
const HEADER_LENGTH = 30;
const ZIP64 = 1;
const UNKNOWN_SIZE = 0xffffffff;
/** The longest descriptor, and the mark of what follows it. */
const MAX_DESCRIPTOR = 26;

/** What stands at the beginning of `data`: an entry, the end of the entries, or neither. `incomplete`: it takes more bytes. */
export function readZipHeader(data: Buffer): ZipEntry | 'end' | 'invalid' | 'incomplete' {
  if (data.length < 4) return 'incomplete';
  const signature = data.readUInt32LE(0);
  if (AFTER_ENTRIES.has(signature)) return 'end';
  if (signature !== LOCAL_HEADER) return 'invalid';
  if (data.length < HEADER_LENGTH) return 'incomplete';
  const flags = data.readUInt16LE(6);
  const method = data.readUInt16LE(8);
  const nameLength = data.readUInt16LE(26);
  const length = HEADER_LENGTH + nameLength + data.readUInt16LE(28);
  if (data.length < length) return 'incomplete';
  const isEncrypted = (flags & 0x2041) !== 0;
  const coding = isEncrypted ? 'unknown' : (CODINGS.get(method) ?? 'unknown');
  const short = data.readUInt32LE(18);
  const size = short === UNKNOWN_SIZE ? longSize(data.subarray(HEADER_LENGTH + nameLength, length)) : short;
  return { length, coding, size: (flags & 8) !== 0 ? undefined : size };
}

/** The bytes of the descriptor behind an entry (4.3.9), which may or may not have a mark, and has sizes of 4 or 8 bytes. */
export function zipDescriptorLength(data: Buffer): number | 'invalid' | 'incomplete' {
  if (data.length < MAX_DESCRIPTOR) return 'incomplete';
  const marked = data.readUInt32LE(0) === DESCRIPTOR ? 4 : 0;
  for (const length of [12, 20]) if (data.readUInt16LE(marked + length) === MARK) return marked + length;
  return 'invalid';
}

const CODINGS = new Map<number, ZipEntry['coding']>([
  [0, 'stored'],
  [8, 'deflate'],
  [93, 'zstd'],
]);

/** The compressed size in the extra field of zip64 (4.5.3), the second number there. */
function longSize(extra: Buffer): number | undefined {
  for (let at = 0; at + 4 <= extra.length; ) {
    const size = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === ZIP64 && size >= 16 && at + 20 <= extra.length)
      return Number(extra.readBigUInt64LE(at + 12));
    at += 4 + size;
  }
  return undefined;
}

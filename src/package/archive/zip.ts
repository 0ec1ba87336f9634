// Reads ZIP archives (PKWARE APPNOTE 6.3) that nobody vouches for, with yauzl. Whatever two readers could understand
// differently is an error: what the central directory and a local header say, bytes that belong to no file, files that share
// bytes, names that differ only in case or are not UTF-8. ZIP64 is read; encryption, links and devices are refused.
import { crc32 } from 'node:zlib';
import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl';

/** A file or folder in an archive. */
export interface ZipEntry {
  /** Relative, with "/", in the normal form: no empty part, no "." or "..", no "\" or control character. */
  readonly name: string;
  readonly folder: boolean;
  readonly executable: boolean;
  /** Of the content, in bytes, as the archive says. `content` checks it. */
  readonly size: number;
  /** The content in pieces. Throws `ZipError`, at the latest with the last piece. */
  content(): AsyncIterable<Buffer>;
}

/** How much is read of an archive. */
export interface ZipBounds {
  readonly entries: number;
  /** Of all files together, in bytes. */
  readonly unpacked: number;
  /** How many times its own size an archive may come to, where it comes to more than `above` bytes. */
  readonly ratio?: { readonly most: number; readonly above: number };
}

/** What is wrong with an archive; the message completes "cannot unpack FILE: …". */
export class ZipError extends Error {}

const END = 0x06054b50;
const END_SIZE = 22;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const LOCATOR_64_SIZE = 20;
const MAX_U16 = 0xffff;
const MAX_U32 = 0xffffffff;
const LOCAL_SIZE = 30;

/** Flags of an entry: encrypted in one of three ways, sizes after the content, a name in UTF-8. */
const ENCRYPTED = 0x2041;
const SIZES_AFTER = 0x0008;
const UTF8 = 0x0800;
/** The longest record of sizes after a content, in bytes. */
const MAX_DESCRIPTOR = 24;
const STORED = 0;
const DEFLATED = 8;
/** Extra fields: sizes of ZIP64, and a second name. */
const EXTRA_64 = 0x0001;
const EXTRA_NAME = 0x7075;

/** The bits of a Unix mode that say what a file is. */
const TYPE = 0o170000;
const FILE = 0o100000;
const FOLDER = 0o040000;

/** Bytes of a name, and parts of it. */
const MAX_NAME = 1024;
const MAX_PART = 255;
const MAX_DEPTH = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The entries of an archive, in its order. Throws `ZipError`. */
export async function readZip(archive: Buffer, bounds: ZipBounds): Promise<ZipEntry[]> {
  const zip = await fromBufferPromise(archive, { lazyEntries: true, decodeStrings: false }).catch(refuse);
  const { start, count } = findDirectory(archive);
  if (count > bounds.entries) throw new ZipError(`it has more than ${bounds.entries} files`);
  const found: { readonly entry: Entry; readonly read: ZipEntry; readonly end: number }[] = [];
  const names = new Names();
  let unpacked = 0;
  try {
    for await (const entry of zip.eachEntry()) {
      const read = await readEntry(zip, entry, archive);
      names.add(read.name, read.folder);
      unpacked += read.size;
      if (unpacked > bounds.unpacked)
        throw new ZipError(`unpacked it would be more than ${bounds.unpacked} bytes`);
      found.push({ entry, read, end: dataStart(archive, entry) + entry.compressedSize });
    }
  } catch (error) {
    throw error instanceof ZipError ? error : refuse(error);
  }
  const { ratio } = bounds;
  if (ratio !== undefined && unpacked > ratio.above && unpacked > archive.length * ratio.most)
    throw new ZipError(`unpacked it would be more than ${ratio.most} times its size`);
  checkSpans(
    found.map(({ entry, end }) => ({
      start: entry.relativeOffsetOfLocalHeader,
      end,
      loose: (entry.generalPurposeBitFlag & SIZES_AFTER) === 0 ? 0 : MAX_DESCRIPTOR,
    })),
    start,
  );
  return found.map(({ read }) => read);
}

/** The whole content of a file. Throws `ZipError`. */
export async function readWhole(entry: ZipEntry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of entry.content()) pieces.push(piece);
  return Buffer.concat(pieces);
}

function refuse(error: unknown): never {
  throw new ZipError(`it is damaged, or not a ZIP archive (${error instanceof Error ? error.message : ''})`);
}

/** Where the central directory begins and how many entries it has. It ends where the end record begins. */
function findDirectory(archive: Buffer): { start: number; count: number } {
  const damaged = new ZipError('its directory is damaged');
  // The same record that yauzl takes: the last one, whose comment ends with the archive.
  let end = archive.length - END_SIZE;
  while (archive.readUInt32LE(end) !== END) end -= 1;
  const here = archive.readUInt16LE(end + 8);
  const count = archive.readUInt16LE(end + 10);
  const size = archive.readUInt32LE(end + 12);
  const start = archive.readUInt32LE(end + 16);
  const locator = end - LOCATOR_64_SIZE;
  if (locator < 0 || archive.readUInt32LE(locator) !== LOCATOR_64) {
    if (start + size !== end || here !== count || count === MAX_U16) throw damaged;
    return { start, count };
  }
  const at = Number(archive.readBigUInt64LE(locator + 8));
  if (at + 56 > locator || archive.readUInt32LE(at) !== END_64) throw damaged;
  const long = {
    recordEnd: at + 12 + Number(archive.readBigUInt64LE(at + 4)),
    here: Number(archive.readBigUInt64LE(at + 24)),
    count: Number(archive.readBigUInt64LE(at + 32)),
    size: Number(archive.readBigUInt64LE(at + 40)),
    start: Number(archive.readBigUInt64LE(at + 48)),
  };
  const agree =
    [MAX_U16, long.count].includes(count) &&
    [MAX_U32, long.size].includes(size) &&
    [MAX_U32, long.start].includes(start);
  if (!agree || long.here !== long.count || long.recordEnd !== locator || long.start + long.size !== at)
    throw damaged;
  return { start: long.start, count: long.count };
}

/** Where the content of an entry begins. */
function dataStart(archive: Buffer, { relativeOffsetOfLocalHeader: at }: Entry): number {
  return at + LOCAL_SIZE + archive.readUInt16LE(at + 26) + archive.readUInt16LE(at + 28);
}

async function readEntry(zip: ZipFile, entry: Entry, archive: Buffer): Promise<ZipEntry> {
  const { generalPurposeBitFlag: flags, compressionMethod: method, uncompressedSize: size } = entry;
  const text = decodeName(entry);
  const folder = text.endsWith('/');
  const name = checkName(folder ? text.slice(0, -1) : text);
  const mode = entry.externalFileAttributes >>> 16;
  const type = mode & TYPE;
  const shown = JSON.stringify(name.slice(0, 100));
  if (type !== 0 && type !== (folder ? FOLDER : FILE)) throw new ZipError(`${shown} is a link or a device`);
  if ((flags & ENCRYPTED) !== 0) throw new ZipError(`${shown} is encrypted`);
  if (method !== STORED && method !== DEFLATED)
    throw new ZipError(`${shown} is compressed in an unknown way`);
  if (folder && size !== 0) throw new ZipError(`${shown} is a folder with a content`);
  const local = await zip.readLocalFileHeaderPromise(entry);
  if (!local.fileName.equals(entry.fileNameRaw) || local.compressionMethod !== method)
    throw new ZipError(`${shown} is another file in its own header`);
  const kept = ENCRYPTED | SIZES_AFTER | UTF8;
  const sizes = localSizes(local);
  const claims = [local.crc32, sizes.packed, sizes.size];
  const isUnsaid = (flags & SIZES_AFTER) !== 0 && claims.every((each) => each === 0);
  const isSame = local.crc32 === entry.crc32 && sizes.packed === entry.compressedSize && sizes.size === size;
  if ((local.generalPurposeBitFlag & kept) !== (flags & kept) || !(isUnsaid || isSame))
    throw new ZipError(`${shown} has other sizes in its own header`);
  if (dataStart(archive, entry) + entry.compressedSize > archive.length)
    throw new ZipError(`${shown} is longer than the archive`);
  return {
    name,
    folder,
    executable: !folder && (mode & 0o111) !== 0,
    size,
    content: () => readContent(zip, entry, shown),
  };
}

/** The sizes of a local header, in bytes; those of ZIP64 are in an extra field. */
function localSizes(local: {
  readonly compressedSize: number;
  readonly uncompressedSize: number;
  readonly extraField: Buffer;
}): { packed: number; size: number } {
  const long = extraField(local.extraField, EXTRA_64);
  if (long === undefined || long.length < 16 || local.uncompressedSize !== MAX_U32)
    return { packed: local.compressedSize, size: local.uncompressedSize };
  return { size: Number(long.readBigUInt64LE(0)), packed: Number(long.readBigUInt64LE(8)) };
}

function extraField(bytes: Buffer, wanted: number): Buffer | undefined {
  for (let at = 0; at + 4 <= bytes.length; at += 4 + bytes.readUInt16LE(at + 2)) {
    if (bytes.readUInt16LE(at) === wanted) return bytes.subarray(at + 4, at + 4 + bytes.readUInt16LE(at + 2));
  }
  return undefined;
}

async function* readContent(zip: ZipFile, entry: Entry, shown: string): AsyncGenerator<Buffer> {
  const damaged = new ZipError(`${shown} is damaged`);
  let size = 0;
  let crc = 0;
  try {
    // It ends with an error at the first byte above the size that the directory says.
    for await (const piece of await zip.openReadStreamPromise(entry)) {
      const bytes = Buffer.from(piece);
      size += bytes.length;
      crc = crc32(bytes, crc);
      yield bytes;
    }
  } catch {
    throw damaged;
  }
  if (size !== entry.uncompressedSize || crc !== entry.crc32) throw damaged;
}

/** A name as it is in the archive. Whether it is marked as UTF-8 does not matter: programs of macOS never say so. */
function decodeName({ fileNameRaw, extraFieldRaw }: Entry): string {
  let text: string;
  try {
    text = utf8.decode(fileNameRaw);
  } catch {
    throw new ZipError('it has a name that is not UTF-8');
  }
  const second = extraField(extraFieldRaw, EXTRA_NAME);
  if (second !== undefined && !second.subarray(5).equals(fileNameRaw))
    throw new ZipError(`${JSON.stringify(text.slice(0, 100))} has a second name`);
  return text;
}

function checkName(name: string): string {
  const parts = name.split('/');
  const bad =
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be in a name
    /[\u0000-\u001f\u007f\\]/.test(name) ||
    /^[a-z]:/i.test(name) ||
    Buffer.byteLength(name) > MAX_NAME ||
    parts.length > MAX_DEPTH ||
    parts.some((part) => part === '' || part === '.' || part === '..' || Buffer.byteLength(part) > MAX_PART);
  if (bad) throw new ZipError(`it has a file of the name ${JSON.stringify(name.slice(0, 100))}`);
  return name;
}

/** The names of an archive: no two may be one file where case or the form of accents do not count. */
class Names {
  /** Folded path to the spelling of it, and whether it is a file, a folder of its own, or one above a file. */
  readonly #seen = new Map<string, { readonly spelled: string; kind: 'file' | 'folder' | 'above' }>();

  add(name: string, folder: boolean): void {
    const parts = name.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) this.#put(parts.slice(0, depth).join('/'), 'above');
    this.#put(name, folder ? 'folder' : 'file');
  }

  #put(spelled: string, kind: 'file' | 'folder' | 'above'): void {
    const key = spelled.normalize('NFC').toUpperCase().toLowerCase();
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      this.#seen.set(key, { spelled, kind });
      return;
    }
    const shown = JSON.stringify(spelled.slice(0, 100));
    if (seen.spelled !== spelled) throw new ZipError(`${shown} occurs in two spellings`);
    if (seen.kind === 'file' || kind === 'file')
      throw new ZipError(seen.kind === kind ? `${shown} occurs twice` : `${shown} is a file and a folder`);
    if (seen.kind === 'folder' && kind === 'folder') throw new ZipError(`${shown} occurs twice`);
    if (kind === 'folder') seen.kind = kind;
  }
}

/** Throws unless the files lie one behind the other, from the first byte to the directory. `loose`: bytes that may follow one. */
function checkSpans(
  spans: readonly { readonly start: number; readonly end: number; readonly loose: number }[],
  directory: number,
): void {
  let at = 0;
  let loose = 0;
  const sorted = [...spans].sort((a, b) => a.start - b.start);
  for (const next of [...sorted, { start: directory, end: directory, loose: 0 }]) {
    if (next.start < at) throw new ZipError('two of its files share bytes');
    if (next.start > at + loose) throw new ZipError('it has bytes that belong to no file');
    at = next.end;
    loose = next.loose;
  }
}

// Reads ZIP archives (PKWARE APPNOTE 6.3) that nobody vouches for. The central directory counts; a local header that says
// something else is an error, because another reader could see other files. No ZIP64, no encryption, no links. Pure.
import { crc32, inflateRawSync } from 'node:zlib';

/** A file in an archive. */
export interface ZipEntry {
  /** Relative, with "/", in the normal form: no empty part, no "." or "..", no "\" or control character. */
  readonly name: string;
  readonly folder: boolean;
  readonly executable: boolean;
  /** Of the content, in bytes, as the archive says. `read` checks it. */
  readonly size: number;
  /** The content. Throws `ZipError`. */
  read(): Buffer;
}

/** What is wrong with an archive. */
export class ZipError extends Error {}

const END_SIZE = 22;
const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const ENCRYPTED = 0x2041;
const STORED = 0;
const DEFLATED = 8;
const UNIX = 3;
const MAX_U16 = 0xffff;
const MAX_U32 = 0xffffffff;

/** The bits of a Unix mode that say what a file is. */
const TYPE = 0o170000;
const FILE = 0o100000;
const FOLDER = 0o040000;

/** The entries of an archive. Throws `ZipError`; a name that occurs twice is an error, whatever its case. */
export function readZip(archive: Buffer): ZipEntry[] {
  const end = findEnd(archive);
  const count = archive.readUInt16LE(end + 10);
  const start = archive.readUInt32LE(end + 16);
  if (count === MAX_U16 || start === MAX_U32) throw new ZipError('it is a ZIP64 archive');
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let at = start;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > end || archive.readUInt32LE(at) !== CENTRAL) throw new ZipError('its directory is damaged');
    const nameLength = archive.readUInt16LE(at + 28);
    const next = at + 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
    if (next > end) throw new ZipError('its directory is damaged');
    const entry = readEntry(archive, at, nameLength);
    const key = entry.name.normalize('NFC').toLowerCase();
    if (names.has(key)) throw new ZipError(`"${entry.name}" occurs twice`);
    names.add(key);
    entries.push(entry);
    at = next;
  }
  if (at !== end) throw new ZipError('its directory is damaged');
  return entries;
}

function findEnd(archive: Buffer): number {
  for (let at = archive.length - END_SIZE; at >= Math.max(0, archive.length - END_SIZE - MAX_U16); at -= 1) {
    if (archive.readUInt32LE(at) === END && at + END_SIZE + archive.readUInt16LE(at + 20) === archive.length)
      return at;
  }
  throw new ZipError('it is not a ZIP archive');
}

function readEntry(archive: Buffer, at: number, nameLength: number): ZipEntry {
  const rawName = archive.subarray(at + 46, at + 46 + nameLength);
  const flags = archive.readUInt16LE(at + 8);
  const method = archive.readUInt16LE(at + 10);
  const crc = archive.readUInt32LE(at + 16);
  const packed = archive.readUInt32LE(at + 20);
  const size = archive.readUInt32LE(at + 24);
  const local = archive.readUInt32LE(at + 42);
  const text = rawName.toString('utf8');
  const folder = text.endsWith('/');
  const name = checkName(folder ? text.slice(0, -1) : text);
  const mode = archive.readUInt8(at + 5) === UNIX ? archive.readUInt16LE(at + 40) : 0;
  const type = mode & TYPE;
  if (type !== 0 && type !== (folder ? FOLDER : FILE)) throw new ZipError(`"${name}" is a link or a device`);
  if ((flags & ENCRYPTED) !== 0) throw new ZipError(`"${name}" is encrypted`);
  if (method !== STORED && method !== DEFLATED)
    throw new ZipError(`"${name}" is compressed in an unknown way`);
  if ([packed, size, local].includes(MAX_U32)) throw new ZipError('it is a ZIP64 archive');
  return {
    name,
    folder,
    executable: (mode & 0o111) !== 0,
    size,
    read() {
      const damaged = new ZipError(`"${name}" is damaged`);
      if (local + 30 > archive.length || archive.readUInt32LE(local) !== LOCAL) throw damaged;
      const localName = archive.subarray(local + 30, local + 30 + archive.readUInt16LE(local + 26));
      if (!localName.equals(rawName) || archive.readUInt16LE(local + 8) !== method) throw damaged;
      const begin = local + 30 + localName.length + archive.readUInt16LE(local + 28);
      if (begin + packed > archive.length) throw damaged;
      const data = archive.subarray(begin, begin + packed);
      const content = method === STORED ? data : inflate(data, size, damaged);
      if (content.length !== size || crc32(content) !== crc) throw damaged;
      return content;
    },
  };
}

/** Inflates to at most as many bytes as the directory says. */
function inflate(data: Buffer, size: number, damaged: ZipError): Buffer {
  if (size === 0) return Buffer.alloc(0);
  try {
    return inflateRawSync(data, { maxOutputLength: size });
  } catch {
    throw damaged;
  }
}

function checkName(name: string): string {
  const parts = name.split('/');
  const bad =
    name.includes('\ufffd') ||
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be in a name
    /[\u0000-\u001f\u007f\\]/.test(name) ||
    /^[a-z]:/i.test(name) ||
    parts.some((part) => part === '' || part === '.' || part === '..' || Buffer.byteLength(part) > 255);
  if (bad) throw new ZipError(`it has a file of the name ${JSON.stringify(name.slice(0, 100))}`);
  return name;
}

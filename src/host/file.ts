// Reads and writes the file of a host. A file that others could have written is not read; a link is followed, and what it
// leads to is edited; mode and owner stay; and a change by another program in between is noticed, never written over.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { WarderError } from '../errors.ts';
import { exposedPart } from '../os/ownership.ts';
import { decode, MAX_BYTES, TextProblem } from './text/decode.ts';

/** A file as it was read. */
export interface HostText {
  /** As it was asked for. */
  readonly path: string;
  /** What its links lead to. */
  readonly file: string;
  /** Undefined: there is no such file. */
  readonly text: string | undefined;
}

/** Reads a file. Throws `refused` for one that others can change or that is no text, `cannot-write` where it cannot be read. */
export function readHostFile(path: string): HostText {
  const file = targetOf(path);
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return { path, file, text: undefined };
  if (!stats.isFile()) throw refusal(path, 'is not a file', 'move it away');
  const exposed = exposedPart(path);
  if (exposed !== undefined) throw refusal(path, `can be changed by others: ${exposed.what}`, exposed.hint);
  if (stats.size > MAX_BYTES) throw refusal(path, 'is too long', 'look at what is in it');
  try {
    return { path, file, text: decode(readFileSync(file)) };
  } catch (cause) {
    if (cause instanceof TextProblem) throw refusal(path, cause.message, 'repair it in an editor');
    throw new WarderError('cannot-write', `cannot read ${path}`, { cause });
  }
}

/**
 * Replaces a file's text, or creates it, 0600, with its folder, 0700. `before` is what was read; throws `refused` if there is another now. A reader
 * sees the old file or the new one.
 */
export function writeHostFile({ path, file, text: before }: HostText, text: string): void {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    if (before === undefined) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const stats = statSync(file, { throwIfNoEntry: false });
    const handle = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(handle, text);
      if (stats !== undefined) {
        const own = fstatSync(handle);
        if (own.uid !== stats.uid || own.gid !== stats.gid) fchownSync(handle, stats.uid, stats.gid);
        fchmodSync(handle, stats.mode & 0o7777);
      }
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    if (before === undefined) linkSync(temporary, file);
    else {
      // As late as can be. Another program that writes between this and the next line is not noticed.
      if (targetOf(path) !== file || sha256(readFileSync(file)) !== sha256(Buffer.from(before)))
        throw changed(path);
      renameSync(temporary, file);
    }
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    const { code } = Object(cause) as { code?: unknown };
    if (code === 'EEXIST' && before === undefined) throw changed(path);
    throw new WarderError('cannot-write', `cannot write ${path}`, { cause });
  } finally {
    rmSync(temporary, { force: true });
  }
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The digest of a text, as it is written: `sha256:` and hexadecimal digits. */
export function digestOf(text: string): string {
  return `sha256:${sha256(Buffer.from(text))}`;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The file that a path leads to. A link that leads nowhere is refused: nobody can say what was meant. */
function targetOf(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    const folder = realPath(dirname(path));
    return folder === undefined ? path : join(folder, basename(path));
  }
  const file = realPath(path);
  if (file !== undefined) return file;
  const target = stats.isSymbolicLink() ? resolve(dirname(path), readlinkSync(path)) : path;
  throw refusal(path, `is a link to ${target}, which is not there`, 'remove the link, or create the file');
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function changed(path: string): WarderError {
  return refusal(path, 'was changed by another program in the meantime', 'nothing was written; try again');
}

function refusal(path: string, what: string, hint: string): WarderError {
  return new WarderError('refused', `${path} ${what}`, { hint });
}

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
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { WarderError } from '../../errors.ts';
import { exposedPart } from '../../os/ownership.ts';
import { isAlive } from '../../os/proc.ts';
import { decode, MAX_BYTES, TextProblem } from '../text/decode.ts';

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
  try {
    const file = targetOf(path);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined) return { path, file, text: undefined };
    if (!stats.isFile()) throw refusal(path, 'is not a file', 'move it away');
    const exposed = exposedPart(path);
    if (exposed !== undefined) throw refusal(path, `can be changed by others: ${exposed.what}`, exposed.hint);
    if (stats.size > MAX_BYTES) throw refusal(path, 'is too long', 'look at what is in it');
    return { path, file, text: decode(readFileSync(file)) };
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    if (cause instanceof TextProblem) throw refusal(path, cause.message, 'repair it in an editor');
    throw new WarderError('cannot-write', `cannot read ${path}`, { cause, hint: systemReason(cause) });
  }
}

/**
 * Replaces a file's text, or creates it, 0600, with its folder, 0700. `before` is what was read; throws `refused` if there is
 * another now, or if the file has a second name, which would keep the old text. A reader sees the old file or the new one;
 * if this throws it is the old one.
 */
export function writeHostFile({ path, file, text: before }: HostText, text: string): void {
  const temporary = join(dirname(file), temporaryName(file));
  try {
    if (before === undefined) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats !== undefined && stats.nlink > 1)
      throw refusal(
        path,
        'has a second name, a hard link, which would keep the old text',
        'remove one of the two',
      );
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
    if (code === 'ENOENT' && before !== undefined) throw changed(path);
    throw new WarderError('cannot-write', `cannot write ${path}`, { cause, hint: systemReason(cause) });
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(dirname(file));
}

/** Where the system can: the file is written already. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // A folder that cannot be read, or a system that does not sync folders.
  }
}

/** The name of a file that a write is made in: with the process, so that one that was killed is known by it. */
function temporaryName(file: string): string {
  return `.${basename(file)}.warder-${process.pid}-${randomBytes(6).toString('hex')}.tmp`;
}

/** Removes what killed processes have left beside a file: it may hold secrets. */
export function removeLeftovers(path: string): void {
  try {
    const file = targetOf(path);
    const head = `.${basename(file)}.warder-`;
    for (const name of readdirSync(dirname(file))) {
      const pid = name.startsWith(head)
        ? /^(\d+)-[0-9a-f]{12}\.tmp$/.exec(name.slice(head.length))?.[1]
        : undefined;
      if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(dirname(file), name), { force: true });
    }
  } catch {
    // There is no such folder, or it cannot be read: whoever reads the file says so.
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
  try {
    return realpathSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ELOOP') throw refusal(path, 'is a link in a circle', 'remove the link');
    if (code !== 'ENOENT' || !stats.isSymbolicLink()) throw cause;
  }
  const target = resolve(dirname(path), readlinkSync(path));
  throw refusal(path, `is a link to ${target}, which is not there`, 'remove the link, or create the file');
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** What the system says: `EACCES: permission denied`. */
function systemReason(cause: unknown): string {
  return cause instanceof Error ? (cause.message.split(',')[0] ?? '') : String(cause);
}

function changed(path: string): WarderError {
  return refusal(path, 'was changed by another program in the meantime', 'nothing was written; try again');
}

function refusal(path: string, what: string, hint: string): WarderError {
  return new WarderError('refused', `${path} ${what}`, { hint });
}

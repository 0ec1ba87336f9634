// The user's own files: written whole or not at all, and read only where nobody else could have written them.
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file, 0600 or of another `mode`, atomically: to a temporary file beside it, synced to disk, which then replaces it. A reader
 * sees either the old bytes or the new ones. Creates the folder, 0700, if it does not exist. With `exclusive` an
 * existing file is left as it is and EEXIST is thrown. Throws the system's error.
 */
export function writeFileAtomic(
  path: string,
  bytes: string | Uint8Array,
  options: { exclusive?: boolean; mode?: number } = {},
): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  try {
    const file = openSync(temporary, 'wx', options.mode ?? 0o600);
    try {
      for (let done = 0; done < data.length; ) done += writeSync(file, data, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (options.exclusive === true) linkSync(temporary, path);
    else renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(folder);
}

/**
 * Says why a file or folder does not belong to the user alone: another user (other than root) owns it or can write
 * to it. `undefined` if it does, and on Windows, which has neither numeric owners nor modes.
 */
export function ownershipProblem(
  path: string,
  { uid, mode }: Stats,
): { readonly what: string; readonly hint: string } | undefined {
  const own = process.getuid?.();
  if (own === undefined) return undefined;
  if (uid !== own && uid !== 0) {
    return { what: `${path} belongs to another user`, hint: `run "chown ${own} ${path}"` };
  }
  return (mode & 0o022) === 0
    ? undefined
    : { what: `others can write to ${path}`, hint: `run "chmod go-w ${path}"` };
}

/** Whether a path is an executable file that nobody else can change. */
export function isOwnProgram(path: string): boolean {
  try {
    const stats = statSync(path);
    accessSync(path, constants.X_OK);
    return stats.isFile() && ownershipProblem(path, stats) === undefined;
  } catch {
    return false;
  }
}

/** Syncs a folder's entries to disk, where the system can. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

// Files that are written whole or not at all, for their owner alone.
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file 0600: into a new file beside it, to the disk, then in its place. A reader sees the old bytes
 * or the new ones. The folder is created 0700 where there is none. With `exclusive` an existing file is left
 * as it is and EEXIST thrown. Throws the system's error.
 */
export function writeWhole(
  path: string,
  bytes: string | Uint8Array,
  options: { exclusive?: boolean } = {},
): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      for (let done = 0; done < data.length; ) done += writeSync(file, data, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (options.exclusive === true) linkSync(draft, path);
    else renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  syncFolder(folder);
}

/** Takes a folder's entries to the disk, where the system can. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

// How much is in a folder that a server writes. The server may try to hide something: no link is followed, a folder that
// cannot be listed is opened again, and a tree that is deeper than any program makes counts as too large.
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, open, readdir, stat } from 'node:fs/promises';

/** How deep folders may lie in each other. */
const MAX_DEPTH = 128;

/** What a file or folder takes at least, so that empty ones count too. Bytes. */
const MIN_ENTRY = 4096;

/** How many files are looked at together. */
const BATCH = 64;

/** `O_PATH`: refers to a folder without permission to read it. Linux, all architectures. */
const O_PATH = 0o10000000;

interface Sum {
  bytes: number;
  readonly most: number;
  /** Files with several names, by their numbers: each counts once. */
  readonly counted: Set<number>;
}

/**
 * The bytes that a folder's contents take on the disk; more than `most`, and not exact, if it is more than that. A folder
 * that does not exist is empty. Linux only: elsewhere the answer is 0.
 */
export async function folderSize(folder: string, most: number): Promise<number> {
  if (process.platform !== 'linux') return 0;
  const sum: Sum = { bytes: 0, most, counted: new Set() };
  await using handle = await openFolder(folder).catch(() => undefined);
  if (handle !== undefined) await addFolder(handle, 0, sum);
  return sum.bytes;
}

async function addFolder(folder: FileHandle, depth: number, sum: Sum): Promise<void> {
  if (depth > MAX_DEPTH) {
    sum.bytes = Number.POSITIVE_INFINITY;
    return;
  }
  const at = (name: Buffer): Buffer => Buffer.concat([Buffer.from(`/proc/self/fd/${folder.fd}/`), name]);
  const entries = await readdir(`/proc/self/fd/${folder.fd}`, { withFileTypes: true, encoding: 'buffer' });
  for (let from = 0; from < entries.length && sum.bytes <= sum.most; from += BATCH) {
    const batch = entries.slice(from, from + BATCH);
    const stats = await Promise.all(batch.map(({ name }) => lstat(at(name)).catch(() => undefined)));
    for (const found of stats) {
      if (found === undefined || (found.nlink > 1 && !found.isDirectory() && sum.counted.has(found.ino)))
        continue;
      if (found.nlink > 1) sum.counted.add(found.ino);
      sum.bytes += Math.max(found.blocks * 512, MIN_ENTRY);
    }
  }
  for (const entry of entries) {
    if (sum.bytes > sum.most) return;
    if (!entry.isDirectory()) continue;
    await using inner = await openFolder(at(entry.name)).catch((error: NodeJS.ErrnoException) => {
      // It was removed meanwhile, or replaced.
      if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code ?? '')) return undefined;
      throw error;
    });
    if (inner !== undefined) await addFolder(inner, depth + 1, sum);
  }
}

/** Opens a folder to list it. Takes the right to do so if its owner took it away. */
export async function openFolder(path: string | Buffer): Promise<FileHandle> {
  const flags = constants.O_DIRECTORY | constants.O_NOFOLLOW;
  try {
    return await open(path, constants.O_RDONLY | flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    await using folder = await open(path, O_PATH | flags);
    const itself = `/proc/self/fd/${folder.fd}`;
    await chmod(itself, ((await stat(itself)).mode & 0o777) | 0o700);
    return await open(path, constants.O_RDONLY | flags);
  }
}

// Removes a folder that a server has written, and may still be writing. The server may put a link in the place of a
// folder between two calls, so on Linux each folder is opened without following links, and its entries are named by
// the open folder: nothing outside is removed or changed. Elsewhere paths are used, and the tools of Node.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, open, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { openFolder } from './folder-size.ts';

/** How many folders are open at once. What lies deeper is moved up first. */
const MAX_OPEN = 64;

/**
 * Removes a folder with its contents, also those folders that its owner may not list or write to. Never throws; what
 * cannot be removed, or appears meanwhile, stays.
 */
export async function removeFolder(folder: string): Promise<void> {
  try {
    if (process.platform !== 'linux') {
      await rm(folder, { recursive: true, force: true });
      return;
    }
    await using parent = await open(dirname(folder), constants.O_RDONLY | constants.O_DIRECTORY);
    const path = entryOf(parent, Buffer.from(basename(folder)));
    {
      await using root = await openFolder(path);
      // What lay too deep is in the root now.
      while (await empty(root, root, 0));
    }
    await rmdir(path);
  } catch {
    // It is gone, is no folder, or something in it could not be removed.
  }
}

/** Removes what is in a folder; `depth` is how deep it lies in `root`. Returns whether something was moved to `root`. */
async function empty(folder: FileHandle, root: FileHandle, depth: number): Promise<boolean> {
  const path = `/proc/self/fd/${folder.fd}`;
  await chmod(path, 0o700);
  let hasMoved = false;
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    const at = entryOf(folder, entry.name);
    if (!entry.isDirectory()) await unlink(at).catch(() => {});
    else if (depth < MAX_OPEN) hasMoved = (await removeInner(at, root, depth + 1)) || hasMoved;
    else {
      await rename(at, entryOf(root, Buffer.from(`.removed-${randomBytes(8).toString('hex')}`)));
      hasMoved = true;
    }
  }
  return hasMoved;
}

/** Removes a folder in another one, unless it was removed or replaced meanwhile, or belongs to somebody else. */
async function removeInner(path: Buffer, root: FileHandle, depth: number): Promise<boolean> {
  let hasMoved = false;
  try {
    {
      await using inner = await openFolder(path);
      hasMoved = await empty(inner, root, depth);
    }
    await rmdir(path);
  } catch {
    // What is left is told by the folder that cannot be removed.
  }
  return hasMoved;
}

/** An entry of an open folder. */
function entryOf(folder: FileHandle, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${folder.fd}/`), name]);
}

// The files in the package store: permissions, reading and writing.
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WarderError } from '../errors.ts';
import { writeFileAtomic } from '../os/file.ts';

/** Removes write permission from a whole tree, and all permissions of others. The sandbox also mounts it read-only. */
export function makeReadOnly(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) makeReadOnly(path);
    else if (entry.isFile()) chmodSync(path, (lstatSync(path).mode & 0o111) === 0 ? 0o400 : 0o500);
  }
  chmodSync(folder, 0o500);
}

/** Gives the owner the permissions needed to remove a tree. */
export function makeWritable(folder: string): void {
  if (!existsSync(folder)) return;
  chmodSync(folder, 0o700);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) makeWritable(join(folder, entry.name));
  }
}

/** Reads a file of the store as text. Throws `package-changed`. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new WarderError('package-changed', `cannot read "${file}"`, {
      cause,
      hint: 'run "warder package verify": it names what is damaged, and how to install it again',
    });
  }
}

/** The names in a folder; none if there is no folder. */
export function listFolder(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Whether there is a folder, and no link to one. */
export function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Writes a file of the store at once. Throws `cannot-write`. */
export function writeFile(file: string, text: string): void {
  try {
    writeFileAtomic(file, text);
  } catch (error) {
    throw asWriteError(error);
  }
}

/** An error of the file system as `cannot-write`, if it is one on room or permissions; otherwise as it is. */
export function asWriteError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (!['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM'].includes(String(code))) return error;
  return new WarderError('cannot-write', 'cannot write to the package store', {
    cause: error,
    hint: 'make room, or correct its permissions; the store is unchanged',
  });
}

// Permissions and reading of the files in the package store.
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WarderError } from '../errors.ts';

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

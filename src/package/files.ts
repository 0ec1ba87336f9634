// A tree's files, as the store keeps them.
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WarderError } from '../errors.ts';

/** Takes the right to write from a whole tree, and all rights of others; the sandbox mounts it read-only besides. */
export function makeReadOnly(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) makeReadOnly(path);
    else if (entry.isFile()) chmodSync(path, (lstatSync(path).mode & 0o111) === 0 ? 0o400 : 0o500);
  }
  chmodSync(folder, 0o500);
}

/** Gives its owner the right to remove it. */
export function makeWritable(folder: string): void {
  if (!existsSync(folder)) return;
  chmodSync(folder, 0o700);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) makeWritable(join(folder, entry.name));
  }
}

/** A file of the store as text. Throws `package-changed`. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new WarderError('package-changed', `cannot read "${file}"`, {
      cause,
      hint: 'run "warder package lock" again',
    });
  }
}

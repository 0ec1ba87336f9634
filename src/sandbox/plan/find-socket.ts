// Looks for sockets of other programs in the packages that a command needs.
import { type Dirent, readdirSync } from 'node:fs';
import type { FolderEntry, ListedPath } from './inputs.ts';

/** How many entries are looked at. */
const MAX_ENTRIES = 10_000;

/** Folders that only installers write to. Nobody listens there. */
const INSTALLED = new Set(['node_modules', 'site-packages', '.venv', 'venv']);

/**
 * A socket in the packages that a command needs, or a folder of them with more entries than can be looked at. Runtimes and
 * installed packages are left out.
 */
export function findSocket(listed: readonly ListedPath[]): string | undefined {
  const folders: FolderEntry[] = listed.flatMap(({ implied, entries = [] }) => (implied ? entries : []));
  const pending = folders.flatMap(({ path, folder }) => (folder && !isInstalled(path) ? [path] : []));
  let left = MAX_ENTRIES;
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of list(folder)) {
      if (left-- <= 0) return folder;
      const path = `${folder}/${entry.name}`;
      if (entry.isSocket()) return path;
      if (entry.isDirectory() && !isInstalled(path)) pending.push(path);
    }
  }
  return undefined;
}

function isInstalled(path: string): boolean {
  return INSTALLED.has(path.slice(path.lastIndexOf('/') + 1));
}

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

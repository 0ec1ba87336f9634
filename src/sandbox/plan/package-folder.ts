// The folder of a package that a server's command needs: without `.env`, `.git`, `.npmrc` and the like.
import { readdirSync } from 'node:fs';
import { WarderError } from '../../errors.ts';
import type { FolderEntry, ListedPath, SymbolicLink } from './inputs.ts';
import { within } from './path.ts';
import type { FolderEntryHandle, PathHandles } from './path-handles.ts';
import { isPackage } from './program.ts';
import { isPrivateName } from './secret-places.ts';

/** How many entries of a package's folder can be bound one by one. */
const MAX_ENTRIES = 256;

/**
 * Narrows the folder of a package that a command needs, and that no line of the profile lists, to the entries that are
 * not private. They are bound one by one, so that nothing private can appear in the folder later either. Links among them
 * stay links.
 */
export function withoutPrivateEntries(
  listed: ListedPath,
  all: readonly ListedPath[],
  secrets: readonly { readonly path: string }[],
  profile: string,
  handles: PathHandles,
): { listed: ListedPath; links: SymbolicLink[] } {
  const { path, implied, folder } = listed;
  const covered = all.some((explicit) => !explicit.implied && within(path, explicit.path));
  if (!implied || !folder || covered || !isPackage(path)) return { listed, links: [] };
  const isSecret = (entry: string): boolean =>
    secrets.some((secret) => within(secret.path, entry) || within(entry, secret.path));
  const names = readdirSync(path);
  const omitted = names.filter((name) => isPrivateName(name) || isSecret(`${path}/${name}`));
  const shown = names.filter((name) => !omitted.includes(name));
  if (shown.length > MAX_ENTRIES) {
    throw new WarderError(
      'profile-invalid',
      `cannot start "${profile}": its command needs "${path}", which has more than ${MAX_ENTRIES} entries`,
      { hint: 'list it, or the folders in it that the server needs, under "sandbox.read"' },
    );
  }
  const entries: FolderEntry[] = [];
  const links: SymbolicLink[] = [];
  for (const name of shown) {
    const entry = openEntry(handles, path, name);
    if (entry?.kind === 'link') links.push({ at: entry.path, to: entry.to });
    else if (entry?.kind === 'file' || entry?.kind === 'folder')
      entries.push({ path: entry.path, folder: entry.kind === 'folder' });
  }
  return { listed: { ...listed, entries, omitted }, links };
}

function openEntry(handles: PathHandles, folder: string, name: string): FolderEntryHandle | undefined {
  try {
    return handles.openEntry(folder, name);
  } catch {
    // It is gone again.
    return undefined;
  }
}

// Files and folders that a server's arguments name, and what the server may do with them: `add` asks, and says what it could
// not ask.
import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { WarderError } from '../../errors.ts';
import type { ServerPreview } from './preview.ts';

/** Folders of the system, which every sandbox has, or which none may have. */
const SYSTEM = /^\/(?:usr|bin|sbin|lib\w*|etc|proc|sys|dev|nix|gnu)(?:\/|$)/;

/** The existing files and folders that arguments name, absolute. `cwd`: where relative paths begin; undefined: nowhere. */
export function namedPaths(args: readonly string[], cwd: string | undefined): string[] {
  const found = args
    // Of `--config=file` only the file counts.
    .map((arg) => arg.replace(/^--?[\w-]+=/, ''))
    .filter((word) => word !== '' && !word.startsWith('-') && !word.includes('://'))
    .filter((word) => isAbsolute(word) || (cwd !== undefined && /[./]/.test(word)))
    .map((word) => resolve(cwd ?? '/', word))
    .filter((path) => !SYSTEM.test(path) && isFileOrFolder(path));
  return [...new Set(found)];
}

/** What a server may do with a path. */
export type PathUse = 'read' | 'write' | 'nothing';

/** Paths for the lists of a sandbox. */
export interface ListedPaths {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/**
 * Lists those of the paths that the sandbox does not have yet. `preview` previews the server with more paths; `choose` says
 * what the server may do with one, and is told why the last answer cannot be: no sandbox may contain it.
 */
export async function listPaths(
  paths: readonly string[],
  preview: (more: ListedPaths) => ServerPreview['sandbox'],
  choose: (path: string, refused: WarderError | undefined) => Promise<PathUse> | PathUse,
): Promise<ListedPaths> {
  let listed: ListedPaths = { read: [], write: [] };
  for (const path of paths) {
    const before = preview(listed);
    // Without a sandbox there is nothing to list; a start that is refused anyway has its own message.
    if (before === undefined || before instanceof WarderError) return { read: [], write: [] };
    const there = [...before.read, ...before.write].some(
      (each) => path === each || path.startsWith(`${each}/`),
    );
    if (there) continue;
    let refused: WarderError | undefined;
    for (;;) {
      const use = await choose(path, refused);
      if (use === 'nothing') break;
      const more = { ...listed, [use]: [...listed[use], path] };
      const after = preview(more);
      refused = after instanceof WarderError ? after : undefined;
      if (refused !== undefined) continue;
      listed = more;
      break;
    }
  }
  return listed;
}

function isFileOrFolder(path: string): boolean {
  try {
    const stat = statSync(path);
    return stat.isFile() || stat.isDirectory();
  } catch {
    return false;
  }
}

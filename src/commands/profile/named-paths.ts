// Files and folders that a server's arguments name. The server should find them in its sandbox, so `add` lists them, to be read.
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

/**
 * Those of the paths that the sandbox does not have yet and may have. `preview` previews the server with more paths to
 * read; `refused` is told of a path that no sandbox may contain.
 */
export function pathsToRead(
  paths: readonly string[],
  preview: (read: readonly string[]) => ServerPreview['sandbox'],
  refused: (path: string, why: WarderError) => void,
): string[] {
  const chosen: string[] = [];
  for (const path of paths) {
    const before = preview(chosen);
    // Without a sandbox there is nothing to list; a start that is refused anyway has its own message.
    if (before === undefined || before instanceof WarderError) return [];
    const there = [...before.read, ...before.write].some(
      (each) => path === each || path.startsWith(`${each}/`),
    );
    if (there) continue;
    const after = preview([...chosen, path]);
    if (after instanceof WarderError) refused(path, after);
    else chosen.push(path);
  }
  return chosen;
}

function isFileOrFolder(path: string): boolean {
  try {
    const stat = statSync(path);
    return stat.isFile() || stat.isDirectory();
  } catch {
    return false;
  }
}

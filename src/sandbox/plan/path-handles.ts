// Opens each path once and keeps it open until a sandbox has bound it. The real path and the type are read from the
// descriptor, and the sandbox binds the same descriptor. So nobody can replace the path with a link between the check
// and the use.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { SymbolicLink } from './inputs.ts';

/** `O_PATH`: refers to a place in the file system without permission to read it. Linux, all architectures. */
const O_PATH = 0o10000000;

/** `O_TMPFILE`: a file without a name, deleted with its last descriptor. Linux, all architectures. */
const O_TMPFILE = 0o20200000;
const MEMORY = '/dev/shm';

/** An opened path. */
export interface PathHandle {
  /** The real path. */
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'other';
}

/** An opened entry of a folder. */
export type FolderEntryHandle =
  | PathHandle
  | { readonly path: string; readonly kind: 'link'; readonly to: string };

/** Descriptors for a sandbox that is about to start. Disposing closes them. */
export class PathHandles implements Disposable {
  readonly #places = new Map<string, number>();
  readonly #files: number[] = [];

  /** Opens a path, whatever it leads to, and keeps it open. Throws the system's error. */
  open(path: string): PathHandle {
    if (process.platform !== 'linux') return { path: realpathSync(path), kind: kindOf(statSync(path)) };
    const descriptor = openSync(path, O_PATH);
    this.#files.push(descriptor);
    const real = readlinkSync(`/proc/self/fd/${descriptor}`);
    this.#places.set(real, descriptor);
    return { path: real, kind: kindOf(fstatSync(descriptor)) };
  }

  /** Opens an entry of an opened folder, without following a link, and keeps it open. Throws the system's error. */
  openEntry(folder: string, name: string): FolderEntryHandle {
    const path = `${folder}/${name}`;
    const parent = this.#places.get(folder);
    if (process.platform !== 'linux' || parent === undefined) return entryOf(path, path, lstatSync(path));
    const at = `/proc/self/fd/${parent}/${name}`;
    const descriptor = openSync(at, O_PATH | constants.O_NOFOLLOW);
    this.#files.push(descriptor);
    const entry = entryOf(path, at, fstatSync(descriptor));
    if (entry.kind === 'file' || entry.kind === 'folder') this.#places.set(path, descriptor);
    return entry;
  }

  /** The descriptor of a real path, if it was opened. */
  descriptorOf(path: string): number | undefined {
    return this.#places.get(path);
  }

  /** Opens a file for reading; `undefined` if that fails. */
  openFile(path: string): number | undefined {
    try {
      const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      this.#files.push(descriptor);
      return descriptor;
    } catch {
      return undefined;
    }
  }

  /** A descriptor from which these bytes can be read; `undefined` without a file system in memory. */
  memoryFile(bytes: Buffer): number | undefined {
    try {
      const descriptor = openSync(MEMORY, O_TMPFILE | constants.O_RDWR, 0o600);
      this.#files.push(descriptor);
      // Written at an explicit position, so that the descriptor's own position stays at the beginning.
      writeSync(descriptor, bytes, 0, bytes.length, 0);
      return descriptor;
    } catch {
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#files.splice(0)) closeSync(descriptor);
    this.#places.clear();
  }
}

function entryOf(path: string, at: string, stat: Stats): FolderEntryHandle {
  if (!stat.isSymbolicLink()) return { path, kind: kindOf(stat) };
  return { path, kind: 'link', to: resolve(dirname(path), readlinkSync(at)) };
}

function kindOf(stat: { isDirectory(): boolean; isFile(): boolean }): PathHandle['kind'] {
  return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : 'other';
}

/** How many links Linux follows in one path. */
const MAX_LINKS = 40;

/**
 * The symbolic links that a path leads through, in order. No `at` contains another link. Stops where nothing exists, or after
 * too many links.
 */
export function linksOf(path: string): SymbolicLink[] {
  // Most paths lead through none, and the C library says that at once.
  if (isReal(path)) return [];
  const links: SymbolicLink[] = [];
  let left = path.split('/').filter((name) => name !== '');
  let at = '';
  while (left.length > 0 && links.length < MAX_LINKS) {
    const [name = '', ...rest] = left;
    const next = `${at}/${name}`;
    const target = targetOf(next);
    if (target === undefined) [at, left] = [next, rest];
    else {
      const to = resolve(dirname(next), target);
      links.push({ at: next, to });
      [at, left] = ['', [...to.split('/').filter((part) => part !== ''), ...rest]];
    }
  }
  return links;
}

function isReal(path: string): boolean {
  try {
    return realpathSync.native(path) === path;
  } catch {
    // It leads nowhere, or into a folder that this user cannot enter.
    return false;
  }
}

function targetOf(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

// Looking at paths once, and holding on to what was seen until a sandbox has it. A path is opened, and everything else (where it
// really is, what it is) is asked of the descriptor; the sandbox binds that same descriptor. So nobody can put
// a link in its place between the check and the use.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { SymbolicLink } from './inputs.ts';

/** `O_PATH`: a place in the file system, whatever may be done there. Linux, all architectures. */
const O_PATH = 0o10000000;

/** `O_TMPFILE`: a file without a name, gone with its last descriptor. Linux, all architectures. */
const O_TMPFILE = 0o20200000;
const MEMORY = '/dev/shm';

/** Something that a path led to. */
export interface PathHandle {
  /** Where it really is. */
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'other';
}

/** Descriptors for a sandbox that is about to be made. Disposed of, they are closed. */
export class PathHandles implements Disposable {
  readonly #places = new Map<string, number>();
  readonly #files: number[] = [];

  /** Opens a path, whatever it leads to, and holds it. Throws the system's error. */
  open(path: string): PathHandle {
    if (process.platform !== 'linux') return { path: realpathSync(path), kind: kindOf(statSync(path)) };
    const descriptor = openSync(path, O_PATH);
    this.#files.push(descriptor);
    const real = readlinkSync(`/proc/self/fd/${descriptor}`);
    this.#places.set(real, descriptor);
    return { path: real, kind: kindOf(fstatSync(descriptor)) };
  }

  /** The descriptor of what is at this real path, if it was looked at. */
  descriptorOf(path: string): number | undefined {
    return this.#places.get(path);
  }

  /** Opens a file for reading; `undefined` where that cannot be done. */
  openFile(path: string): number | undefined {
    try {
      const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      this.#files.push(descriptor);
      return descriptor;
    } catch {
      return undefined;
    }
  }

  /** A descriptor at the beginning of these bytes, or `undefined` where there is no place in memory for them. */
  memoryFile(bytes: Buffer): number | undefined {
    try {
      const descriptor = openSync(MEMORY, O_TMPFILE | constants.O_RDWR, 0o600);
      this.#files.push(descriptor);
      // At a position of its own, so that the descriptor's stays at the beginning.
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

function kindOf(stat: { isDirectory(): boolean; isFile(): boolean }): PathHandle['kind'] {
  return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : 'other';
}

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;

/**
 * The symbolic links that a path leads through, in order; each `at` has no link above it. Ends where nothing
 * is, or too many links are.
 */
export function linksOf(path: string): SymbolicLink[] {
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

function targetOf(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

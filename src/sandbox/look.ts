// Looking at paths once, and holding on to what was seen. A path is opened, and everything else (where it
// really is, what it is) is asked of the descriptor; the sandbox binds that same descriptor. So nobody can put
// a link in its place between the check and the use.
import { closeSync, fstatSync, lstatSync, openSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Link } from './plan.ts';

/** `O_PATH`: a place in the file system, whatever may be done there. Linux, all architectures. */
const O_PATH = 0o10000000;

/** Something that a path led to. */
export interface Seen {
  /** Where it really is. */
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'other';
}

/** The descriptors of what was seen, by its real path. Disposed of, they are closed. */
export class Held implements Disposable {
  readonly #descriptors = new Map<string, number>();

  /** Opens a path and holds it. Throws the system's error. */
  look(path: string): Seen {
    if (process.platform !== 'linux') return { path: realpathSync(path), kind: kindOf(statSync(path)) };
    const descriptor = openSync(path, O_PATH);
    const real = readlinkSync(`/proc/self/fd/${descriptor}`);
    const before = this.#descriptors.get(real);
    if (before !== undefined) closeSync(before);
    this.#descriptors.set(real, descriptor);
    return { path: real, kind: kindOf(fstatSync(descriptor)) };
  }

  /** The descriptor of what is at this real path, if it was looked at. */
  descriptor(path: string): number | undefined {
    return this.#descriptors.get(path);
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }
}

function kindOf(stat: { isDirectory(): boolean; isFile(): boolean }): Seen['kind'] {
  return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : 'other';
}

/** As many links as Linux follows in one path. */
const MOST_LINKS = 40;

/**
 * The symbolic links that a path leads through, in order; each `at` has no link above it. Ends where nothing
 * is, or too many links are.
 */
export function linksOf(path: string): Link[] {
  const links: Link[] = [];
  let left = path.split('/').filter((name) => name !== '');
  let at = '';
  while (left.length > 0 && links.length < MOST_LINKS) {
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

// The installed trees. They are shared by digest: profiles whose locks have the same digest run the same files, and a tree
// that is in order is never replaced.
//
//     state/packages/<id>-<digest12>/tree/       what the registry's client installed, with listing and stamps beside it
//                                                (src/package/checked-trees.ts)
//     state/packages/<id>-<digest12>/code/       what V8 made of it (src/package/code-cache.ts)
//     state/packages/.new-<random>/              an installation in progress; renamed when it is complete
//
// A crash leaves at most a `.new-` or `.old-` folder; `sweep` removes it.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../os/clock.ts';
import { CheckedTrees } from './checked-trees.ts';
import { type CodeCache, CodeCaches } from './code-cache.ts';
import { asWriteError, isFolder, listFolder, makeWritable } from './files.ts';
import type { PackageLock } from './lock.ts';
import { idOf } from './lock-files.ts';
import type { StampCheck } from './stamp-check.ts';
import { StampFiles } from './stamps.ts';
import { readTree, type Tree } from './tree.ts';

/** A folder of the store for an installation in progress, removed with all that is in it unless it was placed. */
export interface NewFolder extends Disposable {
  readonly path: string;
}

/** The trees in a folder. */
export class Trees {
  readonly #folder: string;
  readonly #checked: CheckedTrees;
  readonly #codes: CodeCaches;

  /** `matches`: how files are compared with their stamps; by default in this process. */
  constructor(folder: string, clock: Clock, matches?: StampCheck) {
    this.#folder = folder;
    const stamps = new StampFiles(folder);
    this.#checked = new CheckedTrees(stamps, clock, matches);
    this.#codes = new CodeCaches(stamps, this.#checked);
  }

  /** The root of a lock's tree; undefined if it is not installed. */
  root(lock: PackageLock): string | undefined {
    const root = join(this.#path(lock), 'tree');
    return existsSync(root) ? root : undefined;
  }

  /** Makes a folder for an installation. Throws `cannot-write`. */
  create(): NewFolder {
    const path = join(this.#folder, `.new-${randomBytes(6).toString('hex')}`);
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw asWriteError(error);
    }
    return { path, [Symbol.dispose]: () => remove(path) };
  }

  /** Makes the tree of a new folder read-only, hashes it, and writes its listing and stamps. */
  seal({ path }: NewFolder): Promise<Tree> {
    return this.#checked.seal(path);
  }

  /** Moves a new tree to its place. A tree with the same files stays, because sessions may run from it. */
  async place({ path }: NewFolder, lock: PackageLock): Promise<void> {
    const target = this.#path(lock);
    if (!existsSync(target)) return renameSync(path, target);
    const present = await readTree(join(target, 'tree')).catch(() => undefined);
    if (present?.digest === lock.digest) {
      this.#checked.record(target, present);
      return;
    }
    const old = join(this.#folder, `.old-${randomBytes(6).toString('hex')}`);
    renameSync(target, old);
    renameSync(path, target);
    remove(old);
  }

  /** Checks a lock's tree against its digest, and returns what differs; as `CheckedTrees.check`. */
  check(lock: PackageLock, full: boolean): Promise<readonly string[]> {
    return this.#checked.check(this.#path(lock), lock.digest, full);
  }

  /** The code cache of a lock's tree that was made by the Node that runs this; undefined if there is none. */
  code(lock: PackageLock): CodeCache | undefined {
    return this.#codes.find(this.#path(lock), lock.digest);
  }

  /** Checks a code cache, and returns what differs. */
  checkCode(cache: CodeCache, full: boolean): Promise<readonly string[]> {
    return this.#codes.check(cache, full);
  }

  /** Makes the code cache of a lock's tree in place of those that there are. `run` fills an empty folder. */
  async makeCode(lock: PackageLock, run: (folder: string) => Promise<void>): Promise<void> {
    using folder = this.create();
    await this.#codes.make(this.#path(lock), lock.digest, folder.path, run);
  }

  /** Removes all trees but those of `keep`, and what a crash left. Returns the names of those that have no lock in `known`. */
  sweep(keep: readonly PackageLock[], known: readonly PackageLock[]): string[] {
    const kept = new Set(keep.map((lock) => this.#path(lock)));
    const locked = new Set(known.map((lock) => this.#path(lock)));
    const gone = listFolder(this.#folder).filter((name) => {
      const folder = join(this.#folder, name);
      if (kept.has(folder) || !isFolder(folder)) return false;
      remove(folder);
      return true;
    });
    return gone.filter((name) => !locked.has(join(this.#folder, name)));
  }

  #path(lock: PackageLock): string {
    const digest = lock.digest.slice('sha256:'.length, 'sha256:'.length + 12);
    return join(this.#folder, `${idOf(lock)}-${digest}`);
  }
}

function remove(folder: string): void {
  makeWritable(folder);
  rmSync(folder, { recursive: true, force: true });
}

// The installed trees. They are shared by digest: profiles whose locks have the same digest run the same files, and a tree
// that is in order is never replaced.
//
//     state/packages/<id>-<digest12>/tree/       what the registry's client installed
//     state/packages/<id>-<digest12>/listing     the tree's files (src/package/tree.ts)
//     state/packages/<id>-<digest12>/stamps      size, times and inode of each file when it was last hashed (src/package/stamps.ts)
//     state/packages/.new-<random>/              an installation in progress; renamed when it is complete
//
// A crash leaves at most a `.new-` or `.old-` folder; `sweep` removes it.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../os/clock.ts';
import { asWriteError, isFolder, listFolder, makeReadOnly, makeWritable, writeFile } from './files.ts';
import type { PackageLock } from './lock.ts';
import { idOf } from './lock-files.ts';
import type { StampCheck } from './stamp-check.ts';
import { StampFiles } from './stamps.ts';
import { diffListings, matchesStamps, readTree, type Tree, treeDigest } from './tree.ts';

/** After this time all files are hashed again, whether or not their stamps changed. Milliseconds. */
const FULL_CHECK_INTERVAL = 24 * 60 * 60_000;

/** A folder of the store for an installation in progress, removed with all that is in it unless it was placed. */
export interface NewFolder extends Disposable {
  readonly path: string;
}

/** The trees in a folder. */
export class Trees {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #stamps: StampFiles;
  readonly #matches: StampCheck;

  constructor(folder: string, clock: Clock, matches: StampCheck = matchesStamps) {
    this.#folder = folder;
    this.#clock = clock;
    this.#matches = matches;
    this.#stamps = new StampFiles(folder);
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
  async seal({ path }: NewFolder): Promise<Tree> {
    const root = join(path, 'tree');
    makeReadOnly(root);
    const tree = await readTree(root);
    writeFile(join(path, 'listing'), tree.listing);
    this.#writeStamps(path, tree);
    return tree;
  }

  /** Moves a new tree to its place. A tree with the same files stays, because sessions may run from it. */
  async place({ path }: NewFolder, lock: PackageLock): Promise<void> {
    const target = this.#path(lock);
    if (!existsSync(target)) return renameSync(path, target);
    const present = await readTree(join(target, 'tree')).catch(() => undefined);
    if (present?.digest === lock.digest) {
      writeFile(join(target, 'listing'), present.listing);
      this.#writeStamps(target, present);
      return;
    }
    const old = join(this.#folder, `.old-${randomBytes(6).toString('hex')}`);
    renameSync(target, old);
    renameSync(path, target);
    remove(old);
  }

  /**
   * Checks a lock's tree against its digest, and returns what differs; empty if it is in order. If all stamps match and
   * the last full check is less than a day old, that is enough; otherwise, or with `full`, every file is hashed.
   */
  async check(lock: PackageLock, full: boolean): Promise<readonly string[]> {
    const folder = this.#path(lock);
    const root = join(folder, 'tree');
    const listing = readListing(join(folder, 'listing'));
    if (listing === undefined || treeDigest(listing) !== lock.digest) return ['(the list of its files)'];
    const saved = this.#stamps.read(join(folder, 'stamps'), lock.digest);
    const age = saved && this.#clock.now() - saved.checked;
    const recent = age !== undefined && age >= 0 && age < FULL_CHECK_INTERVAL;
    if (saved && recent && !full && (await this.#matches(root, saved.records))) return [];
    const tree = await readTree(root);
    const difference = diffListings(listing.toString('utf8'), tree.listing);
    if (difference) return [...difference.changed, ...difference.added, ...difference.removed];
    this.#writeStamps(folder, tree);
    return [];
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

  #writeStamps(folder: string, tree: Tree): void {
    try {
      this.#stamps.write(join(folder, 'stamps'), tree, this.#clock.now());
    } catch (error) {
      throw asWriteError(error);
    }
  }
}

function readListing(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

function remove(folder: string): void {
  makeWritable(folder);
  rmSync(folder, { recursive: true, force: true });
}

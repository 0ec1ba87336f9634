// Folders with a tree whose files were hashed: how they are made, and how they are checked later.
//
//     tree/       the files, read-only
//     listing     what they are (src/package/tree.ts)
//     stamps      size, times and inode of each file when it was last hashed (src/package/stamps.ts)
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../os/clock.ts';
import { asWriteError, makeReadOnly, writeFile } from './files.ts';
import type { StampCheck } from './stamp-check.ts';
import type { StampFiles } from './stamps.ts';
import { diffListings, matchesStamps, readTree, type Tree, treeDigest } from './tree.ts';

/** After this time all files are hashed again, whether or not their stamps changed. Milliseconds. */
const FULL_CHECK_INTERVAL = 24 * 60 * 60_000;

/** Makes such folders and checks them. What differs is returned; what cannot be written throws `cannot-write`. */
export class CheckedTrees {
  readonly #stamps: StampFiles;
  readonly #clock: Clock;
  readonly #matches: StampCheck;

  constructor(stamps: StampFiles, clock: Clock, matches: StampCheck = matchesStamps) {
    this.#stamps = stamps;
    this.#clock = clock;
    this.#matches = matches;
  }

  /** Makes the tree of a folder read-only, hashes it, and writes its listing and stamps. */
  async seal(folder: string): Promise<Tree> {
    const root = join(folder, 'tree');
    makeReadOnly(root);
    const tree = await readTree(root);
    this.record(folder, tree);
    return tree;
  }

  /** Writes the listing and stamps of a tree that was hashed now. */
  record(folder: string, tree: Tree): void {
    writeFile(join(folder, 'listing'), tree.listing);
    this.#writeStamps(folder, tree);
  }

  /**
   * Checks the tree of a folder against a digest, and returns what differs; empty if it is in order. If all stamps match and
   * the last full check is less than a day old, that is enough; otherwise, or with `full`, every file is hashed.
   */
  async check(folder: string, digest: string, full: boolean): Promise<readonly string[]> {
    const root = join(folder, 'tree');
    const listing = readListing(join(folder, 'listing'));
    if (listing === undefined || treeDigest(listing) !== digest) return ['(the list of its files)'];
    const saved = this.#stamps.read(join(folder, 'stamps'), digest);
    const age = saved && this.#clock.now() - saved.checked;
    const recent = age !== undefined && age >= 0 && age < FULL_CHECK_INTERVAL;
    if (saved && recent && !full && (await this.#matches(root, saved.records))) return [];
    const tree = await readTree(root);
    const difference = diffListings(listing.toString('utf8'), tree.listing);
    if (difference) return [...difference.changed, ...difference.added, ...difference.removed];
    this.#writeStamps(folder, tree);
    return [];
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

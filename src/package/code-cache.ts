// The code that V8 has made of a package's modules, kept so that a start need not compile them (`NODE_COMPILE_CACHE` of Node).
// V8 executes what is in it, so it is kept as the package itself is: hashed, read-only, checked at each start, and never
// written by a server. It is made in a run of its own (src/commands/package/code-run.ts), and belongs to one package's digest
// and one Node:
//
//     <package>/code/<12 hex of the Node>/tree/      what Node wrote: <its version and V8's tag>/<8 hex>
//     <package>/code/<12 hex of the Node>/listing, stamps
//     <package>/code/<12 hex of the Node>/seal       the digests of both and the Node, with a MAC under the stamps' key
//
// Whoever can change the store but has not the key can make no seal; without one a cache is not used. Node itself ignores what
// does not fit the source or V8.
import { hash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckedTrees } from './checked-trees.ts';
import { makeWritable } from './files.ts';
import type { StampFiles } from './stamps.ts';
import { treeDigest } from './tree.ts';

/** Bytes of a package's code; those of large servers have 10 MiB. */
export const MAX_CODE: number = 64 * 2 ** 20;
const MAX_FILES = 50_000;
const KIND = 'code cache';

/** A cache that a start may use, once it was checked. */
export interface CodeCache {
  readonly folder: string;
  /** What Node reads: the value of `NODE_COMPILE_CACHE`. */
  readonly root: string;
  readonly digest: string;
}

/** A run that makes a cache. */
export interface CodeRun {
  /** The tree of the package. */
  readonly root: string;
  /** Where Node writes the cache. */
  readonly folder: string;
  /** What Node runs: the file of the package's program. */
  readonly args: readonly string[];
}

/** Runs a package's program until it has answered and ends it: with nothing but the tree, and `folder` to write to. */
export type CodeRunner = (run: CodeRun) => Promise<void>;

/** The caches of all packages, one for each package's digest and Node. */
export class CodeCaches {
  readonly #stamps: StampFiles;
  readonly #checked: CheckedTrees;

  constructor(stamps: StampFiles, checked: CheckedTrees) {
    this.#stamps = stamps;
    this.#checked = checked;
  }

  /** The cache of the package in a folder, sealed for its digest and the Node that runs this; undefined if there is none. */
  find(place: string, digest: string): CodeCache | undefined {
    const folder = placeOf(place);
    try {
      const code = treeDigest(readFileSync(join(folder, 'listing')));
      if (!this.#stamps.hasStatement(join(folder, 'seal'), KIND, statement(digest, code))) return undefined;
      return { folder, root: join(folder, 'tree'), digest: code };
    } catch {
      return undefined;
    }
  }

  /** As `CheckedTrees.check`. */
  async check({ folder, digest }: CodeCache, full: boolean): Promise<readonly string[]> {
    return (await this.#checked.check(folder, digest, full)).map((path) => `${path} of its code cache`);
  }

  /**
   * Makes the cache of the package in a folder, in place of those of other Nodes. `work`: an empty folder on the same file
   * system. `run` fills a folder in it. What Node does not write is no cache: then there is none.
   */
  async make(
    place: string,
    digest: string,
    work: string,
    run: (folder: string) => Promise<void>,
  ): Promise<void> {
    const root = join(work, 'tree');
    mkdirSync(root, { mode: 0o700 });
    await run(root);
    if (!isCode(root)) return;
    const { digest: code } = await this.#checked.seal(work);
    this.#stamps.writeStatement(join(work, 'seal'), KIND, statement(digest, code));
    const all = join(place, 'code');
    makeWritable(all);
    rmSync(all, { recursive: true, force: true });
    mkdirSync(all, { mode: 0o700 });
    renameSync(work, placeOf(place));
  }
}

/** Bytes of the files in a folder that its owner may be changing; infinite where there are more than a cache has. */
export function bytesIn(folder: string): number {
  try {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    if (names.length > MAX_FILES) return Number.POSITIVE_INFINITY;
    return names
      .map((name) => lstatSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0);
  } catch {
    return 0;
  }
}

function statement(digest: string, code: string): string {
  return JSON.stringify({ package: digest, node: node(), code });
}

/** The Node that runs Warder, which runs the servers too; without options, and no variable gives it any (W-ENV-2). */
function node(): string {
  return `${process.version} ${process.platform}-${process.arch} ${process.execPath}`;
}

function placeOf(place: string): string {
  return join(place, 'code', hash('sha256', node(), 'hex').slice(0, 12));
}

/** Whether a folder has what Node writes, and nothing else. */
function isCode(root: string): boolean {
  const [version, ...others] = readdirSync(root, { withFileTypes: true });
  if (version === undefined || others.length > 0 || !version.isDirectory()) return false;
  const files = readdirSync(join(root, version.name), { withFileTypes: true });
  const areFiles = files.every((file) => file.isFile() && /^[0-9a-f]{1,8}$/.test(file.name));
  return areFiles && files.length > 0 && bytesIn(root) <= MAX_CODE;
}

// Private folders that servers have left as they got them, for the next servers. A file system such as ext4 gives out no inode that was
// deleted a short time ago, and looks at each of these whenever it makes a file: after some hundred sessions, a folder took
// it a millisecond.
//
// What a server has changed in its folders shows in their times of change, which no program can set. Before Linux 6.13 two
// changes may have the same time, so that a folder that is filled at once is looked into as well.
import { type BigIntStats, lstatSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxKind } from '../sandbox/choose.ts';

/** What is in a private folder: the record of its server, and the server's TMPDIR. */
export interface PrivateEntries {
  readonly record: string;
  readonly temporary: string;
}

/** How many are kept: as many as sessions end at once. */
const MOST = 128;

/** A private folder as it was before its server. */
export interface Untouched {
  readonly folder: string;
  readonly temporary: string;
  readonly record: string;
}

/**
 * Whether a server in this sandbox, or in none, may get the folders of one before it. Where there is none it could reach those of all
 * others; bubblewrap shows it other ones. All others keep servers apart by these.
 */
export function mayUseAgain(sandbox: SandboxKind | undefined): boolean {
  return sandbox === undefined || sandbox === 'bubblewrap';
}

/** Those of one daemon. */
export class SpareFolders implements Disposable {
  readonly #entries: PrivateEntries;
  readonly #remove: (folder: string) => void;
  /** Each with what it looked like. */
  readonly #kept: { readonly path: string; readonly was: Untouched }[] = [];
  #isClosed = false;

  /** `remove`: removes a folder with its contents. */
  constructor(entries: PrivateEntries, remove: (folder: string) => void) {
    this.#entries = entries;
    this.#remove = remove;
  }

  /** Moves a folder to `path`, with all that is in it. Returns whether there was one. */
  take(path: string): boolean {
    for (let spare = this.#kept.pop(); spare !== undefined; spare = this.#kept.pop()) {
      try {
        // Since its server ended somebody may have found it.
        if (this.#isAsBefore(spare.path, spare.was)) {
          renameSync(spare.path, path);
          return true;
        }
      } catch {
        // Somebody has removed it.
      }
      this.#remove(spare.path);
    }
    return false;
  }

  /** Looks at a folder whose server has not begun. Throws the system's error. */
  look(path: string): Untouched {
    const { temporary, record } = this.#entries;
    return {
      folder: changeOf(lstatSync(path, { bigint: true })),
      temporary: changeOf(lstatSync(join(path, temporary), { bigint: true })),
      record: fileOf(lstatSync(join(path, record), { bigint: true })),
    };
  }

  /** Keeps the folder of a server that has ended, with all its processes. Returns whether it did: else it is to be removed. */
  keep(path: string, was: Untouched): boolean {
    if (this.#isClosed || this.#kept.length >= MOST || !this.#isAsBefore(path, was)) return false;
    this.#kept.push({ path, was });
    return true;
  }

  /** Removes what is kept. Nothing is kept any more. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const { path } of this.#kept.splice(0)) this.#remove(path);
  }

  #isAsBefore(path: string, was: Untouched): boolean {
    try {
      const is = this.look(path);
      return (
        is.folder === was.folder &&
        is.temporary === was.temporary &&
        is.record === was.record &&
        readdirSync(join(path, this.#entries.temporary)).length === 0
      );
    } catch {
      return false;
    }
  }
}

/** What changes whenever something in a folder, or its permissions, do. */
function changeOf({ ino, mode, ctimeNs }: BigIntStats): string {
  return `${ino} ${mode} ${ctimeNs}`;
}

/** A file, whatever is written in it. */
function fileOf({ ino, mode, nlink }: BigIntStats): string {
  return `${ino} ${mode} ${nlink}`;
}

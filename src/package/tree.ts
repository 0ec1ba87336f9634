// A package's files at the time of locking. The listing has every file, link and folder of the tree, files with the
// SHA-256 of their content. The SHA-256 of the listing is the tree's digest, which is in the lock file.
//
//     f <sha256> <x|-> <path>\n      a file; x if it is executable
//     l <target> <path>\n            a symbolic link; target and path percent-encoded
//     d <path>\n                     a folder
//
// Paths are relative, with "/". Spaces, control characters and "%" are percent-encoded. Lines are sorted by the code
// units of their paths. Stamps (size, mtime, ctime, inode) show whether a file may have changed since it was hashed: a
// quick check compares them; if one differs, everything is hashed again.
import { hash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { fromRecords } from './stamp-records.ts';

/** A tree's listing and stamps. */
export interface Tree {
  /** See above. */
  readonly listing: string;
  /** `sha256:<hex>` of the listing. */
  readonly digest: string;
  /** Path to `size:mtime:ctime:inode`, times in nanoseconds. */
  readonly stamps: Readonly<Record<string, string>>;
}

/** How a tree differs from its listing, as paths. */
export interface TreeDiff {
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Entries between two turns of the event loop, so that messages of other sessions are not delayed. */
const YIELD_EVERY = 256;

/** Lists and hashes a whole tree. Throws the file system's errors. */
export async function readTree(root: string): Promise<Tree> {
  const entries = new Map<string, string>();
  const stamps: Record<string, string> = {};
  let done = 0;
  for (const path of walk(root, '')) {
    const entry = inspectEntry(root, path);
    entries.set(path, entry.line);
    stamps[path] = entry.stamp;
    if (++done % YIELD_EVERY === 0) await yieldToEventLoop();
  }
  const listing = [...entries.keys()]
    .sort()
    .map((path) => entries.get(path))
    .join('');
  return { listing, digest: treeDigest(listing), stamps };
}

/** `sha256:<hex>` of a listing. */
export function treeDigest(listing: string | Buffer): string {
  return `sha256:${hash('sha256', listing, 'hex')}`;
}

/** Whether every file and folder has the stamp that it had when it was hashed. Folders show added and removed entries. */
export async function matchesStamps(root: string, records: Buffer): Promise<boolean> {
  let done = 0;
  const options = { bigint: true, throwIfNoEntry: false } as const;
  for (const [path, stamp] of fromRecords(records)) {
    // `join` would take a sixth of the time that a session waits for this.
    const stat = lstatSync(`${root}/${path}`, options);
    if (stat === undefined || formatStamp(stat) !== stamp) return false;
    if (++done % YIELD_EVERY === 0) await yieldToEventLoop();
  }
  return true;
}

/** Compares two listings; undefined if they are equal. */
export function diffListings(before: string, after: string): TreeDiff | undefined {
  if (before === after) return undefined;
  const oldLines = linesByPath(before);
  const newLines = linesByPath(after);
  const changed = [...newLines.keys()].filter(
    (path) => oldLines.has(path) && oldLines.get(path) !== newLines.get(path),
  );
  const added = [...newLines.keys()].filter((path) => !oldLines.has(path));
  const removed = [...oldLines.keys()].filter((path) => !newLines.has(path));
  return { changed, added, removed };
}

function linesByPath(listing: string): Map<string, string> {
  const lines = listing.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [decodeURIComponent(line.slice(line.lastIndexOf(' ') + 1)), line]));
}

function* walk(root: string, folder: string): Generator<string> {
  if (folder === '') yield '.';
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    yield path;
    if (entry.isDirectory()) yield* walk(root, path);
  }
}

function inspectEntry(root: string, path: string): { line: string; stamp: string } {
  const at = join(root, path);
  // The stamp is taken first, so that the next quick check notices a file that was written while it was hashed.
  const stat = lstatSync(at, { bigint: true });
  const stamp = formatStamp(stat);
  if (stat.isSymbolicLink())
    return { line: `l ${encodePath(readlinkSync(at))} ${encodePath(path)}\n`, stamp };
  if (stat.isDirectory()) return { line: `d ${encodePath(path)}\n`, stamp };
  if (!stat.isFile()) return { line: `? ${encodePath(path)}\n`, stamp };
  const executable = (stat.mode & 0o111n) === 0n ? '-' : 'x';
  return { line: `f ${hash('sha256', readFileSync(at), 'hex')} ${executable} ${encodePath(path)}\n`, stamp };
}

function formatStamp(stat: { size: bigint; mtimeNs: bigint; ctimeNs: bigint; ino: bigint }): string {
  return `${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.ino}`;
}

function encodePath(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be in a listing
  return path.replace(/[\u0000-\u0020%\u007f]/g, (c) => encodeURIComponent(c));
}

// A package's files as they were when it was locked. The listing names every file, link and folder below the
// tree with its content's SHA-256; the listing's own SHA-256 is the tree's digest, and the lock file holds it.
//
//     f <sha256> <x|-> <path>\n      a file, and whether it may be executed
//     l <target> <path>\n            a symbolic link; target and path percent-encoded
//     d <path>\n                     a folder
//
// Paths are relative, with "/", percent-encoded where a byte is a space, a control character or "%", and
// sorted by their code units. Stamps (size, mtime, ctime, inode) say whether a file may have changed since it was last
// hashed: a quick check compares them and hashes what differs, a full one hashes everything.
import { hash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';

/** A tree's listing and stamps. */
export interface Tree {
  /** As above. */
  readonly listing: string;
  /** `sha256:<hex>` of the listing. */
  readonly digest: string;
  /** Path to `size:mtime:ctime:inode`, times in nanoseconds. */
  readonly stamps: Readonly<Record<string, string>>;
}

/** How a tree differs from its listing: paths, each list sorted. */
export interface TreeDiff {
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Work between two turns of the event loop: other sessions' messages pass meanwhile. */
const YIELD_EVERY = 256;

/** Lists and hashes a whole tree. Throws the file system's errors. */
export async function readTree(root: string): Promise<Tree> {
  const entries = new Map<string, string>();
  const stamps: Record<string, string> = {};
  let done = 0;
  for (const path of walk(root, '')) {
    const found = inspectEntry(root, path);
    entries.set(path, found.line);
    stamps[path] = found.stamp;
    if (++done % YIELD_EVERY === 0) await breathe();
  }
  const listing = [...entries.keys()]
    .sort()
    .map((path) => entries.get(path))
    .join('');
  return { listing, digest: treeDigest(listing), stamps };
}

/** `sha256:<hex>` of a listing. */
export function treeDigest(listing: string): string {
  return `sha256:${hash('sha256', listing, 'hex')}`;
}

/** Says whether every file and folder looks as it did when it was hashed. Folders tell of what came or went. */
export async function matchesStamps(
  root: string,
  stamps: Readonly<Record<string, string>>,
): Promise<boolean> {
  let done = 0;
  for (const path in stamps) {
    const stat = lstatSync(join(root, path), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined || formatStamp(stat) !== stamps[path]) return false;
    if (++done % YIELD_EVERY === 0) await breathe();
  }
  return true;
}

/** Names what differs between two listings; undefined if nothing does. */
export function diffListings(before: string, now: string): TreeDiff | undefined {
  if (before === now) return undefined;
  const old = linesByPath(before);
  const fresh = linesByPath(now);
  const changed = [...fresh.keys()].filter((path) => old.has(path) && old.get(path) !== fresh.get(path));
  const added = [...fresh.keys()].filter((path) => !old.has(path));
  const removed = [...old.keys()].filter((path) => !fresh.has(path));
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
  // The stamp is taken first: a file that is written while it is hashed then shows at the next quick check.
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
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not stand in a listing
  return path.replace(/[\u0000-\u0020%\u007f]/g, (c) => encodeURIComponent(c));
}

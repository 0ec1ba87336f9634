// Who can change a file: its owner, whoever may write to it, and whoever can put another in its place, which is everybody
// who may write to a folder above it, or above a link on the way.
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** How many links are followed on the way to one file. */
const MAX_LINKS = 16;
/** The group of the administrators on macOS, who are root when they want to. Homebrew's folders are theirs to write. */
const ADMINISTRATORS = 80;

/** What can be changed by others, in words, and how to mend it. */
export interface Exposed {
  readonly what: string;
  readonly hint: string;
}

/**
 * The first part of an absolute path that a user other than this one and root can change: the file, a folder above it, or
 * the same of what a link leads to. A folder with the sticky bit is no such part. Undefined if there is none. Throws the
 * system's error for a path that does not exist.
 */
export function exposedPart(path: string, links: number = MAX_LINKS): Exposed | undefined {
  const parent = dirname(path);
  const above = parent === path ? undefined : exposedPart(parent, links);
  if (above !== undefined) return above;
  const stats = lstatSync(path);
  const exposed = exposure(path, stats);
  if (exposed !== undefined || !stats.isSymbolicLink()) return exposed;
  if (links === 0) return { what: `${path} is a link in a circle`, hint: 'remove it' };
  return exposedPart(resolve(parent, readlinkSync(path)), links - 1);
}

function exposure(path: string, stats: Stats): Exposed | undefined {
  const own = process.getuid?.();
  if (own === undefined) return undefined;
  const { uid, gid, mode } = stats;
  if (uid !== own && uid !== 0)
    return { what: `${path} belongs to another user`, hint: `run "chown ${own} ${path}", or use another` };
  if (stats.isSymbolicLink() || (stats.isDirectory() && (mode & 0o1000) !== 0)) return undefined;
  // A group may write if nobody is in it who could not do so anyway: root's, and a user's own.
  const others = (mode & 0o002) !== 0;
  const group =
    (mode & 0o020) !== 0 &&
    gid !== 0 &&
    gid !== own &&
    !(process.platform === 'darwin' && gid === ADMINISTRATORS);
  return others || group
    ? { what: `other users can write to ${path}`, hint: `run "chmod go-w ${path}"` }
    : undefined;
}

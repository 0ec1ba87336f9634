// The daemon's socket and the folder that guards it. Whoever can write to the folder can put a socket of
// their own in the daemon's place and read what a host sends; so both sides look before they trust: a real
// folder, no link, ours, closed to all others. It is never mended quietly: somebody may have been in it.
// No package and no heavy module is imported: the launcher reads this file.
import { lstatSync, mkdirSync } from 'node:fs';
import { WarderError } from '../errors.ts';

/** Throws `socket-unsafe` unless `folder` is a real directory of `uid`, 0700. ENOENT passes through as `false`. */
export function verifyFolder(folder: string, uid: number): boolean {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (!stats.isDirectory()) throw unsafe(folder, 'is no folder', 'remove it and try again');
  if (stats.uid !== uid) throw unsafe(folder, 'belongs to another user', `run "chown ${uid} ${folder}"`);
  if ((stats.mode & 0o077) !== 0) {
    throw unsafe(folder, 'is open to other users', `look what is in it, then run "chmod 700 ${folder}"`);
  }
  return true;
}

/** Throws `socket-unsafe` unless what is at `path` is a socket of `uid`; `false` where there is nothing. */
export function verifySocket(path: string, uid: number): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (!stats.isSocket()) throw unsafe(path, 'is no socket', 'remove it and try again');
  if (stats.uid !== uid) throw unsafe(path, 'belongs to another user', 'remove it and try again');
  return true;
}

/** Creates a folder 0700 with those above it, or finds it as it must be. Throws `socket-unsafe`, `cannot-write`. */
export function ensureFolder(folder: string, uid: number): void {
  if (verifyFolder(folder, uid)) return;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new WarderError('cannot-write', `cannot create the folder ${folder}`, { cause });
  }
  verifyFolder(folder, uid);
}

function unsafe(path: string, what: string, hint: string): WarderError {
  return new WarderError('socket-unsafe', `${path} ${what}`, { hint });
}

// The daemon's socket and the folder that protects it. Whoever can write to the folder can put a socket of their own
// in the daemon's place and read what a host sends. So both sides verify it before they trust it: it must be a real
// folder, not a link, that belongs to the user and is closed to all others. Wrong permissions are never corrected
// silently, because somebody may have been in the folder. Imports no package and no heavy module, because the launcher
// loads this file.
import { lstatSync, mkdirSync } from 'node:fs';
import { WarderError } from '../errors.ts';

/** Throws `socket-unsafe` unless `folder` is a real directory of `uid`, 0700. Returns `false` if it does not exist. */
export function verifyFolder(folder: string, uid: number): boolean {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (!stats.isDirectory()) throw unsafe(folder, 'is not a folder', 'remove it and try again');
  if (stats.uid !== uid) throw unsafe(folder, 'belongs to another user', `run "chown ${uid} ${folder}"`);
  if ((stats.mode & 0o077) !== 0) {
    throw unsafe(folder, 'is open to other users', `check what is in it, then run "chmod 700 ${folder}"`);
  }
  return true;
}

/** Throws `socket-unsafe` unless `path` is a socket of `uid`. Returns `false` if it does not exist. */
export function verifySocket(path: string, uid: number): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (!stats.isSocket()) throw unsafe(path, 'is not a socket', 'remove it and try again');
  if (stats.uid !== uid) throw unsafe(path, 'belongs to another user', 'remove it and try again');
  return true;
}

/** Creates a folder, 0700, with its parents, or verifies the existing one. Throws `socket-unsafe`, `cannot-write`. */
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

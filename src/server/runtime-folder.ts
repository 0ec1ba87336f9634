// What a server has to itself, and for as long as it runs: a folder for temporary files, and its credentials
// as files where the profile says so.
//
//     <run>/sessions/<marker>/             0700; `server.json` once the server runs (process-record.ts)
//     <run>/sessions/<marker>/tmp/         0700, TMPDIR
//     <memory>/<marker>/<VARIABLE>         0400 in 0700, CREDENTIALS_DIRECTORY
//
// Credential files lie in memory where the machine has a place for that: the user's runtime folder, else
// /dev/shm; else beside the sessions, on the disk. Memory may still be swapped out. A daemon that was killed
// leaves all this behind; `sweep` in process-record.ts clears it away at the next start.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WarderError } from '../errors.ts';
import type { ServerInstance } from './environment.ts';

/** Where all this is made. */
export interface RuntimeRoots {
  /** Holds a folder for each server. */
  readonly sessions: string;
  /** Folders that may hold credential files, the best first, the last on the disk. Made when needed. */
  readonly secrets: readonly string[];
}

/** The shape of a marker, and of the folders named by it. */
export const MARKER_NAME = /^[0-9a-f]{16}$/;

const TMPFS = 0x01021994;
const RAMFS = 0x858458f6;

/** Finds the roots for the servers of the daemon whose run folder is `run`. Makes nothing yet. */
export function runtimeRoots(
  run: string,
  uid: number,
  memory: readonly string[] = [`/run/user/${uid}`, '/dev/shm'],
): RuntimeRoots {
  // Two daemons of one user (WARDER_HOME) must not sweep each other's files away.
  const name = `warder-${uid}-${createHash('sha256').update(run).digest('hex').slice(0, 12)}`;
  const found = memory.filter(isMemoryBacked).map((folder) => join(folder, name));
  return { sessions: join(run, 'sessions'), secrets: [...found, join(run, 'secrets')] };
}

/** One server's own places. Disposed of, they are gone. */
export class RuntimeFolder implements AsyncDisposable {
  readonly instance: ServerInstance;
  readonly path: string;
  readonly #secrets: string | undefined;

  /**
   * Makes the places, and writes each of `files`, its value byte for byte, into a file named by its variable.
   * Throws `cannot-write`.
   */
  constructor(roots: RuntimeRoots, files: readonly { readonly variable: string; readonly value: string }[]) {
    const marker = randomBytes(8).toString('hex');
    this.path = join(roots.sessions, marker);
    const tmpdir = join(this.path, 'tmp');
    try {
      makePrivateFolder(roots.sessions, this.path);
      mkdirSync(tmpdir, { mode: 0o700 });
      this.#secrets = files.length === 0 ? undefined : writeCredentialFiles(roots, marker, files);
    } catch (cause) {
      removeFolderSync(this.path);
      throw new WarderError('cannot-write', `cannot make a server's private folder in "${roots.sessions}"`, {
        hint: 'make room there, and see that the folder is yours',
        cause,
      });
    }
    this.instance = { marker, tmpdir, credentials: join(this.#secrets ?? this.path, marker) };
  }

  /** Takes all away, the credentials first. What cannot be removed is left to the next sweep. Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#secrets !== undefined) {
      removeFolderSync(this.instance.credentials);
      await removeFolder(this.instance.credentials);
      removeIfEmpty(this.#secrets);
    }
    await removeFolder(this.path);
  }
}

/** Writes the files into the first folder that takes them all; gives back that folder. */
function writeCredentialFiles(
  { secrets }: RuntimeRoots,
  marker: string,
  files: readonly { readonly variable: string; readonly value: string }[],
): string {
  let last: unknown;
  for (const parent of secrets) {
    const folder = join(parent, marker);
    try {
      makePrivateFolder(parent, folder);
      for (const { variable, value } of files) {
        if (!/^\w+$/.test(variable)) throw new Error('not the name of a variable');
        const file = openSync(join(folder, variable), 'wx', 0o400);
        try {
          writeFileSync(file, value);
        } finally {
          closeSync(file);
        }
      }
      return parent;
    } catch (error) {
      // Full, or in somebody else's hands: the next one.
      last = error;
      if (isPrivateFolder(parent)) {
        removeFolderSync(folder);
        removeIfEmpty(parent);
      }
    }
  }
  throw last;
}

/** Makes `parent` where there is none, sees that nobody else has a hand on it, and makes `folder` in it. */
function makePrivateFolder(parent: string, folder: string): void {
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  if (!isPrivateFolder(parent)) throw new Error('the folder is not private');
  mkdirSync(folder, { mode: 0o700 });
}

/** Whether this is a folder, no link to one, of this user's, that nobody else may enter. */
export function isPrivateFolder(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
}

/** Removes a folder of ours with all in it, before anything else happens. Never throws. */
export function removeFolderSync(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Its server has locked it: `removeFolder` comes after.
  }
}

/** Removes a folder if nothing is in it. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // In use by another server, or gone.
  }
}

/** Removes a folder with all in it, also folders that its owner may not write to. Never throws. */
export async function removeFolder(folder: string): Promise<void> {
  const options = { recursive: true, force: true };
  await rm(folder, options).catch(async () => {
    await makeWritable(folder);
    await rm(folder, options).catch(() => {});
  });
}

/** Makes the folders of a tree writable to their owner. Links are not followed. */
async function makeWritable(folder: string): Promise<void> {
  try {
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
    }
  } catch {
    // Somebody else's, or gone meanwhile.
  }
}

function isMemoryBacked(folder: string): boolean {
  try {
    return [TMPFS, RAMFS].includes(statfsSync(folder).type);
  } catch {
    return false;
  }
}

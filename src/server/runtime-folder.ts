// The private folders of a server, which exist for as long as it runs: a folder for temporary files, and its
// credentials as files where the profile says so.
//
//     <run>/sessions-<daemon>/<marker>/      0700; `server.json` once the server runs (process-record.ts)
//     <run>/sessions-<daemon>/<marker>/tmp/         0700, TMPDIR
//     <memory>/<marker>/<VARIABLE>         0400 in 0700, CREDENTIALS_DIRECTORY
//
// Credential files are kept in memory where the machine offers it: in the user's runtime folder, else in
// /dev/shm, else beside the sessions, on the disk. Memory may still be swapped out. A daemon that is killed
// leaves these folders behind; `sweep` in process-record.ts removes them at the next start.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { WarderError } from '../errors.ts';
import type { ServerInstance } from './environment.ts';
import { removeFolder } from './remove-folder.ts';
import { SpareFolders, type Untouched } from './spare-folders.ts';

/** The folders in which servers get their private folders. */
export interface RuntimeRoots {
  /** Contains a folder for each server. */
  readonly sessions: string;
  /** Folders that may contain credential files, in order of preference; the last is on the disk. Made when needed. */
  readonly secrets: readonly string[];
}

/** The format of a marker, and of the folders that are named by it. */
export const MARKER_NAME = /^[0-9a-f]{16}$/;

/** What a private folder contains at its server's end, if the server has left nothing: the record of process-record.ts, and TMPDIR. */
export const RECORD = 'server.json';
const TEMPORARY = 'tmp';

const TMPFS = 0x01021994;
const RAMFS = 0x858458f6;

const MEMORY = (uid: number): readonly string[] => [`/run/user/${uid}`, '/dev/shm'];

/**
 * Names the roots for the servers of the daemon `pid` whose run folder is `run`; without `pid` those that earlier versions
 * had for all daemons. Creates nothing.
 */
export function runtimeRoots(
  run: string,
  uid: number,
  pid?: number,
  memory: readonly string[] = MEMORY(uid),
): RuntimeRoots {
  const own = pid === undefined ? '' : `-${pid}`;
  const found = memory.filter(isMemoryBacked).map((folder) => join(folder, `${memoryName(run, uid)}${own}`));
  return { sessions: join(run, `sessions${own}`), secrets: [...found, join(run, `secrets${own}`)] };
}

/** The roots of daemons that do not live: whatever is in them was left behind. */
export function leftRoots(
  run: string,
  uid: number,
  living: ReadonlySet<number>,
  memory: readonly string[] = MEMORY(uid),
): RuntimeRoots[] {
  const pids = new Set<number | undefined>([undefined]);
  const prefixes = new Map<string, readonly string[]>(
    memory.map((folder) => [folder, [`${memoryName(run, uid)}-`]]),
  ).set(run, ['sessions-', 'secrets-']);
  for (const [folder, starts] of prefixes) {
    for (const name of namesIn(folder)) {
      const start = starts.find((prefix) => name.startsWith(prefix));
      const pid = start === undefined ? Number.NaN : Number(name.slice(start.length));
      if (Number.isInteger(pid) && !living.has(pid)) pids.add(pid);
    }
  }
  return [...pids].map((pid) => runtimeRoots(run, uid, pid, memory));
}

/** Two daemons of one user (WARDER_HOME) must not remove each other's files. */
function memoryName(run: string, uid: number): string {
  return `warder-${uid}-${createHash('sha256').update(run).digest('hex').slice(0, 12)}`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The private folders of one server. Disposing removes them. */
export class RuntimeFolder implements AsyncDisposable {
  readonly instance: ServerInstance;
  readonly path: string;
  readonly #secrets: string | undefined;
  readonly #spares: SpareFolders | undefined;
  readonly #was: Untouched | undefined;

  /**
   * Creates the folders, or takes them from `spares`, and writes the value of each of `files`, byte for byte, to a file that is named
   * after its variable. With `spares` they are kept there where their server leaves them as they are: for servers that may reach
   * those of others anyhow, or not even their own. Throws `cannot-write`.
   */
  constructor(
    roots: RuntimeRoots,
    files: readonly { readonly variable: string; readonly value: string }[],
    spares?: SpareFolders,
  ) {
    const marker = randomBytes(8).toString('hex');
    this.path = join(roots.sessions, marker);
    const tmpdir = join(this.path, TEMPORARY);
    try {
      makePrivateParent(roots.sessions);
      if (spares?.take(this.path) !== true) {
        mkdirSync(this.path, { mode: 0o700 });
        mkdirSync(tmpdir, { mode: 0o700 });
        if (spares !== undefined) closeSync(openSync(join(this.path, RECORD), 'wx', 0o600));
      }
      this.#spares = spares;
      this.#was = spares?.look(this.path);
      this.#secrets = files.length === 0 ? undefined : writeCredentialFiles(roots, marker, files);
    } catch (cause) {
      removeFolderSync(this.path);
      throw new WarderError('cannot-write', `cannot make a server's private folder in "${roots.sessions}"`, {
        hint: 'free space there, and check that the folder belongs to you',
        cause,
      });
    }
    this.instance = { marker, tmpdir, credentials: join(this.#secrets ?? this.path, marker) };
  }

  /** Removes everything, the credentials first, or keeps what may be used again. What cannot be removed is left to the next sweep. Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#secrets !== undefined) {
      removeFolderSync(this.instance.credentials);
      await removeFolder(this.instance.credentials);
      removeIfEmpty(this.#secrets);
    }
    if (this.#was !== undefined && this.#spares?.keep(this.path, this.#was) === true) return;
    if (!(await removeUnused(this.path))) await removeFolder(this.path);
  }
}

/** Writes the files to the first folder that has room for all of them; returns that folder. */
function writeCredentialFiles(
  { secrets }: RuntimeRoots,
  marker: string,
  files: readonly { readonly variable: string; readonly value: string }[],
): string {
  let last: unknown;
  for (const parent of secrets) {
    const folder = join(parent, marker);
    try {
      makePrivateParent(parent);
      mkdirSync(folder, { mode: 0o700 });
      for (const { variable, value } of files) {
        if (!/^\w+$/.test(variable)) throw new Error('not a valid variable name');
        const file = openSync(join(folder, variable), 'wx', 0o400);
        try {
          writeFileSync(file, value);
        } finally {
          closeSync(file);
        }
      }
      return parent;
    } catch (error) {
      // The disk is full, or the folder is not private: try the next one.
      last = error;
      if (isPrivateFolder(parent)) {
        removeFolderSync(folder);
        removeIfEmpty(parent);
      }
    }
  }
  throw last;
}

/** Creates `parent` if it does not exist, and checks that nobody else can access it. */
function makePrivateParent(parent: string): void {
  if (isPrivateFolder(parent)) return;
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  if (!isPrivateFolder(parent)) throw new Error('the folder is not private');
}

/** The private folders that servers of this daemon have left as they were. */
export function spareFolders(): SpareFolders {
  return new SpareFolders({ record: RECORD, temporary: TEMPORARY }, removeFolderSync);
}

/** Whether this is a folder (not a link to one) that belongs to this user and that nobody else may enter. */
export function isPrivateFolder(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
}

/** Removes a folder with its contents before anything else runs. Never throws. */
export function removeFolderSync(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Its server has taken the permissions away: `removeFolder` follows and handles that.
  }
}

/**
 * Removes a private folder in which nothing is but what Warder has made, in fewer steps than `removeFolder`, which does the rest. Follows no
 * link either. Returns whether it is gone.
 */
async function removeUnused(folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  try {
    const opened = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      await rmdir(`/proc/self/fd/${opened}/${TEMPORARY}`);
      await unlink(`/proc/self/fd/${opened}/${RECORD}`);
    } finally {
      closeSync(opened);
    }
    await rmdir(folder);
    return true;
  } catch {
    return false;
  }
}

/** Removes a folder if it is empty. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // In use by another server, or gone.
  }
}

function isMemoryBacked(folder: string): boolean {
  try {
    return [TMPFS, RAMFS].includes(statfsSync(folder).type);
  } catch {
    return false;
  }
}

// Compares the protected names below a server's writable folders (plan/plantable.ts) with what was there before it ran:
// while it runs, and once more when it has ended. What appeared is put away: it is renamed in its own folder, so that no
// program obeys it any more and nothing is lost. What was there and has changed is reported only, because the user's own
// programs change it too. Every folder is opened through its parent and no link is followed, so that a server that is
// still running elsewhere cannot lead this out of the folder.
//
// Names are bytes on Linux, and need not be UTF-8. Inside this file they are latin1 text, which keeps every byte.
import { constants, type Dirent, renameSync } from 'node:fs';
import { chmod, type FileHandle, lstat, open, readdir, readlink, stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { leadsToPlantable, PLANTABLE, plantableAt } from './plan/plantable.ts';

/** What a comparison found. Paths are absolute. */
export interface PlantedReport {
  /** What appeared, and the path to which it was put away. */
  readonly appeared: readonly { readonly path: string; readonly putAway: string }[];
  readonly changed: readonly string[];
  /** Folders with so many entries that not all were compared, though all were before. */
  readonly uncompared: readonly string[];
}

/** How deep below a writable folder it looks, and at how many entries at most. */
const MAX_DEPTH = 6;
const MAX_ENTRIES = 50_000;
/** Not searched: nothing in it is opened as a project, and it is large. */
const SKIPPED = 'node_modules';
/** Milliseconds between two comparisons, and how many times longer than a comparison the pause is at least. */
const INTERVAL = 5000;
const PAUSE_FACTOR = 20;

/** The end of the name of what was put away. */
const PUT_AWAY = /\.planted-\d{8}T\d{9}Z$/;

/** `O_PATH`: refers to a folder without permission to read it. Linux, all architectures. */
const O_PATH = 0o10000000;

/** What a folder is that its owner cannot list. */
const CLOSED = 'closed';

/** Fingerprints by absolute path. */
type Snapshot = Map<string, string>;

/** A walk through one writable folder. */
interface Walk {
  /** How many more entries may be looked at. */
  left: number;
  /** Called for each protected name, and for everything below it that was there before. */
  readonly visit: (place: string, parent: FileHandle, name: string) => Promise<void>;
  /** Called for a folder that cannot be listed. Returns whether it can be now. */
  readonly closed: (place: string, path: Buffer) => Promise<boolean>;
}

/** The protected names that exist below folders, as absolute paths. Linux only: elsewhere it finds none. */
export async function findPlantable(
  folders: readonly string[],
  mayPlant: readonly string[],
): Promise<string[]> {
  const guard = new PlantGuard({ folders, mayPlant }, () => {});
  const places = await guard.snapshot();
  return [...places.keys()].filter((place) => plantableAt(place) !== undefined).map(decode);
}

/** Guards the protected names below some folders. */
export class PlantGuard {
  readonly #folders: readonly string[];
  readonly #mayPlant: ReadonlySet<string>;
  readonly #report: (report: PlantedReport) => void;
  #before: Snapshot | undefined;
  readonly #overfull = new Set<string>();
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(
    { folders, mayPlant }: { folders: readonly string[]; mayPlant: readonly string[] },
    report: (report: PlantedReport) => void,
  ) {
    this.#folders = folders.map((folder) => Buffer.from(folder).toString('latin1'));
    this.#mayPlant = new Set(mayPlant);
    this.#report = report;
  }

  /** Takes the fingerprints. The server must not run yet. */
  async begin(): Promise<void> {
    this.#before = await this.snapshot();
    if (this.#folders.length > 0) this.#running = this.#repeat();
  }

  /** Compares for the last time. The server must have ended. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#compare();
  }

  /** The fingerprints of what is there now. */
  async snapshot(): Promise<Snapshot> {
    const found: Snapshot = new Map();
    const overfull = await this.#walk({
      visit: async (place, parent, name) => {
        found.set(place, await fingerprint(parent, name));
      },
      closed: async (place) => {
        found.set(place, CLOSED);
        return false;
      },
    });
    for (const folder of overfull) this.#overfull.add(folder);
    return found;
  }

  async #repeat(): Promise<void> {
    let pause = INTERVAL;
    try {
      for (;;) {
        await setTimeout(pause, undefined, { ref: false, signal: this.#stop.signal });
        const began = performance.now();
        await this.#compare();
        pause = Math.max(INTERVAL, PAUSE_FACTOR * (performance.now() - began));
      }
    } catch {
      // The end.
    }
  }

  async #compare(): Promise<void> {
    const known = this.#before;
    if (known === undefined) return;
    const appeared: { path: string; putAway: string }[] = [];
    const changed: string[] = [];
    const overfull = await this.#walk({
      visit: async (place, parent, name) => {
        const before = known.get(place);
        const now = await fingerprint(parent, name).catch(() => undefined);
        if (now === undefined || now === before) return;
        known.set(place, now);
        if (before !== undefined) {
          changed.push(decode(place));
          return;
        }
        const away = `${name}.planted-${new Date().toISOString().replace(/[-:.]/g, '')}`;
        renameSync(at(parent, name), at(parent, away));
        known.delete(place);
        appeared.push({ path: decode(place), putAway: decode(`${place.slice(0, -name.length)}${away}`) });
      },
      closed: async (place, path) => {
        if (known.get(place) === CLOSED) return false;
        // A server that takes away the right to list a folder hides what is in it: git, for one, needs no list.
        await using folder = await open(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
        const itself = `/proc/self/fd/${folder.fd}`;
        await chmod(itself, ((await stat(itself)).mode & 0o777) | 0o700);
        changed.push(decode(place));
        return true;
      },
    });
    const uncompared = overfull.filter((folder) => !this.#overfull.has(folder));
    for (const folder of uncompared) this.#overfull.add(folder);
    if (appeared.length + changed.length + uncompared.length > 0)
      this.#report({ appeared, changed, uncompared: uncompared.map(decode) });
  }

  /** Walks through all folders. Returns those that have too many entries. */
  async #walk(calls: Pick<Walk, 'visit' | 'closed'>): Promise<string[]> {
    if (process.platform !== 'linux') return [];
    const overfull: string[] = [];
    for (const folder of this.#folders) {
      const walk: Walk = { left: MAX_ENTRIES, ...calls };
      await using handle = await openListed(folder, Buffer.from(folder, 'latin1'), walk);
      if (handle === undefined) continue;
      // First, so that no number of other entries keeps this from what lies directly in the folder.
      for (const name of PLANTABLE.filter((name) => !name.includes('/'))) {
        const found = await lstat(at(handle, name)).catch(() => undefined);
        if (found !== undefined) await this.#visitEntry(found.isDirectory(), folder, handle, name, walk);
      }
      await this.#walkFolder(handle, folder, 0, false, walk);
      if (walk.left <= 0) overfull.push(folder);
    }
    return overfull;
  }

  /** Visits the protected names in a folder. `narrow`: only names that lead to a protected one are entered. */
  async #walkFolder(
    folder: FileHandle,
    path: string,
    depth: number,
    narrow: boolean,
    walk: Walk,
  ): Promise<void> {
    for (const { name, entry } of await entriesOf(folder)) {
      if (walk.left-- <= 0) return;
      const place = `${path}/${name}`;
      if (await this.#visitEntry(entry.isDirectory(), path, folder, name, walk)) continue;
      if (!entry.isDirectory() || name === SKIPPED || depth >= MAX_DEPTH) continue;
      if ((narrow || name.startsWith('.')) && !leadsToPlantable(place)) continue;
      await using inner = await openListed(place, at(folder, name), walk);
      if (inner !== undefined)
        await this.#walkFolder(inner, place, depth + 1, name.startsWith('.') || narrow, walk);
    }
  }

  /** Visits an entry if its name is protected. Returns whether it is. */
  async #visitEntry(
    isFolder: boolean,
    path: string,
    folder: FileHandle,
    name: string,
    walk: Walk,
  ): Promise<boolean> {
    const place = `${path}/${name}`;
    const protectedName = plantableAt(place);
    // A link or a file in the place of `.git` or `.config` leads to protected names elsewhere.
    const replaced = leadsToPlantable(place) && !isFolder && name.startsWith('.');
    if (protectedName === undefined && !replaced) return false;
    if (protectedName === undefined || !this.#mayPlant.has(protectedName))
      await this.#visitPlace(isFolder, place, folder, name, walk).catch(() => {});
    return true;
  }

  /** Visits a protected name, and everything in a folder that was there before. */
  async #visitPlace(
    isFolder: boolean,
    place: string,
    parent: FileHandle,
    name: string,
    walk: Walk,
  ): Promise<void> {
    if (walk.left-- <= 0) return;
    await walk.visit(place, parent, name);
    if (!isFolder || (this.#before !== undefined && !this.#before.has(place))) return;
    await using inner = await openListed(place, at(parent, name), walk);
    if (inner === undefined) return;
    for (const { name: child, entry } of await entriesOf(inner)) {
      if (PUT_AWAY.test(child)) continue;
      await this.#visitPlace(entry.isDirectory(), `${place}/${child}`, inner, child, walk);
    }
  }
}

function decode(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}

/** The path of an entry, through the descriptor of its folder. */
function at(parent: FileHandle, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${parent.fd}/${name}`, 'latin1');
}

async function entriesOf(folder: FileHandle): Promise<{ name: string; entry: Dirent<Buffer> }[]> {
  const options = { withFileTypes: true, encoding: 'buffer' } as const;
  const entries = await readdir(`/proc/self/fd/${folder.fd}`, options).catch(() => []);
  return entries.map((entry) => ({ name: entry.name.toString('latin1'), entry }));
}

function openFolder(path: Buffer): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

/** Opens a folder to list it; `undefined` if that is not possible. */
async function openListed(place: string, path: Buffer, walk: Walk): Promise<FileHandle | undefined> {
  try {
    return await openFolder(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return undefined;
    const opened = await walk.closed(place, path).catch(() => false);
    return opened ? openFolder(path).catch(() => undefined) : undefined;
  }
}

/** Changes whenever a file or a link changes. */
async function fingerprint(parent: FileHandle, name: string): Promise<string> {
  const path = at(parent, name);
  const found = await lstat(path, { bigint: true });
  if (found.isDirectory()) return 'folder';
  if (found.isSymbolicLink()) return `link ${await readlink(path)}`;
  return `file ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs} ${found.mode}`;
}

// Compares the protected names below a server's writable folders (plan/plantable.ts) with what was there before it ran:
// while it runs, and once more when it has ended. What appeared is put away: it is renamed in its own folder, so that no
// program obeys it any more and nothing is lost. What was there and has changed is reported only, because the user's own
// programs change it too. Every folder is opened through its parent and no link is followed, so that a server that is
// still running elsewhere cannot lead this out of the folder.
import { constants, renameSync } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { leadsToPlantable, plantableAt } from './plan/plantable.ts';

/** What a comparison found. Paths are absolute. */
export interface PlantedReport {
  /** What appeared, and the path to which it was put away. */
  readonly appeared: readonly { readonly path: string; readonly putAway: string }[];
  readonly changed: readonly string[];
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

/** Fingerprints by absolute path. */
type Snapshot = Map<string, string>;
type Visit = (place: string, parent: FileHandle, name: string) => Promise<void>;

/** The protected names below some folders. */
export class PlantGuard {
  readonly #folders: readonly string[];
  readonly #mayPlant: ReadonlySet<string>;
  readonly #report: (report: PlantedReport) => void;
  #before: Snapshot | undefined;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(
    { folders, mayPlant }: { folders: readonly string[]; mayPlant: readonly string[] },
    report: (report: PlantedReport) => void,
  ) {
    this.#folders = folders;
    this.#mayPlant = new Set(mayPlant);
    this.#report = report;
  }

  /** Takes the fingerprints. The server must not run yet. */
  async begin(): Promise<void> {
    const before: Snapshot = new Map();
    await this.#walk(async (place, parent, name) => {
      before.set(place, await fingerprint(parent, name));
    });
    this.#before = before;
    if (this.#folders.length > 0) this.#running = this.#repeat();
  }

  /** Compares for the last time. The server must have ended. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#compare();
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
    await this.#walk(async (place, parent, name) => {
      const before = known.get(place);
      const now = await fingerprint(parent, name).catch(() => undefined);
      if (now === undefined || now === before) return;
      known.set(place, now);
      if (before !== undefined) {
        changed.push(place);
        return;
      }
      const away = `${name}.planted-${new Date().toISOString().replace(/[-:.]/g, '')}`;
      renameSync(`/proc/self/fd/${parent.fd}/${name}`, `/proc/self/fd/${parent.fd}/${away}`);
      known.delete(place);
      appeared.push({ path: place, putAway: `${place.slice(0, -name.length)}${away}` });
    });
    if (appeared.length + changed.length > 0) this.#report({ appeared, changed });
  }

  async #walk(visit: Visit): Promise<void> {
    if (process.platform !== 'linux') return;
    const budget = { left: MAX_ENTRIES };
    for (const folder of this.#folders) {
      await using handle = await openFolder(folder).catch(() => undefined);
      if (handle !== undefined) await this.#walkFolder(handle, folder, 0, false, budget, visit);
    }
  }

  /** Visits the protected names in a folder. `narrow`: only names that lead to a protected one are entered. */
  async #walkFolder(
    folder: FileHandle,
    path: string,
    depth: number,
    narrow: boolean,
    budget: { left: number },
    visit: Visit,
  ): Promise<void> {
    const entries = await readdir(`/proc/self/fd/${folder.fd}`, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (budget.left-- <= 0) return;
      const place = `${path}/${entry.name}`;
      const protectedName = plantableAt(place);
      const leads = leadsToPlantable(place);
      // A link or a file in the place of `.git` or `.config` leads to protected names elsewhere.
      const replaced = leads && !entry.isDirectory() && entry.name.startsWith('.');
      if (protectedName !== undefined || replaced) {
        if (protectedName !== undefined && this.#mayPlant.has(protectedName)) continue;
        await this.#visitPlace(entry.isDirectory(), place, folder, entry.name, budget, visit).catch(() => {});
        continue;
      }
      if (!entry.isDirectory() || entry.name === SKIPPED || depth >= MAX_DEPTH) continue;
      if ((narrow || entry.name.startsWith('.')) && !leads) continue;
      await using inner = await openFolder(`/proc/self/fd/${folder.fd}/${entry.name}`).catch(() => undefined);
      if (inner !== undefined) {
        await this.#walkFolder(inner, place, depth + 1, entry.name.startsWith('.') || narrow, budget, visit);
      }
    }
  }

  /** Visits a protected name, and everything in a folder that was there before. */
  async #visitPlace(
    isFolder: boolean,
    place: string,
    parent: FileHandle,
    name: string,
    budget: { left: number },
    visit: Visit,
  ): Promise<void> {
    if (budget.left-- <= 0) return;
    await visit(place, parent, name);
    if (!isFolder || (this.#before !== undefined && !this.#before.has(place))) return;
    await using inner = await openFolder(`/proc/self/fd/${parent.fd}/${name}`).catch(() => undefined);
    if (inner === undefined) return;
    for (const entry of await readdir(`/proc/self/fd/${inner.fd}`, { withFileTypes: true })) {
      if (PUT_AWAY.test(entry.name)) continue;
      await this.#visitPlace(entry.isDirectory(), `${place}/${entry.name}`, inner, entry.name, budget, visit);
    }
  }
}

function openFolder(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

/** Changes whenever a file or a link changes. */
async function fingerprint(parent: FileHandle, name: string): Promise<string> {
  const path = `/proc/self/fd/${parent.fd}/${name}`;
  const stat = await lstat(path, { bigint: true });
  if (stat.isDirectory()) return 'folder';
  if (stat.isSymbolicLink()) return `link ${await readlink(path)}`;
  return `file ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.mode}`;
}

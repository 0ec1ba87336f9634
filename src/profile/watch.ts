// The daemon's view of the profiles. A change that is saved holds for the next session: `get` looks at the
// file itself each time, so it is right also where the watcher is late, or where there is none (no more
// inotify watches, a network drive). The watcher tells of changes in between. A file that is broken keeps the
// last good one of this daemon's life; one that was taken away is gone at once.
//
// Known race: an editor that empties a file and then writes it in several pieces can be read in between. Most
// such halves are broken and keep the last good one.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { WarderError } from '../errors.ts';
import type { Log } from '../os/log.ts';
import type { Places } from '../wire/places.ts';
import { checkProfileName } from './format.ts';
import {
  type LoadedProfile,
  listProfiles,
  parseContent,
  profileMissingError,
  profileStamp,
  readProfile,
} from './load.ts';

/** What happened to a profile. `digest` is of the bytes now in the file, where they could be read. */
export interface ProfileChange {
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed' | 'broken';
  readonly digest?: string;
}

interface ProfileState {
  readonly stamp: string | undefined;
  /** The last good one. */
  readonly loaded: LoadedProfile | undefined;
  /** Why the file as it is now cannot be used. */
  readonly error: WarderError | undefined;
}

/** How long the folder must be quiet before it is looked at, in milliseconds. Editors save in several steps. */
const DEBOUNCE = 100;

/** All profiles, kept up to date. */
export class Profiles implements AsyncDisposable {
  readonly #places: Places;
  readonly #log: Log;
  readonly #states = new Map<string, ProfileState>();
  readonly #listeners = new Set<(change: ProfileChange) => void>();
  #misnamed = new Map<string, string>();
  #debounceTimer: NodeJS.Timeout | undefined;
  #watcher: { close(): Promise<void> } | undefined;

  private constructor(places: Places, log: Log) {
    this.#places = places;
    this.#log = log;
  }

  /** Reads all profiles and watches their folder, which is created where there is none. */
  static async open(places: Places, log: Log): Promise<Profiles> {
    const profiles = new Profiles(places, log);
    try {
      mkdirSync(places.profiles, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot create the folder ${places.profiles}`, { cause });
    }
    await profiles.#watch();
    profiles.scan();
    return profiles;
  }

  /** The profile as it is saved now, or the last good one. Throws `name-invalid`, `profile-missing`, `profile-invalid`. */
  get(name: string): LoadedProfile {
    checkProfileName(name);
    const state = this.#refresh(name);
    if (state === undefined) throw profileMissingError(this.#places, name);
    if (state.loaded === undefined) throw state.error ?? profileMissingError(this.#places, name);
    return state.loaded;
  }

  /** The names of all profiles, the broken ones too. As of the last look: see `scan`. */
  get names(): string[] {
    return [...this.#states.keys()].sort();
  }

  /** Why a file cannot be used, by profile; files that no name can reach, by file name. As of the last look. */
  get broken(): Map<string, string> {
    const broken = new Map(this.#misnamed);
    for (const [name, { error, loaded }] of this.#states) {
      if (error === undefined) continue;
      broken.set(
        name,
        loaded === undefined ? error.message : `${error.message}\n  the last good one is in use`,
      );
    }
    return broken;
  }

  /** Looks at the whole folder now. */
  scan(): void {
    try {
      const { names, strays } = listProfiles(this.#places);
      for (const [file, what] of strays) if (!this.#misnamed.has(file)) this.#log.warn({ file }, what);
      this.#misnamed = strays;
      for (const name of new Set([...names, ...this.#states.keys()])) this.#refresh(name);
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'cannot look at the profiles');
    }
  }

  /** Calls `listener` at each change from now on; returns what ends that. */
  onChange(listener: (change: ProfileChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#debounceTimer);
    this.#listeners.clear();
    await this.#watcher?.close();
    clearTimeout(this.#debounceTimer);
  }

  async #watch(): Promise<void> {
    try {
      // Loaded here, not at the top: the command line reads this room's files without it.
      const { watch } = await import('chokidar');
      const folder = this.#places.profiles;
      const watcher = watch(folder, {
        // Not 0: chokidar 6.0.0 then loses a folder that is removed and made again (2026-11).
        depth: 1,
        ignored: (path) => path !== folder && dirname(path) !== folder,
        ignoreInitial: true,
        ignorePermissionErrors: true,
      });
      this.#watcher = watcher;
      watcher.on('error', (error) =>
        this.#log.warn({ error: String(error) }, 'the profiles are not fully watched'),
      );
      watcher.on('all', () => {
        clearTimeout(this.#debounceTimer);
        this.#debounceTimer = setTimeout(() => this.scan(), DEBOUNCE);
      });
      await new Promise<void>((resolve) => watcher.once('ready', resolve));
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'the profiles are not watched');
    }
  }

  /** Looks at one file; tells of a change. `undefined`: there is no such profile. */
  #refresh(name: string): ProfileState | undefined {
    const known = this.#states.get(name);
    let stamp: string | undefined;
    let digest: string | undefined;
    try {
      stamp = profileStamp(this.#places, name);
      if (stamp === undefined) return this.#removeState(name);
      // A broken file is looked at again each time: what was wrong may be its folder's mode, which is not in the stamp.
      if (known?.stamp === stamp && known.error === undefined) return known;
      const read = readProfile(this.#places, name);
      ({ stamp, digest } = read);
      if (known?.loaded?.digest === digest && known.error === undefined) {
        return this.#setState(name, { ...known, stamp });
      }
      const loaded = parseContent(this.#places, name, read);
      const state = this.#setState(name, { stamp, loaded, error: undefined });
      this.#notify({ name, change: known === undefined ? 'added' : 'changed', digest });
      return state;
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      if (error.code === 'profile-missing') return this.#removeState(name);
      const state = this.#setState(name, { stamp, loaded: known?.loaded, error });
      if (known?.error?.message !== error.message) {
        this.#notify({ name, change: 'broken', ...(digest === undefined ? {} : { digest }) }, error);
      }
      return state;
    }
  }

  #setState(name: string, state: ProfileState): ProfileState {
    this.#states.set(name, state);
    return state;
  }

  #removeState(name: string): undefined {
    if (this.#states.delete(name)) this.#notify({ name, change: 'removed' });
  }

  #notify(change: ProfileChange, error?: WarderError): void {
    if (error === undefined) this.#log.info({ profile: change.name }, `profile ${change.change}`);
    else this.#log.warn({ profile: change.name }, error.message);
    for (const listener of this.#listeners) listener(change);
  }
}

// The daemon's view of the profiles. A saved change applies to the next session. `get` checks the file each time, so it
// is correct even if the watcher is late or there is none (no inotify watches left, a network drive). The watcher
// reports changes in between. While a file is broken, the last valid version that this daemon has read stays in use. A
// removed profile is gone at once.
//
// Known race: if an editor empties a file and then writes it in pieces, a part of it can be read. Most such parts are
// broken, so that the last valid version stays in use.
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

/** A change of a profile. `digest` is of the file's current bytes, if they could be read. */
export interface ProfileChange {
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed' | 'broken';
  readonly digest?: string;
}

interface ProfileState {
  readonly stamp: string | undefined;
  /** The last valid version. */
  readonly loaded: LoadedProfile | undefined;
  /** Why the current file cannot be used. */
  readonly error: WarderError | undefined;
}

/** How long the folder must be unchanged before it is scanned, in milliseconds. Editors save in several steps. */
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

  /** Reads all profiles and watches their folder, which is created if it does not exist. */
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

  /** The profile as it is saved, or its last valid version. Throws `name-invalid`, `profile-missing`, `profile-invalid`. */
  get(name: string): LoadedProfile {
    checkProfileName(name);
    const state = this.#refresh(name);
    if (state === undefined) throw profileMissingError(this.#places, name);
    if (state.loaded === undefined) throw state.error ?? profileMissingError(this.#places, name);
    return state.loaded;
  }

  /** The names of all profiles, including broken ones, as of the last `scan`. */
  get names(): string[] {
    return [...this.#states.keys()].sort();
  }

  /** Why files cannot be used, as of the last `scan`: by profile, or by file name for a misnamed file. */
  get broken(): Map<string, string> {
    const broken = new Map(this.#misnamed);
    for (const [name, { error, loaded }] of this.#states) {
      if (error === undefined) continue;
      broken.set(
        name,
        loaded === undefined ? error.message : `${error.message}\n  the last valid version is in use`,
      );
    }
    return broken;
  }

  /** Scans the folder now. */
  scan(): void {
    try {
      const { names, misnamed } = listProfiles(this.#places);
      for (const [file, what] of misnamed) if (!this.#misnamed.has(file)) this.#log.warn({ file }, what);
      this.#misnamed = misnamed;
      for (const name of new Set([...names, ...this.#states.keys()])) this.#refresh(name);
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'cannot scan the profiles');
    }
  }

  /** Calls `listener` at each change from now on. Returns a function that removes it. */
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
      // Loaded here because the command line uses this file's neighbours without it.
      const { watch } = await import('chokidar');
      const folder = this.#places.profiles;
      const watcher = watch(folder, {
        // Not 0: chokidar 6.0.0 would lose a folder that is removed and created again (2026-11).
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

  /** Checks one file and reports a change. `undefined`: there is no such profile. */
  #refresh(name: string): ProfileState | undefined {
    const current = this.#states.get(name);
    let stamp: string | undefined;
    let digest: string | undefined;
    try {
      stamp = profileStamp(this.#places, name);
      if (stamp === undefined) return this.#removeState(name);
      // A broken file is read again each time: the cause may be its folder's mode, which is not part of the stamp.
      if (current?.stamp === stamp && current.error === undefined) return current;
      const read = readProfile(this.#places, name);
      ({ stamp, digest } = read);
      if (current?.loaded?.digest === digest && current.error === undefined) {
        return this.#setState(name, { ...current, stamp });
      }
      const loaded = parseContent(this.#places, name, read);
      const state = this.#setState(name, { stamp, loaded, error: undefined });
      this.#notify({ name, change: current === undefined ? 'added' : 'changed', digest });
      return state;
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      if (error.code === 'profile-missing') return this.#removeState(name);
      const state = this.#setState(name, { stamp, loaded: current?.loaded, error });
      if (current?.error?.message !== error.message) {
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

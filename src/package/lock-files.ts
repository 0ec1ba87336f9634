// The lock files. A lock belongs to its profile, and only a lock or an update for that profile writes it.
//
//     config/packages/<profile>/<id>.json        the lock
//     config/packages/<id>.json                  a lock of the former layout, for all profiles that have none of their own
//
// `<id>` is `<npm name, "/" as "+">@<version>`, or `pypi+<name>+<extra>…==<version>`. A lock of the former layout is
// never written again, so that no profile changes what another one runs; `adopt` copies it to the profile.
import { existsSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isFolder, listFolder, writeFile } from './files.ts';
import { type PackageLock, parseLock } from './lock.ts';
import { formatSpec, isExact, lockId, type PackageSpec, parseSpec } from './spec.ts';

/** A profile, and the package that it names. */
export interface PackageUse {
  readonly profile: string;
  readonly spec: PackageSpec;
}

/** A lock on disk. `profile` is undefined for one of the former layout, which all profiles share. */
export interface LockFile {
  readonly profile: string | undefined;
  readonly lock: PackageLock;
}

/** Reads and writes the lock files in a folder. */
export class LockFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A profile's lock of an exact version, or undefined. Throws `package-unlocked` if its file cannot be read. */
  find({ profile, spec }: PackageUse): PackageLock | undefined {
    if (!isExact(spec)) return undefined;
    const id = lockId(spec, spec.version);
    const file = [this.#file(profile, id), this.#file(undefined, id)].find((each) => existsSync(each));
    return file === undefined ? undefined : parseLock(readFileSync(file, 'utf8'), file, profile);
  }

  /** Every lock, by package and profile. */
  list(): LockFile[] {
    const profiles = listFolder(this.#folder).filter((name) => isFolder(join(this.#folder, name)));
    return [undefined, ...profiles]
      .flatMap((profile) =>
        listFolder(join(this.#folder, profile ?? ''))
          .filter((name) => name.endsWith('.json'))
          .map((name) => ({ profile, file: join(this.#folder, profile ?? '', name) })),
      )
      .map(({ profile, file }) => ({ profile, lock: parseLock(readFileSync(file, 'utf8'), file, profile) }))
      .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  }

  /** Whether a lock is the one that a profile runs by. */
  isUsed({ profile, lock }: LockFile, use: PackageUse): boolean {
    if (lock.package !== formatSpec(use.spec)) return false;
    if (profile !== undefined) return profile === use.profile;
    return !existsSync(this.#file(use.profile, lockId(use.spec, lock.pinned)));
  }

  write(profile: string, lock: PackageLock): void {
    writeFile(this.#file(profile, idOf(lock)), `${JSON.stringify(lock, null, 1)}\n`);
  }

  /** Gives a profile a lock of its own if it used one of the former layout. Returns whether it did. */
  adopt(profile: string, lock: PackageLock): boolean {
    if (existsSync(this.#file(profile, idOf(lock)))) return false;
    this.write(profile, lock);
    return true;
  }

  /** Removes a lock, and its profile's folder with the last one. Returns its name. */
  remove({ profile, lock }: LockFile): string {
    const id = idOf(lock);
    rmSync(this.#file(profile, id));
    const folder = join(this.#folder, profile ?? '');
    if (profile !== undefined && listFolder(folder).length === 0) rmdirSync(folder);
    return profile === undefined ? id : `${profile}/${id}`;
  }

  #file(profile: string | undefined, id: string): string {
    return join(this.#folder, profile ?? '', `${id}.json`);
  }
}

/** The name of a lock's file and, with its digest, of its tree. */
export function idOf({ package: name, pinned }: PackageLock): string {
  return lockId(parseSpec(name), pinned);
}

function sortKey({ profile = '', lock }: LockFile): string {
  return `${idOf(lock)} ${profile}`;
}

// The store of pinned packages: each version is installed once, listed, hashed and made read-only. All profiles that use
// it share the tree.
//
//     config/packages/<id>.json                  the lock
//     state/packages/<id>-<digest12>/tree/       node_modules as npm installed it
//     state/packages/<id>-<digest12>/listing     the tree's files (src/package/tree.ts)
//     state/packages/<id>-<digest12>/stamps      size, times and inode of each file when it was last hashed
//     state/packages/.new-<random>/              an installation in progress; renamed when it is complete
//
// A crash leaves at most a `.new-` folder; `sweep` removes it.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import { writeFileAtomic } from '../os/file.ts';
import { type InstalledPackage, readBins } from './bin.ts';
import { makeReadOnly, makeWritable, readText } from './files.ts';
import {
  diffLocks,
  installScripts,
  type LockDiff,
  lockId,
  type NpmLock,
  type PackageLock,
  parseLock,
  parseNpmLock,
} from './lock.ts';
import type { Npm } from './npm.ts';
import { formatSpec, isExact, type PackageSpec } from './spec.ts';
import { diffListings, matchesStamps, readTree, treeDigest } from './tree.ts';

/** What the store needs. */
export interface StoreOptions {
  readonly places: { readonly config: string; readonly state: string };
  readonly clock: Clock;
  /** Called only if something has to be resolved or installed. */
  readonly npm: () => Npm;
  /** Called with each step, to show progress. */
  readonly progress: (step: string) => void;
}

/** After this time all files are hashed again, whether or not their stamps changed. Milliseconds. */
const FULL_CHECK_INTERVAL = 24 * 60 * 60_000;

export class PackageStore {
  readonly #lockFolder: string;
  readonly #treeFolder: string;
  readonly #options: StoreOptions;

  constructor(parts: StoreOptions) {
    this.#options = parts;
    this.#lockFolder = join(parts.places.config, 'packages');
    this.#treeFolder = join(parts.places.state, 'packages');
  }

  /** The lock of an exact version, or undefined. Throws `package-unlocked` if its file cannot be read. */
  find(spec: PackageSpec): PackageLock | undefined {
    if (!isExact(spec.version)) return undefined;
    const file = this.#lockFile(lockId(spec, spec.version));
    return existsSync(file) ? parseLock(readFileSync(file, 'utf8'), file) : undefined;
  }

  /**
   * Locks a package: resolves its version (a range or a tag becomes the version it means now), installs it if it is not
   * installed, and writes the lock. A version that is already locked keeps its lock. `scripts` names the packages whose
   * install scripts may run; if another package has one, `package-scripts` is thrown. `reinstall` installs the tree
   * again from the lock's hashes.
   */
  async lock(spec: PackageSpec, scripts: readonly string[], reinstall = false): Promise<PackageLock> {
    const before = this.find(spec);
    if (before && !reinstall && existsSync(join(this.#folder(before), 'tree'))) {
      await this.verify(spec, true);
      return before;
    }
    return this.#install(
      before ? before.npm : await this.resolve(spec),
      spec,
      before?.scripts ?? scripts,
      before,
    );
  }

  /** What an update to another version would change. Installs nothing. */
  async previewUpdate(
    from: PackageLock,
    to: PackageSpec,
  ): Promise<{ npm: NpmLock; difference: LockDiff; version: string }> {
    const npm = await this.resolve(to);
    return { npm, difference: diffLocks(from.npm, npm), version: pinnedVersion(npm, to) };
  }

  /** Installs the result of `previewUpdate`. */
  async install(npm: NpmLock, spec: PackageSpec, scripts: readonly string[]): Promise<PackageLock> {
    return this.#install(npm, spec, scripts, undefined);
  }

  /** Finds a locked package without checking its files. Throws `package-unlocked`. */
  locate(spec: PackageSpec): InstalledPackage {
    const lock = this.find(spec);
    const root = lock && join(this.#folder(lock), 'tree');
    if (lock !== undefined && root !== undefined && existsSync(root)) return { lock, root };
    throw new WarderError('package-unlocked', `the package "${formatSpec(spec)}" is not locked here`, {
      hint: 'run "warder package lock PROFILE": it installs the package once and pins what it is',
    });
  }

  /**
   * Checks a locked tree against its digest. If all stamps match and the last full check is less than a day old, that is
   * enough; otherwise, or with `full`, every file is hashed. Throws `package-unlocked`, or `package-changed` with the
   * names of the files.
   */
  async verify(spec: PackageSpec, full: boolean): Promise<InstalledPackage> {
    const installed = this.locate(spec);
    const { lock, root } = installed;
    const folder = this.#folder(lock);
    const listing = readText(join(folder, 'listing'));
    if (treeDigest(listing) !== lock.digest) throw changedError(lock, ['(the list of its files)']);
    const saved = readStamps(join(folder, 'stamps'));
    const age = saved && this.#options.clock.now() - saved.checked;
    const recent = age !== undefined && age >= 0 && age < FULL_CHECK_INTERVAL;
    if (saved && recent && !full && (await matchesStamps(root, saved.stamps))) return installed;
    const tree = await readTree(root);
    const difference = diffListings(listing, tree.listing);
    if (difference)
      throw changedError(lock, [...difference.changed, ...difference.added, ...difference.removed]);
    this.#writeStamps(folder, tree.stamps);
    return installed;
  }

  /** Every lock, by id. */
  list(): { readonly id: string; readonly lock: PackageLock; readonly installed: boolean }[] {
    return listFolder(this.#lockFolder)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => {
        const file = join(this.#lockFolder, name);
        const lock = parseLock(readFileSync(file, 'utf8'), file);
        return { id: name.slice(0, -'.json'.length), lock, installed: existsSync(this.#folder(lock)) };
      });
  }

  /** Removes all packages but `used`, and what a crash left. Returns the names of what was removed. */
  sweep(used: readonly PackageSpec[]): string[] {
    const keep = new Set(used.flatMap((spec) => (isExact(spec.version) ? [lockId(spec, spec.version)] : [])));
    const removed: string[] = [];
    const folders = new Set<string>();
    for (const { id, lock } of this.list()) {
      if (keep.has(id)) folders.add(this.#folder(lock));
      else {
        rmSync(this.#lockFile(id));
        removed.push(id);
      }
    }
    for (const name of listFolder(this.#treeFolder)) {
      if (folders.has(join(this.#treeFolder, name))) continue;
      this.#remove(join(this.#treeFolder, name));
      if (!removed.some((id) => name.startsWith(`${id}-`))) removed.push(name);
    }
    return removed;
  }

  /** Resolves a package and its dependencies. Downloads only their metadata. */
  async resolve(spec: PackageSpec): Promise<NpmLock> {
    this.#options.progress(`resolving ${formatSpec(spec)}`);
    const folder = this.#newFolder();
    try {
      writeManifest(folder, spec);
      await this.#options
        .npm()
        .run(folder, ['install', '--package-lock-only', '--ignore-scripts', '--omit=dev']);
      return parseNpmLock(readText(join(folder, 'package-lock.json')));
    } finally {
      this.#remove(folder);
    }
  }

  async #install(
    npm: NpmLock,
    requested: PackageSpec,
    scripts: readonly string[],
    before: PackageLock | undefined,
  ): Promise<PackageLock> {
    const forbidden = installScripts(npm).filter((name) => !scripts.includes(name));
    if (forbidden.length > 0) {
      throw new WarderError(
        'package-scripts',
        `"${requested.name}" wants to run an install script of ${quoted(forbidden)}`,
        {
          hint: `read what it does, then allow it by name: --allow-scripts ${forbidden.join(' ')}`,
        },
      );
    }
    const spec = { name: requested.name, version: pinnedVersion(npm, requested) };
    const folder = this.#newFolder();
    try {
      const root = join(folder, 'tree');
      mkdirSync(root, { mode: 0o700 });
      writeManifest(root, {
        name: spec.name,
        version: npm.packages['']?.dependencies?.[spec.name] ?? spec.version,
      });
      writeFileSync(join(root, 'package-lock.json'), JSON.stringify(npm));
      this.#options.progress(
        `installing ${formatSpec(spec)} and ${Object.keys(npm.packages).length - 2} dependencies`,
      );
      await this.#options.npm().run(root, ['ci', '--ignore-scripts', '--omit=dev']);
      const allowed = installScripts(npm);
      if (allowed.length > 0) await this.#options.npm().run(root, ['rebuild', ...allowed]);
      // npm's internal copy of the lock: it differs between npm versions, and nothing needs it.
      rmSync(join(root, 'node_modules', '.package-lock.json'), { force: true });
      makeReadOnly(root);
      this.#options.progress('hashing its files');
      const tree = await readTree(root);
      if (before && before.scripts.length === 0 && before.digest !== tree.digest) {
        throw new WarderError(
          'package-integrity',
          `"${formatSpec(spec)}" was installed again with other files than before`,
          {
            hint: 'do not run it; "warder package update" shows what changed, then locks it again',
          },
        );
      }
      const lock: PackageLock = {
        version: 1,
        package: formatSpec(spec),
        pinned: spec.version,
        integrity: npm.packages[`node_modules/${spec.name}`]?.integrity ?? '',
        digest: tree.digest,
        bin: readBins(root, spec.name),
        scripts: allowed,
        locked: new Date(this.#options.clock.now()).toISOString(),
        npm,
      };
      writeFileSync(join(folder, 'listing'), tree.listing, { mode: 0o600 });
      this.#writeStamps(folder, tree.stamps);
      const target = this.#folder(lock);
      if (existsSync(target)) this.#remove(target);
      renameSync(folder, target);
      this.#writeLock(lock, lockId(spec, spec.version));
      return lock;
    } catch (error) {
      this.#remove(folder);
      throw asWriteError(error);
    }
  }

  #lockFile(id: string): string {
    return join(this.#lockFolder, `${id}.json`);
  }

  #folder(lock: PackageLock): string {
    const id = lock.package.slice('npm:'.length).replace('/', '+');
    return join(this.#treeFolder, `${id}-${lock.digest.slice('sha256:'.length, 'sha256:'.length + 12)}`);
  }

  #newFolder(): string {
    const folder = join(this.#treeFolder, `.new-${randomBytes(6).toString('hex')}`);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw asWriteError(error);
    }
    return folder;
  }

  #writeLock(lock: PackageLock, id: string): void {
    writeFile(this.#lockFile(id), `${JSON.stringify(lock, null, 1)}\n`);
  }

  #writeStamps(folder: string, stamps: Readonly<Record<string, string>>): void {
    writeFile(join(folder, 'stamps'), JSON.stringify({ checked: this.#options.clock.now(), stamps }));
  }

  #remove(folder: string): void {
    makeWritable(folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

function pinnedVersion(npm: NpmLock, { name }: PackageSpec): string {
  const version = npm.packages[`node_modules/${name}`]?.version;
  if (!isExact(version))
    throw new WarderError('package-missing', `the registry gave no version of "${name}"`);
  return version;
}

function writeManifest(folder: string, { name, version }: PackageSpec): void {
  const manifest = { name: 'warder-package', private: true, dependencies: { [name]: version ?? 'latest' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
}

function listFolder(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function readStamps(file: string): { checked: number; stamps: Record<string, string> } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function writeFile(file: string, text: string): void {
  try {
    writeFileAtomic(file, text);
  } catch (error) {
    throw asWriteError(error);
  }
}

function changedError(lock: PackageLock, files: readonly string[]): WarderError {
  const shown = files
    .slice(0, 5)
    .map((file) => `"${file}"`)
    .join(', ');
  const more = files.length > 5 ? ` and ${files.length - 5} more` : '';
  return new WarderError(
    'package-changed',
    `the package "${lock.package}" is not what was locked: ${shown}${more}`,
    {
      hint: 'do not run it; "warder package lock PROFILE --again" installs it again from its hashes',
    },
  );
}

function asWriteError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (!['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM'].includes(String(code))) return error;
  return new WarderError('cannot-write', 'cannot write to the package store', {
    cause: error,
    hint: 'make room, or correct its permissions; the store is unchanged',
  });
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

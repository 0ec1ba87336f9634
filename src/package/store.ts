// The store of pinned packages: what a profile locks is installed once, listed, hashed and made read-only. A lock belongs to
// its profile, and only a lock or an update for that profile writes it. Trees are shared by digest: profiles whose locks
// have the same digest run the same files, and a tree that is in order is never replaced.
//
//     config/packages/<profile>/<id>.json        the lock
//     config/packages/<id>.json                  a lock of the former layout, for all profiles that have none of their own
//     state/packages/<id>-<digest12>/tree/       node_modules as npm installed it
//     state/packages/<id>-<digest12>/listing     the tree's files (src/package/tree.ts)
//     state/packages/<id>-<digest12>/stamps      size, times and inode of each file when it was last hashed (src/package/stamps.ts)
//     state/packages/.new-<random>/              an installation in progress; renamed when it is complete
//
// A lock of the former layout is never written again, so that no profile changes what another one runs; `lock` copies it
// to the profile. A crash leaves at most a `.new-` or `.old-` folder; `sweep` removes it.
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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
import { StampFiles } from './stamps.ts';
import { diffListings, matchesStamps, readTree, type Tree, treeDigest } from './tree.ts';

/** What the store needs. */
export interface StoreOptions {
  readonly places: { readonly config: string; readonly state: string };
  readonly clock: Clock;
  /** Called only if something has to be resolved or installed. */
  readonly npm: () => Npm;
  /** Called with each step, to show progress. */
  readonly progress: (step: string) => void;
  /** Runs the install scripts that the user allowed, confined. */
  readonly runScripts: ScriptRunner;
}

/** A run of npm that runs install scripts in a tree. */
export interface ScriptRun {
  readonly tree: string;
  /** npm's path, and its arguments. */
  readonly npm: string;
  readonly args: readonly string[];
}

/** Runs npm for install scripts. Returns its exit code, null if a signal ended it, and its output. */
export type ScriptRunner = (
  run: ScriptRun,
) => Promise<{ readonly code: number | null; readonly output: string }>;

/** Which install scripts run: those of `allow`. Scripts of other packages are an error, or skipped. */
export interface ScriptChoice {
  readonly allow: readonly string[];
  readonly skipOthers: boolean;
}

/** A profile, and the package that it names. */
export interface PackageUse {
  readonly profile: string;
  readonly spec: PackageSpec;
}

/** A lock in the store. `profile` is undefined for one of the former layout, which all profiles share. */
export interface StoredLock {
  readonly profile: string | undefined;
  readonly lock: PackageLock;
  readonly installed: boolean;
}

/** After this time all files are hashed again, whether or not their stamps changed. Milliseconds. */
const FULL_CHECK_INTERVAL = 24 * 60 * 60_000;

export class PackageStore {
  readonly #lockFolder: string;
  readonly #treeFolder: string;
  readonly #options: StoreOptions;
  readonly #stamps: StampFiles;

  constructor(parts: StoreOptions) {
    this.#options = parts;
    this.#lockFolder = join(parts.places.config, 'packages');
    this.#treeFolder = join(parts.places.state, 'packages');
    this.#stamps = new StampFiles(this.#treeFolder);
  }

  /** A profile's lock of an exact version, or undefined. Throws `package-unlocked` if its file cannot be read. */
  find({ profile, spec }: PackageUse): PackageLock | undefined {
    if (!isExact(spec.version)) return undefined;
    const id = lockId(spec, spec.version);
    const file = [this.#lockFile(profile, id), this.#lockFile(undefined, id)].find((each) =>
      existsSync(each),
    );
    return file === undefined ? undefined : parseLock(readFileSync(file, 'utf8'), file, profile);
  }

  /**
   * Locks a package for a profile: resolves its version (a range or a tag becomes the version it means now), installs it
   * if it is not installed, and writes the lock. A version that the profile has locked already keeps its lock. `scripts`
   * says which install scripts run; `package-scripts` is thrown if a package has one that is neither allowed nor skipped.
   * `reinstall` installs the tree again from the lock's hashes.
   */
  async lock(use: PackageUse, scripts: ScriptChoice, reinstall = false): Promise<PackageLock> {
    const before = this.find(use);
    if (before && !reinstall && existsSync(join(this.#folder(before), 'tree'))) {
      await this.verify(use, true);
      this.#adopt(use.profile, before);
      return before;
    }
    return this.#install(
      before ? before.npm : await this.resolve(use.spec),
      use,
      before ? { allow: before.scripts, skipOthers: true } : scripts,
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

  /** Installs the result of `previewUpdate` for a profile. */
  async install(npm: NpmLock, use: PackageUse, scripts: ScriptChoice): Promise<PackageLock> {
    return this.#install(npm, use, scripts, undefined);
  }

  /** Finds a locked package without checking its files. Throws `package-unlocked`. */
  locate(use: PackageUse): InstalledPackage {
    const lock = this.find(use);
    const root = lock && join(this.#folder(lock), 'tree');
    if (lock !== undefined && root !== undefined && existsSync(root)) return { lock, root };
    throw unlockedError(use);
  }

  /**
   * Checks a locked tree against its digest. If all stamps match and the last full check is less than a day old, that is
   * enough; otherwise, or with `full`, every file is hashed. Throws `package-unlocked`, or `package-changed` with the
   * names of the files.
   */
  async verify(use: PackageUse, full: boolean): Promise<InstalledPackage> {
    const installed = this.locate(use);
    const { lock, root } = installed;
    const folder = this.#folder(lock);
    const listing = readListing(join(folder, 'listing'));
    if (listing === undefined || treeDigest(listing) !== lock.digest)
      throw changedError(use.profile, lock, ['(the list of its files)']);
    const saved = this.#stamps.read(join(folder, 'stamps'), lock.digest);
    const age = saved && this.#options.clock.now() - saved.checked;
    const recent = age !== undefined && age >= 0 && age < FULL_CHECK_INTERVAL;
    if (saved && recent && !full && (await matchesStamps(root, saved.stamps))) return installed;
    const tree = await readTree(root);
    const difference = diffListings(listing, tree.listing);
    if (difference)
      throw changedError(use.profile, lock, [
        ...difference.changed,
        ...difference.added,
        ...difference.removed,
      ]);
    this.#writeStamps(folder, tree);
    return installed;
  }

  /** Every lock, by package and profile. */
  list(): StoredLock[] {
    const profiles = listFolder(this.#lockFolder).filter((name) => isFolder(join(this.#lockFolder, name)));
    return [undefined, ...profiles]
      .flatMap((profile) =>
        listFolder(join(this.#lockFolder, profile ?? ''))
          .filter((name) => name.endsWith('.json'))
          .map((name) => ({ profile, file: join(this.#lockFolder, profile ?? '', name) })),
      )
      .map(({ profile, file }) => {
        const lock = parseLock(readFileSync(file, 'utf8'), file, profile);
        return { profile, lock, installed: existsSync(this.#folder(lock)) };
      })
      .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  }

  /** Whether a lock is the one that a profile runs by. */
  isUsed({ profile, lock }: Pick<StoredLock, 'profile' | 'lock'>, use: PackageUse): boolean {
    if (lock.package !== formatSpec(use.spec)) return false;
    if (profile !== undefined) return profile === use.profile;
    return !existsSync(this.#lockFile(use.profile, lockId(use.spec, lock.pinned)));
  }

  /** Removes all locks but those of `uses`, the trees of no lock, and what a crash left. Returns the names of what was removed. */
  sweep(uses: readonly PackageUse[]): string[] {
    const stored = this.list();
    const keep = stored.filter((each) => uses.some((use) => this.isUsed(each, use)));
    const folders = new Set(keep.map(({ lock }) => this.#folder(lock)));
    const removed: string[] = [];
    const listed = new Set<string>();
    for (const { profile, lock } of stored.filter((each) => !keep.includes(each))) {
      const id = idOf(lock);
      rmSync(this.#lockFile(profile, id));
      removed.push(profile === undefined ? id : `${profile}/${id}`);
      listed.add(this.#folder(lock));
    }
    for (const name of listFolder(this.#lockFolder)) {
      const folder = join(this.#lockFolder, name);
      if (isFolder(folder) && listFolder(folder).length === 0) rmdirSync(folder);
    }
    for (const name of listFolder(this.#treeFolder)) {
      const folder = join(this.#treeFolder, name);
      if (folders.has(folder) || !isFolder(folder)) continue;
      this.#remove(folder);
      if (!listed.has(folder)) removed.push(name);
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
    { profile, spec: requested }: PackageUse,
    scripts: ScriptChoice,
    before: PackageLock | undefined,
  ): Promise<PackageLock> {
    const withScript = installScripts(npm);
    const allowed = withScript.filter((name) => scripts.allow.includes(name));
    const others = withScript.filter((name) => !scripts.allow.includes(name));
    if (others.length > 0 && !scripts.skipOthers) {
      throw new WarderError(
        'package-scripts',
        `"${requested.name}" wants to run an install script of ${quoted(others)}`,
        {
          hint: `add "--without-scripts" to the command: most servers run without; or read the scripts, then add "--allow-scripts ${withScript.join(' ')}": they run in a sandbox without a network`,
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
      if (allowed.length > 0) await this.#runScripts(root, allowed);
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
            hint: `do not run it; "warder package update ${profile}" shows what changed, then locks it again`,
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
      this.#writeStamps(folder, tree);
      await this.#place(folder, lock);
      this.#writeLock(profile, lock);
      return lock;
    } catch (error) {
      this.#remove(folder);
      throw asWriteError(error);
    }
  }

  async #runScripts(tree: string, packages: readonly string[]): Promise<void> {
    this.#options.progress(`running the install scripts of ${packages.join(', ')} in a sandbox`);
    const npm = this.#options.npm();
    const args = [
      'rebuild',
      ...packages,
      '--ignore-scripts=false',
      '--no-audit',
      '--no-color',
      '--loglevel=error',
    ];
    const { code, output } = await this.#options.runScripts({ tree, npm: npm.file, args });
    if (code === 0) return;
    const said = npm.words(output);
    const ending = `an install script of ${quoted(packages)} failed in its sandbox, which has no network`;
    throw new WarderError('package-failed', said === '' ? ending : `${ending}: ${said}`, {
      hint: 'use "--without-scripts" in place of "--allow-scripts": most servers run without them',
    });
  }

  /** Moves a new tree to its place. A tree with the same files stays, because sessions may run from it. */
  async #place(folder: string, lock: PackageLock): Promise<void> {
    const target = this.#folder(lock);
    if (existsSync(target)) {
      const present = await readTree(join(target, 'tree')).catch(() => undefined);
      if (present?.digest === lock.digest) {
        writeFile(join(target, 'listing'), present.listing);
        this.#writeStamps(target, present);
        return this.#remove(folder);
      }
      const old = join(this.#treeFolder, `.old-${randomBytes(6).toString('hex')}`);
      renameSync(target, old);
      renameSync(folder, target);
      return this.#remove(old);
    }
    renameSync(folder, target);
  }

  /** Gives a profile a lock of its own if it used one of the former layout. */
  #adopt(profile: string, lock: PackageLock): void {
    if (existsSync(this.#lockFile(profile, idOf(lock)))) return;
    this.#writeLock(profile, lock);
    this.#options.progress(`${lock.package} was locked for all profiles; "${profile}" has its own lock now`);
  }

  #lockFile(profile: string | undefined, id: string): string {
    return join(this.#lockFolder, profile ?? '', `${id}.json`);
  }

  #folder(lock: PackageLock): string {
    const digest = lock.digest.slice('sha256:'.length, 'sha256:'.length + 12);
    return join(this.#treeFolder, `${idOf(lock)}-${digest}`);
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

  #writeLock(profile: string, lock: PackageLock): void {
    writeFile(this.#lockFile(profile, idOf(lock)), `${JSON.stringify(lock, null, 1)}\n`);
  }

  #writeStamps(folder: string, { digest, stamps }: Tree): void {
    try {
      this.#stamps.write(join(folder, 'stamps'), { digest, checked: this.#options.clock.now(), stamps });
    } catch (error) {
      throw asWriteError(error);
    }
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

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function readListing(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
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

/** The error for a package that a profile has not locked. */
export function unlockedError({ profile, spec }: PackageUse): WarderError {
  return new WarderError(
    'package-unlocked',
    `the package "${formatSpec(spec)}" of "${profile}" is not locked here`,
    { hint: `run "warder package lock ${profile}": it installs the package once and pins what it is` },
  );
}

/** The name of a lock's file and, with its digest, of its tree. */
function idOf({ package: name }: PackageLock): string {
  return name.slice('npm:'.length).replace('/', '+');
}

function sortKey({ profile = '', lock }: StoredLock): string {
  return `${idOf(lock)} ${profile}`;
}

function changedError(profile: string, lock: PackageLock, files: readonly string[]): WarderError {
  const shown = files
    .slice(0, 5)
    .map((file) => `"${file}"`)
    .join(', ');
  const more = files.length > 5 ? ` and ${files.length - 5} more` : '';
  return new WarderError(
    'package-changed',
    `the package "${lock.package}" is not what was locked: ${shown}${more}`,
    {
      hint: `do not run it; "warder package lock ${profile} --again" installs it again from its hashes`,
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

// The store of pinned packages: what a profile locks is resolved, installed once, hashed and made read-only
// (src/package/lock-files.ts, src/package/trees.ts). Registries differ in how they resolve and install
// (src/package/registry.ts).
import { join } from 'node:path';
import { catchWarderError, WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import { type InstalledPackage, resolveBin } from './bin.ts';
import { bytesIn, type CodeRunner } from './code-cache.ts';
import { asWriteError } from './files.ts';
import {
  diffLocks,
  installScripts,
  type LockDiff,
  type PackageLock,
  type Resolution,
  resolutionOf,
  resolvedPackage,
} from './lock.ts';
import { type LockFile, LockFiles, type PackageUse } from './lock-files.ts';
import { Pythons } from './pypi/python.ts';
import type { OpenRegistry, ScriptChoice } from './registry.ts';
import { formatSpec, isExact, type PackageSpec } from './spec.ts';
import type { StampCheck } from './stamp-check.ts';
import { Trees } from './trees.ts';

/** What the store needs. */
export interface StoreOptions {
  readonly places: { readonly config: string; readonly state: string };
  readonly clock: Clock;
  readonly registry: OpenRegistry;
  /** Called with each step, to show progress, and with notes that the user has to see. */
  readonly progress: (text: string, isNote?: boolean) => void;
  /** How files are compared with their stamps; by default in this process. */
  readonly matchesStamps?: StampCheck | undefined;
  /** Runs a package's program to make its code cache; by default none is made. */
  readonly runForCode?: CodeRunner | undefined;
}

/** A lock in the store. */
export interface StoredLock extends LockFile {
  readonly installed: boolean;
  /** Bytes of its code cache for this Node; undefined if there is none. */
  readonly code: number | undefined;
}

/** The locks in `config/packages`, and the trees that they name in `state/packages`. */
export class PackageStore {
  readonly #options: StoreOptions;
  readonly #locks: LockFiles;
  readonly #trees: Trees;
  readonly #pythons = new Pythons();

  constructor(parts: StoreOptions) {
    this.#options = parts;
    this.#locks = new LockFiles(join(parts.places.config, 'packages'));
    this.#trees = new Trees(join(parts.places.state, 'packages'), parts.clock, parts.matchesStamps);
  }

  /** A profile's lock of an exact version, or undefined. Throws `package-unlocked` if its file cannot be read. */
  find(use: PackageUse): PackageLock | undefined {
    return this.#locks.find(use);
  }

  /**
   * Locks a package for a profile: resolves its version (a range or a tag becomes the version it means now), installs it
   * if it is not installed, and writes the lock. A version that the profile has locked already keeps its lock. `scripts`
   * says which install scripts run; `package-scripts` is thrown if a package has one that is neither allowed nor skipped.
   * `reinstall` installs the tree again from the lock's hashes.
   */
  async lock(use: PackageUse, scripts: ScriptChoice, reinstall = false): Promise<PackageLock> {
    const before = this.find(use);
    if (before && !reinstall && this.#trees.root(before) !== undefined) {
      await this.#verifyTree(use, before, true);
      if (this.#locks.adopt(use.profile, before)) {
        this.#options.progress(
          `${before.package} was locked for all profiles; "${use.profile}" has its own lock now`,
          true,
        );
      }
      await this.#makeCode(before);
      return before;
    }
    return this.#install(
      before ? resolutionOf(before) : await this.resolve(use.spec),
      use,
      before ? { allow: before.scripts, skipOthers: true } : scripts,
      before,
    );
  }

  /** What an update to another version would change. Installs nothing. */
  async previewUpdate(
    from: PackageLock,
    to: PackageSpec,
  ): Promise<{ resolution: Resolution; difference: LockDiff; version: string }> {
    const resolution = await this.resolve(to, resolutionOf(from));
    const { version } = resolved(resolution, to);
    return { resolution, difference: diffLocks(from, resolution), version };
  }

  /** Installs the result of `previewUpdate` for a profile. */
  async install(resolution: Resolution, use: PackageUse, scripts: ScriptChoice): Promise<PackageLock> {
    return this.#install(resolution, use, scripts, undefined);
  }

  /** Finds a locked package without checking its files. Throws `package-unlocked`. */
  locate(use: PackageUse): InstalledPackage {
    const lock = this.find(use);
    const root = lock && this.#trees.root(lock);
    if (lock !== undefined && root !== undefined) return { lock, root, code: this.#trees.code(lock)?.root };
    throw unlockedError(use);
  }

  /**
   * Checks a locked tree against its digest (`Trees.check`), and that the Python of a package of PyPI is the one that it
   * was locked for; its code cache too, if it has one. Throws `package-unlocked`, `package-python`, or `package-changed` with the names of the files.
   */
  async verify(use: PackageUse, full: boolean): Promise<InstalledPackage> {
    const { lock, root } = this.locate(use);
    const cache = this.#trees.code(lock);
    const [, changed] = await Promise.all([
      this.#verifyTree(use, lock, full),
      cache === undefined ? [] : this.#trees.checkCode(cache, full),
    ]);
    if (changed.length > 0)
      throw changedError(lock, changed, `"warder package lock ${use.profile}" makes it again`);
    return { lock, root, code: cache?.root };
  }

  /** Checks that the Python of a locked package is the one that it was locked for, and nothing else. Throws `package-python`. */
  async checkRuntime(use: PackageUse): Promise<void> {
    const lock = this.find(use);
    if (lock !== undefined) await this.#checkPython(lock, use.profile, lock.package, lock.pinned);
  }

  /** Every lock, by package and profile. */
  list(): StoredLock[] {
    return this.#locks.list().map((each) => {
      const code = this.#trees.code(each.lock);
      return {
        ...each,
        installed: this.#trees.root(each.lock) !== undefined,
        code: code && bytesIn(code.root),
      };
    });
  }

  /** Whether a lock is the one that a profile runs by. */
  isUsed(stored: LockFile, use: PackageUse): boolean {
    return this.#locks.isUsed(stored, use);
  }

  /** Removes all locks but those of `uses`, the trees of no lock, and what a crash left. Returns the names of what was removed. */
  sweep(uses: readonly PackageUse[]): string[] {
    const stored = this.#locks.list();
    const keep = stored.filter((each) => uses.some((use) => this.isUsed(each, use)));
    const removed = stored.filter((each) => !keep.includes(each)).map((each) => this.#locks.remove(each));
    const trees = this.#trees.sweep(
      keep.map(({ lock }) => lock),
      stored.map(({ lock }) => lock),
    );
    return [...removed, ...trees];
  }

  /** Resolves a package and its dependencies. `before`: what the profile runs now. Runs nothing of them. */
  async resolve(spec: PackageSpec, before?: Resolution): Promise<Resolution> {
    this.#options.progress(`resolving ${formatSpec(spec)}`);
    using folder = this.#trees.create();
    return await this.#options.registry(spec.registry).resolve(spec, folder.path, before);
  }

  async #verifyTree({ profile }: PackageUse, lock: PackageLock, full: boolean): Promise<void> {
    const [changed] = await Promise.all([
      this.#trees.check(lock, full),
      this.#checkPython(lock, profile, lock.package, lock.pinned),
    ]);
    if (changed.length === 0) return;
    const bundle = 'mcpb' in lock ? ' --bundle FILE' : '';
    throw changedError(
      lock,
      changed,
      `"warder package lock ${profile} --again${bundle}" installs it again from its hashes`,
    );
  }

  /** Makes the code cache of a package of npm, if it has none that is in order. What fails leaves none: a start compiles then. */
  async #makeCode(lock: PackageLock): Promise<void> {
    const { runForCode, progress } = this.#options;
    const root = this.#trees.root(lock);
    if (runForCode === undefined || root === undefined || !('npm' in lock)) return;
    const command = catchWarderError(() => resolveBin({ lock, root }, undefined));
    if (command instanceof WarderError || command.command !== process.execPath) return;
    const cache = this.#trees.code(lock);
    if (cache !== undefined && (await this.#trees.checkCode(cache, true)).length === 0) return;
    progress('compiling its modules in a sandbox');
    try {
      await this.#trees.makeCode(lock, (folder) => runForCode({ root, folder, args: command.args }));
    } catch (error) {
      if (!(asWriteError(error) instanceof WarderError)) throw error;
    }
  }

  /** Throws `package-python` if the Python of a package is not what it was when the package was resolved. */
  async #checkPython(resolution: Resolution, profile: string, name: string, version: string): Promise<void> {
    if ('pypi' in resolution) {
      const hint = `pin the package for the one that is here: "warder package update ${profile} --to ${version}"`;
      await this.#pythons.check(resolution.pypi.python, name, hint);
    } else if ('mcpb' in resolution && resolution.mcpb.python !== undefined) {
      await this.#pythons.check(
        resolution.mcpb.python,
        name,
        `remove "${profile}" and add it again from its bundle`,
      );
    }
  }

  async #install(
    resolution: Resolution,
    { profile, spec: requested }: PackageUse,
    scripts: ScriptChoice,
    before: PackageLock | undefined,
  ): Promise<PackageLock> {
    const { allowed, others } = chooseScripts(requested, resolution, scripts);
    if (others.length > 0) {
      this.#options.progress(
        `install scripts of ${quoted(others)} do not run: most servers need none. If "warder test" fails for want of one, "--allow-scripts" runs those that it names, in a sandbox without a network`,
        true,
      );
    }
    const { version, integrity } = resolved(resolution, requested);
    const spec = { ...requested, version };
    await this.#checkPython(resolution, profile, formatSpec(spec), version);
    using folder = this.#trees.create();
    try {
      const registry = this.#options.registry(spec.registry);
      const bin = await registry.install(resolution, spec, join(folder.path, 'tree'), allowed);
      this.#options.progress('hashing its files');
      const tree = await this.#trees.seal(folder);
      // Byte code of PyPI's packages is Warder's own work, and may differ with the Python's last number.
      const reproducible = !('pypi' in resolution) && before?.scripts.length === 0;
      if (before && reproducible && before.digest !== tree.digest) {
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
        pinned: version,
        integrity,
        digest: tree.digest,
        bin,
        scripts: allowed,
        locked: new Date(this.#options.clock.now()).toISOString(),
        ...resolution,
      };
      await this.#trees.place(folder, lock);
      this.#locks.write(profile, lock);
      await this.#makeCode(lock);
      return lock;
    } catch (error) {
      throw asWriteError(error);
    }
  }
}

/** The install scripts that run. Throws `package-scripts` if one is neither allowed nor skipped. */
function chooseScripts(
  spec: PackageSpec,
  resolution: Resolution,
  scripts: ScriptChoice,
): { allowed: string[]; others: string[] } {
  const withScript = installScripts(resolution);
  const others = withScript.filter((name) => !scripts.allow.includes(name));
  if (others.length > 0 && !scripts.skipOthers) {
    throw new WarderError(
      'package-scripts',
      `"${spec.name}" wants to run an install script of ${quoted(others)}`,
      {
        hint: `add "--without-scripts" to the command: most servers run without; or read the scripts, then add "--allow-scripts ${withScript.join(' ')}": they run in a sandbox without a network`,
      },
    );
  }
  return { allowed: withScript.filter((name) => scripts.allow.includes(name)), others };
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

/** The package's own part of what was resolved. Throws `package-missing`. */
function resolved(resolution: Resolution, spec: PackageSpec): { version: string; integrity: string } {
  const found = resolvedPackage(resolution, spec);
  if (found !== undefined && isExact({ ...spec, version: found.version })) return found;
  throw new WarderError('package-missing', `the registry gave no version of "${spec.name}"`);
}

/** The error for a package that a profile has not locked. */
export function unlockedError({ profile, spec }: PackageUse): WarderError {
  return new WarderError(
    'package-unlocked',
    `the package "${formatSpec(spec)}" of "${profile}" is not locked here`,
    { hint: `run "warder package lock ${profile}": it installs the package once and pins what it is` },
  );
}

/** `mend`: what puts it in order. */
function changedError(lock: PackageLock, files: readonly string[], mend: string): WarderError {
  const shown = files
    .slice(0, 5)
    .map((file) => `"${file}"`)
    .join(', ');
  const more = files.length > 5 ? ` and ${files.length - 5} more` : '';
  return new WarderError(
    'package-changed',
    `the package "${lock.package}" is not what was locked: ${shown}${more}`,
    { hint: `do not run it; ${mend}` },
  );
}

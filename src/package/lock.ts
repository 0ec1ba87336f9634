// The lock of a package: what `warder package lock` resolved and hashed. It is in Warder's configuration, never in a
// sandbox: `config/packages/<profile>/<name, "/" as "+">@<version>.json`. The tree's listing and stamps are large and are beside the tree in the store; the listing is trusted only if its hash is
// `digest`.
import { z } from 'zod';
import { WarderError } from '../errors.ts';
import type { PackageSpec } from './spec.ts';

const npmEntry = z.looseObject({
  version: z.string().optional(),
  integrity: z.string().optional(),
  hasInstallScript: z.boolean().optional(),
  link: z.boolean().optional(),
  /** Whether it comes in the archive of the package above it. */
  inBundle: z.boolean().optional(),
  optional: z.boolean().optional(),
  os: z.union([z.string(), z.array(z.string())]).optional(),
  cpu: z.union([z.string(), z.array(z.string())]).optional(),
  dependencies: z.record(z.string(), z.string()).optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});

const npmLock = z.looseObject({ lockfileVersion: z.literal(3), packages: z.record(z.string(), npmEntry) });

const lockFile = z.strictObject({
  version: z.literal(1),
  package: z.string(),
  /** The exact version. */
  pinned: z.string(),
  /** Subresource Integrity of the package's own archive. */
  integrity: z.string(),
  /** `sha256:<hex>` of the tree's listing. */
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** Bins: name to path relative to the tree. */
  bin: z.record(z.string(), z.string()),
  /** Packages whose install scripts ran, because the user allowed them. Those of others did not run. */
  scripts: z.array(z.string()),
  /** RFC 3339. */
  locked: z.string(),
  /** npm's own lock with the integrity hash of every dependency. A later install must give the same tree. */
  npm: npmLock,
});

export type NpmLock = z.infer<typeof npmLock>;
export type PackageLock = z.infer<typeof lockFile>;

/** Parses a profile's lock file. Throws `package-unlocked`. */
export function parseLock(text: string, file: string, profile: string | undefined): PackageLock {
  try {
    return lockFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new WarderError('package-unlocked', `cannot read the lock "${file}"`, {
      cause,
      hint:
        profile === undefined
          ? 'remove the file, then lock the package again for each profile that uses it'
          : `remove the file, then run "warder package lock ${profile}"`,
    });
  }
}

type NpmEntry = z.infer<typeof npmEntry>;

/**
 * Parses npm's lock. Optional packages that the registry does not have are left out: npm would refuse to install the lock
 * with them. Throws `package-integrity` if a package in it has no hash, neither of its own nor of the archive that it is
 * bundled in.
 */
export function parseNpmLock(text: string): NpmLock {
  const lock = npmLock.parse(JSON.parse(text));
  const packages: Record<string, NpmEntry> = {};
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path !== '' && entry.optional === true && entry.version === undefined && entry.link !== true)
      continue;
    if (path !== '' && !hasHash(lock.packages, path)) {
      throw new WarderError(
        'package-integrity',
        `the dependency "${packageName(path)}" has no integrity hash`,
        {
          hint: 'a server that depends on git, a file or a URL cannot be pinned; choose another version',
        },
      );
    }
    packages[path] = entry;
  }
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.optionalDependencies === undefined) continue;
    const present = Object.entries(entry.optionalDependencies).filter(([name]) =>
      searchedPaths(path, name).some((each) => each in packages),
    );
    packages[path] = { ...entry, optionalDependencies: Object.fromEntries(present) };
  }
  return { ...lock, packages };
}

/** Whether the archive that a package comes in has a hash: its own, or that of the package that bundles it. */
function hasHash(packages: NpmLock['packages'], path: string): boolean {
  const entry = packages[path];
  if (entry === undefined || entry.link === true) return false;
  if (entry.integrity !== undefined) return true;
  const above = path.lastIndexOf('/node_modules/');
  return entry.inBundle === true && above > 0 && hasHash(packages, path.slice(0, above));
}

/** Where Node searches a package that another one requires, from the nearest on. */
function searchedPaths(from: string, name: string): string[] {
  const paths: string[] = [];
  for (let at = from; ; at = at.slice(0, Math.max(at.lastIndexOf('node_modules/') - 1, 0))) {
    paths.push(`${at === '' ? '' : `${at}/`}node_modules/${name}`);
    if (at === '') return paths;
  }
}

/** The platform that packages are installed for. */
export interface Platform {
  readonly os: string;
  readonly cpu: string;
}

/** The packages in npm's lock that have an install script and are installed on a platform. */
export function installScripts(
  lock: NpmLock,
  platform: Platform = { os: process.platform, cpu: process.arch },
): string[] {
  const found = Object.entries(lock.packages).filter(
    ([, entry]) =>
      entry.hasInstallScript === true &&
      (entry.optional !== true || (accepts(entry.os, platform.os) && accepts(entry.cpu, platform.cpu))),
  );
  return [...new Set(found.map(([path]) => packageName(path)))].sort();
}

/** Whether a list of `os` or `cpu` in a manifest accepts a value: `!` excludes. */
function accepts(list: string | readonly string[] | undefined, value: string): boolean {
  const entries = list === undefined ? [] : [list].flat();
  if (entries.includes(`!${value}`)) return false;
  const wanted = entries.filter((entry) => !entry.startsWith('!'));
  return wanted.length === 0 || wanted.includes(value) || wanted.includes('any');
}

/** The difference between two locks. `moved`: packages whose version differs. */
export interface LockDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly moved: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  /** Packages with install scripts that the old lock did not have. */
  readonly scripts: readonly string[];
}

/** Compares two npm locks by package and version. */
export function diffLocks(before: NpmLock, after: NpmLock): LockDiff {
  const oldVersions = versions(before);
  const newVersions = versions(after);
  const names = [...new Set([...oldVersions.keys(), ...newVersions.keys()])].sort();
  const oldScripts = new Set(installScripts(before));
  return {
    added: names.filter((name) => !oldVersions.has(name)).map((name) => `${name}@${newVersions.get(name)}`),
    removed: names.filter((name) => !newVersions.has(name)).map((name) => `${name}@${oldVersions.get(name)}`),
    moved: names.flatMap((name) => {
      const from = oldVersions.get(name);
      const to = newVersions.get(name);
      return from !== undefined && to !== undefined && from !== to ? [{ name, from, to }] : [];
    }),
    scripts: installScripts(after).filter((name) => !oldScripts.has(name)),
  };
}

/** The name of a package's lock file, without its ending. */
export function lockId({ name }: PackageSpec, version: string): string {
  return `${name.replace('/', '+')}@${version}`;
}

/** The package of a path in npm's lock, such as `node_modules/a/node_modules/@b/c`. */
function packageName(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** Package name to its versions, joined if there are several. */
function versions(lock: NpmLock): Map<string, string> {
  const all = new Map<string, Set<string>>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue;
    const name = packageName(path);
    all.set(name, (all.get(name) ?? new Set()).add(entry.version ?? '?'));
  }
  return new Map([...all].map(([name, set]) => [name, [...set].sort().join(', ')]));
}

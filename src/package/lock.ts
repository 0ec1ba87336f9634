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
  dependencies: z.record(z.string(), z.string()).optional(),
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
  /** Packages whose install scripts the user allowed. */
  scripts: z.array(z.string()),
  /** RFC 3339. */
  locked: z.string(),
  /** npm's own lock with the integrity hash of every dependency. A later install must give the same tree. */
  npm: npmLock,
});

export type NpmLock = z.infer<typeof npmLock>;
export type PackageLock = z.infer<typeof lockFile>;

/** Parses a lock file. Throws `package-unlocked`. */
export function parseLock(text: string, file: string): PackageLock {
  try {
    return lockFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new WarderError('package-unlocked', `cannot read the lock "${file}"`, {
      cause,
      hint: 'remove the file and run "warder package lock" again',
    });
  }
}

/** Parses npm's lock. Throws `package-integrity` if a package in it has no hash. */
export function parseNpmLock(text: string): NpmLock {
  const lock = npmLock.parse(JSON.parse(text));
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path !== '' && (entry.link === true || entry.integrity === undefined)) {
      throw new WarderError(
        'package-integrity',
        `the dependency "${packageName(path)}" has no integrity hash`,
        {
          hint: 'a server that depends on git, a file or a URL cannot be pinned; choose another version',
        },
      );
    }
  }
  return lock;
}

/** The packages in npm's lock that have an install script. */
export function installScripts(lock: NpmLock): string[] {
  const found = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript === true);
  return [...new Set(found.map(([path]) => packageName(path)))].sort();
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

// The lock of a package: what `warder package lock` resolved and measured, kept in Warder's configuration
// and never in a sandbox. `config/packages/<name, "/" as "+">@<version>.json`, one for all profiles that name
// this version. The tree's listing and stamps are bulk and lie beside the tree in the store; the listing is
// trusted only as far as it hashes to `digest`.
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
  /** Name to path below the tree. */
  bin: z.record(z.string(), z.string()),
  /** Packages whose install scripts a person allowed. */
  scripts: z.array(z.string()),
  /** RFC 3339. */
  locked: z.string(),
  /** npm's own lock, with every dependency's integrity hash: what a later install must come to again. */
  npm: npmLock,
});

export type NpmLock = z.infer<typeof npmLock>;
export type PackageLock = z.infer<typeof lockFile>;

/** Reads a lock file's text. Throws `package-unlocked`. */
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

/** Reads npm's lock. Throws `package-integrity` if a package in it is not held by a hash. */
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

/** Packages in npm's lock that run a script when they are installed. */
export function installScripts(lock: NpmLock): string[] {
  const found = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript === true);
  return [...new Set(found.map(([path]) => packageName(path)))].sort();
}

/** What a change from one lock to another adds, removes and moves. */
export interface LockDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly moved: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  /** Packages with install scripts that the old lock did not have. */
  readonly scripts: readonly string[];
}

/** Compares two of npm's locks by package and version. */
export function diffLocks(before: NpmLock, now: NpmLock): LockDiff {
  const old = versions(before);
  const fresh = versions(now);
  const names = [...new Set([...old.keys(), ...fresh.keys()])].sort();
  const had = new Set(installScripts(before));
  return {
    added: names.filter((name) => !old.has(name)).map((name) => `${name}@${fresh.get(name)}`),
    removed: names.filter((name) => !fresh.has(name)).map((name) => `${name}@${old.get(name)}`),
    moved: names.flatMap((name) => {
      const from = old.get(name);
      const to = fresh.get(name);
      return from !== undefined && to !== undefined && from !== to ? [{ name, from, to }] : [];
    }),
    scripts: installScripts(now).filter((name) => !had.has(name)),
  };
}

/** The name under which a package's lock and tree are kept. */
export function lockId({ name }: PackageSpec, version: string): string {
  return `${name.replace('/', '+')}@${version}`;
}

/** The package that npm's lock has at a path such as `node_modules/a/node_modules/@b/c`. */
function packageName(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** Name to its versions, joined where there are several. */
function versions(lock: NpmLock): Map<string, string> {
  const all = new Map<string, Set<string>>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue;
    const name = packageName(path);
    all.set(name, (all.get(name) ?? new Set()).add(entry.version ?? '?'));
  }
  return new Map([...all].map(([name, set]) => [name, [...set].sort().join(', ')]));
}

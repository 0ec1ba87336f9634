// The lock of a package: what `warder package lock` resolved and hashed. It is in Warder's configuration, never in a
// sandbox. The tree's listing and stamps are large and are beside the tree in the store; the listing is trusted only if
// its hash is `digest`. What a registry resolved is in a member of its own, named for the registry.
import * as z from 'zod';
import { WarderError } from '../errors.ts';
import { type McpbLock, mcpbLock, mcpbVersions } from './mcpb/lock.ts';
import { type NpmLock, npmInstallScripts, npmLock, npmVersions } from './npm/lock.ts';
import { type PypiLock, pypiLock, pypiVersions } from './pypi/lock.ts';
import type { PackageSpec } from './spec.ts';

const entries = {
  version: z.literal(1),
  package: z.string(),
  /** The exact version. */
  pinned: z.string(),
  /** Subresource Integrity of the package's own archive. */
  integrity: z.string(),
  /** `sha256:<hex>` of the tree's listing. */
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** Programs: name to path relative to the tree. */
  bin: z.record(z.string(), z.string()),
  /** Packages whose install scripts ran, because the user allowed them. Those of others did not run. */
  scripts: z.array(z.string()),
  /** RFC 3339. */
  locked: z.string(),
};

const lockFile = z.union([
  /** npm's own lock with the integrity hash of every dependency. A later install must give the same tree. */
  z.strictObject({ ...entries, npm: npmLock }),
  z.strictObject({ ...entries, pypi: pypiLock }),
  z.strictObject({ ...entries, mcpb: mcpbLock }),
]);

/** What `warder package lock` writes for a profile: see lock-files.ts for where. */
export type PackageLock = z.infer<typeof lockFile>;

/** What a registry resolved: enough to install the same again. */
export type Resolution =
  | { readonly npm: NpmLock }
  | { readonly pypi: PypiLock }
  | { readonly mcpb: McpbLock };

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

/** The part of a lock that its registry made. */
export function resolutionOf(lock: Resolution): Resolution {
  if ('npm' in lock) return { npm: lock.npm };
  return 'pypi' in lock ? { pypi: lock.pypi } : { mcpb: lock.mcpb };
}

/** The package's own version and the integrity of its archive; undefined if the registry gave no such package. */
export function resolvedPackage(
  resolution: Resolution,
  { name }: PackageSpec,
): { version: string; integrity: string } | undefined {
  if ('npm' in resolution) {
    const { version, integrity = '' } = resolution.npm.packages[`node_modules/${name}`] ?? {};
    return version === undefined ? undefined : { version, integrity };
  }
  if ('mcpb' in resolution) {
    const { version, sha256 } = resolution.mcpb;
    return { version, integrity: toIntegrity(sha256) };
  }
  const wheel = resolution.pypi.wheels.find((each) => each.name === name);
  if (wheel === undefined) return undefined;
  return { version: wheel.version, integrity: toIntegrity(wheel.sha256) };
}

function toIntegrity(sha256: string): string {
  return `sha256-${Buffer.from(sha256, 'hex').toString('base64')}`;
}

/** The packages that have an install script and are installed here. A wheel and a bundle have none. */
export function installScripts(resolution: Resolution): string[] {
  return 'npm' in resolution ? npmInstallScripts(resolution.npm) : [];
}

/** How many packages a package needs. A bundle has them in it. */
export function dependencyCount(resolution: Resolution): number {
  if ('mcpb' in resolution) return 0;
  return 'npm' in resolution
    ? Object.keys(resolution.npm.packages).length - 2
    : resolution.pypi.wheels.length - 1;
}

/** The difference between two locks. `moved`: packages whose version, or whose files of the same version, differ. */
export interface LockDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly moved: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  /** Packages with install scripts that the old lock did not have. */
  readonly scripts: readonly string[];
}

/** Compares what was resolved with what was before, by package, version and hash. */
export function diffLocks(before: Resolution, after: Resolution): LockDiff {
  const oldVersions = versions(before);
  const newVersions = versions(after);
  const names = [...new Set([...oldVersions.keys(), ...newVersions.keys()])].sort();
  const oldScripts = new Set(installScripts(before));
  return {
    added: names
      .filter((name) => !oldVersions.has(name))
      .map((name) => `${name}@${newVersions.get(name)?.version}`),
    removed: names
      .filter((name) => !newVersions.has(name))
      .map((name) => `${name}@${oldVersions.get(name)?.version}`),
    moved: names.flatMap((name) => {
      const from = oldVersions.get(name);
      const to = newVersions.get(name);
      if (from === undefined || to === undefined) return [];
      if (from.version !== to.version) return [{ name, from: from.version, to: to.version }];
      return from.hash === to.hash ? [] : [{ name, from: from.version, to: `${to.version}, other files` }];
    }),
    scripts: installScripts(after).filter((name) => !oldScripts.has(name)),
  };
}

function versions(resolution: Resolution): Map<string, { version: string; hash: string }> {
  if ('npm' in resolution) return npmVersions(resolution.npm);
  return 'pypi' in resolution ? pypiVersions(resolution.pypi) : mcpbVersions(resolution.mcpb);
}

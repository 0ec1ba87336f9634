// npm's own lock (`package-lock.json`, version 3), as it is kept in a package's lock. Pure, but for the platform.
import * as z from 'zod';
import { WarderError } from '../../errors.ts';

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

/** The member `npm` of a package's lock: npm's own file, of which members that Warder does not read stay. */
export const npmLock = z.looseObject({
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), npmEntry),
});

export type NpmLock = z.infer<typeof npmLock>;
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
export function npmInstallScripts(
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

/** Package name to its versions and hashes, each joined if there are several. */
export function npmVersions(lock: NpmLock): Map<string, { version: string; hash: string }> {
  const all = new Map<string, Map<string, string>>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue;
    const name = packageName(path);
    const versions = all.get(name) ?? new Map<string, string>();
    all.set(
      name,
      versions.set(entry.version ?? '?', entry.integrity ?? versions.get(entry.version ?? '?') ?? ''),
    );
  }
  return new Map(
    [...all].map(([name, versions]) => {
      const sorted = [...versions].sort(([a], [b]) => (a < b ? -1 : 1));
      return [
        name,
        {
          version: sorted.map(([version]) => version).join(', '),
          hash: sorted.map(([, hash]) => hash).join(' '),
        },
      ];
    }),
  );
}

/** The package of a path in npm's lock, such as `node_modules/a/node_modules/@b/c`. */
function packageName(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

// What was resolved on PyPI: wheels with their hashes, and the Python that they are for.
import * as z from 'zod';

const wheel = z.strictObject({
  /** Normalized (PEP 503). */
  name: z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/),
  version: z.string().regex(/^[0-9A-Za-z.!+]+$/),
  /** The wheel's file name. */
  file: z.string().regex(/^[0-9A-Za-z_.!+-]+\.whl$/),
  /** SHA-256 of the file, hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** The Python that a package was locked for, and runs with. */
export const python = z.strictObject({
  /** The real path of the interpreter. */
  file: z.string().startsWith('/'),
  /** All three numbers. */
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  /** What wheels are built for: implementation, version, ABI and system, as in `cpython-311-x86_64-linux-gnu`. */
  tag: z.string(),
});

/** The member `pypi` of a package's lock. */
export const pypiLock = z.strictObject({
  python,
  /** In the order of their installation: later ones replace files of the ones before, as with pip. */
  wheels: z.array(wheel).min(1),
});

export type Wheel = z.infer<typeof wheel>;
export type Python = z.infer<typeof python>;
export type PypiLock = z.infer<typeof pypiLock>;

/** A Python's version as two numbers, which name its folder of packages. */
export function minorVersion({ version }: Pick<Python, 'version'>): string {
  return version.split('.').slice(0, 2).join('.');
}

/** Package name to its version and hash, and `Python` (no package is called so) to that of the interpreter. */
export function pypiVersions({ python, wheels }: PypiLock): Map<string, { version: string; hash: string }> {
  return new Map([
    ['Python', { version: minorVersion(python), hash: python.tag }],
    ...wheels.map(({ name, version, sha256 }) => [name, { version, hash: sha256 }] as const),
  ]);
}

// A bundle in place of a registry: it resolves to itself, and is unpacked as it is. Nothing of it runs until its server starts.
import { mkdirSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WarderError } from '../../errors.ts';
import type { ZipEntry } from '../archive/zip.ts';
import { type BundleSource, isInRange, unpackError } from '../bundle.ts';
import type { Pythons } from '../pypi/python.ts';
import type { Registry } from '../registry.ts';
import { formatSpec, type PackageSpec } from '../spec.ts';
import type { McpbLock } from './lock.ts';

/** What the registry needs. */
export interface BundleRegistryOptions {
  /** The bundle that is installed; undefined: there is none at hand. */
  readonly source: BundleSource | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly progress: (step: string) => void;
  readonly pythons: Pythons;
  /** The Python that the user asks for: a version, a name, a path. */
  readonly python: string | undefined;
}

/** The registry of one bundle. */
export function bundleRegistry(options: BundleRegistryOptions): Registry {
  return {
    async resolve(spec) {
      const { bundle, start } = sourceOf(options, spec);
      const { name, version, runtime, paths, python: range } = start;
      const python =
        runtime === 'python' ? await options.pythons.find(options.env, options.python) : undefined;
      if (python !== undefined && range !== undefined && isInRange(python.version, range) === false) {
        throw new WarderError(
          'package-python',
          `"${name}" needs Python ${range}, and "${python.file}" is ${python.version}`,
          { hint: 'name another one, as in "--python 3.12"' },
        );
      }
      return {
        mcpb: {
          name,
          version,
          sha256: bundle.sha256,
          runtime,
          paths: Object.fromEntries(Object.entries(paths).map(([variable, all]) => [variable, [...all]])),
          ...(python === undefined ? {} : { python }),
        },
      };
    },
    async install(resolution, spec, root) {
      if (!('mcpb' in resolution)) throw new Error('a lock of another registry');
      const { bundle, start } = sourceOf(options, spec);
      requireSame(resolution.mcpb, bundle.sha256);
      options.progress(`unpacking ${formatSpec(spec)}`);
      try {
        await unpack(bundle.entries, root, start.program);
      } catch (error) {
        throw unpackError(error, formatSpec(spec));
      }
      return start.program === undefined ? {} : { [spec.name]: start.program };
    },
  };
}

function sourceOf({ source }: BundleRegistryOptions, spec: PackageSpec): BundleSource {
  if (source !== undefined) return source;
  throw new WarderError(
    'package-missing',
    `"${formatSpec(spec)}" comes from a bundle, and from no registry`,
    {
      hint: 'its file is needed: "warder package lock PROFILE --again --bundle FILE"; for a newer one, remove the profile and add it from that',
    },
  );
}

function requireSame({ name, version, sha256 }: McpbLock, found: string): void {
  if (found === sha256) return;
  throw new WarderError(
    'package-integrity',
    `this is not the bundle of which "${name}" ${version} was locked`,
    {
      hint: `its SHA-256 is ${found}, and was ${sha256}; to run another one, remove the profile and add it again`,
    },
  );
}

/**
 * Writes the files of a bundle below `root`, a folder that is not there yet. Modes are Warder's own: the owner's alone, and
 * executable where the bundle says so, or for its `program`. Throws `ZipError` and the file system's errors.
 */
async function unpack(
  entries: readonly ZipEntry[],
  root: string,
  program: string | undefined,
): Promise<void> {
  mkdirSync(root, { mode: 0o700 });
  for (const entry of entries) {
    const path = join(root, entry.name);
    mkdirSync(entry.folder ? path : dirname(path), { recursive: true, mode: 0o700 });
    if (entry.folder) continue;
    // Never through what is there already: no entry is a link, and no name comes twice.
    await using file = await open(path, 'wx', entry.executable || entry.name === program ? 0o700 : 0o600);
    await write(file, entry);
  }
}

async function write(file: FileHandle, entry: ZipEntry): Promise<void> {
  for await (const piece of entry.content()) {
    for (let done = 0; done < piece.length; ) done += (await file.write(piece, done)).bytesWritten;
  }
}

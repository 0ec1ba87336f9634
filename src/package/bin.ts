// The programs (bins) of a package, and the commands that start them without npx, a shell or the registry.
import { join } from 'node:path';
import * as z from 'zod';
import { WarderError } from '../errors.ts';
import { readText } from './files.ts';
import type { PackageLock } from './lock.ts';

/** A package that is locked and in the store. `root` is the folder of its tree. */
export interface InstalledPackage {
  readonly lock: PackageLock;
  readonly root: string;
}

/** The part of a package's manifest that names its programs. */
const manifest = z.looseObject({ bin: z.union([z.string(), z.record(z.string(), z.string())]).default({}) });

/** The command that starts a package's bin. */
export interface BinCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The command that starts a package's bin: with the node that runs Warder if the bin is a Node program, otherwise by its
 * `#!` line. Throws `package-bin` if there is no such bin, or if none is named and there are several.
 */
export function resolveBin({ lock, root }: InstalledPackage, bin: string | undefined): BinCommand {
  const names = Object.keys(lock.bin);
  const unscopedName = lock.package
    .slice('npm:'.length)
    .replace(/@[^@]*$/, '')
    .replace(/^.*\//, '');
  const name = bin ?? (names.length === 1 ? names[0] : names.find((each) => each === unscopedName));
  const path = name === undefined ? undefined : lock.bin[name];
  if (path === undefined) {
    const what =
      bin === undefined
        ? names.length === 0
          ? 'has no program'
          : 'has several programs'
        : `has no program "${bin}"`;
    throw new WarderError('package-bin', `the package "${lock.package}" ${what}`, {
      hint:
        names.length === 0 ? 'it is a library, not a server' : `write "bin:" with one of ${names.join(', ')}`,
    });
  }
  const file = join(root, path);
  const firstLine = readText(file).slice(0, 256).split('\n', 1)[0] ?? '';
  const node = /\.[cm]?js$/.test(path) || /^#!.*\bnode\b/.test(firstLine);
  return node ? { command: process.execPath, args: [file] } : { command: file, args: [] };
}

/** A package's bins by name, as paths relative to the tree. Paths outside the package are left out. */
export function readBins(root: string, name: string): Record<string, string> {
  const folder = `node_modules/${name}`;
  const { bin } = manifest.parse(JSON.parse(readText(join(root, folder, 'package.json'))));
  const declared = typeof bin === 'string' ? { [name.replace(/^.*\//, '')]: bin } : bin;
  const bins: Record<string, string> = {};
  for (const [key, path] of Object.entries(declared)) {
    const inside = join(folder, path);
    if (inside.startsWith(`${folder}/`)) bins[key] = inside;
  }
  return bins;
}

// The programs of a package, and how they are started: no npx, no shell, no registry.
import { join } from 'node:path';
import * as z from 'zod';
import { WarderError } from '../errors.ts';
import { readText } from './files.ts';
import type { PackageLock } from './lock.ts';

/** A package that is locked and in the store. */
export interface InstalledPackage {
  readonly lock: PackageLock;
  /** The tree's folder. */
  readonly root: string;
}

/** What a package says of its programs. */
const manifest = z.looseObject({ bin: z.union([z.string(), z.record(z.string(), z.string())]).default({}) });

/** How to start a package's bin: no npx, no shell, no registry. */
export interface BinCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The command that starts a package's bin: with the node that runs Warder where the bin is a Node program,
 * else by its own first line. Throws `package-bin` if the name is wrong, or missing where there are several.
 */
export function resolveBin({ lock, root }: InstalledPackage, bin: string | undefined): BinCommand {
  const names = Object.keys(lock.bin);
  const own = lock.package
    .slice('npm:'.length)
    .replace(/@[^@]*$/, '')
    .replace(/^.*\//, '');
  const name = bin ?? (names.length === 1 ? names[0] : names.find((each) => each === own));
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

/** A package's programs, by name: paths below the tree. What leads out of the package is left out. */
export function readBins(root: string, name: string): Record<string, string> {
  const home = `node_modules/${name}`;
  const { bin } = manifest.parse(JSON.parse(readText(join(root, home, 'package.json'))));
  const named = typeof bin === 'string' ? { [name.replace(/^.*\//, '')]: bin } : bin;
  const bins: Record<string, string> = {};
  for (const [key, path] of Object.entries(named)) {
    const inside = join(home, path);
    if (inside.startsWith(`${home}/`)) bins[key] = inside;
  }
  return bins;
}

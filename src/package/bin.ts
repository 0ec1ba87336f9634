// The programs (bins) of a package, and the commands that start them without npx, uvx, a shell or the registry.
import { join } from 'node:path';
import { WarderError } from '../errors.ts';
import { readText } from './files.ts';
import type { PackageLock } from './lock.ts';
import { parseSpec, unscopedName } from './spec.ts';

/** A package that is locked and in the store. `root` is the folder of its tree. */
export interface InstalledPackage {
  readonly lock: PackageLock;
  readonly root: string;
}

/** The command that starts a package's bin. */
export interface BinCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * The command that starts a package's bin: with the node that runs Warder if the bin is a Node program, with the tree's
 * Python if it is a Python program of PyPI, otherwise by its `#!` line. Throws `package-bin` if there is no such bin, or if none is named and there are several.
 */
export function resolveBin({ lock, root }: InstalledPackage, bin: string | undefined): BinCommand {
  const names = Object.keys(lock.bin);
  const own = unscopedName(parseSpec(lock.package));
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
  if ('pypi' in lock && /^(?!#!)|^#!.*python/.test(firstLine)) {
    // Isolated from the user's own packages (-s), and no byte code is written (-B).
    return { command: join(root, 'bin/python'), args: ['-s', '-B', file] };
  }
  const node = /\.[cm]?js$/.test(path) || /^#!.*\bnode\b/.test(firstLine);
  return node ? { command: process.execPath, args: [file] } : { command: file, args: [] };
}

// The programs (bins) of a package, and the commands that start them without npx, uvx, a shell or the registry.
import { delimiter, join } from 'node:path';
import { WarderError } from '../errors.ts';
import { readText } from './files.ts';
import type { PackageLock } from './lock.ts';
import type { McpbLock } from './mcpb/lock.ts';
import { parseSpec, unscopedName } from './spec.ts';

/** A package that is locked and in the store. `root` is the folder of its tree. */
export interface InstalledPackage {
  readonly lock: PackageLock;
  readonly root: string;
  /** The folder of its code cache, if there is one for this Node. */
  readonly code?: string | undefined;
}

/** The command that starts a package's bin. */
export interface BinCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Variables that name folders of the package with code. */
  readonly env: Readonly<Record<string, string>>;
  /** The folders that it needs. */
  readonly roots: readonly string[];
}

/** In the arguments and variables of a bundle's server: its folder, which is another one on each machine. */
const FOLDER = `\${__dirname}`;

/**
 * The command that starts a package's bin: with the node that runs Warder if the bin is a Node program, with the tree's
 * Python if it is a Python program of PyPI, otherwise by its `#!` line. A bundle's arguments name its script, if it has one.
 * Throws `package-bin` if there is no such bin, or if none is named and there are several.
 */
export function resolveBin(installed: InstalledPackage, bin: string | undefined): BinCommand {
  const { root, code } = installed;
  const command = commandOf(installed, bin);
  if (code === undefined || command.command !== process.execPath) return { ...command, roots: [root] };
  return { ...command, env: { ...command.env, NODE_COMPILE_CACHE: code }, roots: [root, code] };
}

function commandOf({ lock, root }: InstalledPackage, bin: string | undefined): Omit<BinCommand, 'roots'> {
  if ('mcpb' in lock && lock.mcpb.runtime !== 'binary') return interpreter(lock.mcpb, root);
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
    return { command: join(root, 'bin/python'), args: ['-s', '-B', file], env: {} };
  }
  if ('mcpb' in lock) return { command: file, args: [], env: folders(lock.mcpb, root) };
  const node = /\.[cm]?js$/.test(path) || /^#!.*\bnode\b/.test(firstLine);
  return node ? { command: process.execPath, args: [file], env: {} } : { command: file, args: [], env: {} };
}

/** A text of a profile with the folder of its bundle put in; of other packages as it is. */
export function withinPackage({ lock, root }: InstalledPackage, text: string): string {
  return 'mcpb' in lock ? text.replaceAll(FOLDER, () => root) : text;
}

function interpreter(bundle: McpbLock, root: string): Omit<BinCommand, 'roots'> {
  const env = folders(bundle, root);
  return bundle.python === undefined
    ? { command: process.execPath, args: [], env }
    : { command: bundle.python.file, args: ['-s', '-B'], env };
}

function folders({ paths }: McpbLock, root: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(paths).map(([variable, all]) => [
      variable,
      all.map((path) => join(root, path)).join(delimiter),
    ]),
  );
}

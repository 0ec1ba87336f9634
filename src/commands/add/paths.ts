// The paths of a new profile: its working folder, its command, and what it may read and write.
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { WarderError } from '../../errors.ts';
import { homeFolder } from '../../os/home.ts';
import { findExecutable, serverPath } from '../profile/preview.ts';

/** The working folder: the given one, or `current`, if there is one and the command needs it. */
export function workingFolder(
  given: string | undefined,
  words: readonly string[],
  keeps: boolean,
  notes: string[],
  current: string | null,
): string | undefined {
  if (given !== undefined) {
    const cwd = resolve(given);
    if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() === true) return cwd;
    throw new WarderError('usage', `there is no folder ${cwd}`);
  }
  const [command = '', ...args] = words;
  const relative = (word: string): boolean =>
    current !== null && word !== '' && !/^([/~-]|[A-Za-z]:)/.test(word) && existsSync(join(current, word));
  // Of `--config=file` only the file is tested.
  const relativeArgument = args.map((word) => word.replace(/^--?[\w-]+=/, '')).find(relative);
  const found = command.includes('/') && !/^([/~]|[A-Za-z]:)/.test(command) ? command : relativeArgument;
  if (found === undefined || current === null) {
    notes.push(
      `cwd: a home of its own, not the folder that a host has open; what it writes there is ${keeps ? '' : 'not '}kept ("--cwd" and "--write" name ${keeps ? 'other ' : ''}folders${keeps ? '' : ' that are, "--home kept" keeps it'})`,
    );
    return undefined;
  }
  notes.push(`cwd: ${current}, where ${found} is`);
  return current;
}

/** A path for the profile: as it was given, or absolute. */
export function listedPath(path: string): string {
  return path.startsWith('~/') ? path : resolve(path);
}

/** The command, as an absolute path if only the PATH of this shell finds it. */
export function resolveCommand(
  name: string,
  command: string,
  cwd: string | undefined,
  env: Readonly<Record<string, string>>,
  notes: string[],
): string {
  const home = homeFolder(process.env);
  const from = cwd ?? home;
  const path = serverPath(name, env);
  if (typeof findExecutable(name, command, from, path, home) === 'string') return command;
  const found = command.includes('/')
    ? undefined
    : findExecutable(name, command, from, process.env.PATH ?? '', home);
  if (typeof found === 'string') {
    notes.push(`command: ${found}, because the server's PATH does not have ${command}`);
    return found;
  }
  notes.push(`the command ${command} is not found: the server's PATH is ${path}`);
  return command;
}

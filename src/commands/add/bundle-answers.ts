// The answers to what a bundle's manifest asks for: with `--user-config KEY=VALUE`, or at the terminal, where a wrong answer
// is asked for again. Folders and files that are given may be read, and changed only where the person says so; those that the
// manifest proposes are shown, and never given by Enter alone.
import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { WarderError } from '../../errors.ts';
import {
  defaultValues,
  secretOptions,
  type UserFolders,
  usedOptions,
  valueProblem,
} from '../../host/bundle-config.ts';
import type { BundleManifest, BundleOption } from '../../host/bundle-manifest.ts';
import { detectSecret } from '../../profile/variable.ts';
import type { Context } from '../command.ts';
import type { AddArguments } from './options.ts';
import { say } from './shown-words.ts';

/** What a person has answered. */
export interface BundleAnswers {
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** Options without a value. */
  readonly unused: readonly string[];
  /** Paths for the sandbox. */
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Throws `usage` for a wrong answer, and for one that is missing where nobody can be asked. */
export async function answeredOptions(
  context: Context,
  manifest: BundleManifest,
  args: AddArguments,
  folders: UserFolders,
): Promise<BundleAnswers> {
  const { terminal } = context;
  const isAsked = terminal.interactive && !context.json;
  const given = givenValues(manifest, args['user-config'] ?? []);
  const secrets = secretOptions(manifest);
  const values = new Map<string, readonly string[]>();
  const unused: string[] = [];
  const read: string[] = [];
  const write: string[] = [];
  const mayWrite = args.write.map((path) => absolute(path, folders));
  const missing: string[] = [];
  for (const key of usedOptions(manifest)) {
    const option = manifest.options[key];
    if (option === undefined || secrets.has(key)) continue;
    const isPath = option.type === 'directory' || option.type === 'file';
    const usual = defaultValues(key, option, folders);
    const stated = given.get(key);
    // What a server may read is for the person to say: the manifest's own folders are a proposal.
    const found =
      stated ?? (isAsked ? await ask(context, key, option, usual, folders) : isPath ? undefined : usual);
    if (found === undefined) {
      if (option.required === true || (!isAsked && isPath && usual !== undefined))
        missing.push(usual === undefined ? key : `${key} (its authors propose ${usual.join(', ')})`);
      else unused.push(key);
      continue;
    }
    const checked = found.map((value) => (isPath ? absolute(value, folders) : value));
    for (const value of checked) {
      const problem = problemOf(option, value);
      if (problem !== undefined) throw new WarderError('usage', `"${key}" ${problem}`);
    }
    if (checked.length > 1 && option.multiple !== true)
      throw new WarderError('usage', `"${key}" takes one value, and ${checked.length} are given`);
    values.set(key, checked);
    if (!isPath) continue;
    for (const path of checked) {
      const isChanged =
        mayWrite.some((each) => path === each || path.startsWith(`${each}/`)) ||
        (isAsked && (await terminal.confirm(`may the server change ${path}, too?`)));
      (isChanged ? write : read).push(path);
    }
  }
  if (missing.length > 0) {
    const [first = ''] = missing[0]?.split(' ') ?? [];
    throw new WarderError(
      'usage',
      `"${manifest.title}" needs ${missing.join(', ')}${describe(manifest, first)}`,
      {
        hint: `give it with --user-config ${first}=VALUE`,
      },
    );
  }
  return { values, unused, read, write: write.filter((path) => !mayWrite.includes(path)) };
}

function describe({ options }: BundleManifest, key: string): string {
  return say(options[key]?.description);
}

/** The values of `--user-config`. What may be a secret is not repeated. */
function givenValues(manifest: BundleManifest, options: readonly string[]): Map<string, string[]> {
  const secrets = secretOptions(manifest);
  const known = Object.keys(manifest.options);
  const given = new Map<string, string[]>();
  for (const [index, option] of options.entries()) {
    const equals = option.indexOf('=');
    const key = option.slice(0, Math.max(equals, 0));
    if (!known.includes(key)) {
      throw new WarderError(
        'usage',
        `--user-config number ${index + 1} is not KEY=VALUE with a key of the bundle`,
        {
          hint: known.length === 0 ? 'the bundle asks for nothing' : `its keys are ${known.join(', ')}`,
        },
      );
    }
    const value = option.slice(equals + 1);
    if (secrets.has(key) || detectSecret(value) !== undefined) {
      throw new WarderError('usage', `"${key}" is a secret, which no option takes`, {
        hint: 'leave it out: what has to be set is named when the profile is written',
      });
    }
    given.set(key, [...(given.get(key) ?? []), value]);
  }
  return given;
}

async function ask(
  { terminal }: Context,
  key: string,
  option: BundleOption,
  usual: readonly string[] | undefined,
  folders: UserFolders,
): Promise<readonly string[] | undefined> {
  const { type, title = key, description, multiple = false, required = false } = option;
  const isPath = type === 'directory' || type === 'file';
  const kind = {
    string: '',
    number: ', a number',
    boolean: ', true or false',
    directory: ', a folder',
    file: ', a file',
  }[type];
  // A folder that the authors propose is typed by the person, or is not opened: Enter is no way to open one.
  const proposed = isPath && usual !== undefined ? ` (its authors propose ${usual.join(', ')})` : '';
  const taken = isPath ? undefined : usual;
  const otherwise = taken === undefined ? (required ? '' : ' [none]') : ` [${taken.join(', ')}]`;
  const found: string[] = [];
  for (;;) {
    const more = found.length > 0;
    const question = more
      ? `another one [none]: `
      : `${title}${say(description)}${kind}${proposed}${otherwise}: `;
    const answer = (await terminal.ask(question)).trim();
    if (answer === '' && more) return found;
    if (answer === '' && taken !== undefined) {
      const problem = taken.map((each) => problemOf(option, each)).find((each) => each !== undefined);
      if (problem === undefined) return taken;
      terminal.err(`"${key}" ${problem}`);
      continue;
    }
    if (answer === '' && !required) return undefined;
    const value = isPath ? absolute(answer, folders) : type === 'boolean' ? truth(answer) : answer;
    const problem =
      answer === ''
        ? 'has to be given'
        : (problemOf(option, value) ??
          (detectSecret(value) === undefined
            ? undefined
            : 'looks like a secret, and a profile is a plain file'));
    if (problem !== undefined) terminal.err(`"${key}" ${problem}`);
    else if (multiple) found.push(value);
    else return [value];
  }
}

function truth(answer: string): string {
  if (/^y(?:es)?$/i.test(answer)) return 'true';
  return /^no?$/i.test(answer) ? 'false' : answer.toLowerCase();
}

function absolute(path: string, { HOME = '' }: UserFolders): string {
  if (path === '~') return HOME;
  return path.startsWith('~/') ? resolve(HOME, path.slice(2)) : resolve(path);
}

/** What is wrong with a value, with what is there on the disk; undefined if nothing is. */
function problemOf(option: BundleOption, value: string): string | undefined {
  const problem = valueProblem(option, value);
  if (problem !== undefined || (option.type !== 'directory' && option.type !== 'file')) return problem;
  const stats = isAbsolute(value) ? statSync(value, { throwIfNoEntry: false }) : undefined;
  if (option.type === 'directory')
    return stats?.isDirectory() ? undefined : `needs a folder, and ${value} is none`;
  return stats?.isFile() ? undefined : `needs a file, and ${value} is none`;
}

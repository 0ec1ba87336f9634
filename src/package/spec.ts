// Parses a profile's `package:`, and the `npx` lines of READMEs. Pure.
import { WarderError } from '../errors.ts';

/** A package: `npm:NAME@VERSION` in a profile. */
export interface PackageSpec {
  /** The npm name: `@scope/name` or `name`. */
  readonly name: string;
  /** An exact version, a range, a tag, or undefined. Only an exact version can run. */
  readonly version: string | undefined;
}

/** The content of an `npx …` line. */
export interface NpxCommand {
  readonly spec: PackageSpec;
  readonly bin: string | undefined;
  readonly args: readonly string[];
}

const NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const EXACT_VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
const VERSION = /^[0-9A-Za-z.^~<>=|* +-]+$/;

/** Parses `npm:NAME[@VERSION]`. Throws `package-spec`. */
export function parseSpec(text: string): PackageSpec {
  if (!text.startsWith('npm:')) {
    throw new WarderError('package-spec', `"${text}" is not a package of a registry that Warder knows`, {
      hint: 'write npm:NAME@VERSION, as in npm:@modelcontextprotocol/server-memory@2026.8.31',
    });
  }
  return parseName(text.slice('npm:'.length));
}

/** Formats a spec as in a profile. */
export function formatSpec({ name, version }: PackageSpec): string {
  return version === undefined ? `npm:${name}` : `npm:${name}@${version}`;
}

/** Whether a version is exact (SemVer 2.0.0, all three numbers). */
export function isExact(version: string | undefined): version is string {
  return version !== undefined && EXACT_VERSION.test(version);
}

/**
 * Parses a line such as `npx -y @scope/server@1.2 --flag`, as one text or as words. Supports `-y`, `--yes`, `-q`,
 * `--quiet`, `-p/--package`, `--` and `npm exec`/`npm x`. Any other option before the package throws `package-spec`,
 * because it would be lost.
 */
export function parseNpx(line: string | readonly string[]): NpxCommand {
  const words = typeof line === 'string' ? splitWords(line) : [...line];
  let first = words.shift();
  if (first === 'npm' && ['exec', 'x'].includes(words[0] ?? '')) {
    words.shift();
    first = 'npx';
  }
  if (first !== 'npx') throw npxError(`it begins with "${first ?? ''}", not with npx`);
  let packageOption: string | undefined;
  while (words[0]?.startsWith('-')) {
    const option = words.shift() ?? '';
    if (option === '--') break;
    if (option === '-y' || option === '--yes' || option === '-q' || option === '--quiet') continue;
    if (option === '-p' || option === '--package') packageOption = words.shift();
    else if (option.startsWith('--package=')) packageOption = option.slice('--package='.length);
    else throw npxError(`it has the option "${option}"`);
  }
  const target = words.shift();
  if (target === undefined) throw npxError('it names no package');
  return packageOption === undefined
    ? { spec: parseName(target), bin: undefined, args: words }
    : { spec: parseName(packageOption), bin: target, args: words };
}

function parseName(text: string): PackageSpec {
  const at = text.indexOf('@', 1);
  const name = at === -1 ? text : text.slice(0, at);
  const version = at === -1 ? undefined : text.slice(at + 1);
  if (!NAME.test(name) || name.length > 214 || (version !== undefined && !VERSION.test(version))) {
    throw new WarderError('package-spec', `"${text}" is not a package of the npm registry`, {
      hint: 'write NAME@VERSION; packages from git, a file or a URL cannot be pinned',
    });
  }
  return { name, version };
}

function npxError(why: string): WarderError {
  return new WarderError('package-spec', `cannot read the npx line: ${why}`, {
    hint: 'give it as in a README: "npx -y @scope/server@1.2.3 args"',
  });
}

/** Splits a line into words by the shell's rules for quotes and backslashes, without expansion. */
function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i += 1) {
    const c = line[i] ?? '';
    if (quote) {
      if (c === quote) quote = '';
      else if (c === '\\' && quote === '"' && /["\\$`]/.test(line[i + 1] ?? ''))
        word = (word ?? '') + line[++i];
      else word = (word ?? '') + c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === '\\' && i + 1 < line.length) {
      word = (word ?? '') + line[++i];
    } else if (/[$`;&|<>()]/.test(c)) {
      throw npxError(`"${c}" means something to a shell`);
    } else {
      word = (word ?? '') + c;
    }
  }
  if (quote) throw npxError('a quote is not closed');
  if (word !== undefined) words.push(word);
  return words;
}

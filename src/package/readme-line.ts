// Parses the `npx` and `uvx` lines of READMEs. An option that would be lost is refused. Pure.
import { WarderError } from '../errors.ts';
import { type PackageSpec, parseName } from './spec.ts';
import { splitWords } from './words.ts';

/** What a line starts. */
export interface PackageLine {
  readonly spec: PackageSpec;
  /** The name of the package's program; undefined for the one that is named as the package. */
  readonly bin: string | undefined;
  readonly args: readonly string[];
  /** The Python that the line asks for, as `uvx --python` takes it. */
  readonly python?: string;
}

/** Options of uvx without a value that change how it installs, and not what. */
const HARMLESS = /^(?:-q|--quiet|-v|--verbose|-n|--no-cache|--isolated|--refresh|--no-progress|--offline)$/;

/**
 * Parses a line such as `npx -y @scope/server@1.2 --flag`, as one text or as words. Supports `-y`, `--yes`, `-q`,
 * `--quiet`, `-p/--package`, `--` and `npm exec`/`npm x`. Any other option before the package throws `package-spec`.
 */
export function parseNpx(line: string | readonly string[]): PackageLine {
  const words = typeof line === 'string' ? splitWords(line, npxError) : [...line];
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
    ? { spec: parseName('npm', target), bin: undefined, args: words }
    : { spec: parseName('npm', packageOption), bin: target, args: words };
}

/**
 * Parses a line such as `uvx --from 'server[extra]==1.2' program --flag`, as one text or as words. Supports `--from`,
 * `-p/--python`, `--`, `uv tool run` and options that do not change what runs. Any other option before the package
 * throws `package-spec`.
 */
export function parseUvx(line: string | readonly string[]): PackageLine {
  const words = typeof line === 'string' ? splitWords(line, uvxError) : [...line];
  let first = words.shift();
  if (first === 'uv' && words[0] === 'tool' && words[1] === 'run') {
    words.splice(0, 2);
    first = 'uvx';
  }
  if (first !== 'uvx') throw uvxError(`it begins with "${first ?? ''}", not with uvx`);
  let from: string | undefined;
  let python: string | undefined;
  while (words[0]?.startsWith('-')) {
    const [option = '', ...rest] = (words.shift() ?? '').split('=');
    const value = (): string | undefined => (rest.length > 0 ? rest.join('=') : words.shift());
    if (option === '--') break;
    if (option === '--from') from = value();
    else if (option === '--python' || option === '-p') python = value();
    else if (!HARMLESS.test(option)) throw uvxError(`it has the option "${option}"`);
  }
  const target = words.shift();
  if (target === undefined) throw uvxError('it names no program');
  return {
    spec: parseName('pypi', from ?? target),
    bin: from === undefined ? undefined : target,
    args: words,
    ...(python === undefined ? {} : { python }),
  };
}

function npxError(why: string): WarderError {
  return new WarderError('package-spec', `cannot read the npx line: ${why}`, {
    hint: 'give it as in a README: "npx -y @scope/server@1.2.3 args"',
  });
}

function uvxError(why: string): WarderError {
  return new WarderError('package-spec', `cannot read the uvx line: ${why}`, {
    hint: 'give it as in a README: "uvx mcp-server-fetch args", or "uvx --from PACKAGE==1.2.3 PROGRAM args"',
  });
}

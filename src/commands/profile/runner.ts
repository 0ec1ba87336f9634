// Commands that fetch a server at each start: npx, uvx and containers. In a sandbox they find neither the registry nor the
// container engine, and what they would run is not pinned.
import { basename } from 'node:path';
import { WarderError } from '../../errors.ts';

/** What fetches the server of a command; undefined if it is the server itself. */
export function runnerOf(command: string, args: readonly string[]): 'npx' | 'uvx' | 'container' | undefined {
  const [first = '', second = ''] = args;
  switch (basename(command)) {
    case 'npx':
      return 'npx';
    case 'npm':
      return first === 'exec' || first === 'x' ? 'npx' : undefined;
    case 'uvx':
      return 'uvx';
    case 'uv':
      return first === 'tool' && second === 'run' ? 'uvx' : undefined;
    case 'docker':
    case 'podman':
    case 'nerdctl':
      return 'container';
    default:
      return undefined;
  }
}

/** Refuses a command that fetches its server, and says what to do instead. `options`: those that were given with it. Throws `usage`. */
export function refuseRunner(
  profile: string,
  words: readonly string[],
  options: readonly string[] = [],
): void {
  const [command = '', ...args] = words;
  const runner = runnerOf(command, args);
  if (runner === undefined) return;
  if (runner === 'container') {
    throw new WarderError('usage', `"${command}" cannot start a container from the sandbox`, {
      hint: 'Warder takes the place of the container: use the npx line of the server\'s README with "--from-npx", its uvx line with "--from-uvx", or the server\'s own program',
    });
  }
  const line = [basename(command), ...args].map(quoteWord).join(' ');
  throw new WarderError(
    'usage',
    `"${command}" would fetch the server at each start, and the sandbox has no way to it`,
    {
      hint: `pin it: ${['warder', 'add', profile, ...options, `--from-${runner}`, line].map(quoteWord).join(' ')}`,
    },
  );
}

/** A word as a shell, and a line of a README, takes it. */
function quoteWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

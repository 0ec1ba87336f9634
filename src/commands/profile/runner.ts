// Commands that fetch a server at each start: npx, uvx and containers. In a sandbox they find neither the registry nor the
// container engine, and what they would run is not pinned.
import { WarderError } from '../../errors.ts';
import { baseName, packageRunner } from '../../host/package-runner.ts';

const CONTAINERS: ReadonlySet<string> = new Set(['docker', 'podman', 'nerdctl']);

/** Refuses a command that fetches its server, and says what to do instead. `options`: those that were given with it. Throws `usage`. */
export function refuseRunner(
  profile: string,
  words: readonly string[],
  options: readonly string[] = [],
): void {
  const [command = ''] = words;
  if (CONTAINERS.has(baseName(command))) {
    throw new WarderError('usage', `"${command}" cannot start a container from the sandbox`, {
      hint: 'Warder takes the place of the container: use the npx line of the server\'s README with "--from-npx", its uvx line with "--from-uvx", or the server\'s own program',
    });
  }
  const runner = packageRunner(words);
  if (runner === undefined) return;
  const line = runner.words.map(quoteWord).join(' ');
  throw new WarderError(
    'usage',
    `"${command}" would fetch the server at each start, and the sandbox has no way to it`,
    {
      hint: `pin it: ${['warder', 'add', profile, ...options, `--from-${runner.kind}`, line].map(quoteWord).join(' ')}`,
    },
  );
}

/** A word as a shell, and a line of a README, takes it. */
function quoteWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

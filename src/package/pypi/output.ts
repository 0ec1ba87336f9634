// What pip's output says on an error. Pure.
import { errorWords } from '../output.ts';
import { normalName } from '../spec.ts';

/** The error that pip gets when it would start another program. It does without where it only asks what system this is. */
export const REFUSED_PROGRAM = 'pip may start no program here';

/** Lines that explain nothing. */
const NOISE = /^(?:\[notice\]|Could not find a version that satisfies|ResolutionImpossible|$)/;

/** What pip says is wrong, as one line; empty if it says nothing. `secrets` are values that must not be in it. */
export function pipWords(output: string, secrets: readonly string[]): string {
  return errorWords(output, secrets, (line) => {
    const said = /^(?:ERROR|CRITICAL): +(?:Exception:)?(.*)$/.exec(line)?.[1]?.trim();
    return said === undefined || NOISE.test(said) ? undefined : said;
  });
}

/** Why pip found no file of a requirement. */
export type MissingReason =
  | 'source'
  | 'platform'
  | 'python'
  | 'yanked'
  | 'version'
  | 'unreachable'
  | 'absent';

/**
 * What pip did not find, and why, from its output and its log; undefined if that is not the error.
 */
export function missingRequirement(
  output: string,
  log: string,
): { readonly requirement: string; readonly reason: MissingReason } | undefined {
  const requirement = /No matching distribution found for (\S+)/.exec(output)?.[1];
  if (requirement === undefined) return undefined;
  const name = normalName(/^[A-Za-z0-9._-]+/.exec(requirement)?.[0] ?? '');
  const skipped = log
    .split('\n')
    .filter((line) => /Skipping link|Link requires/.test(line) && mentions(line, name));
  const has = (pattern: RegExp): boolean => skipped.some((line) => pattern.test(line));
  const versions = /\(from versions: (.*?)\)/.exec(output)?.[1] ?? 'none';
  if (versions !== 'none') return { requirement, reason: 'version' };
  if (has(/requires a different Python/i)) return { requirement, reason: 'python' };
  if (has(/wheel's tags .* are compatible/)) return { requirement, reason: 'platform' };
  if (has(/No sources permitted/)) return { requirement, reason: 'source' };
  if (has(/yanked for reason/)) return { requirement, reason: 'yanked' };
  // A page that is not there is answered with 404: the package is not there.
  if (/Could not fetch URL \S+: (?!404)/.test(log)) return { requirement, reason: 'unreachable' };
  return { requirement, reason: 'absent' };
}

/** The version that pip took though it was withdrawn, as pip names it; undefined if there is none. */
export function yankedCandidate(output: string): string | undefined {
  return /selected for download or install is a yanked version: '([^']+)' candidate \(version ([^ ]+) /
    .exec(output)
    ?.slice(1)
    .join(' ');
}

/** Whether a line of the log is on a file of a package. */
function mentions(line: string, name: string): boolean {
  return [...line.matchAll(/[A-Za-z0-9._-]+/g)].some(([word]) => {
    const normal = normalName(word);
    return normal === name || normal.startsWith(`${name}-`);
  });
}

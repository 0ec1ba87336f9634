// Why a server that is imported does not work, for the person: what Warder refused it comes first, since the server's own words
// may only speak of what followed from that.
import { WarderError } from '../../errors.ts';
import { type Refusal, refusalLine } from '../test/refusals.ts';

/** Refusals that are shown of one trial. */
const MAX_REFUSALS = 3;

/** `stderr`: what the server has said there. `otherwise`: what the person can do. */
export function failedTrial(
  problem: string,
  refused: readonly Refusal[],
  stderr: string,
  otherwise: string,
): WarderError {
  const shown = refused.slice(0, MAX_REFUSALS);
  const lines = [...new Set(shown.flatMap(({ allow }) => allow ?? []))];
  const said = reasonIn(stderr);
  return new WarderError(
    'refused',
    shown.length === 0
      ? problem
      : `Warder refused it ${shown.map(refusalLine).join('; ')}. It was tried, and ${problem}`,
    {
      hint: [
        ...(lines.length === 0
          ? []
          : [`to allow that: ${lines.join(', ')}, once "warder add" has made its profile`]),
        ...(said === undefined ? [] : [`it says: ${said}`]),
        otherwise,
      ].join('; '),
    },
  );
}

/** The line of a server's standard error that says most of why it ended: below an error Node prints the stack and its version. */
function reasonIn(stderr: string): string | undefined {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /\w/.test(line) && !/^(?:warder: |at .+|Node\.js v[\d.]+$|node:\S+:\d+$)/.test(line));
  return (
    lines.findLast((line) => /\b\w*(?:error|failed|fatal|missing|required|not found)\b/i.test(line)) ??
    lines.at(-1)
  )?.slice(0, 200);
}

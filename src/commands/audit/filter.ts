// The options that select records of the audit log.
import type { Argv } from 'yargs';
import { EVENTS } from '../../audit/events.ts';
import type { Filter } from '../../audit/read.ts';
import { WarderError } from '../../errors.ts';
import { parseDuration } from '../../profile/units.ts';

/** The values of the options of `filterOptions`. */
export interface FilterArguments {
  readonly profile: string | undefined;
  readonly tool: string | undefined;
  readonly method: string | undefined;
  readonly event: string | undefined;
  readonly session: string | undefined;
  readonly decision: string | undefined;
  readonly outcome: string | undefined;
  readonly since: string | undefined;
  readonly until: string | undefined;
}

/** Adds the options that select records. */
export function filterOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('profile', { type: 'string', describe: 'of this profile; "*" matches anything' })
    .option('tool', { type: 'string', describe: 'of this tool; "*" matches anything' })
    .option('method', { type: 'string', describe: 'of this method, such as "resources/*"' })
    .option('event', { type: 'string', describe: `records of this event: ${EVENTS.join(', ')}` })
    .option('session', { type: 'string', describe: 'of the session whose id begins with this' })
    .option('decision', { type: 'string', choices: ['allow', 'deny'], describe: 'calls with this decision' })
    .option('outcome', {
      type: 'string',
      describe: 'ok, error, tool-error, task, input-required, cancelled, late or lost',
    })
    .option('since', {
      type: 'string',
      describe: 'from this time on: RFC 3339, or how long ago, such as 1h or 2d',
    })
    .option('until', { type: 'string', describe: 'up to this time' });
}

/** The filter that the options describe. Throws `usage` for an invalid time. */
export function parseFilter(args: FilterArguments): Filter {
  const { since, until, ...names } = args;
  return { ...names, since: parseTime('since', since), until: parseTime('until', until) };
}

/** Parses a time: RFC 3339, a date (its beginning, UTC), or a duration before now. Throws `usage`. */
export function parseTime(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  if (ago !== undefined) return Date.now() - ago;
  const form = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))?$/;
  const time = form.test(text) ? Date.parse(text.replace(' ', 'T').toUpperCase()) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new WarderError('usage', `--${option} "${text}" is not a time`, {
    hint: 'write it as 2026-01-31T12:00:00Z, 2026-01-31, or how long ago: 90s, 15m, 1h, 2d',
  });
}

/** Runs `work`, and throws `audit-broken` if a file of the log cannot be read. */
export async function withReadErrors(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (error instanceof WarderError || code === undefined || path === undefined) throw error;
    throw new WarderError('audit-broken', `cannot read "${path}": ${code}`, {
      hint: 'repair its permissions: only its owner may read the log',
      cause: error,
    });
  }
}

// Which records of the audit log a verb is about.
import type { Argv } from 'yargs';
import { EVENTS } from '../../audit/events.ts';
import type { Filter } from '../../audit/read.ts';
import { WarderError } from '../../errors.ts';
import { parseDuration } from '../../profile/units.ts';

/** The options of `filterOptions`, as given. */
export interface FilterArguments {
  readonly profile: string | undefined;
  readonly tool: string | undefined;
  readonly event: string | undefined;
  readonly session: string | undefined;
  readonly decision: string | undefined;
  readonly outcome: string | undefined;
  readonly since: string | undefined;
  readonly until: string | undefined;
}

/** The options that say which records are meant. */
export function filterOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('profile', { type: 'string', describe: 'of this profile; "*" stands for anything' })
    .option('tool', { type: 'string', describe: 'of this tool; "*" stands for anything' })
    .option('event', { type: 'string', describe: `records of this event: ${EVENTS.join(', ')}` })
    .option('session', { type: 'string', describe: 'of the session whose id begins so' })
    .option('decision', { type: 'string', choices: ['allow', 'deny'], describe: 'calls so decided' })
    .option('outcome', { type: 'string', describe: 'ok, error, tool-error, cancelled or lost' })
    .option('since', {
      type: 'string',
      describe: 'from this time on: RFC 3339, or how long ago, as 1h or 2d',
    })
    .option('until', { type: 'string', describe: 'up to this time' });
}

/** What they say. Throws `usage` for what is no time. */
export function filterOf(args: FilterArguments): Filter {
  const { since, until, ...names } = args;
  return { ...names, since: instant('since', since), until: instant('until', until) };
}

/** A moment: RFC 3339, a date (its beginning, UTC), or a duration back from now. Throws `usage`. */
function instant(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const back = parseDuration(text);
  if (back !== undefined) return Date.now() - back;
  const form = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))?$/;
  const time = form.test(text) ? Date.parse(text.replace(' ', 'T').toUpperCase()) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new WarderError('usage', `--${option} "${text}" is no time`, {
    hint: 'write it as 2026-01-31T12:00:00Z, 2026-01-31, or how long ago: 90s, 15m, 1h, 2d',
  });
}

/** A log that cannot be read is one that cannot be relied on. */
export async function reading(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (error instanceof WarderError || code === undefined || path === undefined) throw error;
    throw new WarderError('audit-broken', `cannot read "${path}": ${code}`, {
      hint: 'mend its permissions; the log is its owner’s alone',
      cause: error,
    });
  }
}

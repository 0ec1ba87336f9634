import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { askRetired } from '../os/retired.ts';
import type { Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { olderDaemons } from './older-daemons.ts';

/** `end`: ends one session and its server; the others and the daemon stay. */
export function endCommand(context: Context): CommandModule<object, { session: string }> {
  return {
    command: 'end <session>',
    builder: (yargs) =>
      yargs
        .positional('session', {
          type: 'string',
          demandOption: true,
          describe: 'its id, or the beginning of it: see "warder status"',
        })
        .example('warder end 3f9a', 'ends the session whose id begins so'),
    handler: async ({ session }) => {
      const { terminal, json } = context;
      const ended = await end(context, session);
      if (json) terminal.json(ended);
      else terminal.out(`ended the session ${ended.session} of "${ended.profile}"`);
    },
  };
}

/** Ends a session of the daemon, or of one that has handed over. Throws `usage` where the id is none's or several'. */
async function end(context: Context, prefix: string): Promise<Result<'end'>> {
  const older = (await olderDaemons(context.places)).flatMap(({ daemon, list }) =>
    list.filter(({ id }) => id.startsWith(prefix)).map(({ id, profile }) => ({ daemon, id, profile })),
  );
  const [found] = older;
  if (found === undefined) {
    await using control = await context.control({ start: false });
    return await control.request('end', { session: prefix });
  }
  const { daemon, id, profile } = found;
  if (older.length > 1 || (await isOpen(context, prefix))) {
    throw new WarderError('usage', `several sessions have ids that begin with "${prefix}"`, {
      hint: '"warder status" lists them',
    });
  }
  await askRetired(daemon, { ask: 'end', session: id });
  return { session: id, profile };
}

/** Whether the daemon, if one runs, has a session whose id begins so. */
async function isOpen(context: Context, prefix: string): Promise<boolean> {
  try {
    await using control = await context.control({ start: false });
    return (await control.request('status', {})).sessions.some(({ id }) => id.startsWith(prefix));
  } catch (error) {
    if (error instanceof WarderError && error.code === 'daemon-unreachable') return false;
    throw error;
  }
}

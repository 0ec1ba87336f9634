import type { CommandModule } from 'yargs';
import type { Context } from './command.ts';

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
      await using control = await context.control({ start: false });
      const ended = await control.request('end', { session });
      if (json) terminal.json(ended);
      else terminal.out(`ended the session ${ended.session} of "${ended.profile}"`);
    },
  };
}

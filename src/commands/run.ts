import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';

/** `run`, for help alone: `bin/warder.js` hands `warder run <profile>` to the launcher, which loads none of this. */
export function runCommand(): CommandModule<object, { profile: string }> {
  return {
    command: 'run <profile>',
    builder: (yargs) =>
      yargs
        .positional('profile', { type: 'string', demandOption: true, describe: 'a profile' })
        .example('warder run github', 'speaks MCP on stdin and stdout, and ends as the server ended'),
    handler({ profile }) {
      throw new WarderError('usage', 'run takes a profile and no options', {
        hint: `say "warder run ${profile}"`,
      });
    },
  };
}

import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';

/** `run`, only for help and errors: for `warder run <profile>` `bin/warder.js` runs the launcher instead. */
export function runCommand(): CommandModule<object, { profile: string }> {
  return {
    command: 'run <profile>',
    builder: (yargs) =>
      yargs
        .positional('profile', { type: 'string', demandOption: true, describe: 'a profile' })
        .example('warder run github', 'speaks MCP on stdin and stdout, and exits as the server does'),
    handler({ profile }) {
      throw new WarderError('usage', 'run takes a profile and no options', {
        hint: `use "warder run ${profile}"`,
      });
    },
  };
}

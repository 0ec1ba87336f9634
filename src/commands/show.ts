// warder show: prints a profile with all its defaults.
import type { CommandModule } from 'yargs';
import { formatProfile } from '../profile/draft.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';

interface ShowArguments {
  readonly name: string;
}

export function showCommand({ places, terminal, json }: Context): CommandModule<object, ShowArguments> {
  return {
    command: 'show <name>',
    describe: 'print a profile with its defaults',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .example('warder show github', 'the whole profile, including defaults'),
    handler({ name }) {
      const loaded = loadProfile(places, name);
      if (json) terminal.json(loaded);
      else
        terminal.text(
          `# ${loaded.file}\n# sha256 ${loaded.digest}\n${formatProfile(loaded.profile).trimEnd()}`,
        );
    },
  };
}

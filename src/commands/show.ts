// warder show: prints a profile with all its defaults.
import type { CommandModule } from 'yargs';
import { formatProfile } from '../profile/draft.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { hostEntry } from './profile/host-entry.ts';

interface ShowArguments {
  readonly name: string;
}

export function showCommand(context: Context): CommandModule<object, ShowArguments> {
  const { places, terminal, json } = context;
  return {
    command: 'show <name>',
    describe: 'print a profile with its defaults',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .example('warder show github', 'the whole profile, including defaults'),
    handler({ name }) {
      const loaded = loadProfile(places, name);
      const host = hostEntry(context, name);
      if (json) terminal.json({ ...loaded, host });
      else
        terminal.text(
          `# ${loaded.file}\n# sha256 ${loaded.digest}\n# a host starts it with ${[host.command, ...host.args].join(' ')}\n${formatProfile(loaded.profile).trimEnd()}`,
        );
    },
  };
}

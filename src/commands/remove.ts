// warder remove: takes a profile away, and says how to bring it back.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import {
  loadProfile,
  profileMissingError,
  profilePath,
  profileStamp,
  removeProfile,
} from '../profile/load.ts';
import type { Context } from './command.ts';

interface RemoveArguments {
  readonly name: string;
  readonly yes: boolean;
}

export function removeCommand(context: Context): CommandModule<object, RemoveArguments> {
  return {
    command: 'remove <name>',
    describe: 'take a profile away',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('yes', { alias: 'y', type: 'boolean', default: false, describe: 'do not ask' })
        .example('warder remove github', 'its credentials stay where they are'),
    handler: (args) => remove(context, args),
  };
}

async function remove({ places, terminal, json }: Context, { name, yes }: RemoveArguments): Promise<void> {
  const file = profilePath(places, name);
  if (profileStamp(places, name) === undefined) throw profileMissingError(places, name);
  const left = credentialsOf();
  if (!yes) {
    if (!terminal.interactive) {
      throw new WarderError('usage', `nobody is here to say that "${name}" may go`, { hint: 'say --yes' });
    }
    if (!(await terminal.confirm(`remove ${file}?`))) throw new WarderError('refused', `"${name}" stays`);
  }
  const kept = removeProfile(places, name, clock.now());
  const undo = `mv ${shellQuote(kept)} ${shellQuote(file)}`;
  if (json) {
    terminal.json({ name, kept, undo, credentials: left });
    return;
  }
  terminal.out(`removed "${name}": no new session can start; open ones go on`);
  terminal.out(`to bring it back: ${undo}`);
  if (left.length > 0) terminal.out('its credentials are still kept; to remove them too:');
  for (const variable of left) terminal.out(`  warder credential remove ${name} ${variable}`);

  /** Variables whose values this profile alone has by its own name. A broken profile tells of none. */
  function credentialsOf(): string[] {
    try {
      return loadProfile(places, name)
        .profile.credentials.filter(
          (one) => typeof one.from === 'string' && one.name === `${name}/${one.variable}`,
        )
        .map(({ variable }) => variable);
    } catch (error) {
      if (error instanceof WarderError) return [];
      throw error;
    }
  }
}

/** A word for a POSIX shell. */
function shellQuote(word: string): string {
  return /^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

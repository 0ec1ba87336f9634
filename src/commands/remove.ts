// warder remove: removes a profile, and tells how to restore it.
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
    describe: 'remove a profile',
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
  const remaining = ownCredentials();
  if (!yes) {
    if (!terminal.interactive) {
      throw new WarderError('usage', `removing "${name}" needs a confirmation, and there is no terminal`, {
        hint: 'use --yes',
      });
    }
    if (!(await terminal.confirm(`remove ${file}?`)))
      throw new WarderError('refused', `"${name}" was not removed`);
  }
  const kept = removeProfile(places, name, clock.now());
  const undo = `mv ${shellQuote(kept)} ${shellQuote(file)}`;
  if (json) {
    terminal.json({ name, kept, undo, credentials: remaining });
    return;
  }
  terminal.out(`removed "${name}": no new session can start; open sessions continue`);
  terminal.out(`to restore it: ${undo}`);
  if (remaining.length > 0) terminal.out('its credentials still exist; to remove them too:');
  for (const variable of remaining) terminal.out(`  warder credential remove ${name} ${variable}`);

  /** Variables whose credentials have this profile's name. None if the profile is broken. */
  function ownCredentials(): string[] {
    try {
      return loadProfile(places, name)
        .profile.credentials.filter(
          (credential) =>
            typeof credential.from === 'string' && credential.name === `${name}/${credential.variable}`,
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

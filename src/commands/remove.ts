// warder remove: removes a profile, and tells how to restore it.
import { existsSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { catchWarderError, WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import {
  listProfiles,
  loadProfile,
  profileMissingError,
  profilePath,
  profileStamp,
  removeProfile,
} from '../profile/load.ts';
import { keptHomeOf, setHomeAside } from '../server/kept-home.ts';
import { removeFolder } from '../server/remove-folder.ts';
import { removeServerLog } from '../server/server-log.ts';
import type { Context } from './command.ts';
import { launchCommandPath } from './launch-command.ts';
import { hasAccount, logoutLine } from './remote/account.ts';
import { confirm } from './terminal/confirmation.ts';

interface RemoveArguments {
  readonly name: string;
  readonly yes: boolean;
  readonly 'keep-home': boolean;
  readonly 'delete-home': boolean;
}

export function removeCommand(context: Context): CommandModule<object, RemoveArguments> {
  return {
    command: 'remove <name>',
    describe: 'remove a profile',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('yes', {
          alias: 'y',
          type: 'boolean',
          default: false,
          describe: 'do not ask; what the server keeps in its own home is then put aside, not deleted',
        })
        .option('keep-home', {
          type: 'boolean',
          default: false,
          describe: 'put aside what the server keeps in its own home',
        })
        .option('delete-home', {
          type: 'boolean',
          default: false,
          describe: 'delete what the server keeps in its own home',
        })
        .example('warder remove github', 'its credentials stay where they are'),
    handler: (args) => remove(context, args),
  };
}

async function remove(context: Context, args: RemoveArguments): Promise<void> {
  const { places, terminal, json } = context;
  const { name, yes } = args;
  if (args['keep-home'] && args['delete-home']) {
    throw new WarderError('usage', '"--keep-home" and "--delete-home" contradict each other', {
      hint: 'use one of them',
    });
  }
  const file = profilePath(places, name);
  if (profileStamp(places, name) === undefined) throw profileMissingError(places, name);
  const remaining = ownCredentials();
  if (!yes) {
    const question = `remove ${file}?`;
    await confirm(terminal, { what: `removing "${name}"`, question, otherwise: `"${name}" was not removed` });
  }
  const signedOut = await signOut(context, name);
  const home = keptHomeOf(places.state, name);
  const deletes = existsSync(home) && (await deletesHome(home));
  const now = clock.now();
  const kept = removeProfile(places, name, now);
  removeServerLog(places.state, name);
  const aside = setHomeAside(places.state, name, now);
  if (aside !== undefined && deletes) {
    await removeFolder(aside);
    if (existsSync(aside)) {
      throw new WarderError(
        'cannot-write',
        `"${name}" was removed, but not all of ${aside} could be deleted`,
        {
          hint: `rm -rf ${shellQuote(aside)}`,
        },
      );
    }
  }
  const isForgotten = await forgetTrust(context, name);
  const undo = [
    `mv ${shellQuote(kept)} ${shellQuote(file)}`,
    ...(aside !== undefined && !deletes ? [`mv ${shellQuote(aside)} ${shellQuote(home)}`] : []),
  ].join(' && ');
  if (json) {
    const state = aside === undefined ? {} : { home: deletes ? { deleted: home } : { kept: aside } };
    terminal.json({
      name,
      kept,
      undo,
      ...state,
      ...(signedOut !== undefined && { account: signedOut }),
      credentials: remaining,
    });
    return;
  }
  terminal.out(`removed "${name}": no new session can start; open sessions continue`);
  terminal.out(`to restore it: ${undo}`);
  if (signedOut !== undefined) terminal.out(signedOut);
  if (aside !== undefined && deletes) terminal.out(`what its server kept in its home was deleted: ${home}`);
  if (aside !== undefined && !deletes)
    terminal.out(`what its server kept in its home is in ${aside}: delete it if nobody needs it`);
  if (!isForgotten) {
    terminal.out(
      `what you have accepted of its server is still recorded: another profile "${name}" would be held to it`,
    );
  }
  if (listProfiles(places).names.length === 0) {
    const launch = launchCommandPath(context);
    if (launch !== undefined)
      terminal.out(`it was the last profile; ${launch} stays, because hosts may still name it`);
  }
  if (remaining.length > 0) terminal.out('what is stored of its credentials stays; to remove it too:');
  for (const variable of remaining) terminal.out(`  warder credential remove ${name} ${variable}`);

  /** Whether to delete what is in the home: only if somebody says so. */
  async function deletesHome(folder: string): Promise<boolean> {
    if (args['delete-home'] || args['keep-home'] || yes) return args['delete-home'];
    return await terminal.confirm(`delete what its server keeps in its home, ${folder}?`);
  }

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

/** Of a remote server with an account. Returns what became of it, in words; undefined where nobody was signed in. */
async function signOut(context: Context, name: string): Promise<string | undefined> {
  const loaded = catchWarderError(() => loadProfile(context.places, name));
  if (loaded instanceof WarderError || !hasAccount(loaded.profile)) return undefined;
  try {
    await using control = await context.control();
    const done = await control.request('logout', { profile: name });
    return done.changed ? logoutLine(done) : undefined;
  } catch (error) {
    if (error instanceof WarderError) return `its account was not signed out: ${error.message}`;
    throw error;
  }
}

/** What was accepted of a server that is no more holds for no other one. False: its record cannot be written now. */
async function forgetTrust(context: Context, name: string): Promise<boolean> {
  try {
    await using control = await context.control();
    await control.request('trust.forget', { profile: name });
    return true;
  } catch (error) {
    if (error instanceof WarderError) return false;
    throw error;
  }
}

/** A word for a POSIX shell. */
function shellQuote(word: string): string {
  return /^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// warder logout: forgets the tokens of a remote server, and has them revoked where the authorization server does that.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import type { Profile } from '../profile/format.ts';
import { loadProfile } from '../profile/load.ts';
import type { ControlClient, Result } from '../wire/control.ts';
import type { Context } from './command.ts';
import { hasAccount, logoutLine } from './remote/account.ts';
import { confirm, yesOption } from './terminal/confirmation.ts';
import { pluralize } from './terminal/plural.ts';

interface LogoutArguments {
  readonly name: string | undefined;
  readonly all: boolean;
  readonly yes: boolean;
}

export function logoutCommand(context: Context): CommandModule<object, LogoutArguments> {
  return {
    command: 'logout [name]',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', describe: 'a profile with a remote server' })
        .option('all', { type: 'boolean', default: false, describe: 'sign out of all remote servers' })
        .option('yes', yesOption)
        .example('warder logout notion', 'its open sessions cannot go on')
        .example('warder logout --all', 'asks first'),
    handler: (args) => logout(context, args),
  };
}

async function logout(context: Context, { name, all, yes }: LogoutArguments): Promise<void> {
  const { terminal, json } = context;
  if ((name === undefined) !== all) {
    throw new WarderError('usage', all ? 'give a profile or --all, not both' : 'which profile?', {
      hint: 'warder logout NAME, or --all',
    });
  }
  if (name !== undefined) {
    const { profile } = loadProfile(context.places, name);
    if (!hasAccount(profile)) throw withoutAccount(profile);
    await using control = await context.control();
    const done = await control.request('logout', { profile: name });
    if (json) terminal.json(done);
    else terminal.out(logoutLine(done));
    return;
  }
  await using control = await context.control();
  const profiles = await signedIn(control);
  if (profiles.length > 0 && !yes) {
    const question = `sign out of ${profiles.join(', ')}?`;
    await confirm(terminal, { what: 'signing out of all', question, otherwise: 'nobody was signed out' });
  }
  const done: Result<'logout'>[] = [];
  for (const profile of profiles) done.push(await control.request('logout', { profile }));
  if (json) terminal.json(done);
  else if (done.length === 0) terminal.out('nobody is signed in');
  else {
    for (const each of done) terminal.out(logoutLine(each));
    terminal.out(`signed out of ${pluralize(done.length, 'server')}`);
  }
}

async function signedIn(control: ControlClient): Promise<string[]> {
  const { accounts } = await control.request('accounts', {});
  return accounts
    .filter(({ state }) => state === 'signed-in' || state === 'expired')
    .map(({ profile }) => profile);
}

function withoutAccount({ name, server }: Profile): WarderError {
  const hint =
    server.kind !== 'url'
      ? 'its server runs on this machine'
      : server.auth.type === 'none'
        ? 'its profile says "auth: {type: none}"'
        : 'its credential is taken out of use with "warder revoke", and removed with "warder credential remove"';
  return new WarderError('usage', `"${name}" has no account to sign out of`, { hint });
}

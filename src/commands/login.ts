// warder login: signs a person in to a remote server. The token stays in the daemon's store, and is never printed.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import type { RemoteServer } from '../profile/format.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { signIn } from './login/sign-in.ts';
import { accountRows } from './remote/account.ts';
import { yesOption } from './terminal/confirmation.ts';
import { repeatable } from './terminal/repeatable-option.ts';
import { readSecret } from './terminal/secret-input.ts';

interface LoginArguments {
  readonly name: string;
  readonly device: boolean;
  readonly browser: boolean;
  readonly scope: string[];
  readonly yes: boolean;
}

export function loginCommand(context: Context): CommandModule<object, LoginArguments> {
  return {
    command: 'login <name>',
    builder: (yargs) =>
      yargs
        .positional('name', {
          type: 'string',
          demandOption: true,
          describe: 'a profile with a remote server',
        })
        .option('device', {
          type: 'boolean',
          default: false,
          describe: 'sign in on another machine, with a code that is shown here',
        })
        .option('browser', {
          type: 'boolean',
          default: true,
          describe: 'open a browser; --no-browser only shows the page',
        })
        .option('scope', repeatable('a scope to ask for instead of the usual ones; can be repeated'))
        .option('yes', { ...yesOption, describe: 'do not ask before the page is opened' })
        .example('warder login notion', 'shows where it goes, then opens the browser')
        .example(
          'warder login notion --no-browser',
          'over ssh: open the page elsewhere, paste where it ended',
        )
        .example('warder login notion --device', 'with a code, where the server lets you'),
    handler: (args) => login(context, args),
  };
}

async function login(context: Context, args: LoginArguments): Promise<void> {
  const { places, terminal, json } = context;
  const { name, device, browser, scope, yes } = args;
  const { profile } = loadProfile(places, name);
  const { server } = profile;
  if (server.kind !== 'url') {
    throw new WarderError(
      'usage',
      `the server of "${name}" runs on this machine: there is nothing to sign in to`,
      {
        hint: 'its credentials are set with "warder credential set"',
      },
    );
  }
  const given = [...(device ? ['--device'] : []), ...(scope.length > 0 ? ['--scope'] : [])];
  const stored = storedCredential(server);
  if ((stored !== undefined || server.auth.type === 'none') && given[0] !== undefined) {
    throw new WarderError('usage', `"${given[0]}" has no effect with "auth: {type: ${server.auth.type}}"`);
  }
  if (stored !== undefined) return await setCredential(context, stored);
  if (server.auth.type === 'none') {
    if (json) terminal.json({ profile: name, auth: 'none' });
    else terminal.out(`"${name}" needs no sign-in: its profile says "auth: {type: none}"`);
    return;
  }
  await using control = await context.control();
  const account = await signIn(context, control, name, {
    flow: device ? 'device' : undefined,
    scopes: scope.length === 0 ? undefined : scope,
    browser,
    yes,
  });
  if (json) {
    terminal.json(account);
    return;
  }
  terminal.out(`signed in to ${new URL(server.url).host}; "warder logout ${name}" ends it`);
  for (const [label, text] of accountRows(account).slice(1)) terminal.out(`  ${label.padEnd(9)} ${text}`);
}

/** The credential that is all that a server asks for. */
function storedCredential({ auth }: RemoteServer): ProfileCredential | undefined {
  return auth.type === 'bearer' || auth.type === 'header' ? auth.credential : undefined;
}

/** Stores the token or key that the person has: typed without echo, or from stdin. */
async function setCredential(context: Context, { name, from }: ProfileCredential): Promise<void> {
  const { terminal, json } = context;
  if (typeof from === 'object') {
    throw new WarderError('usage', `the credential "${name}" comes from a command, and is not in a store`);
  }
  const { value, notes } = await readSecret(terminal, name, false);
  for (const note of notes) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${note}`);
  await using control = await context.control();
  const stored = await control.request('credential.set', {
    name,
    value,
    ...(from !== 'store' && { store: from }),
  });
  if (json) terminal.json(stored);
  else terminal.out(`${stored.replaced ? 'replaced' : 'set'} "${stored.name}" in the ${stored.store}`);
}

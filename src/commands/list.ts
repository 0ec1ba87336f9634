// warder list: lists all profiles, one a line.
import type { CommandModule } from 'yargs';
import { catchWarderError, WarderError } from '../errors.ts';
import { type LoadedProfile, listProfiles, loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { type CredentialStates, fetchCredentialStates } from './credential/credential-state.ts';
import { policyLine, sandboxState, serverLine } from './profile/profile-summary.ts';
import { type Accounts, accountState, fetchAccounts, hasAccount } from './remote/account.ts';

export function listCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'list',
    describe: 'list the profiles',
    builder: (yargs) => yargs.example('warder list --json', 'as one JSON array'),
    handler: () => list(context),
  };
}

async function list(context: Context): Promise<void> {
  const { places, terminal, json } = context;
  const { names, misnamed } = listProfiles(places);
  const loaded = names.map((name) => ({ name, found: catchWarderError(() => loadProfile(places, name)) }));
  const hasCredentials = loaded.some(
    ({ found }) => !(found instanceof WarderError) && found.profile.credentials.length > 0,
  );
  // Without credentials no daemon is needed.
  const states = hasCredentials ? await fetchCredentialStates(context) : undefined;
  const profiles = loaded.flatMap(({ found }) => (found instanceof WarderError ? [] : [found.profile]));
  const accounts = await fetchAccounts(context, profiles);

  if (json) {
    terminal.json(loaded.map(({ name, found }) => entry(name, found, states, accounts)));
    return;
  }
  if (loaded.length === 0) terminal.out('there are no profiles; "warder add" creates one');
  else
    terminal.table(
      loaded.map(({ name, found }) => row(name, found, states, accounts)),
      COLUMNS,
    );
  for (const { found } of loaded) if (found instanceof WarderError) terminal.err(`\n${found.message}`);
  for (const message of misnamed.values()) terminal.err(`\n${message}`);
  if (states?.error !== undefined)
    terminal.err(`\nwhich credentials are set is not known: ${states.error.message}`);
  if (accounts.error !== undefined)
    terminal.err(`\nwho is signed in to remote servers is not known: ${accounts.error.message}`);
  if (states?.locked === true) terminal.err('\nall credentials are locked: "warder unlock"');
}

const COLUMNS = ['NAME', 'STATE', 'CREDENTIALS', 'TOOLS', 'SANDBOX', 'SERVER', 'DESCRIPTION'];

function row(
  name: string,
  found: LoadedProfile | WarderError,
  states: CredentialStates | undefined,
  accounts: Accounts,
): string[] {
  if (found instanceof WarderError) return [name, 'broken', '', '', '', '', ''];
  const { profile } = found;
  const { state, credentials, sandbox } = entry(name, found, states, accounts);
  const usable = credentials.filter(({ state }) => state === 'set' || state === 'command').length;
  const unknown = credentials.some(({ state }) => state === 'unknown');
  const sealed = credentials.filter(({ deliver }) => deliver === 'sealed').length;
  const mark = sealed === 0 ? '' : sealed === credentials.length ? ', sealed' : `, ${sealed} sealed`;
  const account = accounts.of(name);
  return [
    name,
    state,
    [
      ...(hasAccount(profile) ? [account === undefined ? 'account not known' : accountState(account)] : []),
      ...(credentials.length === 0 ? [] : [`${unknown ? '?' : usable} of ${credentials.length}${mark}`]),
    ].join(', ') || '-',
    policyLine(profile.policy),
    sandbox,
    serverLine(profile.server),
    profile.description ?? '',
  ];
}

function entry(
  name: string,
  found: LoadedProfile | WarderError,
  states: CredentialStates | undefined,
  accounts: Accounts,
) {
  if (found instanceof WarderError) {
    return { name, state: 'broken', error: found.message, credentials: [], sandbox: '' } as const;
  }
  const { profile, file } = found;
  return {
    name,
    state: 'ok',
    file,
    description: profile.description,
    server: profile.server,
    credentials: profile.credentials.map((credential) => ({
      variable: credential.variable,
      name: credential.name,
      deliver: credential.deliver,
      state: states?.state(credential) ?? 'unknown',
    })),
    account: accounts.of(name),
    policy: profile.policy,
    sandbox: sandboxState(profile),
  } as const;
}

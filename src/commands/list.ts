// warder list: all profiles, one a line.
import type { CommandModule } from 'yargs';
import { catchWarderError, WarderError } from '../errors.ts';
import { unsupportedFeatures } from '../profile/format.ts';
import { type LoadedProfile, listProfiles, loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { type CredentialStates, fetchCredentialStates } from './credential/credential-state.ts';
import { policyLine, sandboxState, serverLine } from './profile/profile-summary.ts';

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
  const read = names.map((name) => ({ name, found: catchWarderError(() => loadProfile(places, name)) }));
  const keeps = read.some(
    ({ found }) => !(found instanceof WarderError) && found.profile.credentials.length > 0,
  );
  // A daemon is worth starting only where there is something to ask it.
  const known = keeps ? await fetchCredentialStates(context) : undefined;

  if (json) {
    terminal.json(read.map(({ name, found }) => entry(name, found, known)));
    return;
  }
  if (read.length === 0) terminal.out('there are no profiles; "warder add" makes one');
  else
    terminal.table(
      read.map(({ name, found }) => row(name, found, known)),
      COLUMNS,
    );
  for (const { found } of read) if (found instanceof WarderError) terminal.err(`\n${found.message}`);
  for (const message of misnamed.values()) terminal.err(`\n${message}`);
  if (known?.error !== undefined)
    terminal.err(`\nwhich credentials are set is not known: ${known.error.message}`);
  if (known?.locked === true) terminal.err('\nall credentials are locked: "warder unlock"');
}

const COLUMNS = ['NAME', 'STATE', 'CREDENTIALS', 'TOOLS', 'SANDBOX', 'SERVER', 'DESCRIPTION'];

function row(
  name: string,
  found: LoadedProfile | WarderError,
  known: CredentialStates | undefined,
): string[] {
  if (found instanceof WarderError) return [name, 'broken', '', '', '', '', ''];
  const { profile } = found;
  const { state, credentials, sandbox } = entry(name, found, known);
  const have = credentials.filter((one) => one.state === 'set' || one.state === 'command').length;
  const unknown = credentials.some((one) => one.state === 'unknown');
  const sealed = credentials.filter((one) => one.deliver === 'sealed').length;
  const mark = sealed === 0 ? '' : sealed === credentials.length ? ', sealed' : `, ${sealed} sealed`;
  return [
    name,
    state,
    credentials.length === 0 ? '-' : `${unknown ? '?' : have} of ${credentials.length}${mark}`,
    policyLine(profile.policy),
    sandbox,
    serverLine(profile.server),
    profile.description ?? '',
  ];
}

function entry(name: string, found: LoadedProfile | WarderError, known: CredentialStates | undefined) {
  if (found instanceof WarderError) {
    return { name, state: 'broken', error: found.message, credentials: [], sandbox: '' } as const;
  }
  const { profile, file } = found;
  return {
    name,
    state: unsupportedFeatures(profile).length === 0 ? 'ok' : 'unsupported',
    file,
    description: profile.description,
    server: profile.server,
    credentials: profile.credentials.map((credential) => ({
      variable: credential.variable,
      name: credential.name,
      deliver: credential.deliver,
      state: known?.state(credential) ?? 'unknown',
    })),
    policy: profile.policy,
    sandbox: sandboxState(profile),
  } as const;
}

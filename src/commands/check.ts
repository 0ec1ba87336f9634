// warder check: validates profiles, shows what their servers will see and reach, and warns of what the user should know
// before the first run.
import type { CommandModule } from 'yargs';
import { catchWarderError, EXIT, WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import type { PackageStore } from '../package/store.ts';
import { requireConditions } from '../policy/condition.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import { type LoadedProfile, listProfiles, loadProfile } from '../profile/load.ts';
import type { Places } from '../wire/places.ts';
import type { Finding } from './check/finding.ts';
import { addPlanted, checkMemory, checkMounts, checkRuntime } from './check/machine-checks.ts';
import { printFinding } from './check/print-finding.ts';
import type { Context } from './command.ts';
import { type CredentialStates, fetchCredentialStates } from './credential/credential-state.ts';
import { openPackageStore } from './package/package-store.ts';
import { type CredentialLimits, networkAccess } from './profile/access-summary.ts';
import { previewServer } from './profile/preview.ts';
import { policyLine, sandboxState, serverLine, startLine } from './profile/profile-summary.ts';
import { refusedLately, stillRefused } from './profile/refused-lately.ts';
import { profileWarnings } from './profile/warnings.ts';
import { type Accounts, fetchAccounts } from './remote/account.ts';
import { remoteFinding } from './remote/finding.ts';

interface CheckArguments {
  readonly name: string[];
}

export function checkCommand(context: Context): CommandModule<object, CheckArguments> {
  return {
    command: 'check [name..]',
    describe: 'check profiles, and show what servers see and reach',
    builder: (yargs) =>
      yargs
        .positional('name', {
          type: 'string',
          array: true,
          default: [],
          describe: 'profiles; by default all',
        })
        .example('warder check', 'all profiles')
        .example('warder check github', 'before its first run'),
    handler: ({ name }) => check(context, name),
  };
}

async function check(context: Context, requested: readonly string[]): Promise<void> {
  const { places, terminal, json } = context;
  const { names, misnamed } = listProfiles(places);
  const loaded = (requested.length > 0 ? requested : names).map((name) => ({
    name,
    found: catchWarderError(() => loadProfile(places, name)),
  }));
  for (const { found } of loaded) {
    // An invalid or unknown name is an error of the command line, not a finding.
    if (found instanceof WarderError && found.code !== 'profile-invalid') throw found;
  }
  const hasCredentials = loaded.some(
    ({ found }) => !(found instanceof WarderError) && found.profile.credentials.length > 0,
  );
  const states = hasCredentials ? await fetchCredentialStates(context) : undefined;

  const profiles = loaded.flatMap(({ found }) => (found instanceof WarderError ? [] : [found.profile]));
  const accounts = await fetchAccounts(context, profiles);
  const packages = openPackageStore(context);
  const findings: Finding[] = [];
  const refused = await refusedLately(places.audit, clock.now()).catch(() => new Map<string, never>());
  for (const { name, found } of loaded) {
    const compiled = found instanceof WarderError ? found : await withConditions(found);
    const mounted = await checkMounts(checkProfile(name, compiled, states, places, accounts, packages));
    const finding = await addPlanted(await checkMemory(await checkRuntime(mounted, found, packages)), places);
    if (found instanceof WarderError || finding.network === undefined) findings.push(finding);
    else findings.push({ ...finding, refused: stillRefused(found.profile, refused.get(name) ?? []) });
  }
  if (json) terminal.json(findings);
  else {
    if (findings.length === 0) terminal.out('there are no profiles; "warder add" creates one');
    for (const [index, finding] of findings.entries()) {
      if (index > 0) terminal.out('');
      printFinding(terminal, finding);
    }
    if (requested.length === 0) for (const message of misnamed.values()) terminal.err(`\n${message}`);
  }
  if (findings.some(({ state }) => state === 'broken')) context.exit(EXIT['profile-invalid']);
  else if (findings.some(({ state }) => state === 'unsupported')) context.exit(EXIT.unsupported);
}

/** The profile, or why its conditions cannot be used. */
async function withConditions(loaded: LoadedProfile): Promise<LoadedProfile | WarderError> {
  try {
    await requireConditions(loaded.profile.policy, loaded.profile.name);
    return loaded;
  } catch (error) {
    if (error instanceof WarderError) return error;
    throw error;
  }
}

function checkProfile(
  name: string,
  found: LoadedProfile | WarderError,
  states: CredentialStates | undefined,
  places: Places,
  accounts: Accounts,
  packages: PackageStore,
): Finding {
  if (found instanceof WarderError) return { name, state: 'broken', error: found.message, hint: found.hint };
  const { profile, file } = found;
  const { server: remote } = profile;
  if (remote.kind === 'url') return remoteFinding({ ...profile, server: remote }, file, states, accounts);
  const server = catchWarderError(() => previewServer(profile, places, packages));
  // What a start refuses, a check refuses too.
  const sandbox = server instanceof WarderError ? server : server.sandbox;
  if (server instanceof WarderError || sandbox instanceof WarderError) {
    const { message, hint } = sandbox as WarderError;
    return { name, state: 'broken', error: message, hint };
  }
  const credentials = profile.credentials.map((credential) => ({
    variable: credential.variable,
    name: credential.name,
    deliver: credential.deliver,
    state: states?.state(credential) ?? 'unknown',
    ...(credential.deliver === 'sealed' ? { limits: limitsOf(credential) } : {}),
  }));
  return {
    name,
    state: 'ok',
    file,
    server: {
      line: serverLine(profile.server),
      ...(typeof server.program === 'string' ? { program: server.program } : {}),
      cwd: server.cwd,
      ...(profile.server.kind === 'url' ? {} : { starts: startLine(profile.server) }),
      variables: server.variables,
      ...(sandbox?.cwd === sandbox?.home && sandbox !== undefined ? { private: true } : {}),
    },
    credentials,
    sandbox: sandboxState(profile),
    ...(sandboxState(profile) === 'on' ? { network: networkAccess(profile) } : {}),
    ...(sandbox === undefined ? {} : { holds: sandbox }),
    policy: policyLine(profile.policy),
    unsupported: [],
    warnings: profileWarnings(profile, server, credentials, states),
  };
}

function limitsOf(credential: ProfileCredential): CredentialLimits {
  const { hosts, as, paths, methods, confirm, lifetime, maxUses, issues, unsearched, sign } = credential;
  return { hosts, as, paths, methods, confirm, lifetime, maxUses, issues, unsearched, sign };
}

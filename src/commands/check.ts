// warder check: validates profiles, shows what their servers will see and reach, and warns of what the user should know
// before the first run.
import type { CommandModule } from 'yargs';
import type { RefusedHost } from '../egress/refused-hosts.ts';
import { catchWarderError, EXIT, WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import { parseSpec } from '../package/spec.ts';
import type { PackageStore } from '../package/store.ts';
import { requireConditions } from '../policy/condition.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import { type LoadedProfile, listProfiles, loadProfile } from '../profile/load.ts';
import { formatSize } from '../profile/units.ts';
import { findBubblewrap, findCgroups, UPGRADE } from '../sandbox/machine.ts';
import type { PlanSummary } from '../sandbox/summary.ts';
import type { ShownAccount } from '../wire/control.ts';
import type { Places } from '../wire/places.ts';
import type { Context } from './command.ts';
import {
  type CredentialState,
  type CredentialStates,
  fetchCredentialStates,
} from './credential/credential-state.ts';
import { openPackageStore } from './package/package-store.ts';
import {
  type CredentialLimits,
  limitLines,
  type NetworkAccess,
  networkAccess,
  networkLines,
  unixSocketLines,
} from './profile/access-summary.ts';
import { plantedNotes, protectedLine } from './profile/planted.ts';
import { previewServer, type ServerPreview } from './profile/preview.ts';
import { commandLine, policyLine, sandboxState, serverLine, startLine } from './profile/profile-summary.ts';
import { refusalLine, refusedLately, stillRefused } from './profile/refused-lately.ts';
import { profileWarnings } from './profile/warnings.ts';
import type { Rows } from './remote/access.ts';
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

interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'broken' | 'unsupported';
  readonly error?: string;
  readonly hint?: string | undefined;
  readonly file?: string;
  /** Of a remote server: what it does, in words. */
  readonly rows?: Rows;
  readonly account?: ShownAccount;
  readonly server?: {
    readonly line: string;
    readonly program?: string;
    readonly cwd?: string;
    /** When it starts, and when it ends. */
    readonly starts?: string;
    /** The working folder is its private home. */
    readonly private?: boolean;
    readonly variables?: ServerPreview['variables'];
  };
  readonly credentials?: readonly {
    readonly variable: string;
    readonly name: string;
    readonly deliver: string;
    readonly state: CredentialState;
    /** The restrictions of a sealed credential. Durations are milliseconds. */
    readonly limits?: CredentialLimits;
  }[];
  readonly sandbox?: 'off' | 'on' | 'remote';
  /** What the server may reach; undefined without a sandbox, and for a remote server. */
  readonly network?: NetworkAccess;
  /** The hosts that it was refused lately, and still would be. */
  readonly refused?: readonly RefusedHost[];
  /** The contents of the sandbox. */
  readonly holds?: PlanSummary;
  /** Which names it cannot write below its writable folders, in words. */
  readonly protected?: string;
  readonly policy?: string;
  /** What it needs and this machine lacks. */
  readonly unsupported?: readonly { readonly what: string; readonly hint: string }[];
  readonly warnings?: readonly string[];
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

/** What to know of a working folder that is the private home. */
const PRIVATE = ', of its own: not the folder that a host has open';
const LOST = ', and what it writes there is not kept';

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

/** Adds what the server may not write although its folders are listed, and what it has planted there. */
async function addPlanted(finding: Finding, { audit }: Places): Promise<Finding> {
  const { name, holds, warnings = [] } = finding;
  if (holds === undefined || holds.write.length === 0) return finding;
  return {
    ...finding,
    protected: await protectedLine(holds.write, holds.mayPlant),
    warnings: [...warnings, ...(await plantedNotes(audit, name, clock.now()))],
  };
}

/** Adds a note if the limit on memory cannot be held from here. The daemon may have a control group that this process has not. */
async function checkMemory(finding: Finding): Promise<Finding> {
  if (finding.holds?.limits.memory.said !== true || process.platform !== 'linux') return finding;
  const groups = await findCgroups(process.getuid?.() ?? -1);
  if (groups?.kind === 'systemd' || groups?.memory !== undefined) return finding;
  const note =
    '"sandbox.memory" needs a control group, and none can be made from here: "warder doctor" says what the daemon has, and "{most: …, best-effort: true}" does without';
  return { ...finding, warnings: [...(finding.warnings ?? []), note] };
}

/** Adds what this machine's bubblewrap cannot mount safely. It is tried only if the profile needs it. */
async function checkMounts(finding: Finding): Promise<Finding> {
  const [path] = finding.holds?.belowWritable ?? [];
  if (path === undefined || process.platform !== 'linux') return finding;
  const bubblewrap = await findBubblewrap();
  if (bubblewrap?.followsLinks !== true) return finding;
  const what = `"${path}" is below a folder that the server may write, and this bubblewrap cannot mount it there safely`;
  return {
    ...finding,
    state: 'unsupported',
    unsupported: [...(finding.unsupported ?? []), { what, hint: UPGRADE }],
  };
}

/** Adds what is wrong with the Python of a package. */
async function checkRuntime(
  finding: Finding,
  found: LoadedProfile | WarderError,
  packages: Pick<PackageStore, 'checkRuntime'>,
): Promise<Finding> {
  if (found instanceof WarderError || found.profile.server.kind !== 'package') return finding;
  const use = { profile: finding.name, spec: parseSpec(found.profile.server.package) };
  try {
    await packages.checkRuntime(use);
    return finding;
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    return { ...finding, warnings: [...(finding.warnings ?? []), `${error.message} (${error.hint ?? ''})`] };
  }
}

function limitsOf(credential: ProfileCredential): CredentialLimits {
  const { hosts, as, paths, methods, confirm, lifetime, maxUses, issues, unsearched, sign } = credential;
  return { hosts, as, paths, methods, confirm, lifetime, maxUses, issues, unsearched, sign };
}

function printFinding({ out, err, paint }: Context['terminal'], finding: Finding): void {
  const {
    name,
    state,
    error,
    hint,
    server,
    credentials = [],
    sandbox,
    holds,
    protected: kept,
    network,
    refused = [],
    policy,
    rows,
    unsupported = [],
    warnings = [],
  } = finding;
  out(`${paint('bold', name)}: ${paint(state === 'ok' ? 'green' : 'red', state)}`);
  if (error !== undefined) {
    err(error);
    if (hint !== undefined) err(`hint: ${hint}`);
  }
  if (rows !== undefined) {
    for (const [label, lines] of rows) printRows({ out }, label, lines);
    out(`  tools   ${policy}`);
  } else if (server !== undefined) {
    out(`  runs    ${server.line}`);
    if (server.program !== undefined) out(`          ${server.program}`);
    if (server.cwd !== undefined)
      out(
        `  in      ${server.cwd}${server.private === true ? `${PRIVATE}${holds?.kept === undefined ? LOST : ''}` : ''}`,
      );
    if (server.starts !== undefined) out(`  starts  ${server.starts}`);
    if (server.variables !== undefined) {
      const { trust, ...others } = server.variables;
      out(`  sees    ${Object.values(others).flat().join(' ')}`);
      if (trust.length > 0) out(`          to trust the gate: ${trust.join(' ')}`);
    }
    for (const { variable, name, deliver, state, limits } of credentials) {
      out(`          ${variable}: ${name}, ${deliver === 'sealed' ? deliver : `by ${deliver}`}, ${state}`);
      for (const [label, text] of limits === undefined ? [] : limitLines(limits)) {
        out(`            ${label.padEnd(8)}  ${text}`);
      }
    }
    if (sandbox === 'off') {
      out(`  files   all that you can read and write: ${paint('red', 'no sandbox')}`);
      out(`  network all that you can reach: ${paint('red', 'no sandbox')}`);
    }
    if (holds !== undefined) printSandbox({ out }, holds, kept);
    if (network !== undefined) printRows({ out }, 'network', networkLines(network));
    if (holds !== undefined) printRows({ out }, 'sockets', unixSocketLines(holds));
    if (holds !== undefined) printLimits({ out }, holds);
    out(`  tools   ${policy}`);
  }
  for (const host of refused) out(`  ${paint('yellow', 'refused')} lately: ${refusalLine(name, host)}`);
  for (const { what, hint } of unsupported) out(`  ${paint('red', 'refused')} ${what}: ${hint}`);
  for (const warning of warnings) out(`  ${paint('yellow', 'note')}    ${warning}`);
}

type Out = Pick<Context['terminal'], 'out'>;

function printSandbox(
  { out }: Out,
  { read, write, mayPlant, hidden, command, kept: home, homeBytes }: PlanSummary,
  kept: string | undefined,
): void {
  out(`  command ${commandLine(command)}`);
  printRows({ out }, 'files', [
    home === undefined
      ? `the system, read-only; a home (${formatSize(homeBytes)}) and a /tmp of its own, empty at each start`
      : `the system, read-only; a home of its own that is kept, up to ${formatSize(homeBytes)}: ${home}; a /tmp, empty at each start`,
    ...read.map((path) => `${path}, read-only`),
    ...write.map((path) => `${path}, to read and write`),
    ...(kept === undefined ? [] : [kept]),
    ...mayPlant.map((name) => `but ${name}, which other programs obey, it may write`),
    ...hidden.map((path) => `${path}, hidden`),
  ]);
}

function printLimits({ out }: Out, { limits: { memory, processes, files } }: PlanSummary): void {
  const whole = memory.said ? ' for all processes together, or nothing starts' : '';
  out(
    `  limits  ${formatSize(memory.most)} of memory${whole}, ${processes.most} processes, ${files} open files`,
  );
}

function printRows({ out }: Out, label: string, rows: readonly string[]): void {
  for (const [index, row] of rows.entries()) out(`  ${(index === 0 ? label : '').padEnd(7)} ${row}`);
}

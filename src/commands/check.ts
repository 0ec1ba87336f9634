// warder check: whether profiles are sound, what their servers will see, and what a person should know before
// the first run.
import type { CommandModule } from 'yargs';
import { EXIT, WarderError } from '../errors.ts';
import type { PackageStore } from '../package/store.ts';
import { type Profile, type Unsupported, unsupported } from '../profile/format.ts';
import { type Loaded, listProfiles, loadProfile } from '../profile/load.ts';
import { formatSize } from '../profile/units.ts';
import { secretKind } from '../profile/variable.ts';
import type { Outline } from '../sandbox/outline.ts';
import type { Places } from '../wire/places.ts';
import type { Context } from './command.ts';
import { type CredentialState, type Known, knownCredentials } from './known.ts';
import { attempt, commandLine, policyLine, sandboxWord, serverLine } from './list.ts';
import { openPackages } from './package.ts';
import { type Preview, preview } from './preview.ts';

interface Arguments {
  readonly name: string[];
}

export function checkCommand(context: Context): CommandModule<object, Arguments> {
  return {
    command: 'check [name..]',
    describe: 'check profiles, and show what their servers will see',
    builder: (yargs) =>
      yargs
        .positional('name', {
          type: 'string',
          array: true,
          default: [],
          describe: 'profiles; all where none is named',
        })
        .example('warder check', 'all profiles')
        .example('warder check github', 'before its first run'),
    handler: ({ name }) => check(context, name),
  };
}

async function check(context: Context, said: readonly string[]): Promise<void> {
  const { places, terminal, json } = context;
  const { names, strays } = listProfiles(places);
  const read = (said.length > 0 ? said : names).map((name) => ({
    name,
    found: attempt(() => loadProfile(places, name)),
  }));
  for (const { found } of read) {
    // A name that is none, or that no profile has, is a slip on the command line and no finding.
    if (found instanceof WarderError && found.code !== 'profile-invalid') throw found;
  }
  const keeps = read.some(
    ({ found }) => !(found instanceof WarderError) && found.profile.credentials.length > 0,
  );
  const known = keeps ? await knownCredentials(context) : undefined;

  const packages = openPackages(context);
  const findings = read.map(({ name, found }) => finding(name, found, known, places, packages));
  if (json) terminal.json(findings);
  else {
    if (findings.length === 0) terminal.out('there are no profiles; "warder add" makes one');
    for (const [index, one] of findings.entries()) {
      if (index > 0) terminal.out('');
      print(terminal, one);
    }
    if (said.length === 0) for (const stray of strays.values()) terminal.err(`\n${stray}`);
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
  readonly server?: {
    readonly line: string;
    readonly program?: string;
    readonly cwd?: string;
    readonly variables?: Preview['variables'];
  };
  readonly credentials?: readonly {
    readonly variable: string;
    readonly name: string;
    readonly deliver: string;
    readonly state: CredentialState;
  }[];
  readonly sandbox?: 'off' | 'on' | 'none';
  /** What the sandbox holds. */
  readonly holds?: Outline;
  readonly policy?: string;
  readonly unsupported?: readonly Unsupported[];
  readonly warnings?: readonly string[];
}

function finding(
  name: string,
  found: Loaded | WarderError,
  known: Known | undefined,
  places: Places,
  packages: PackageStore,
): Finding {
  if (found instanceof WarderError) return { name, state: 'broken', error: found.message, hint: found.hint };
  const { profile, file } = found;
  const seen = attempt(() => preview(profile, places, packages));
  // What a start refuses of a profile that can be read, a check refuses too.
  const refused = seen instanceof WarderError ? seen : seen.sandbox;
  if (seen instanceof WarderError || refused instanceof WarderError) {
    const { message, hint } = refused as WarderError;
    return { name, state: 'broken', error: message, hint };
  }
  const missing = unsupported(profile);
  const credentials = profile.credentials.map((credential) => ({
    variable: credential.variable,
    name: credential.name,
    deliver: credential.deliver,
    state: known?.state(credential) ?? 'unknown',
  }));
  return {
    name,
    state: missing.length === 0 ? 'ok' : 'unsupported',
    file,
    server: {
      line: serverLine(profile.server),
      ...(typeof seen.program === 'string' ? { program: seen.program } : {}),
      ...(profile.server.kind === 'url' ? {} : { cwd: seen.cwd, variables: seen.variables }),
    },
    credentials,
    sandbox: sandboxWord(profile),
    ...(refused === undefined ? {} : { holds: refused }),
    policy: policyLine(profile.policy),
    unsupported: missing,
    warnings: warnings(profile, seen, credentials, known),
  };
}

/** What is sound and still worth a word. Values that may be secrets are not repeated. */
function warnings(
  profile: Profile,
  seen: Preview,
  credentials: NonNullable<Finding['credentials']>,
  known: Known | undefined,
): string[] {
  const { env, server, sandbox, policy } = profile;
  const said: string[] = [];
  if (seen.program instanceof WarderError) said.push(`${seen.program.message} (${seen.program.hint ?? ''})`);
  for (const [variable, value] of Object.entries(env)) {
    const kind = secretKind(value);
    if (kind !== undefined) said.push(`the value of ${variable} looks like ${kind}: make it a credential`);
    if (variable === 'NODE_TLS_REJECT_UNAUTHORIZED' && value === '0') {
      said.push(`${variable} is 0: anybody on the way can pose as the service`);
    }
  }
  for (const [index, word] of (server.kind === 'url' ? [] : server.args).entries()) {
    const kind = secretKind(word);
    if (kind !== undefined) said.push(`argument ${index + 1} looks like ${kind}, and anybody can read it`);
    else if (/^~\//.test(word))
      said.push(`argument ${index + 1} begins with "~/", which no shell replaces here`);
  }
  const newest = server.kind === 'command' ? unpinned(server.command, server.args) : undefined;
  if (newest !== undefined)
    said.push(
      `"${newest}" names no version, so each start may run other code than the last: pin it with "warder add NAME --from-npx …"`,
    );
  for (const { variable, name, state } of credentials) {
    if (state === 'unusable')
      said.push(`the value of ${variable} cannot be used: see warder credential list`);
    if (state !== 'missing') continue;
    const own = name === `${profile.name}/${variable}`;
    said.push(
      `${variable} has no value yet: warder credential set ${own ? `${profile.name} ${variable}` : name}`,
    );
  }
  if (known?.problem !== undefined && credentials.some(({ state }) => state === 'unknown')) {
    said.push(`whether the credentials are set is not known: ${known.problem.message}`);
  }
  if (sandbox?.off === true) said.push('the sandbox is off');
  const asked = policy.default === 'ask' || Object.values(policy.tools).includes('ask');
  if (asked) said.push('"ask" refuses until there is a way to ask');
  return said;
}

/** The package that a runner such as npx would fetch in its newest version. */
function unpinned(command: string, args: readonly string[]): string | undefined {
  const runner = /(?:^|\/)(npx|bunx|uvx)$/.exec(command)?.[1];
  if (runner === undefined) return undefined;
  const packed = args.find((word) => !word.startsWith('-'));
  const pinned = runner === 'uvx' ? /==|@[0-9]/ : /.@[0-9]/;
  return packed === undefined || pinned.test(packed) || /^[./~]/.test(packed) ? undefined : packed;
}

function print({ out, err, paint }: Context['terminal'], finding: Finding): void {
  const {
    name,
    state,
    error,
    hint,
    server,
    credentials = [],
    sandbox,
    holds,
    policy,
    unsupported = [],
    warnings = [],
  } = finding;
  out(`${paint('bold', name)}: ${paint(state === 'ok' ? 'green' : 'red', state)}`);
  if (error !== undefined) {
    err(error);
    if (hint !== undefined) err(`hint: ${hint}`);
  }
  if (server !== undefined) {
    out(`  runs    ${server.line}`);
    if (server.program !== undefined) out(`          ${server.program}`);
    if (server.cwd !== undefined) out(`  in      ${server.cwd}`);
    if (server.variables !== undefined) {
      out(`  sees    ${Object.values(server.variables).flat().join(' ')}`);
    }
    for (const one of credentials)
      out(`          ${one.variable}: ${one.name}, by ${one.deliver}, ${one.state}`);
    if (sandbox === 'off') out(`  files   all that you can read and write: ${paint('red', 'no sandbox')}`);
    if (holds !== undefined) printSandbox({ out }, holds);
    out(`  tools   ${policy}`);
  }
  for (const { what, hint } of unsupported) out(`  ${paint('red', 'refused')} ${what}: ${hint}`);
  for (const warning of warnings) out(`  ${paint('yellow', 'note')}    ${warning}`);
}

function printSandbox({ out }: Pick<Context['terminal'], 'out'>, holds: Outline): void {
  const { read, write, hidden, limits, command } = holds;
  out(`  command ${commandLine(command)}`);
  const rows = [
    'the system, read-only; a home and a /tmp of its own, empty at each start',
    ...read.map((path) => `${path}, read-only`),
    ...write.map((path) => `${path}, to read and write`),
    ...hidden.map((path) => `${path}, hidden`),
  ];
  for (const [at, row] of rows.entries()) out(`${at === 0 ? '  files   ' : '          '}${row}`);
  out('  network none');
  const { memory, processes, files } = limits;
  out(`  limits  ${formatSize(memory.most)} of memory, ${processes.most} processes, ${files} open files`);
}

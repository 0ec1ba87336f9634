// Warnings about a valid profile that the user should know before its first run. Values that may be secrets are not
// repeated.
import { sealedTextProblem, sealingProblem } from '../../credential/sealable.ts';
import { WarderError } from '../../errors.ts';
import { packageRunner } from '../../host/package-runner.ts';
import { optionalNames } from '../../policy/condition.ts';
import { referencedCredentials, withoutReferences } from '../../profile/argument-credentials.ts';
import type { Profile } from '../../profile/format.ts';
import { detectSecret, isAwsKeyId, isAwsSecretKey } from '../../profile/variable.ts';
import type { CredentialState, CredentialStates } from '../credential/credential-state.ts';
import { networkAccess } from './access-summary.ts';
import type { ServerPreview } from './preview.ts';
import { sharedDomainWarning } from './shared-domain.ts';

/** A credential of the profile, and its state. */
export interface CredentialEntry {
  readonly variable: string;
  readonly name: string;
  readonly state: CredentialState;
}

/** All warnings. `states` is undefined if the profile has no credentials. */
export function profileWarnings(
  profile: Profile,
  preview: ServerPreview,
  credentials: readonly CredentialEntry[],
  states: CredentialStates | undefined,
): string[] {
  const { sandbox } = profile;
  const warnings: string[] = [];
  if (preview.program instanceof WarderError)
    warnings.push(`${preview.program.message} (${preview.program.hint ?? ''})`);
  warnings.push(
    ...commandWarnings(preview),
    ...literalWarnings(profile),
    ...valueWarnings(profile, credentials, states),
    ...sealedWarnings(profile),
    ...sharedDomainWarnings(profile),
    ...argumentWarnings(profile),
  );
  const { hosts, ranges } = networkAccess(profile);
  if (ranges.length > 0 && hosts.length === 0) {
    warnings.push(`${ranges.join(', ')} opens addresses, but no listed name can resolve to them`);
  }
  if (sandbox?.off === true) warnings.push('the sandbox is off');
  return [...warnings, ...policyWarnings(profile)];
}

/** What to know of rules that allow. */
export function policyWarnings({ name, policy }: Pick<Profile, 'name' | 'policy'>): string[] {
  const warnings: string[] = [];
  if (policy.default === 'allow') {
    warnings.push(
      `"default: allow" lets through whatever no rule names, and what the server adds later: "warder policy choose ${name}" offers its tools`,
    );
  }
  for (const [pattern, rule] of Object.entries(policy.tools)) {
    const optional = typeof rule === 'string' ? [] : optionalNames(rule);
    if (optional.length > 0) {
      warnings.push(
        `policy.tools.${pattern} allows calls without ${optional.join(', ')}: list them under "required" to refuse that`,
      );
    }
  }
  return warnings;
}

/** What cannot be known of a command. */
function commandWarnings({ sandbox }: ServerPreview): string[] {
  if (sandbox === undefined || sandbox instanceof WarderError) return [];
  const warnings = sandbox.unlisted.map(
    (folder) =>
      `a package of the virtual environment is installed from "${folder}", which is not in the sandbox: list it under "sandbox.read"`,
  );
  if (sandbox.unread === undefined) return warnings;
  return [
    ...warnings,
    'what the shell command needs is not known: list its files under "sandbox.read", or make the program itself the command',
  ];
}

function signsForAws(credentials: Profile['credentials']): boolean {
  return credentials.some(({ sign }) => sign?.scheme === 'aws-sigv4');
}

function literalWarnings({ env, server, credentials }: Profile): string[] {
  const warnings: string[] = [];
  const withAws = signsForAws(credentials) || credentials.some(({ variable }) => isAwsSecretKey(variable));
  for (const [variable, value] of Object.entries(env)) {
    const kind = withAws && isAwsKeyId(value) ? undefined : detectSecret(withoutReferences(value));
    if (kind !== undefined)
      warnings.push(`the value of ${variable} looks like ${kind}: make it a credential`);
    if (variable === 'NODE_TLS_REJECT_UNAUTHORIZED' && value === '0') {
      warnings.push(
        `${variable} is 0: anybody between the server and the service can impersonate the service`,
      );
    }
  }
  for (const [index, word] of (server.kind === 'url' ? [] : server.args).entries()) {
    const kind = detectSecret(withoutReferences(word));
    if (kind !== undefined)
      warnings.push(`argument ${index + 1} looks like ${kind}, and anybody can read it`);
    else if (/^~\//.test(word))
      warnings.push(
        `argument ${index + 1} begins with "~/", which is not expanded, because there is no shell`,
      );
  }
  const runner = server.kind === 'command' ? packageRunner([server.command, ...server.args]) : undefined;
  const newest = runner && unpinnedPackage(runner);
  if (newest !== undefined) {
    warnings.push(
      `"${newest}" names no version, so each start may run different code: pin it with "warder add NAME --from-${runner?.kind} …"`,
    );
  }
  return warnings;
}

/** The package that a runner would download in its newest version. */
function unpinnedPackage({ kind, words }: NonNullable<ReturnType<typeof packageRunner>>): string | undefined {
  const packed = words.slice(1).find((word) => !word.startsWith('-'));
  const pinned = kind === 'uvx' ? /==|@[0-9]/ : /.@[0-9]/;
  return packed === undefined || pinned.test(packed) || /^[./~]/.test(packed) ? undefined : packed;
}

/** Warnings about credentials that cannot be used. */
export function valueWarnings(
  profile: Profile,
  credentials: readonly CredentialEntry[],
  states: CredentialStates | undefined,
): string[] {
  const warnings: string[] = [];
  if (states?.locked === true) warnings.push('all credentials are locked: warder unlock');
  for (const { variable, name, state } of credentials) {
    if (state === 'unusable')
      warnings.push(`the value of ${variable} cannot be used: see warder credential list`);
    if (state === 'revoked') {
      warnings.push(
        `${variable} is revoked: set a new value, or allow it again with "warder revoke ${name} --undo"`,
      );
    }
    if (state !== 'missing') continue;
    const isDefaultName = name === `${profile.name}/${variable}`;
    warnings.push(
      `${variable} has no value yet: warder credential set ${isDefaultName ? `${profile.name} ${variable}` : `--name ${name}`}`,
    );
  }
  if (states?.error !== undefined && credentials.some(({ state }) => state === 'unknown')) {
    warnings.push(`whether the credentials are set is not known: ${states.error.message}`);
  }
  return warnings;
}

/** What the user should know of values that are arguments. */
function argumentWarnings({ credentials }: Profile): string[] {
  return credentials
    .filter(({ deliver }) => deliver === 'arg')
    .map(({ variable }) => argumentWarning(variable));
}

export function argumentWarning(variable: string): string {
  return `${variable} is in the arguments of the server's process: while it runs, every user of this machine can read it in a process list`;
}

/** Variables whose values are signing keys: requests do not contain them. */
const SIGNING_VARIABLE =
  /(?:^|_)(?:SECRET_ACCESS_KEY|SESSION_TOKEN|PRIVATE_KEY|SIGNING_(?:SECRET|KEY)|WEBHOOK_SECRET|HMAC_(?:SECRET|KEY)|JWT_SECRET)(?:_(?:PEM|BASE64|B64))?$/i;
/** A value that can be sealed, so that only the variable's name is checked. */
const SAMPLE_VALUE = 'x'.repeat(40);

/** A warning if a variable of this name probably holds a signing key. */
export function signingWarning(variable: string): string | undefined {
  const problem = sealingProblem(variable, SAMPLE_VALUE);
  if (problem !== undefined) return `${variable} ${problem.what} (${problem.hint})`;
  if (!SIGNING_VARIABLE.test(variable)) return undefined;
  return `${variable} looks like a signing key: a host refuses what is signed with a placeholder, so say how in "sign", or use "deliver: env"`;
}

/** Texts with a secret in them that stays a placeholder. */
function sealedTextWarnings({ server, env, credentials }: Profile): string[] {
  const sealed = new Set(
    credentials.flatMap(({ variable, deliver }) => (deliver === 'sealed' ? [variable] : [])),
  );
  const texts: (readonly [string, string])[] = [
    ...Object.entries(env),
    ...(server.kind === 'url' ? [] : server.args.map((arg) => ['an argument of the server', arg] as const)),
  ];
  return texts.flatMap(([what, text]) => {
    if (!referencedCredentials([text]).some((name) => sealed.has(name))) return [];
    const problem = sealedTextProblem(text);
    return problem === undefined
      ? []
      : [`${what} ${problem}: "deliver: env" (in an argument: "arg") gives the server the value`];
  });
}

function anyPlaceWarning(what: string): string {
  return `${what} may be anywhere in a request, so the server can write it where others read it: if it has it in one place only, say where with "as", usually "as: bearer"; else "paths" and "methods" narrow it`;
}

/** Warnings about wildcards that match hosts of strangers. */
function sharedDomainWarnings({ credentials, sandbox }: Profile): string[] {
  const sealed = credentials.filter(({ deliver }) => deliver === 'sealed');
  return [
    ...sealed.flatMap(({ variable, hosts }) =>
      hosts.flatMap((host) => sharedDomainWarning(host, `the secret of ${variable} may go there`) ?? []),
    ),
    ...(sandbox?.network ?? []).flatMap(
      (entry) => sharedDomainWarning(entry, 'the server may send it what it has') ?? [],
    ),
  ];
}

/** Warnings about sealed credentials. */
function sealedWarnings(profile: Profile): string[] {
  const { credentials } = profile;
  const sealed = credentials.filter(({ deliver }) => deliver === 'sealed');
  if (sealed.length === 0) return [];
  // A session token of AWS goes into a header, which the key signs.
  const withAws = signsForAws(sealed);
  const warnings = sealed.flatMap(({ variable, sign }) =>
    sign !== undefined || (withAws && /SESSION_TOKEN$/i.test(variable))
      ? []
      : (signingWarning(variable) ?? []),
  );
  for (const { variable, as, issues } of sealed) {
    if (as === 'any') warnings.push(anyPlaceWarning(variable));
    if (issues?.as === 'any') warnings.push(anyPlaceWarning(`a token obtained with ${variable}`));
  }
  return [
    ...warnings,
    ...sealedTextWarnings(profile),
    'a program that pins certificates, uses a client certificate, or signs requests in a way that "sign" does not know cannot use a sealed credential: "deliver: env" or "file" gives it the value',
  ];
}

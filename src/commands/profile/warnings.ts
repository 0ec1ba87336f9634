// What a person should know of a profile before its first run: it is sound, and still worth a word. Values that may be
// secrets are not repeated.
import { sealingProblem } from '../../credential/sealable.ts';
import { WarderError } from '../../errors.ts';
import type { Profile } from '../../profile/format.ts';
import { detectSecret } from '../../profile/variable.ts';
import type { CredentialState, CredentialStates } from '../credential/credential-state.ts';
import { networkAccess } from './access-summary.ts';
import type { ServerPreview } from './preview.ts';

/** A credential of the profile, and whether it can be used now. */
export interface CredentialEntry {
  readonly variable: string;
  readonly name: string;
  readonly state: CredentialState;
}

/** All that is worth a word. `known`: nothing where the profile has no credential. */
export function profileWarnings(
  profile: Profile,
  seen: ServerPreview,
  credentials: readonly CredentialEntry[],
  known: CredentialStates | undefined,
): string[] {
  const { sandbox, policy } = profile;
  const said: string[] = [];
  if (seen.program instanceof WarderError) said.push(`${seen.program.message} (${seen.program.hint ?? ''})`);
  said.push(
    ...literalWarnings(profile),
    ...valueWarnings(profile, credentials, known),
    ...sealedWarnings(profile),
  );
  const { hosts, ranges } = networkAccess(profile);
  if (ranges.length > 0 && hosts.length === 0) {
    said.push(`${ranges.join(', ')} opens addresses, and no name is listed that could lead there`);
  }
  if (sandbox?.off === true) said.push('the sandbox is off');
  const asked = policy.default === 'ask' || Object.values(policy.tools).includes('ask');
  if (asked) said.push('"ask" refuses until there is a way to ask');
  return said;
}

function literalWarnings({ env, server }: Profile): string[] {
  const said: string[] = [];
  for (const [variable, value] of Object.entries(env)) {
    const kind = detectSecret(value);
    if (kind !== undefined) said.push(`the value of ${variable} looks like ${kind}: make it a credential`);
    if (variable === 'NODE_TLS_REJECT_UNAUTHORIZED' && value === '0') {
      said.push(`${variable} is 0: anybody on the way can pose as the service`);
    }
  }
  for (const [index, word] of (server.kind === 'url' ? [] : server.args).entries()) {
    const kind = detectSecret(word);
    if (kind !== undefined) said.push(`argument ${index + 1} looks like ${kind}, and anybody can read it`);
    else if (/^~\//.test(word))
      said.push(`argument ${index + 1} begins with "~/", which no shell replaces here`);
  }
  const newest = server.kind === 'command' ? unpinnedPackage(server.command, server.args) : undefined;
  if (newest !== undefined) {
    said.push(
      `"${newest}" names no version, so each start may run other code than the last: pin it with "warder add NAME --from-npx …"`,
    );
  }
  return said;
}

/** The package that a runner such as npx would fetch in its newest version. */
function unpinnedPackage(command: string, args: readonly string[]): string | undefined {
  const runner = /(?:^|\/)(npx|bunx|uvx)$/.exec(command)?.[1];
  if (runner === undefined) return undefined;
  const packed = args.find((word) => !word.startsWith('-'));
  const pinned = runner === 'uvx' ? /==|@[0-9]/ : /.@[0-9]/;
  return packed === undefined || pinned.test(packed) || /^[./~]/.test(packed) ? undefined : packed;
}

/** Whether the credentials can be used. */
function valueWarnings(
  profile: Profile,
  credentials: readonly CredentialEntry[],
  known: CredentialStates | undefined,
): string[] {
  const said: string[] = [];
  if (known?.locked === true) said.push('all credentials are locked: warder unlock');
  for (const { variable, name, state } of credentials) {
    if (state === 'unusable')
      said.push(`the value of ${variable} cannot be used: see warder credential list`);
    if (state === 'revoked') {
      said.push(
        `${variable} is revoked: set a new value, or take it back with "warder revoke ${name} --undo"`,
      );
    }
    if (state !== 'missing') continue;
    const own = name === `${profile.name}/${variable}`;
    said.push(
      `${variable} has no value yet: warder credential set ${own ? `${profile.name} ${variable}` : `--name ${name}`}`,
    );
  }
  if (known?.error !== undefined && credentials.some(({ state }) => state === 'unknown')) {
    said.push(`whether the credentials are set is not known: ${known.error.message}`);
  }
  return said;
}

/** Variables whose values programs sign with: no request holds them. */
const SIGNING_VARIABLE =
  /(?:^|_)(?:SECRET_ACCESS_KEY|SESSION_TOKEN|PRIVATE_KEY|SIGNING_(?:SECRET|KEY)|WEBHOOK_SECRET|HMAC_(?:SECRET|KEY)|JWT_SECRET)(?:_(?:PEM|BASE64|B64))?$/i;
/** Of any shape that can be sealed: the variable's name alone is asked about. */
const SAMPLE_VALUE = 'x'.repeat(40);

/** Whether a variable of this name most likely holds what signs requests, and what to say of it. */
export function signingWarning(variable: string): string | undefined {
  const problem = sealingProblem(variable, SAMPLE_VALUE);
  if (problem !== undefined) return `${variable} ${problem.what} (${problem.hint})`;
  if (!SIGNING_VARIABLE.test(variable)) return undefined;
  return `${variable} looks like a value to sign with: what is signed with a placeholder is refused by its host, so say "deliver: env"`;
}

/** What cannot be done with a sealed credential. */
function sealedWarnings({ credentials }: Profile): string[] {
  const sealed = credentials.filter(({ deliver }) => deliver === 'sealed');
  if (sealed.length === 0) return [];
  const said = sealed.flatMap(({ variable }) => signingWarning(variable) ?? []);
  for (const { variable, as, confirm } of sealed) {
    if (as === undefined)
      said.push(
        `${variable} may stand anywhere in a request, so the server can write it where others read it: say where it belongs, most often "as: bearer"`,
      );
    if (confirm)
      said.push(`${variable} says "confirm: true", which refuses every use until there is a way to ask`);
  }
  return [
    ...said,
    'a program that pins certificates, brings a client certificate, or signs requests with the value cannot use a sealed credential; nor can HTTP/2 alone, gRPC or WebSocket, yet: "deliver: env" or "file" gives it the value',
  ];
}

// What a host's remote server becomes, also one that the host reaches by mcp-remote: a profile with its URL. A static token
// becomes a stored credential; without one the server says later whether it wants a sign-in. Pure.

import { catchWarderError, WarderError } from '../errors.ts';
import type { AuthFile } from '../profile/auth-schema.ts';
import { parseProfile } from '../profile/format.ts';
import { isLoopbackHost } from '../profile/host.ts';
import { draftRemoteProfile } from '../profile/remote-draft.ts';
import { isBridgeProblem, readBridge } from './plan/bridge-line.ts';
import { wantedHeader } from './plan/secret-removal.ts';
import {
  type Left,
  left,
  type Origin,
  type Planned,
  type PlannedRemote,
  profileName,
  type TakenSecret,
  type WantedValue,
} from './planned.ts';
import { referencesIn } from './references.ts';
import { type HostSecret, secretsOf } from './secrets.ts';
import type { HostServer } from './servers.ts';
import { isTable } from './text/edit.ts';

/** Headers that every client of HTTP sets, and Warder too. */
const OF_HTTP = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'mcp-protocol-version',
]);
/** What a header can carry (RFC 9110 5.5), without anything that is not ASCII. */
const CARRIED = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** `line`: of mcp-remote, `npx mcp-remote …`. */
export function planRemote(given: HostServer, origin: Origin, line?: readonly string[]): Planned | Left {
  const bridge = line && readBridge(line, given.env);
  if (bridge !== undefined && isBridgeProblem(bridge)) return left(bridge.problem);
  const server: HostServer = bridge === undefined ? given : { ...given, ...bridge, env: {}, args: [] };
  const { url, headers, entry } = server;
  const other = OTHER_SIGN_INS.find((member) => entry[member] !== undefined && entry[member] !== null);
  if (bridge === undefined && other !== undefined)
    return left(`the host signs in to it in a way of its own ("${other}")`);
  if (referencesIn(url).length > 0) return left('the host fills in a part of its URL');
  const secrets = secretsOf({ ...server, args: [], env: {} });
  const inUrl = secrets.find(({ where }) => where === 'url');
  if (inUrl !== undefined)
    return left(
      `its URL has a secret in it (${inUrl.name}), and a profile is a file in clear: where the server takes it in a header, "warder add NAME URL --key-header HEADER" keeps it`,
    );
  const sorted = sortHeaders(headers, secrets, origin);
  if (typeof sorted === 'string') return left(sorted);
  const oauth = sorted.auth === undefined ? oauthOf(entry.oauth) : {};
  if (typeof oauth === 'string') return left(oauth);
  const hostname = URL.parse(url)?.hostname ?? '';
  const isHere = isLoopbackHost(hostname);
  if (isHere && origin.scope === 'project')
    return left('it is on this machine, which a project\'s file does not decide: add it with "warder add"');
  const plan: PlannedRemote = {
    kind: 'remote',
    name: profileName(server.name),
    url,
    headers: sorted.headers,
    auth: sorted.auth ?? oauth.auth,
    credentials: sorted.auth === undefined ? (oauth.credentials ?? []) : sorted.credentials,
    wanted: sorted.wanted,
    insecureLoopback: isHere,
    signedInBy: bridge === undefined ? undefined : 'mcp-remote, in ~/.mcp-auth',
  };
  const problem = problemOf(plan);
  return problem === undefined ? plan : left(problem);
}

/** Members of entries by which a host signs in, or makes headers, as no profile can. */
const OTHER_SIGN_INS = ['headersHelper', 'authProviderType'];

interface Sorted {
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: AuthFile | undefined;
  readonly credentials: readonly TakenSecret[];
  readonly wanted: readonly WantedValue[];
}

/** Headers, the token among them, and what is to be asked for; or why they cannot be kept. */
function sortHeaders(
  headers: HostServer['headers'],
  secrets: readonly HostSecret[],
  { inputs }: Origin,
): Sorted | string {
  const open: [string, string][] = [];
  const tokens: { readonly auth: AuthFile; credential?: TakenSecret; wanted?: WantedValue }[] = [];
  const wanted: WantedValue[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (OF_HTTP.has(name.toLowerCase())) continue;
    const waits = referencesIn(value).length > 0 ? wantedHeader(name, value, inputs) : undefined;
    if (referencesIn(value).length > 0 && waits === undefined)
      return `the host fills in the header ${name}, and only it can`;
    const from = secrets.find((one) => one.where === 'header' && one.name === name);
    if (!CARRIED.test(value)) {
      if (value === '') continue;
      return `its header ${name} has characters that no header can carry`;
    }
    const isAuthorization = name.toLowerCase() === 'authorization';
    if (waits === undefined && from === undefined && !isAuthorization) open.push([name, value]);
    else if (waits !== undefined && !waits.isSecret && !isAuthorization) wanted.push(waits);
    else {
      const [, scheme = '', rest = value] = /^([A-Za-z][A-Za-z0-9-]*) +(\S.*)$/.exec(value) ?? [];
      const auth: AuthFile =
        isAuthorization && /^bearer$/i.test(scheme)
          ? { type: 'bearer' }
          : { type: 'header', header: name, ...(scheme === '' ? {} : { prefix: `${scheme} ` }) };
      if (waits !== undefined)
        tokens.push({
          auth,
          wanted: { ...waits, isSecret: true, into: { kind: 'header', name, whole: rest } },
        });
      else {
        const secret = from ?? { where: 'header' as const, name, value, why: 'its name' };
        tokens.push({
          auth,
          credential: { variable: 'token', value: rest, from: { ...secret, value: rest } },
        });
      }
    }
  }
  const [token, second] = tokens;
  if (second !== undefined) return 'it has two headers with secrets, and a profile keeps one';
  return {
    headers: Object.fromEntries(open),
    auth: token?.auth,
    credentials: token?.credential === undefined ? [] : [token.credential],
    wanted: token?.wanted === undefined ? wanted : [...wanted, token.wanted],
  };
}

/** The client of the host's own sign-in, where its entry says which. */
function oauthOf(
  oauth: unknown,
): { readonly auth?: AuthFile; readonly credentials?: readonly TakenSecret[] } | string {
  if (!isTable(oauth)) return {};
  const text = (...names: string[]): string | undefined =>
    names.map((name) => oauth[name]).find((one): one is string => typeof one === 'string' && one !== '');
  const id = text('clientId', 'client_id');
  const secret = text('clientSecret', 'client_secret');
  if ([id, secret].some((one) => one !== undefined && referencesIn(one).length > 0))
    return 'the host fills in the client with which it signs in';
  const listed = Array.isArray(oauth.scopes) ? oauth.scopes.map(String) : text('scope', 'scopes')?.split(' ');
  const scopes = listed?.filter((one) => one !== '') ?? [];
  if (id === undefined && scopes.length === 0) return {};
  const auth: AuthFile = {
    type: 'oauth',
    ...(id === undefined ? {} : { 'client-id': id }),
    ...(scopes.length === 0 ? {} : { scopes }),
  };
  if (id === undefined || secret === undefined) return { auth };
  const from: HostSecret = { where: 'header', name: 'clientSecret', value: secret, why: 'its name' };
  return { auth, credentials: [{ variable: 'client-secret', value: secret, from }] };
}

/** The content of the profile. `name`: of the profile, for what it stores. `schema`: the path of the JSON Schema. */
export function remoteProfileText(
  plan: PlannedRemote,
  name: string,
  auth: AuthFile,
  schema?: string,
): string {
  const hasClientSecret = plan.credentials.some(({ variable }) => variable === 'client-secret');
  return draftRemoteProfile({
    url: plan.url,
    headers: plan.headers,
    auth:
      auth.type === 'oauth' && hasClientSecret ? { ...auth, 'client-secret': `${name}/client-secret` } : auth,
    allowPrivate: [],
    insecureLoopback: plan.insecureLoopback,
    allow: [],
    ask: [],
    deny: [],
    schema,
  });
}

/** Why the profile would not be a valid one. */
function problemOf(plan: PlannedRemote): string | undefined {
  const text = remoteProfileText(plan, plan.name, plan.auth ?? { type: 'oauth' });
  const parsed = catchWarderError(() => parseProfile(text, 'its profile', plan.name));
  if (!(parsed instanceof WarderError)) return undefined;
  const [, problem = parsed.message] = /:\d+:\d+: (.*)/s.exec(parsed.message) ?? [];
  return `Warder would refuse its profile: ${problem}`;
}

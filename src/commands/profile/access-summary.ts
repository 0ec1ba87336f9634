// Summaries, as data and as text, of what a server may reach and how its sealed credentials may be used.
import type { IssuedTokens, ProfileCredential } from '../../profile/credential.ts';
import { allowedEgress, type Profile } from '../../profile/format.ts';
import { isLoopbackName, parseNetworkHost } from '../../profile/host.ts';
import { type Signing, signsRequests } from '../../profile/signing.ts';
import { formatDuration } from '../../profile/units.ts';
import type { PlanSummary } from '../../sandbox/summary.ts';

/** What a server may reach from its sandbox. */
export interface NetworkAccess {
  /** Names as in the profile, including a leading `*.`, each once with all its ports. */
  readonly hosts: readonly { readonly name: string; readonly ports: readonly number[] }[];
  /** Ranges of addresses, not public, that these names may resolve to. */
  readonly ranges: readonly string[];
}

/** Ports of an entry that names none: of `sandbox.network`, and of a sealed credential's `hosts`. */
const NETWORK_PORTS: readonly number[] = [80, 443];
const SEALED_PORTS: readonly number[] = [443];

/** The hosts, ports and ranges that a profile opens. It does not apply without a sandbox, where there is no gate. */
export function networkAccess(profile: Profile): NetworkAccess {
  const { network, sealed } = allowedEgress(profile);
  const isRange = (entry: string): boolean => entry.includes('/');
  const ports = new Map<string, Set<number>>();
  const add = (entry: string, defaults: readonly number[]): void => {
    const { name, port } = parseNetworkHost(entry);
    const all = ports.get(name) ?? new Set();
    for (const number of port === undefined ? defaults : [port]) all.add(number);
    ports.set(name, all);
  };
  for (const entry of network) if (!isRange(entry)) add(entry, NETWORK_PORTS);
  for (const host of sealed) add(host, SEALED_PORTS);
  return {
    hosts: [...ports].map(([name, all]) => ({ name, ports: [...all].sort((a, b) => a - b) })),
    ranges: network.filter(isRange),
  };
}

/** One line for each host, and one for the ranges; `none` if there are none. */
export function networkLines({ hosts, ranges }: NetworkAccess): string[] {
  const lines = hosts.map(({ name, ports }) => {
    const listed = ports.join(', ').replace(/, (\d+)$/, ' and $1');
    return `${name}, ${ports.length === 1 ? 'port' : 'ports'} ${listed}${ofThisMachine(name)}`;
  });
  if (ranges.length > 0) lines.push(`these may resolve to ${ranges.join(', ')}`);
  return lines.length === 0 ? ['none'] : lines;
}

/** What one entry of `sandbox.network` opens, in words. */
export function entryLine(entry: string): string {
  if (entry.includes('/')) return `${entry}, if a listed name resolves to it`;
  const { name, port } = parseNetworkHost(entry);
  const ports = port === undefined ? 'ports 80 and 443' : `port ${port}`;
  return name.startsWith('*.')
    ? `every name below ${name.slice(2)}, ${ports}`
    : `${name}, ${ports}${ofThisMachine(name)}`;
}

function ofThisMachine(name: string): string {
  return isLoopbackName(name) ? ' of this machine' : '';
}

/** What the server may do with Unix sockets, and the line of the profile that changes it. */
export function unixSocketLines({
  unixSockets: { allowed, because },
}: Pick<PlanSummary, 'unixSockets'>): string[] {
  if (allowed === 'own') return ['Unix sockets of its own, in its home and /tmp'];
  if (allowed === 'any') return [`any Unix socket in its folders, also those of other programs: ${because}`];
  if (because === undefined) return ['no Unix sockets but pairs'];
  return [
    'no Unix sockets but pairs, because those of other programs may be in',
    `${because}; "unix-sockets: true" would allow all`,
  ];
}

/** The restrictions of a sealed credential. */
export type CredentialLimits = Pick<
  ProfileCredential,
  'hosts' | 'as' | 'paths' | 'methods' | 'confirm' | 'lifetime' | 'maxUses' | 'issues' | 'unsearched' | 'sign'
>;

/** The values of `as` in words. */
const PLACEMENTS: Readonly<Record<string, string>> = {
  bearer: 'the token of "Authorization: Bearer"',
  basic: 'in "Authorization: Basic"',
  header: 'a header',
  query: 'the query',
  path: 'the path',
  body: 'a form, JSON or multipart body',
  any: 'any: header, query, path or body',
};
const DEFAULT_PLACEMENT = 'a header, or a secret parameter of a token request';

/** The restrictions of a sealed credential, each as a label and a text. */
export function limitLines(limits: CredentialLimits): readonly (readonly [label: string, text: string])[] {
  const { hosts, as, paths, methods, lifetime, maxUses, confirm, issues, unsearched, sign } = limits;
  const lines: [string, string][] = [
    ['hosts', hosts.join(' ')],
    ...(signsRequests(sign) ? [] : [['place', placement(as)] as [string, string]]),
    ...(sign === undefined ? [] : [['signs', signLine(sign)] as [string, string]]),
    ['methods', methods?.join(' ') ?? 'any'],
    ['paths', paths?.join(' ') ?? 'any'],
  ];
  if (lifetime !== undefined)
    lines.push(['lifetime', `${formatDuration(lifetime)} from the session's start`]);
  if (maxUses !== undefined)
    lines.push(['max-uses', `${maxUses} ${maxUses === 1 ? 'request' : 'requests'} a session`]);
  if (confirm) lines.push(['confirm', 'a person confirms each use']);
  if (issues !== undefined) lines.push(['issues', issuesLine(issues)]);
  if (unsearched === true)
    lines.push([
      'unsearched',
      'files pass that cannot be searched for it: encrypted zips, xz, bzip2 and the like',
    ]);
  return lines;
}

/** What a credential signs, in words. */
function signLine(sign: Signing): string {
  switch (sign.scheme) {
    case 'aws-sigv4':
      return `requests to AWS: ${sign.services.join(' ')} in ${sign.regions.join(' ')}; it is never sent`;
    case 'hmac':
      return `requests, in ${sign.header ?? `the parameter ${sign.query}`}; it is never sent`;
    case 'jwt':
      return 'tokens (JWT), which are sent; it is never sent itself';
    case 'github-app': {
      const repositories = sign.repositories?.join(' ') ?? 'all';
      const permissions = Object.entries(sign.permissions ?? {}).map(([name, access]) => `${name} ${access}`);
      return `for installation ${sign.installation} of the GitHub App ${sign.app}: repositories ${repositories}, permissions ${permissions.join(', ') || 'all that it has'}; it is never sent itself`;
    }
  }
}

function placement(as: string | undefined): string {
  return as === undefined ? DEFAULT_PLACEMENT : (PLACEMENTS[as] ?? as);
}

/** Which tokens are sealed beside the usual ones, and what applies to them instead of the credential's own limits. */
function issuesLine({ path, members, as, paths, methods }: IssuedTokens): string {
  const where = path === undefined ? '' : ` of ${path}`;
  return [
    ...(members.length > 0 ? [`tokens in ${members.join(', ')}${where}`] : []),
    ...(as === undefined ? [] : [`in ${placement(as)}`]),
    ...(methods === undefined ? [] : [methods.join(' ')]),
    ...(paths === undefined ? [] : [paths.join(' ')]),
  ].join('; ');
}

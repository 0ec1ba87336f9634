// The checks of a profile with a remote server: where it connects, what each request carries, and how it signs in. What
// is written must be what is meant: nothing is expanded, no URL is read in two ways, and no secret stands in the file.
import { contains, parseAddress, parseRange, rangeProblem } from './address-range.ts';
import type { AuthFile } from './auth-schema.ts';
import type { Path } from './diagnostic.ts';
import { endsInNumber, isLoopbackHost, normalizeName } from './host.ts';
import type { ProfileFile } from './schema.ts';
import { detectSecret } from './variable.ts';

type Problem = readonly [message: string, hint?: string];
type Report = (path: Path, message: string, hint?: string) => void;

/** Well-known ports of other protocols than HTTPS. */
const NON_HTTPS_PORTS: Readonly<Record<number, string>> = {
  21: 'FTP',
  22: 'SSH',
  25: 'mail',
  53: 'DNS',
  80: 'HTTP without TLS',
  465: 'mail',
  587: 'mail',
  993: 'mail',
  1433: 'SQL Server',
  1521: 'Oracle',
  3306: 'MySQL',
  5432: 'PostgreSQL',
  5671: 'AMQP',
  6379: 'Redis',
  9092: 'Kafka',
  27017: 'MongoDB',
};

/** The protocol of a well-known port that is not HTTPS; `undefined` for any other port. */
export function nonHttpsProtocol(port: number): string | undefined {
  return NON_HTTPS_PORTS[port];
}

/** Keys that only a server on this machine has, and what a remote one has in their place. */
const LOCAL_KEYS = {
  env: 'there is no process here: use "server.headers" for what each request carries',
  credentials: 'name the stored credential under "auth": {type: bearer, credential: NAME}',
  sandbox: 'nothing runs here: private addresses are opened with "allow-private"',
} as const;

/** Reports what is wrong with a profile that has `server.url`, or with keys that only such a profile may have. */
export function checkRemote(file: ProfileFile, report: Report): void {
  const { server, auth, 'allow-private': ranges, 'insecure-loopback': loopback } = file;
  if (server.url === undefined) {
    if (server.headers !== undefined) report(['server', 'headers'], 'needs "url"');
    for (const key of ['auth', 'allow-private', 'insecure-loopback'] as const)
      if (file[key] !== undefined) report([key], 'is for a remote server, one with "server.url"');
    return;
  }
  for (const key of ['args', 'cwd', 'start', 'idle'] as const)
    if (server[key] !== undefined) report(['server', key], 'has no meaning for a remote server');
  for (const [key, hint] of Object.entries(LOCAL_KEYS))
    if (file[key as keyof typeof LOCAL_KEYS] !== undefined)
      report([key], 'has no meaning for a remote server', hint);
  const isLoopbackOpen = loopback === true;
  const problem = urlProblem(server.url, isLoopbackOpen) ?? secretInUrl(server.url);
  if (problem !== undefined) report(['server', 'url'], ...problem);
  if (isLoopbackOpen && ![server.url, ...namedIssuers(auth)].some(isOnThisMachine))
    report(['insecure-loopback'], ...OPENED_FOR_OTHERS);
  checkHeaders(server.headers ?? {}, report);
  if (auth !== undefined) checkAuth(auth, isLoopbackOpen, report);
  for (const [index, range] of (ranges ?? []).entries()) {
    const wrong = privateRangeProblem(range);
    if (wrong !== undefined) report(['allow-private', index], wrong);
  }
}

/** A server elsewhere that may name this machine in its metadata reaches every program here. */
const OPENED_FOR_OTHERS: Problem = [
  'is for a server on this machine, and this one is elsewhere',
  'remove it; if the authorization server is on this machine, name it as "issuer" under "auth"',
];

function namedIssuers(auth: AuthFile | undefined): string[] {
  const own = auth !== undefined && 'issuer' in auth ? auth.issuer : undefined;
  const identity = auth?.type === 'enterprise' ? auth.identity.issuer : undefined;
  return [own, identity].filter((issuer) => issuer !== undefined);
}

function isOnThisMachine(url: string): boolean {
  return isLoopbackHost(URL.parse(url)?.hostname ?? '');
}

/** What the URL of a Client ID Metadata Document is. */
export const DOCUMENT_URL_RULE = 'must be an https URL with a path and no query';

/** Whether a URL can be the id of a client. */
export function isDocumentUrl(text: string): boolean {
  return urlProblem(text, false) === undefined && /^https:\/\/[^/?#]+\/[^?#]+$/.test(text);
}

const EXPANDED: Problem = [
  'contains "${": nothing is expanded here, so that no file can send away what is in the environment',
  'write the value itself, or name a stored credential under "auth"',
];

/** What is wrong with the URL of a server or of an authorization server. */
export function urlProblem(text: string, isLoopbackOpen: boolean): Problem | undefined {
  if (text.includes('${')) return EXPANDED;
  if (/[^\x21-\x7e]/.test(text)) {
    return [
      'has characters that are not ASCII, or spaces',
      'write the host in its ASCII form (xn--…), and other characters as %XX',
    ];
  }
  const [, authority = '', rest = ''] = /^https?:\/\/([^/?#]*)(.*)$/.exec(text) ?? [];
  const url = URL.parse(text);
  if (url === null) return ['must be a URL, such as https://mcp.example.com/mcp'];
  const { hostname, protocol } = url;
  const isLoopback = isLoopbackHost(hostname);
  if (url.username !== '' || url.password !== '' || authority.includes('@'))
    return ['must not contain a user or password', 'name the stored credential under "auth"'];
  if (text.includes('#')) return ['must not have a fragment'];
  if (authority === '' || (protocol !== 'https:' && !isLoopback)) return ['must begin with https://'];
  // An address has many spellings (0x7f.1), a path too (/a/../b): what is read must be what is written.
  const path = url.pathname + url.search;
  if (authority !== url.host || (rest !== '' && rest !== path))
    return [`is not written in its plain form, ${url.origin}${rest === '' ? '' : path}`];
  if (!isLoopback && (hostname.startsWith('[') || endsInNumber(hostname)))
    return ['has an address for a host: certificates are for names', 'give the name of the server'];
  if (isLoopback && !isLoopbackOpen)
    return ['is on this machine', 'say "insecure-loopback: true" at the left edge if that is meant'];
  if (hostname.endsWith('.')) return ['has a dot at the end of its host'];
  if (!isLoopback && normalizeName(hostname) === undefined) return ['has a host that is no name'];
  if (url.port === '0') return ['has port 0'];
  const other = isLoopback || url.port === '' ? undefined : nonHttpsProtocol(Number(url.port));
  return other === undefined ? undefined : [`has the port of ${other}`];
}

const SECRET_NAME =
  /(^|[_.-])(api[_-]?key|key|token|auth|authorization|secret|password|passwd|pwd|sig|signature|jwt|bearer)$/;

/** Whether a parameter or a header of this name holds a secret: `api_key`, `exaApiKey`, `X-Auth-Token`. */
function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase());
}

function secretInUrl(text: string): Problem | undefined {
  const hint = 'store it, and send it in a header: auth: {type: header, header: X-API-Key, credential: NAME}';
  const kind = detectSecret(text);
  if (kind !== undefined) return [`contains what looks like ${kind}, and a profile is a plain file`, hint];
  const named = [...(URL.parse(text)?.searchParams ?? [])].find(
    ([name, value]) => value !== '' && isSecretName(name),
  );
  // The name is safe to repeat, the value is not.
  return (
    named && [`has a secret in its query ("${named[0].slice(0, 40)}"), and a profile is a plain file`, hint]
  );
}

/** Headers that Warder, HTTP or MCP sets, in lower case. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set(
  [
    'accept accept-encoding connection content-encoding content-length content-type cookie date dpop expect host',
    'http2-settings keep-alive last-event-id max-forwards origin set-cookie te trailer transfer-encoding upgrade via',
  ].flatMap((names) => names.split(' ')),
);
const RESERVED_PREFIXES = ['mcp-', 'proxy-', 'sec-', ':'];

/** Whether a profile may not set a header of this name. `Authorization` is for `auth` alone. */
function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return RESERVED_HEADERS.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix));
}

function checkHeaders(headers: Readonly<Record<string, string>>, report: Report): void {
  const seen = new Set<string>();
  const hint = 'store the value, and name it: auth: {type: header, header: X-API-Key, credential: NAME}';
  for (const [name, value] of Object.entries(headers)) {
    const path = ['server', 'headers', name];
    const kind = detectSecret(value);
    if (seen.has(name.toLowerCase())) report(path, 'is given twice: capitals make no difference');
    seen.add(name.toLowerCase());
    if (isReservedHeader(name)) report(path, 'is set by Warder itself');
    else if (value.includes('${')) report(path, ...EXPANDED);
    else if (kind !== undefined)
      report(path, `has a value that looks like ${kind}, and a profile is a plain file`, hint);
    else if (isSecretName(name))
      report(path, 'is a header for a secret, and a profile is a plain file', hint);
  }
}

/** The keys of `auth` that hold URLs. */
const URL_KEYS = ['issuer', 'client-metadata-url'] as const;
/** The keys of `auth` that name credentials. */
const CREDENTIAL_KEYS = ['credential', 'client-secret', 'private-key', 'assertion', 'id-token'] as const;

function checkAuth(auth: AuthFile, isLoopbackOpen: boolean, report: Report): void {
  const written: Readonly<Record<string, unknown>> = auth;
  if (
    auth.type === 'header' &&
    auth.header.toLowerCase() !== 'authorization' &&
    isReservedHeader(auth.header)
  )
    report(['auth', 'header'], 'is set by Warder itself');
  checkClient(written, ['auth'], isLoopbackOpen, report);
  if (auth.type === 'enterprise') checkClient(auth.identity, ['auth', 'identity'], isLoopbackOpen, report);
  const has = (key: string): boolean => written[key] !== undefined;
  if (has('client-secret') && !has('client-id')) report(['auth', 'client-secret'], 'needs "client-id"');
  if (has('client-metadata-url') && has('client-id'))
    report(['auth', 'client-metadata-url'], 'has no effect beside "client-id"');
  if (auth.type === 'oauth' && auth.flow === 'device' && has('callback-port'))
    report(['auth', 'callback-port'], 'has no effect with "flow: device"');
  if (auth.type !== 'client-credentials') return;
  if (has('client-secret') === has('private-key'))
    report(['auth'], 'needs one of "client-secret" and "private-key"');
  for (const key of ['key-id', 'algorithm'] as const)
    if (has(key) && !has('private-key')) report(['auth', key], 'needs "private-key"');
}

function checkClient(
  written: Readonly<Record<string, unknown>>,
  base: Path,
  isLoopbackOpen: boolean,
  report: Report,
): void {
  for (const key of URL_KEYS) {
    const text = written[key];
    if (typeof text !== 'string') continue;
    const problem = urlProblem(text, isLoopbackOpen) ?? secretInUrl(text);
    if (problem !== undefined) report([...base, key], ...problem);
    else if (key === 'client-metadata-url' && !isDocumentUrl(text)) report([...base, key], DOCUMENT_URL_RULE);
  }
  for (const key of CREDENTIAL_KEYS) {
    const value = written[key];
    const name = typeof value === 'object' ? (value as { credential?: unknown } | null)?.credential : value;
    if (typeof name === 'string' && isSecretLike(name)) {
      report(
        [...base, key],
        'looks like a secret itself, and a profile is a plain file',
        'store it with "warder credential set --name NAME", and give that name; if it was a real one, replace it where it was issued',
      );
    }
  }
  for (const key of ['client-id', 'audience', 'key-id', 'prefix']) {
    const value = written[key];
    if (typeof value !== 'string') continue;
    const kind = detectSecret(value);
    if (value.includes('${')) report([...base, key], ...EXPANDED);
    else if (kind !== undefined) report([...base, key], `looks like ${kind}, and a profile is a plain file`);
  }
}

/** Whether the name of a credential is rather a value: of a known kind, or long, without words, of letters and digits. */
function isSecretLike(name: string): boolean {
  if (detectSecret(name) !== undefined) return true;
  if (name.includes('/') || name.length < 20) return false;
  return /[0-9]/.test(name) && /[a-z]/i.test(name) && (/[A-Z]/.test(name) || !/[-._]/.test(name));
}

/** Ranges that are not public: IPv4 and IPv6 (RFC 1918, 6598, 3927, 4193, 4291), and loopback. */
const PRIVATE_RANGES = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
  '::1/128',
].map((text) => parseRange(text));

function privateRangeProblem(entry: string): string | undefined {
  if (!entry.includes('/')) {
    const address = parseAddress(entry);
    return address === undefined
      ? 'must be an address range such as 10.1.0.0/16'
      : `is an address: write "${entry}/${address.kind() === 'ipv4' ? 32 : 128}"`;
  }
  const range = parseRange(entry);
  const problem = range === undefined ? 'must be an address range such as 10.1.0.0/16' : rangeProblem(entry);
  if (problem !== undefined || range === undefined) return problem;
  const isPrivate = PRIVATE_RANGES.some(
    (wide) => wide !== undefined && wide.bits <= range.bits && contains(wide, range.address),
  );
  return isPrivate ? undefined : 'is no private range: public addresses need no entry';
}

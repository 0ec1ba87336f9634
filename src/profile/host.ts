// Hosts as a profile lists them. Names are compared in lower case and without the root's dot.

/** An entry that names hosts: a leading `*.` stands for one label or more. */
export interface Host {
  readonly name: string;
  readonly port: number | undefined;
}

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const NUMERIC = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/** Whether the last label is a number: many parsers then read the whole as an IPv4 address (WHATWG URL, "ends in a number"). */
export function endsInNumber(name: string): boolean {
  return NUMERIC.test(name);
}

/**
 * A host name in lower case and without the root's dot; undefined where the text is not a host name (RFC 1123 2.1, and
 * `_`, which some names have). An address is not a name.
 */
export function normalizeName(text: string): string | undefined {
  // Tested before it is lowered: the Kelvin sign becomes an ASCII "k".
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  if (name.length > 253 || !NAME.test(name)) return undefined;
  const lower = name.toLowerCase();
  return endsInNumber(lower) ? undefined : lower;
}

/** Reads `name`, `*.name`, `name:port`. Throws RangeError for any other text. */
export function parseHost(text: string): Host {
  const [, wildcard = '', name = '', digits] = /^(\*\.)?([^:]*)(?::([1-9]\d{0,4}))?$/.exec(text) ?? [];
  const normalized = normalizeName(name);
  const port = digits === undefined ? undefined : Number(digits);
  if (normalized === undefined || name.endsWith('.') || (port ?? 1) > 65535) {
    throw new RangeError(`"${text}" is not a host`);
  }
  return { name: wildcard + normalized, port };
}

/** The address of this machine's own programs. */
export const LOOPBACK = '127.0.0.1';

/** Reads an entry of `sandbox.network` that is no range: as `parseHost`, or `127.0.0.1:port`. Throws RangeError. */
export function parseNetworkHost(text: string): Host {
  const [, digits] = /^127\.0\.0\.1:([1-9]\d{0,4})$/.exec(text) ?? [];
  const port = Number(digits);
  return digits !== undefined && port <= 65535 ? { name: LOOPBACK, port } : parseHost(text);
}

/** Whether an entry's name stands for programs of this machine (RFC 6761 6.3). */
export function isLoopbackName(name: string): boolean {
  return name === LOOPBACK || name === 'localhost';
}

/** Whether a host, also one of a `URL`, is this machine: by its name, or by an address of the loopback interface. */
export function isLoopbackHost(host: string): boolean {
  const plain = withoutBrackets(host);
  return isLoopbackName(plain) || plain === '::1';
}

/** The host of a URL without the brackets of an IPv6 address. `hostname`: of a `URL`. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/**
 * Whether an entry such as `*.example.com:8443` names this host and port; `defaultPorts` are the ports of an entry
 * without one. Throws RangeError where the pattern is not a host.
 */
export function matchesHost(pattern: string, name: string, port: number, ...defaultPorts: number[]): boolean {
  const host = parseHost(pattern);
  const normalized = normalizeName(name);
  return (
    normalized !== undefined && namesHost(host, normalized) && portsOf(host, defaultPorts).includes(port)
  );
}

/** Whether an entry names a host, on any port. `normalized` comes from `normalizeName`. */
export function namesHost({ name }: Host, normalized: string): boolean {
  return name.startsWith('*.') ? normalized.endsWith(name.slice(1)) : normalized === name;
}

/** The ports that an entry opens. */
export function portsOf({ port }: Host, defaultPorts: readonly number[]): readonly number[] {
  return port === undefined ? defaultPorts : [port];
}

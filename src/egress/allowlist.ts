// What a session may reach: the entries of `sandbox.network`, and the hosts of its sealed credentials. A name opens
// names, a range opens addresses, and neither does the other's work: `10.1.0.0/16` lets a listed name resolve to a
// private address, and lists no name. What is not plainly listed is refused. Names are compared in lower case and
// without the root's dot. The entries were read by the profile's schema; they are read strictly here once more.
import type ipaddr from 'ipaddr.js';
import { isMetadata, neverOpened, read } from './dial/address.ts';

/** An entry that names hosts: `*.` in front of the name stands for one label or more. */
export interface Host {
  readonly name: string;
  readonly port: number | undefined;
}

type Range = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/** Ports of an entry that names none. */
const USUAL: readonly number[] = [80, 443];
const SEALED: readonly number[] = [443];
/** The widest ranges that a profile may open. */
const WIDEST = { ipv4: 8, ipv6: 16 } as const;

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
/** A last label that is a number makes the whole an IPv4 address for many parsers (WHATWG URL, "ends in a number"). */
const NUMERIC = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/**
 * A host's name in lower case and without the root's dot; undefined where the text is no host's name (RFC 1123 2.1, and
 * `_`, which some names have). An address is none.
 */
export function plainName(text: string): string | undefined {
  // Tested before it is made lower case: the Kelvin sign becomes an ASCII "k".
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  if (name.length > 253 || !NAME.test(name)) return undefined;
  const lower = name.toLowerCase();
  return NUMERIC.test(lower) ? undefined : lower;
}

/** Reads `name`, `*.name`, `name:port`. Throws RangeError where the text is none of these. */
export function parseHost(text: string): Host {
  const [, wildcard = '', name = '', digits] = /^(\*\.)?([^:]*)(?::([1-9]\d{0,4}))?$/.exec(text) ?? [];
  const plain = plainName(name);
  const port = digits === undefined ? undefined : Number(digits);
  if (plain === undefined || name.endsWith('.') || (port ?? 1) > 65535) {
    throw new RangeError(`"${text}" is no host`);
  }
  return { name: wildcard + plain, port };
}

/**
 * Whether an entry such as `*.example.com:8443` names this host and port; `usual` are the ports of an entry without one.
 * Throws RangeError for a pattern that is none.
 */
export function matchesHost(pattern: string, name: string, port: number, ...usual: number[]): boolean {
  const host = parseHost(pattern);
  const plain = plainName(name);
  return plain !== undefined && named(host, plain) && portsOf(host, usual).includes(port);
}

/** What is wrong with an entry of `sandbox.network` that the schema took; undefined if nothing is. */
export function rangeProblem(entry: string): string | undefined {
  const address = /^\[?([^[\]/]*?)(?:\]?:[1-9]\d{0,4}|\])?$/.exec(entry)?.[1];
  const literal = address === undefined ? undefined : (read(address) ?? read(entry));
  if (literal !== undefined) {
    const range = `${literal.toString()}/${literal.kind() === 'ipv4' ? 32 : 128}`;
    return `is an address, and a server reaches hosts by name only: list the name, and "${range}" beside it`;
  }
  if (!entry.includes('/')) {
    return NUMERIC.test(entry.replace(/:\d+$/, '')) ? 'is neither a name nor an address range' : undefined;
  }
  const range = parseRange(entry);
  if (range === undefined) return 'must be an address range such as 10.1.0.0/16';
  const [first, bits] = range;
  const kind = first.kind();
  if (bits < WIDEST[kind]) return `is wider than /${WIDEST[kind]}`;
  const masked = mask(first, bits);
  if (masked !== first.toByteArray().join()) return `has bits set behind its first ${bits}`;
  return neverOpened(first, bits) ? 'holds no address that could be opened' : undefined;
}

/** What one session may reach. Immutable. */
export class Allowlist {
  /** The ports to listen on: sorted, each once. */
  readonly ports: readonly number[];
  /** The listed names that are whole, each once, in the order of the entries. */
  readonly names: readonly string[];
  readonly #hosts: readonly { readonly host: Host; readonly ports: readonly number[] }[];
  readonly #ranges: readonly Range[];

  /** `network` are a profile's entries, `sealed` the hosts of its sealed credentials. Throws RangeError for what is neither. */
  constructor(network: readonly string[], sealed: readonly string[] = []) {
    const hosts = (entries: readonly string[], usual: readonly number[]) =>
      entries.map(parseHost).map((host) => ({ host, ports: portsOf(host, usual) }));
    const isRange = (entry: string): boolean => entry.includes('/');
    this.#hosts = [
      ...hosts(
        network.filter((entry) => !isRange(entry)),
        USUAL,
      ),
      ...hosts(sealed, SEALED),
    ];
    this.#ranges = network.filter(isRange).map((entry) => {
      const range = parseRange(entry);
      if (range === undefined || rangeProblem(entry) !== undefined) {
        throw new RangeError(`"${entry}" is no range that could be opened`);
      }
      return range;
    });
    this.ports = [...new Set(this.#hosts.flatMap(({ ports }) => ports))].sort((a, b) => a - b);
    const whole = this.#hosts.map(({ host }) => host.name).filter((name) => !name.startsWith('*.'));
    this.names = [...new Set(whole)];
  }

  /** Whether a name is listed, on any port. */
  answers(name: string): boolean {
    const plain = plainName(name);
    return plain !== undefined && this.#hosts.some(({ host }) => named(host, plain));
  }

  /** Whether a name is listed with this port. */
  allows(name: string, port: number): boolean {
    const plain = plainName(name);
    return (
      plain !== undefined && this.#hosts.some(({ host, ports }) => named(host, plain) && ports.includes(port))
    );
  }

  /** Whether a range holds the address. A cloud's metadata service is held only by a range of one address. */
  opens(address: string): boolean {
    const parsed = read(address);
    if (parsed === undefined) return false;
    const bytes = parsed.toByteArray();
    const alone = isMetadata(parsed.toString());
    return this.#ranges.some(
      ([first, bits]) =>
        first.kind() === parsed.kind() &&
        (!alone || bits === bytes.length * 8) &&
        mask(parsed, bits) === first.toByteArray().join(),
    );
  }
}

function named({ name }: Host, plain: string): boolean {
  return name.startsWith('*.') ? plain.endsWith(name.slice(1)) : plain === name;
}

function portsOf({ port }: Host, usual: readonly number[]): readonly number[] {
  return port === undefined ? usual : [port];
}

function parseRange(entry: string): Range | undefined {
  const [, text = '', digits = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(entry) ?? [];
  const address = read(text);
  const bits = Number(digits);
  return address === undefined || bits > address.toByteArray().length * 8 ? undefined : [address, bits];
}

/** The bytes of an address with all but its first `bits` bits cleared. */
function mask(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): string {
  return address
    .toByteArray()
    .map((byte, index) => byte & ~(0xff >> Math.min(8, Math.max(0, bits - index * 8))))
    .join();
}

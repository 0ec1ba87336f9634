// What a session may reach: the entries of `sandbox.network`, and the hosts of its sealed credentials. A name opens
// names, a range opens addresses, and neither replaces the other: `10.1.0.0/16` lets a listed name resolve to a private
// address, but lists no name. `localhost:8080` and `127.0.0.1:8080` open that port of this machine's loopback for
// themselves, to no other name. What is not plainly listed is refused. The profile's schema has read the entries already;
// they are read strictly once more here.
import {
  type AddressRange,
  contains,
  isRange,
  parseAddress,
  parseRange,
  rangeProblem,
} from '../profile/address-range.ts';
import {
  type Host,
  LOOPBACK,
  namesHost,
  normalizeName,
  parseHost,
  parseNetworkHost,
  portsOf,
} from '../profile/host.ts';
import { isMetadata } from './dial/address.ts';

/** Ports of an entry that names none. */
const DEFAULT_PORTS: readonly number[] = [80, 443];
const SEALED_PORTS: readonly number[] = [443];
const LOCALHOST = 'localhost';

/** What one session may reach. Immutable. */
export class Allowlist {
  /** The ports to listen on: sorted, without duplicates. */
  readonly ports: readonly number[];
  /** The listed names without a wildcard, without duplicates, in the order of the entries. */
  readonly names: readonly string[];
  readonly #hosts: readonly { readonly host: Host; readonly ports: readonly number[] }[];
  readonly #ranges: readonly AddressRange[];
  /** Ports that are listed with the address 127.0.0.1, and with the name `localhost`. */
  readonly #loopbackPorts: ReadonlySet<number>;
  readonly #localhostPorts: ReadonlySet<number>;

  /**
   * `network` are a profile's entries, `sealed` the hosts of its sealed credentials. Throws RangeError for an entry
   * that is neither a host nor a range.
   */
  constructor(network: readonly string[], sealed: readonly string[] = []) {
    const entries = network.filter((entry) => !isRange(entry)).map(parseNetworkHost);
    this.#loopbackPorts = new Set(
      entries.flatMap(({ name, port }) => (name === LOOPBACK ? (port ?? []) : [])),
    );
    this.#hosts = [
      // In the sandbox the name and the address are one.
      ...entries
        .map((host) => (host.name === LOOPBACK ? { ...host, name: LOCALHOST } : host))
        .map((host) => ({ host, ports: portsOf(host, DEFAULT_PORTS) })),
      ...sealed.map(parseHost).map((host) => ({ host, ports: portsOf(host, SEALED_PORTS) })),
    ];
    this.#localhostPorts = new Set(
      entries.filter(({ name }) => name === LOCALHOST).flatMap((host) => portsOf(host, DEFAULT_PORTS)),
    );
    this.#ranges = network.filter(isRange).map((entry) => {
      const range = parseRange(entry);
      if (range === undefined || rangeProblem(entry) !== undefined) {
        throw new RangeError(`"${entry}" is not a range that could be opened`);
      }
      return range;
    });
    this.ports = [...new Set(this.#hosts.flatMap(({ ports }) => ports))].sort((a, b) => a - b);
    const exact = this.#hosts.map(({ host }) => host.name).filter((name) => !name.startsWith('*.'));
    this.names = [...new Set(exact)];
  }

  /** Whether a name is listed, on any port. */
  lists(name: string): boolean {
    const normalized = normalizeName(name);
    return normalized !== undefined && this.#hosts.some(({ host }) => namesHost(host, normalized));
  }

  /** Whether a name is listed with this port. */
  allows(name: string, port: number): boolean {
    const normalized = normalizeName(name);
    return (
      normalized !== undefined &&
      this.#hosts.some(({ host, ports }) => namesHost(host, normalized) && ports.includes(port))
    );
  }

  /**
   * Whether a host may be dialled at an address that is not public: a range contains it, or it is this machine's
   * loopback and the host is `localhost`. Only a range of that one address opens a cloud's metadata service.
   */
  opens(address: string, host?: { readonly host: string; readonly port: number }): boolean {
    const parsed = parseAddress(address);
    if (parsed === undefined) return false;
    if (host?.host === LOCALHOST) {
      const text = parsed.toString();
      const byName = this.#localhostPorts.has(host.port);
      if (text === LOOPBACK && (byName || this.#loopbackPorts.has(host.port))) return true;
      if (text === '::1' && byName) return true;
    }
    const allBits = parsed.toByteArray().length * 8;
    const needsOwnRange = isMetadata(parsed.toString());
    return this.#ranges.some(
      (range) => contains(range, parsed) && (!needsOwnRange || range.bits === allBits),
    );
  }
}

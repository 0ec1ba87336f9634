// A network without IPv4 translates: an IPv6 address with a prefix of the network's own leads to the IPv4 address inside it. The
// prefix is learnt from a name that has IPv4 addresses alone (RFC 7050 3): where it has IPv6 ones, the network made them.
import ipaddr from 'ipaddr.js';

/** The name, and its addresses. */
export const IPV4_ONLY = 'ipv4only.arpa';
const WELL_KNOWN: readonly (readonly number[])[] = [
  [192, 0, 0, 170],
  [192, 0, 0, 171],
];
/** The lengths that a prefix may have, in bits (RFC 6052 2.2). */
const LENGTHS = [32, 40, 48, 56, 64, 96];
/** The octet that is zero and belongs to neither the prefix nor the IPv4 address. */
const RESERVED_OCTET = 8;

/** The octets of a prefix. */
export type Nat64Prefix = readonly number[];

/** The prefixes of this network, by the addresses of `IPV4_ONLY`. Empty where nothing is translated. */
export function nat64Prefixes(addresses: readonly string[]): Nat64Prefix[] {
  return addresses.flatMap((address) => {
    const octets = octetsOf(address);
    if (octets === undefined) return [];
    return LENGTHS.filter((length) => {
      const inside = insideOf(octets, length / 8);
      return WELL_KNOWN.some((known) => known.every((octet, at) => octet === inside[at]));
    }).map((length) => octets.slice(0, length / 8));
  });
}

/** The IPv4 address that an IPv6 address leads to by one of the prefixes. */
export function translatedIpv4(address: string, prefixes: readonly Nat64Prefix[]): string | undefined {
  if (prefixes.length === 0) return undefined;
  const octets = octetsOf(address);
  const prefix = prefixes.find(
    (one) => octets !== undefined && one.every((octet, at) => octet === octets[at]),
  );
  return octets === undefined || prefix === undefined ? undefined : insideOf(octets, prefix.length).join('.');
}

/** The four octets behind a prefix of so many. */
function insideOf(octets: readonly number[], prefix: number): readonly number[] {
  return octets.filter((_, at) => at >= prefix && at !== RESERVED_OCTET).slice(0, 4);
}

function octetsOf(address: string): readonly number[] | undefined {
  return ipaddr.IPv6.isValid(address) ? ipaddr.IPv6.parse(address).toByteArray() : undefined;
}

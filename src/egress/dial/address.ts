// Decides which addresses may be dialled. Only what IANA calls global unicast is allowed by itself; everything else
// must lie in a range that the profile names. An IPv6 address that embeds an IPv4 one (mapped, NAT64, 6to4, ...)
// leads to that one, so both must be allowed; NAT64's prefix for all networks is, where the address inside is public. An IPv4 address has four decimal parts and no other spelling: a
// resolver's "0x7f.1" is not accepted. What is dialled is the text that was checked, formatted anew from the bits
// (`canonicalAddress`).
import ipaddr from 'ipaddr.js';
import { type Address, isUndialable, parseAddress } from '../../profile/address-range.ts';
import { type Nat64Prefix, translatedIpv4 } from './nat64.ts';

/** Where clouds hand out credentials to anyone who can connect: only a range of just this address opens one. */
const METADATA = new Set([
  '169.254.169.254', // AWS, Google, Azure, DigitalOcean, Hetzner, OpenStack, Oracle
  '169.254.169.253', // AWS, names
  '169.254.169.123', // AWS, time
  '169.254.170.2', // AWS, credentials of tasks
  '169.254.170.23', // AWS, credentials of pods
  '169.254.0.23', // Tencent
  '169.254.42.42', // Scaleway
  '100.100.100.200', // Alibaba
  '168.63.129.16', // Azure, a public address by its look
  '192.0.0.192', // Oracle, of old
  'fd00:ec2::254', // AWS
  'fd00:ec2::253',
  'fd00:ec2::23',
  'fd20:ce::254', // Google
  'fd00:42::42', // Scaleway
  'fe80::a9fe:a9fe', // OpenStack
]);

const EMBEDS_IPV4 = 'an address with an IPv4 address inside';
const RESERVED = 'a reserved address';
const REASONS: Readonly<Record<string, string>> = {
  loopback: 'a loopback address',
  private: 'a private address',
  uniqueLocal: 'a private address',
  deprecatedSiteLocal: 'a private address',
  linkLocal: 'a link-local address',
  carrierGradeNat: 'a shared address of a carrier',
  unspecified: 'an unspecified address',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  ipv4Mapped: EMBEDS_IPV4,
  rfc6145: EMBEDS_IPV4,
  rfc6052: EMBEDS_IPV4,
  '6to4': EMBEDS_IPV4,
  teredo: EMBEDS_IPV4,
};

/** All of IPv6 that IANA has allocated as global unicast so far; the rest is reserved (RFC 4291 2.4). */
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/** The prefix of NAT64 for all networks (RFC 6052 2.1). */
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];

/** The address in its usual spelling; undefined where the text is not an address, has a zone, or is spelled oddly. */
export function canonicalAddress(address: string): string | undefined {
  return parseAddress(address)?.toString();
}

/** Whether a cloud's metadata service has this address. `address` is canonical. */
export function isMetadata(address: string): boolean {
  return METADATA.has(address);
}

/**
 * Why an address may not be dialled; undefined if it may. `localAddresses` are this machine's; `opens` says whether a
 * range of the profile contains an address, and is called with the canonical text. `nat64`: the prefixes of this network.
 */
export function dialRefusal(
  address: string,
  localAddresses: ReadonlySet<string>,
  opens: (address: string) => boolean,
  nat64: readonly Nat64Prefix[] = [],
): string | undefined {
  const parsed = parseAddress(address);
  if (parsed === undefined) return 'not an address in its usual spelling';
  const text = parsed.toString();
  const range = rangeOf(parsed);
  if (isUndialable(parsed)) return REASONS[range];
  const embedded = embeddedIpv4(parsed) ?? translatedIpv4(text, nat64);
  if (embedded !== undefined) {
    const reason = dialRefusal(embedded, localAddresses, opens);
    if (reason !== undefined) return opens(text) ? `${reason} inside an IPv6 one` : EMBEDS_IPV4;
    // A network without IPv4 reaches public addresses so; the prefix stands for no others (RFC 6052 3.1).
    const isPublic = dialRefusal(embedded, localAddresses, () => false) === undefined;
    if (isPublic && parsed.match(NAT64)) return undefined;
  }
  if (opens(text)) return undefined;
  if (isMetadata(text)) return "a cloud's metadata service";
  if (range !== 'unicast') return REASONS[range] ?? RESERVED;
  return isLocal(text, localAddresses) ? 'an address of this machine' : undefined;
}

/**
 * The order in which to try addresses: IPv6 first where this machine has a global address of its own, else IPv4 first
 * (RFC 6724 6, rules 1 and 2); of each family in their order.
 */
export function orderByFamily(
  addresses: readonly string[],
  localAddresses: ReadonlySet<string>,
): readonly string[] {
  const hasIpv6 = [...localAddresses].some((address) => {
    const parsed = parseAddress(address);
    return parsed instanceof ipaddr.IPv6 && parsed.match(GLOBAL_UNICAST);
  });
  const [ipv4, ipv6] = [
    addresses.filter((one) => !one.includes(':')),
    addresses.filter((one) => one.includes(':')),
  ];
  return hasIpv6 ? [...ipv6, ...ipv4] : [...ipv4, ...ipv6];
}

/** As ipaddr.js names it, but without `unicast` for what IANA has not allocated, or what embeds an IPv4 address. */
function rangeOf(address: Address): string {
  const range = address.range();
  if (!(address instanceof ipaddr.IPv6) || range !== 'unicast') return range;
  if (!address.match(GLOBAL_UNICAST)) return 'reserved';
  return embeddedIpv4(address) === undefined ? 'unicast' : 'rfc6052';
}

/**
 * The IPv4 address that an IPv6 one leads to. RFC 4291 2.5.5 (compatible, mapped), RFC 7915, RFC 6052 and 8215
 * (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo; its bits are inverted), RFC 5214 (ISATAP).
 */
function embeddedIpv4(address: Address): string | undefined {
  if (!(address instanceof ipaddr.IPv6)) return undefined;
  const { parts } = address;
  const at = (index: number): number => parts[index] ?? 0;
  const four = (high: number, low: number): string =>
    [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
  const last = four(at(6), at(7));
  switch (address.range()) {
    case 'ipv4Mapped':
    case 'rfc6145':
    case 'rfc6052':
      return last;
    case '6to4':
      return four(at(1), at(2));
    case 'teredo':
      return four(at(6) ^ 0xffff, at(7) ^ 0xffff);
    case 'loopback':
    case 'unspecified':
      return undefined;
  }
  if (parts.slice(0, 6).every((part) => part === 0)) return last;
  return (at(4) & 0xfdff) === 0 && at(5) === 0x5efe ? last : undefined;
}

function isLocal(address: string, localAddresses: ReadonlySet<string>): boolean {
  if (localAddresses.has(address)) return true;
  for (const one of localAddresses) if (canonicalAddress(one.replace(/%.*$/, '')) === address) return true;
  return false;
}

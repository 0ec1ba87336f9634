// Which addresses are dialled. Only what IANA calls global unicast passes by itself; everything else must lie in a
// range that the profile names. An IPv6 address that holds an IPv4 one (mapped, NAT64, 6to4, ...) leads to that one, so
// both must be fit. An IPv4 address stands in four decimal parts and no other way: a resolver that says "0x7f.1" is not
// helped along. What is dialled is the text that was judged, made anew from the bits (`canonical`).
import ipaddr from 'ipaddr.js';
import { type Address, isUndialable, parseAddress } from '../../profile/address-range.ts';

/** Where clouds hand out credentials to whoever can ask: only a range of just this address opens one. */
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

const INSIDE = 'an address with an IPv4 address inside';
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
  ipv4Mapped: INSIDE,
  rfc6145: INSIDE,
  rfc6052: INSIDE,
  '6to4': INSIDE,
  teredo: INSIDE,
};

/** All of IPv6 that IANA has given out as global unicast so far; the rest is reserved (RFC 4291 2.4). */
const GLOBAL: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/** The address in its usual spelling; undefined where the text is none, has a zone, or is spelled oddly. */
export function canonical(address: string): string | undefined {
  return parseAddress(address)?.toString();
}

/** Whether a cloud's metadata service is there. `address` is canonical. */
export function isMetadata(address: string): boolean {
  return METADATA.has(address);
}

/**
 * Why an address may not be dialled; undefined if it may. `own` are this machine's addresses, `opens` says whether a
 * range of the profile holds an address, and is asked with the canonical text.
 */
export function refusalOf(
  address: string,
  own: ReadonlySet<string>,
  opens: (address: string) => boolean,
): string | undefined {
  const judged = parseAddress(address);
  if (judged === undefined) return 'no address in its usual spelling';
  const text = judged.toString();
  const range = rangeOf(judged);
  if (isUndialable(judged)) return REASONS[range];
  const inside = insideOf(judged);
  if (inside !== undefined) {
    const reason = refusalOf(inside, own, opens);
    if (reason !== undefined) return opens(text) ? `${reason} inside an IPv6 one` : INSIDE;
  }
  if (opens(text)) return undefined;
  if (isMetadata(text)) return "a cloud's metadata service";
  if (range !== 'unicast') return REASONS[range] ?? RESERVED;
  return isOwn(text, own) ? 'an address of this machine' : undefined;
}

/** As ipaddr.js names it, but `unicast` for nothing that IANA has not given out, or that holds an IPv4 address. */
function rangeOf(address: Address): string {
  const range = address.range();
  if (!(address instanceof ipaddr.IPv6) || range !== 'unicast') return range;
  if (!address.match(GLOBAL)) return 'reserved';
  return insideOf(address) === undefined ? 'unicast' : 'rfc6052';
}

/**
 * The IPv4 address to which an IPv6 one leads. RFC 4291 2.5.5 (compatible, mapped), RFC 7915, RFC 6052 and 8215 (NAT64),
 * RFC 3056 (6to4), RFC 4380 (Teredo; its bits are inverted), RFC 5214 (ISATAP).
 */
function insideOf(address: Address): string | undefined {
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

function isOwn(address: string, own: ReadonlySet<string>): boolean {
  if (own.has(address)) return true;
  for (const one of own) if (canonical(one.replace(/%.*$/, '')) === address) return true;
  return false;
}

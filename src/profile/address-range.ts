// Addresses, and the address ranges of `sandbox.network`. An IPv4 address has four decimal parts and no other spelling.
import ipaddr from 'ipaddr.js';
import { endsInNumber, LOOPBACK } from './host.ts';

/** An address as ipaddr.js has it; an IPv4 address within IPv6 is still one of IPv6. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A range in CIDR notation: its first address, and the length of its prefix in bits. */
export interface AddressRange {
  readonly address: Address;
  readonly bits: number;
}

/** The widest ranges that a profile may open. */
const WIDEST = { ipv4: 8, ipv6: 16 } as const;
/** What no range opens: these are not addresses of a single host. */
const NOT_A_HOST = new Set<string>(['unspecified', 'multicast', 'broadcast']);

/** Reads an IPv4 address of four decimal parts, or an IPv6 address without a zone; undefined for any other text. */
export function parseAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!/^[0-9a-f:]+(?::(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3})?$/i.test(text)) return undefined;
  return ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : undefined;
}

/** Whether an address is unspecified, multicast or broadcast: no range opens it. */
export function isUndialable(address: Address): boolean {
  return NOT_A_HOST.has(address.range());
}

/** Whether an entry of `sandbox.network` is a range and not a host. */
export function isRange(entry: string): boolean {
  return entry.includes('/');
}

/** Reads `address/bits`; undefined for any other text. Bits behind the prefix are not checked: see `rangeProblem`. */
export function parseRange(entry: string): AddressRange | undefined {
  const [, text = '', digits = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(entry) ?? [];
  const address = parseAddress(text);
  const bits = Number(digits);
  return address === undefined || bits > address.toByteArray().length * 8 ? undefined : { address, bits };
}

/** Whether a range contains an address. Its own bits behind the prefix must be clear. */
export function contains(range: AddressRange, address: Address): boolean {
  return (
    range.address.kind() === address.kind() &&
    maskedBytes(address, range.bits) === range.address.toByteArray().join()
  );
}

/** What is wrong with an entry of `sandbox.network` that the schema accepted; undefined if nothing is. */
export function rangeProblem(entry: string): string | undefined {
  const text = /^\[?([^[\]/]*?)(?:\]?:[1-9]\d{0,4}|\])?$/.exec(entry)?.[1];
  const literal = text === undefined ? undefined : (parseAddress(text) ?? parseAddress(entry));
  if (literal !== undefined) {
    if (literal.toString() === LOOPBACK) {
      return entry.startsWith(`${LOOPBACK}:`)
        ? undefined
        : `is an address of this machine: give the port of the program, as in ${LOOPBACK}:8080`;
    }
    const range = `${literal.toString()}/${literal.kind() === 'ipv4' ? 32 : 128}`;
    return `is an address, and a server reaches hosts by name only: list the name, and "${range}" beside it`;
  }
  if (!isRange(entry)) {
    return endsInNumber(entry.replace(/:\d+$/, '')) ? 'is neither a name nor an address range' : undefined;
  }
  const range = parseRange(entry);
  if (range === undefined) return 'must be an address range such as 10.1.0.0/16';
  const kind = range.address.kind();
  if (range.bits < WIDEST[kind]) return `is wider than /${WIDEST[kind]}`;
  if (!contains(range, range.address)) return `has bits set after the first ${range.bits}`;
  return isWhollyUndialable(range) ? 'contains no address that could be opened' : undefined;
}

/** Whether nothing in a range can be opened. `::/16`, for one, has other addresses than the unspecified one. */
function isWhollyUndialable({ address, bits }: AddressRange): boolean {
  return (
    isUndialable(address) && (address.kind() === 'ipv4' || bits === 128 || address.range() === 'multicast')
  );
}

/** The bytes of an address with all but its first `bits` bits cleared. */
function maskedBytes(address: Address, bits: number): string {
  return address
    .toByteArray()
    .map((byte, index) => byte & ~(0xff >> Math.min(8, Math.max(0, bits - index * 8))))
    .join();
}

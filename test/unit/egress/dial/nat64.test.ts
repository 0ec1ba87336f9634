import { describe, expect, test } from 'vitest';
import { dialRefusal } from '../../../../src/egress/dial/address.ts';
import { nat64Prefixes, translatedIpv4 } from '../../../../src/egress/dial/nat64.ts';

const nobody: ReadonlySet<string> = new Set();
const INSIDE = 'an address with an IPv4 address inside';

// RFC 6052 2.4: 192.0.2.33 behind prefixes of each length.
const EXAMPLES = [
  [32, '2001:db8:c000:221::'],
  [40, '2001:db8:1c0:2:21::'],
  [48, '2001:db8:122:c000:2:2100::'],
  [56, '2001:db8:122:3c0:0:221::'],
  [64, '2001:db8:122:344:c0:2:2100::'],
  [96, '2001:db8:122:344::192.0.2.33'],
] as const;
/** 192.0.0.170 behind the same prefixes. */
const LEARNT = [
  '2001:db8:c000:aa::',
  '2001:db8:1c0:0:aa::',
  '2001:db8:122:c000:0:aa00::',
  '2001:db8:122:3c0:0:aa::',
  '2001:db8:122:344:c0:0:aa00::',
  '2001:db8:122:344::192.0.0.170',
];

describe('the prefix of a network that translates [W-EGR-3]', () => {
  test.each(EXAMPLES.map((example, at) => [...example, LEARNT[at] ?? ''] as const))(
    'of %i bits is learnt, and an address behind it leads to the IPv4 address',
    (length, address, learnt) => {
      const prefixes = nat64Prefixes(['192.0.0.170', learnt]);
      expect(prefixes.map((prefix) => prefix.length * 8)).toEqual([length]);
      expect(translatedIpv4(address, prefixes)).toBe('192.0.2.33');
      expect(translatedIpv4('2606:4700::1111', prefixes)).toBeUndefined();
    },
  );

  test('is none where the name has IPv4 addresses alone, or other ones', () => {
    expect(nat64Prefixes(['192.0.0.170', '192.0.0.171', '2001:db8::1', 'x', 'fe80::1%eth0'])).toEqual([]);
    expect(translatedIpv4('2001:db8:122:344::10.0.0.1', [])).toBeUndefined();
  });

  test('makes no way to an address that is not public', () => {
    const prefixes = nat64Prefixes(['2606:64:64::192.0.0.171']);
    for (const inside of [
      '10.0.0.1',
      '127.0.0.1',
      '169.254.169.254',
      '192.168.1.1',
      '100.64.0.1',
      '0.0.0.0',
    ]) {
      expect(dialRefusal(`2606:64:64::${inside}`, nobody, () => false, prefixes)).not.toBeUndefined();
      expect(dialRefusal(toText(inside), nobody, () => false, prefixes)).toBe(INSIDE);
      expect(dialRefusal(toText(inside), nobody, () => false)).toBeUndefined();
    }
    expect(dialRefusal(toText('9.9.9.9'), nobody, () => false, prefixes)).toBeUndefined();
    expect(dialRefusal(toText('9.9.9.9'), new Set(['9.9.9.9']), () => false, prefixes)).toBe(INSIDE);
    expect(dialRefusal('2606:4700::1111', nobody, () => false, prefixes)).toBeUndefined();
  });

  test('opens no prefix that is not public itself', () => {
    const prefixes = nat64Prefixes(['fd00:64::192.0.0.170', '64:ff9b:1::192.0.0.170']);
    expect(dialRefusal('fd00:64::909:909', nobody, () => false, prefixes)).toBe('a private address');
    expect(dialRefusal('64:ff9b:1::909:909', nobody, () => false, prefixes)).toBe(INSIDE);
  });
});

/** The address in its usual spelling. */
function toText(ipv4: string): string {
  return new URL(`http://[2606:64:64::${ipv4}]`).hostname.slice(1, -1);
}

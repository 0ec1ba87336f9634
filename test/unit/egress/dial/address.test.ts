import { describe, expect, test } from 'vitest';
import { Allowlist } from '../../../../src/egress/allowlist.ts';
import { canonicalAddress, dialRefusal, orderByFamily } from '../../../../src/egress/dial/address.ts';

const nobody = new Set<string>();
const never = (): boolean => false;
const always = (): boolean => true;
const opening = (...ranges: string[]) => {
  const allowed = new Allowlist(ranges);
  return (address: string): boolean => allowed.opens(address);
};
const INSIDE = 'an address with an IPv4 address inside';

test.each([
  '1.1.1.1',
  '93.184.215.14',
  '2606:4700::1111',
  '2a00:1450:4001::200e',
  '100.128.0.1',
  '172.32.0.1',
])('%s is public', (address) => expect(dialRefusal(address, nobody, never)).toBeUndefined());

describe('what is refused unless a range contains it', () => {
  test.each([
    ['127.0.0.1', 'a loopback address'],
    ['127.255.0.9', 'a loopback address'],
    ['::1', 'a loopback address'],
    ['10.0.0.1', 'a private address'],
    ['172.16.0.1', 'a private address'],
    ['172.31.255.255', 'a private address'],
    ['192.168.1.1', 'a private address'],
    ['fd00::1', 'a private address'],
    ['fec0::1', 'a private address'],
    ['169.254.1.1', 'a link-local address'],
    ['fe80::1', 'a link-local address'],
    ['100.64.0.1', 'a shared address of a carrier'],
    ['192.0.2.1', 'a reserved address'],
    ['198.18.0.1', 'a reserved address'],
    ['240.0.0.1', 'a reserved address'],
    ['2001:db8::1', 'a reserved address'],
    ['3fff::1', 'a reserved address'],
    ['2001:2::1', 'a reserved address'],
    ['100::1', 'a reserved address'],
    ['100:0:0:1::1', 'a reserved address'],
    ['4000::1', 'a reserved address'],
    ['5f00::1', 'a reserved address'],
    ['192.88.99.1', 'a reserved address'],
    ['::ffff:127.0.0.1', INSIDE],
    ['::ffff:1.1.1.1', INSIDE],
    ['::ffff:0:1.1.1.1', INSIDE],
    ['::127.0.0.1', INSIDE],
    ['64:ff9b::7f00:1', INSIDE],
    ['64:ff9b::a9fe:a9fe', INSIDE],
    ['64:ff9b:1::101:101', INSIDE],
    ['64:ff9b:1::a00:1', INSIDE],
    ['2002:7f00:1::1', INSIDE],
    ['2002:101:101::1', INSIDE],
    ['2001:0:1:2:3:4:5:6', INSIDE],
    ['2a00:1:2:3:0:5efe:10.0.0.1', INSIDE],
    ['2a00:1:2:3:200:5efe:a00:1', INSIDE],
    ['2a00:1:2:3:200:5efe:101:101', INSIDE],
  ])('%s: %s [W-EGR-3]', (address, reason) => {
    expect(dialRefusal(address, nobody, never)).toBe(reason);
    expect(dialRefusal(address, nobody, always)).toBeUndefined();
  });
});

test.each([
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
  'FD00:0EC2:0::254',
  'fd20:ce::254',
])("%s, a cloud's metadata service, is opened by a range of it alone [W-EGR-3]", (address) => {
  const reason = "a cloud's metadata service";
  const text = canonicalAddress(address) ?? '';
  const wide = text.includes(':') ? `${text.slice(0, 4)}::/16` : `${text.split('.', 1)}.0.0.0/8`;
  expect(dialRefusal(address, nobody, never)).toBe(reason);
  expect(dialRefusal(address, nobody, opening(wide))).toBe(reason);
  expect(dialRefusal(address, nobody, opening(`${text}/${text.includes(':') ? 128 : 32}`))).toBeUndefined();
});

test.each([
  ['0.0.0.0', 'an unspecified address'],
  ['0.1.2.3', 'an unspecified address'],
  ['::', 'an unspecified address'],
  ['224.0.0.1', 'a multicast address'],
  ['239.255.255.255', 'a multicast address'],
  ['ff02::1', 'a multicast address'],
  ['255.255.255.255', 'the broadcast address'],
  ['::ffff:0.0.0.0', 'an unspecified address inside an IPv6 one'],
  ['64:ff9b::e000:1', 'a multicast address inside an IPv6 one'],
])('%s is never opened: %s [W-EGR-3]', (address, reason) => {
  expect(dialRefusal(address, nobody, always)).toBe(reason);
});

test('a range of IPv6 does not open the embedded IPv4 address [W-EGR-3]', () => {
  expect(dialRefusal('64:ff9b::101:101', nobody, opening('64:ff9b::/96'))).toBeUndefined();
  expect(dialRefusal('64:ff9b::a00:1', nobody, opening('64:ff9b::/96'))).toBe(
    'a private address inside an IPv6 one',
  );
  expect(dialRefusal('64:ff9b::a00:1', nobody, opening('64:ff9b::/96', '10.0.0.0/8'))).toBeUndefined();
  expect(dialRefusal('::ffff:169.254.169.254', nobody, opening('::/16', '169.254.0.0/16'))).toBe(
    "a cloud's metadata service inside an IPv6 one",
  );
  expect(dialRefusal('::ffff:10.0.0.1', nobody, opening('10.0.0.0/8'))).toBe(INSIDE);
});

test('NAT64 of a public address is public, of another it is not [W-EGR-3]', () => {
  expect(dialRefusal('64:ff9b::101:101', nobody, never)).toBeUndefined();
  for (const inside of ['7f00:1', 'a00:1', 'c0a8:1', 'a9fe:a9fe', '6440:1', 'c000:201', 'a83f:8110']) {
    expect(dialRefusal(`64:ff9b::${inside}`, nobody, never)).toBe(INSIDE);
  }
  expect(dialRefusal('64:ff9b::909:909', new Set(['9.9.9.9']), never)).toBe(INSIDE);
});

test('IPv6 is tried first where this machine has it', () => {
  const addresses = ['1.1.1.1', '2606:4700::1111', '1.0.0.1'];
  expect(orderByFamily(addresses, new Set(['127.0.0.1', '::1', 'fe80::1%eth0', 'fd00::1']))).toEqual([
    '1.1.1.1',
    '1.0.0.1',
    '2606:4700::1111',
  ]);
  expect(orderByFamily(addresses, new Set(['2a00::9']))[0]).toBe('2606:4700::1111');
});

test('this machine is not reached through its public addresses either [W-EGR-3]', () => {
  const own = new Set(['9.9.9.9', '2A00:0::9', 'fe80::9%eth0']);
  for (const address of ['9.9.9.9', '2a00::9', '2a00:0:0::9']) {
    expect(dialRefusal(address, own, never)).toBe('an address of this machine');
    expect(dialRefusal(address, own, always)).toBeUndefined();
  }
  expect(dialRefusal('64:ff9b::909:909', own, opening('64:ff9b::/96'))).toBe(
    'an address of this machine inside an IPv6 one',
  );
});

test.each([
  '',
  '1.1.1',
  '127.1',
  '2130706433',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '01.1.1.1',
  '1.1.1.1 ',
  '1.1.1.1\n',
  '1.1.1.256',
  '::ffff:0177.0.0.1',
  '::ffff:1.1.1.01',
  'fe80::1%eth0',
  '2a00::1%1',
  '[::1]',
  '1::2::3',
  ':::',
  'localhost',
  '\uff11.1.1.1',
])('%j is not an address, whatever is opened [W-EGR-3]', (address) => {
  expect(dialRefusal(address, nobody, always)).toBe('not an address in its usual spelling');
  expect(canonicalAddress(address)).toBeUndefined();
});

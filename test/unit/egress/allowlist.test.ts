import { describe, expect, test } from 'vitest';
import { Allowlist } from '../../../src/egress/allowlist.ts';

describe('names and ports', () => {
  test.each([
    ['api.test', 'api.test', 443, true],
    ['api.test', 'api.test', 80, true],
    ['api.test', 'api.test', 8443, false],
    ['api.test', 'API.Test.', 443, true],
    ['api.test', 'www.api.test', 443, false],
    ['api.test', 'xapi.test', 443, false],
    ['api.test', 'api.test.evil.test', 443, false],
    ['api.test:5432', 'api.test', 5432, true],
    ['api.test:5432', 'api.test', 443, false],
    ['*.api.test', 'a.api.test', 443, true],
    ['*.api.test', 'a.b.c.api.test', 80, true],
    ['*.api.test', 'api.test', 443, false],
    ['*.api.test', 'evilapi.test', 443, false],
    ['*.api.test', '.api.test', 443, false],
    ['*.api.test', 'a..api.test', 443, false],
    ['*.api.test', 'evil.test/.api.test', 443, false],
    ['*.api.test', 'evil.test\0.api.test', 443, false],
    ['*.api.test', 'evil.test:443.api.test', 443, false],
    ['*.api.test:8443', 'a.api.test', 8443, true],
    ['*.api.test:8443', 'a.api.test', 443, false],
    ['localhost:5432', 'localhost', 5432, true],
    ['kit.test', '\u212Ait.test', 443, false],
    ['api.test', 'api.test..', 443, false],
    ['api.test', '', 443, false],
    ['10.0.0.0/8', '10.0.0.1', 443, false],
  ])('%s, asked for %j at %i: %s [W-EGR-1]', (entry, name, port, expected) => {
    expect(new Allowlist([entry]).allows(name, port)).toBe(expected);
  });

  test('a name is listed if any port of it is [W-EGR-2]', () => {
    const allowed = new Allowlist(['db.test:5432', '*.wild.test', '10.0.0.0/8']);
    expect(['db.test', 'DB.test.', 'a.wild.test'].every((name) => allowed.lists(name))).toBe(true);
    expect(['wild.test', 'test', '.', '10.0.0.1'].some((name) => allowed.lists(name))).toBe(false);
  });

  test('hosts of sealed credentials are reachable at 443, or only at their own port', () => {
    const allowed = new Allowlist([], ['api.test', '*.alt.test:8443']);
    expect(allowed.ports).toEqual([443, 8443]);
    expect(allowed.allows('api.test', 443)).toBe(true);
    expect(allowed.allows('api.test', 80)).toBe(false);
    expect(allowed.allows('a.alt.test', 443)).toBe(false);
  });

  test('ports are those that some name needs, sorted, without duplicates', () => {
    expect(new Allowlist(['b.test:9000', 'a.test', 'c.test:443', 'd.test:22', '10.0.0.0/8']).ports).toEqual([
      22, 80, 443, 9000,
    ]);
    expect(new Allowlist(['a.test:1']).ports).toEqual([1]);
    expect(new Allowlist(['10.0.0.0/8']).ports).toEqual([]);
    expect(new Allowlist([]).allows('api.test', 443)).toBe(false);
  });
});

describe('this machine [W-EGR-3]', () => {
  test('is reached at the listed ports, by its name and address, and by no other name', () => {
    const allowed = new Allowlist(['localhost:5432', '127.0.0.1:9222', 'api.test:5432']);
    expect(allowed.names).toEqual(['localhost', 'api.test']);
    expect([5432, 9222, 80].map((port) => allowed.allows('localhost', port))).toEqual([true, true, false]);
    const opens = (address: string, host: string, port: number): boolean =>
      allowed.opens(address, { host, port });
    expect(opens('127.0.0.1', 'localhost', 5432) && opens('::1', 'localhost', 5432)).toBe(true);
    expect(opens('127.0.0.1', 'localhost', 9222)).toBe(true);
    expect([
      opens('::1', 'localhost', 9222),
      opens('127.0.0.1', 'localhost', 80),
      opens('127.0.0.2', 'localhost', 5432),
      opens('10.0.0.1', 'localhost', 5432),
      opens('::ffff:127.0.0.1', 'localhost', 5432),
      opens('127.0.0.1', 'api.test', 5432),
      opens('::1', 'api.test', 5432),
      allowed.opens('127.0.0.1'),
    ]).toEqual(Array(8).fill(false));
  });
});

describe('ranges', () => {
  test.each([
    ['10.1.0.0/16', '10.1.2.3', true],
    ['10.1.0.0/16', '10.2.0.0', false],
    ['10.1.2.3/32', '10.1.2.3', true],
    ['10.1.2.3/32', '10.1.2.2', false],
    ['10.1.2.128/25', '10.1.2.127', false],
    ['127.0.0.0/8', '127.1.1.1', true],
    ['fd12:3456::/32', 'fd12:3456:1::9', true],
    ['fd12:3456::/32', 'fd12:3457::', false],
    ['10.0.0.0/8', '::ffff:10.0.0.1', false],
    ['10.0.0.0/8', '012.0.0.1', false],
    ['10.0.0.0/8', '10.1', false],
    ['fe80::/64', 'fe80::1%eth0', false],
    ['169.254.0.0/16', '169.254.1.1', true],
    ['169.254.0.0/16', '169.254.169.254', false],
    ['169.254.169.252/30', '169.254.169.254', false],
    ['169.254.169.254/32', '169.254.169.254', true],
    ['fd00::/16', 'fd00:ec2::254', false],
    ['fd00:ec2::254/128', 'fd00:ec2::254', true],
    ['api.test', '10.0.0.1', false],
  ])('%s opens %s: %s [W-EGR-3]', (entry, address, expected) => {
    expect(new Allowlist([entry]).opens(address)).toBe(expected);
  });
});

test.each([
  'a.*.test',
  '1.2.3.4',
  '[::1]:443',
  'a.test:0',
  '10.1.2.3/16',
  '10.1/16',
  '0.0.0.0/0',
  '224.0.0.0/8',
])('%s is neither a host nor a range, and is not accepted [W-EGR-1] [W-EGR-3]', (entry) => {
  expect(() => new Allowlist([entry])).toThrow(RangeError);
});

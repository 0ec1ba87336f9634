import { describe, expect, test } from 'vitest';
import { Allowlist, matchesHost, parseHost, plainName, rangeProblem } from '../../../src/egress/allowlist.ts';

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

  test('a name is answered if any port of it is listed [W-EGR-2]', () => {
    const allowed = new Allowlist(['db.test:5432', '*.wild.test', '10.0.0.0/8']);
    expect(['db.test', 'DB.test.', 'a.wild.test'].every((name) => allowed.answers(name))).toBe(true);
    expect(['wild.test', 'test', '.', '10.0.0.1'].some((name) => allowed.answers(name))).toBe(false);
  });

  test('hosts of sealed credentials are reachable at 443, or at their port alone', () => {
    const allowed = new Allowlist([], ['api.test', '*.alt.test:8443']);
    expect(allowed.ports).toEqual([443, 8443]);
    expect(allowed.allows('api.test', 443)).toBe(true);
    expect(allowed.allows('api.test', 80)).toBe(false);
    expect(allowed.allows('a.alt.test', 443)).toBe(false);
  });

  test('ports are those that some name needs, sorted, each once', () => {
    expect(new Allowlist(['b.test:9000', 'a.test', 'c.test:443', 'd.test:22', '10.0.0.0/8']).ports).toEqual([
      22, 80, 443, 9000,
    ]);
    expect(new Allowlist(['a.test:1']).ports).toEqual([1]);
    expect(new Allowlist(['10.0.0.0/8']).ports).toEqual([]);
    expect(new Allowlist([]).allows('api.test', 443)).toBe(false);
  });

  test('a pattern is matched with the ports of those that name none', () => {
    expect(matchesHost('api.test', 'api.test', 443, 443)).toBe(true);
    expect(matchesHost('api.test', 'api.test', 80, 443)).toBe(false);
    expect(matchesHost('*.api.test:81', 'a.api.test', 81, 443)).toBe(true);
    expect(matchesHost('api.test', 'api.test:443', 443, 443)).toBe(false);
    expect(() => matchesHost('https://api.test', 'api.test', 443, 443)).toThrow(RangeError);
  });

  test.each([
    ['a.test', { name: 'a.test', port: undefined }],
    ['*.a.test:65535', { name: '*.a.test', port: 65535 }],
  ])('%s is read', (text, host) => expect(parseHost(text)).toEqual(host));

  test.each(
    '|*|*.|**.a.test|a.*.test|a.test.|a.test:|a.test:0|a.test:0443|a.test:65536|a.test:443:443|-a.test|a b|a/b|1.2.3.4|1.2|0x7f.1|2130706433|[::1]|[::1]:443|::1|a.test\n|\u00e4.test'.split(
      '|',
    ),
  )('%j is no host [W-EGR-1]', (text) => {
    expect(() => parseHost(text)).toThrow(RangeError);
    expect(() => new Allowlist([text])).toThrow(RangeError);
  });

  test('a name is at most 253 characters, a label 63', () => {
    const label = 'a'.repeat(63);
    expect(plainName(`${label}.test`)).toBe(`${label}.test`);
    expect(plainName(`a${label}.test`)).toBeUndefined();
    expect(plainName(`${`${label}.`.repeat(3)}${'a'.repeat(61)}`)).toHaveLength(253);
    expect(plainName(`${`${label}.`.repeat(3)}${'a'.repeat(62)}`)).toBeUndefined();
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

  test.each([
    ['api.test', undefined],
    ['*.api.test:8443', undefined],
    ['localhost:5432', undefined],
    ['10.1.0.0/16', undefined],
    ['10.0.0.0/8', undefined],
    ['fd00::/16', undefined],
    ['10.1.2.3/32', undefined],
    ['10.1.2.3/16', 'has bits set behind its first 16'],
    ['fd00::1/64', 'has bits set behind its first 64'],
    ['0.0.0.0/0', 'is wider than /8'],
    ['10.0.0.0/7', 'is wider than /8'],
    ['::/0', 'is wider than /16'],
    ['fc00::/7', 'is wider than /16'],
    ['10.1/16', 'must be an address range such as 10.1.0.0/16'],
    ['010.1.0.0/16', 'must be an address range such as 10.1.0.0/16'],
    ['10.1.0.0/016', 'must be an address range such as 10.1.0.0/16'],
    ['10.1.0.0/33', 'must be an address range such as 10.1.0.0/16'],
    ['::1/129', 'must be an address range such as 10.1.0.0/16'],
    [':::/64', 'must be an address range such as 10.1.0.0/16'],
    ['0.0.0.0/8', 'holds no address that could be opened'],
    ['224.0.0.0/8', 'holds no address that could be opened'],
    ['255.255.255.255/32', 'holds no address that could be opened'],
    ['ff02::/16', 'holds no address that could be opened'],
    ['::/128', 'holds no address that could be opened'],
    [
      '10.1.2.3',
      'is an address, and a server reaches hosts by name only: list the name, and "10.1.2.3/32" beside it',
    ],
    [
      '10.1.2.3:443',
      'is an address, and a server reaches hosts by name only: list the name, and "10.1.2.3/32" beside it',
    ],
    [
      '[::1]',
      'is an address, and a server reaches hosts by name only: list the name, and "::1/128" beside it',
    ],
    [
      '[::1]:443',
      'is an address, and a server reaches hosts by name only: list the name, and "::1/128" beside it',
    ],
    [
      'fe80::1',
      'is an address, and a server reaches hosts by name only: list the name, and "fe80::1/128" beside it',
    ],
    ['127.1', 'is neither a name nor an address range'],
    ['2130706433:80', 'is neither a name nor an address range'],
  ])('%s: %s [W-EGR-3]', (entry, problem) => {
    expect(rangeProblem(entry)).toBe(problem);
    if (problem === undefined) expect(() => new Allowlist([entry])).not.toThrow();
    else expect(() => new Allowlist([entry])).toThrow(RangeError);
  });
});

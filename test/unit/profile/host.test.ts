import { expect, test } from 'vitest';
import { matchesHost, normalizeName, parseHost } from '../../../src/profile/host.ts';

test('an entry without a port is matched with the default ports', () => {
  expect(matchesHost('api.test', 'api.test', 443, 443)).toBe(true);
  expect(matchesHost('api.test', 'api.test', 80, 443)).toBe(false);
  expect(matchesHost('*.api.test:81', 'a.api.test', 81, 443)).toBe(true);
  expect(matchesHost('api.test', 'api.test:443', 443, 443)).toBe(false);
  expect(() => matchesHost('https://api.test', 'api.test', 443, 443)).toThrow(RangeError);
});

test.each([
  ['a.test', { name: 'a.test', port: undefined }],
  ['*.a.test:65535', { name: '*.a.test', port: 65535 }],
])('%s is a host', (text, host) => expect(parseHost(text)).toEqual(host));

test.each(
  '|*|*.|**.a.test|a.*.test|a.test.|a.test:|a.test:0|a.test:0443|a.test:65536|a.test:443:443|-a.test|a b|a/b|1.2.3.4|1.2|0x7f.1|2130706433|[::1]|[::1]:443|::1|a.test\n|\u00e4.test'.split(
    '|',
  ),
)('%j is not a host [W-EGR-1]', (text) => {
  expect(() => parseHost(text)).toThrow(RangeError);
});

test('a name is at most 253 characters, a label 63', () => {
  const label = 'a'.repeat(63);
  expect(normalizeName(`${label}.test`)).toBe(`${label}.test`);
  expect(normalizeName(`a${label}.test`)).toBeUndefined();
  expect(normalizeName(`${`${label}.`.repeat(3)}${'a'.repeat(61)}`)).toHaveLength(253);
  expect(normalizeName(`${`${label}.`.repeat(3)}${'a'.repeat(62)}`)).toBeUndefined();
});

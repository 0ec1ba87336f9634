import { expect, test } from 'vitest';
import { rangeProblem } from '../../../src/profile/address-range.ts';

test.each([
  ['api.test', undefined],
  ['*.api.test:8443', undefined],
  ['localhost:5432', undefined],
  ['10.1.0.0/16', undefined],
  ['10.0.0.0/8', undefined],
  ['fd00::/16', undefined],
  ['10.1.2.3/32', undefined],
  ['10.1.2.3/16', 'has bits set after the first 16'],
  ['fd00::1/64', 'has bits set after the first 64'],
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
  ['0.0.0.0/8', 'contains no address that could be opened'],
  ['224.0.0.0/8', 'contains no address that could be opened'],
  ['255.255.255.255/32', 'contains no address that could be opened'],
  ['ff02::/16', 'contains no address that could be opened'],
  ['::/128', 'contains no address that could be opened'],
  [
    '10.1.2.3',
    'is an address, and a server reaches hosts by name only: list the name, and "10.1.2.3/32" beside it',
  ],
  [
    '10.1.2.3:443',
    'is an address, and a server reaches hosts by name only: list the name, and "10.1.2.3/32" beside it',
  ],
  ['[::1]', 'is an address, and a server reaches hosts by name only: list the name, and "::1/128" beside it'],
  [
    '[::1]:443',
    'is an address, and a server reaches hosts by name only: list the name, and "::1/128" beside it',
  ],
  [
    'fe80::1',
    'is an address, and a server reaches hosts by name only: list the name, and "fe80::1/128" beside it',
  ],
  ['127.0.0.1:8080', undefined],
  ['127.0.0.1', 'is an address of this machine: give the port of the program, as in 127.0.0.1:8080'],
  [
    '127.0.0.2:8080',
    'is an address, and a server reaches hosts by name only: list the name, and "127.0.0.2/32" beside it',
  ],
  ['127.1', 'is neither a name nor an address range'],
  ['2130706433:80', 'is neither a name nor an address range'],
])('%s: %s [W-EGR-3]', (entry, problem) => {
  expect(rangeProblem(entry)).toBe(problem);
});

import { expect, test } from 'vitest';
import { Allowlist } from '../../../../src/egress/allowlist.ts';
import { MAX_WILDCARD_NAMES, VirtualAddresses } from '../../../../src/egress/names/virtual-addresses.ts';

test('each name has its own address, which stays [W-EGR-2]', () => {
  const names = new VirtualAddresses(new Allowlist(['b.test', 'a.test:22', '*.wild.test', 'b.test:8080']));
  expect(names.addressOf('one.wild.test')).toBe('127.1.0.3');
  expect(names.addressOf('b.test')).toBe('127.1.0.1');
  expect(names.addressOf('A.Test.')).toBe('127.1.0.2');
  expect(names.addressOf('ONE.wild.test')).toBe('127.1.0.3');
  expect(names.nameAt('127.1.0.1')).toBe('b.test');
  expect(names.nameAt('127.1.0.3')).toBe('one.wild.test');
});

test('a name that is not listed has none, and no other address has a name [W-EGR-2]', () => {
  const names = new VirtualAddresses(new Allowlist(['a.test', '10.0.0.0/8']));
  for (const name of ['b.test', 'x.a.test', '', '.', '10.0.0.1', 'a.test\0']) {
    expect(names.addressOf(name)).toBeUndefined();
  }
  for (const address of ['127.0.0.1', '127.1.0.2', '', '127.1.0.01'])
    expect(names.nameAt(address)).toBeUndefined();
});

test('127.0.0.1 is localhost where that is listed', () => {
  const names = new VirtualAddresses(new Allowlist(['a.test', 'localhost:5432']));
  expect(names.addressOf('localhost')).toBe('127.0.0.1');
  expect(names.nameAt('127.0.0.1')).toBe('localhost');
  expect(new VirtualAddresses(new Allowlist(['a.test'])).addressOf('localhost')).toBeUndefined();
});

test('names below a wildcard get a limited number of addresses, and take none from a listed name [W-EGR-7]', () => {
  const names = new VirtualAddresses(new Allowlist(['*.wild.test', 'late.test', 'deep.wild.test']));
  const addresses = new Set<string>();
  for (let index = 0; index < 5000; index++) {
    const address = names.addressOf(`n${index}.wild.test`);
    expect(address !== undefined).toBe(index < MAX_WILDCARD_NAMES);
    if (address !== undefined) addresses.add(address);
  }
  expect(addresses.size).toBe(MAX_WILDCARD_NAMES);
  for (const address of addresses) {
    expect(address).toMatch(/^127\.1\.\d{1,2}\.(?!0$|255$)\d{1,3}$/);
    expect(names.addressOf(names.nameAt(address) ?? '')).toBe(address);
  }
  expect(names.addressOf('late.test')).toBe('127.1.0.1');
  expect(names.addressOf('deep.wild.test')).toBe('127.1.0.2');
  expect(names.addressOf('n4999.wild.test')).toBeUndefined();
});

import { describe, expect, test } from 'vitest';
import { ListRegistry } from '../../../../src/relay/lists/list-registry.ts';

const LIMITS = { entries: 10_000 };

describe('a registry', () => {
  const tool = (name: string, digest = 'd') => ({ name, digest });

  test('has what was listed on any page', () => {
    const registry = new ListRegistry(LIMITS);
    expect(registry.add([tool('a'), tool('b')], true)).toBeUndefined();
    expect(registry.add([tool('c')], false)).toBeUndefined();
    expect([registry.has('a'), registry.has('c'), registry.has('A'), registry.has('__proto__')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([registry.size, registry.digestOf('b'), registry.digestOf('x')]).toEqual([3, 'd', undefined]);
  });

  test('takes a list that begins anew, and forgets nothing of its other pages', () => {
    const registry = new ListRegistry(LIMITS);
    registry.add([tool('a', '1')], true);
    registry.add([tool('b', '1')], false);
    expect(registry.add([tool('a', '2')], true)).toBeUndefined();
    expect([registry.digestOf('a'), registry.has('b')]).toEqual(['2', true]);
    expect(registry.add([tool('b', '2')], false)).toBeUndefined();
  });

  test('takes no two definitions of one name, on one page or on two', () => {
    const registry = new ListRegistry(LIMITS);
    expect(registry.add([tool('a', '1'), tool('a', '2')], true)).toBe(
      'two entries of the list have one name',
    );
    expect(registry.size).toBe(0);
    expect(registry.add([tool('a', '1'), tool('a', '1')], true)).toBeUndefined();
    expect(registry.add([tool('b'), tool('a', '2')], false)).toBe('two entries of the list have one name');
    expect(registry.has('b')).toBe(false);
  });

  test('W-RELAY-6 takes no more than its bound, over all pages', () => {
    const registry = new ListRegistry({ entries: 2 });
    expect(registry.add([tool('a'), tool('b')], true)).toBeUndefined();
    expect(registry.add([tool('a')], true)).toBeUndefined();
    expect(registry.add([tool('c')], false)).toBe('the list has more than 2 entries');
    expect(registry.size).toBe(2);
  });

  test('has a digest that does not depend on the order', () => {
    const [one, other] = [new ListRegistry(LIMITS), new ListRegistry(LIMITS)];
    one.add([tool('a'), tool('b')], true);
    other.add([tool('b')], true);
    other.add([tool('a')], false);
    expect(one.digest()).toBe(other.digest());
    expect(one.digest()).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Id } from '../../../src/json/envelope.ts';
import { IdTable } from '../../../src/relay/id-table.ts';

/** Few of each kind, so that they meet: numbers that are counted up, multiples that share places, texts, and what is too large. */
const id: fc.Arbitrary<Id> = fc.oneof(
  fc.integer({ min: -40, max: 40 }),
  fc.integer({ min: 0, max: 40 }).map((n) => n * 1024),
  fc.integer({ min: 0, max: 40 }).map((n) => 2 ** 40 + n),
  fc.integer({ min: 0, max: 20 }).map((n) => n * 2 ** 40),
  fc.integer({ min: 0, max: 20 }).map(String),
  // Of one place in a table whose hash is known: 31 * 'A' + 'a' is 31 * 'B' + 'B'.
  fc.array(fc.constantFrom('Aa', 'BB'), { minLength: 4, maxLength: 4 }).map((parts) => parts.join('')),
  fc.integer({ min: 0, max: 20 }).map((n) => 2n ** 70n + BigInt(n) * 2n ** 32n),
);

test('a table of ids has what a map has', () => {
  const step = fc.record({ id, isDelete: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new IdTable<{ readonly at: number }>();
      const map = new Map<Id, { readonly at: number }>();
      for (const [at, { id, isDelete }] of steps.entries()) {
        if (isDelete) expect(table.delete(id)).toBe(map.delete(id));
        else {
          const value = { at };
          table.set(id, value);
          map.set(id, value);
        }
        expect(table.size).toBe(map.size);
        expect(table.get(id)).toEqual(map.get(id));
      }
      for (const [id, value] of map) expect(table.get(id)).toBe(value);
      const byStep = (one: { at: number }, other: { at: number }): number => one.at - other.at;
      expect(table.values().sort(byStep)).toEqual([...map.values()].sort(byStep));
    }),
  );
});

test('a table that was full of ids is empty afterwards, and takes others', () => {
  const table = new IdTable<object>();
  for (let i = 0; i < 10_000; i++) table.set(`id-${i}`, {});
  expect(table.size).toBe(10_000);
  for (let i = 0; i < 10_000; i++) expect(table.delete(`id-${i}`)).toBe(true);
  expect(table.size).toBe(0);
  expect(table.values()).toEqual([]);
  table.set(1, {});
  expect(table.has(1)).toBe(true);
  expect(table.has('1')).toBe(false);
});

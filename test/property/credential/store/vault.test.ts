// Any value, set in any order, is read back unchanged.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VaultFolder } from '../../../fixtures/vault.ts';

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'a/b', '__proto__', 'constructor'),
  fc.string({ minLength: 1, maxLength: 40 }),
);
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), name, value: fc.string({ unit: 'binary', maxLength: 200 }) }),
  fc.record({ do: fc.constant('blob' as const), name, value: fc.uint8Array({ maxLength: 200 }) }),
  fc.record({ do: fc.constant('remove' as const), name }),
);

test('W-CRED-30 any values under any names are read unchanged by another daemon', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      using folder = new VaultFolder();
      await using vault = await folder.made();
      const values = new Map<string, string>();
      const blobs = new Map<string, Buffer>();
      for (const one of steps) {
        if (one.do === 'set') {
          await vault.set(one.name, one.value);
          values.set(one.name, one.value);
        } else if (one.do === 'blob') {
          await vault.blobs.set(one.name, one.value);
          blobs.set(one.name, Buffer.from(one.value));
        } else {
          expect(await vault.remove(one.name)).toBe(values.delete(one.name));
        }
      }
      await using again = await folder.again();
      for (const [key, value] of values) expect((await again.get(key))?.value).toBe(value);
      for (const [key, bytes] of blobs) expect(await again.blobs.get(key)).toEqual(bytes);
      const listed = await again.list();
      expect(listed.map((one) => one.name).toSorted()).toEqual([...values.keys()].toSorted());
      expect(listed.every(({ problem }) => problem === undefined)).toBe(true);
    }),
    { numRuns: process.env.SLOW ? 1000 : 40 },
  );
}, 300_000);

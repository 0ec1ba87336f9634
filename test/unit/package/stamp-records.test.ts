import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromRecords, toRecords } from '../../../src/package/stamp-records.ts';

const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[/\0]/.test(text));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const stamp = fc.tuple(fc.nat(), fc.integer(), fc.integer(), fc.nat()).map((parts) => parts.join(':'));

test('stamps are read from their records as they were', () => {
  fc.assert(
    fc.property(fc.dictionary(path, stamp), (stamps) => {
      expect(new Map(fromRecords(toRecords(stamps)))).toEqual(new Map(Object.entries(stamps)));
    }),
  );
});

test('entries of a folder stand behind its name', () => {
  const stamps = { '.': '1:2:3:4', 'a b': '5:6:7:8', 'c/d': '9:1:2:3', e: '0:-1:0:1' };
  expect(toRecords(stamps).toString()).toBe('/\x001:2:3:4 .\x005:6:7:8 a b\x000:-1:0:1 e\0/c\x009:1:2:3 d\0');
});

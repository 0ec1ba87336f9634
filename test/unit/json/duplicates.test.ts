import { describe, expect, test } from 'vitest';
import { hasDuplicateMembers, MAX_NAME_BYTES, MAX_NAMES } from '../../../src/json/duplicates.ts';

function has(text: string | Buffer): boolean {
  const line = Buffer.from(text);
  // In the middle of something else, as it is in a line.
  return hasDuplicateMembers(
    Buffer.concat([Buffer.from('{"a":'), line, Buffer.from(',"a":1}')]),
    5,
    5 + line.length,
  );
}

const many = (count: number): string =>
  `{${Array.from({ length: count }, (_, i) => `"name${i}":${i}`).join(',')}}`;

describe('W-RELAY-20 a member that is there twice is found at every depth', () => {
  test.each([
    ['at the top', '{"a":1,"a":2}'],
    ['in an object in an object', '{"x":{"y":{"a":1,"b":2,"a":3}}}'],
    ['in an object in a list', '{"x":[1,[{"a":1},{"b":1,"b":2}]]}'],
    ['in a list', '[{"a":1,"a":1}]'],
    ['with an escape', '{"path":1,"p\\u0061th":2}'],
    ['with an escape first', '{"p\\u0061th":1,"path":2}'],
    ['with two spellings of a slash', '{"a\\/b":1,"a/b":2}'],
    ['with a surrogate pair', '{"😀":1,"\\ud83d\\ude00":2}'],
    ['with lone surrogates, which many parsers read as one character', '{"\\ud800":1,"\\ud801":2}'],
    ['that is empty', '{"":1,"":2}'],
    ['with space around', ' { "a" : 1 ,\t"a" : 2 } '],
    ['behind many others', `{"last":1,${many(500).slice(1, -1)},"last":2}`],
    ['named as a part of every object is', '{"__proto__":1,"__proto__":2}'],
  ])('%s', (_name, text) => {
    expect(has(text)).toBe(true);
  });

  test.each([
    ['another in the same object', '{"a":1,"b":2,"c":3}'],
    ['the same in an object inside', '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}'],
    ['the same in other case', '{"a":1,"A":2}'],
    ['the same with a space', '{"a":1,"a ":2}'],
    ['the same as a value', '{"a":"a","b":"a"}'],
    ['an escape that is another', '{"a":1,"\\u0062":2}'],
    ['hundreds', many(500)],
    ['names of what every object has', '{"constructor":1,"__proto__":2,"toString":3}'],
    ['nothing', '{}'],
    ['nothing at all', '[]'],
    ['a number', '7'],
  ])('not taken for one: %s', (_name, text) => {
    expect(has(text)).toBe(false);
  });

  test('what cannot be found out within the bounds counts as one', () => {
    expect(has(many(MAX_NAMES))).toBe(false);
    expect(has(many(MAX_NAMES + 1))).toBe(true);
    expect(has(`{"${'x'.repeat(MAX_NAME_BYTES)}":1}`)).toBe(true);
    expect(has(`[${`${many(1000)},`.repeat(100)}{}]`)).toBe(false);
    expect(has(`${'['.repeat(255)}${']'.repeat(255)}`)).toBe(false);
    expect(has(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toBe(true);
  });

  test.each(['', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '[1', '[1,', '{"a":1}x', '{a:1}', '[,]', '"'])(
    'what is no value counts as one: %s',
    (text) => {
      expect(hasDuplicateMembers(Buffer.from(text), 0, text.length)).toBe(true);
    },
  );

  test('a large value with many objects is read', () => {
    const rows = `[${'{"id":123456,"name":"a name","tags":["a","b"],"at":{"x":1,"y":2}},'.repeat(20_000)}{}]`;
    expect(has(rows)).toBe(false);
  });
});

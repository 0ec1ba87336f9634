import { describe, expect, test } from 'vitest';
import { changesBetween, membersOf } from '../../../../src/commands/trust/members.ts';

describe('the members of a definition', () => {
  test('are one a line, by their paths, with every number as it is spelled', () => {
    const json =
      '{"name":"n","big":9007199254740993,"one":1.0,"a":{"b.c":[true,null,[]],"":{}},"__proto__":{"x":"y"}}';
    expect([...membersOf(json)]).toEqual([
      ['name', 'n'],
      ['big', '9007199254740993'],
      ['one', '1.0'],
      ['a."b.c"[0]', 'true'],
      ['a."b.c"[1]', 'null'],
      ['a."b.c"[2]', '[]'],
      ['a.""', '{}'],
      ['__proto__.x', 'y'],
    ]);
  });

  test('are the text itself, of what is no JSON', () => {
    expect([...membersOf('{"a":1')]).toEqual([['', '{"a":1']]);
  });

  test('differ word by word', () => {
    expect(
      changesBetween(
        '{"description":"Reads a file.","old":1}',
        '{"description":"Reads every file.","new":"x"}',
      ),
    ).toEqual([
      {
        path: 'description',
        change: 'changed',
        words: [
          { text: 'Reads ', in: 'both' },
          { text: 'a', in: 'before' },
          { text: 'every', in: 'after' },
          { text: ' file.', in: 'both' },
        ],
      },
      { path: 'new', change: 'added', text: 'x' },
      { path: 'old', change: 'removed', text: '1' },
    ]);
  });

  test('that have nothing in common, and are long, are shown whole', () => {
    const text = (seed: number): string =>
      Array.from({ length: 60_000 }, (_, at) => (at * seed) % 9973).join(' ');
    const [change] = changesBetween(JSON.stringify(text(7)), JSON.stringify(text(11)));
    if (change?.change !== 'changed') throw new Error('it is the same');
    const side = (which: string): string =>
      change.words
        .flatMap(({ text: words, in: where }) => (where === which || where === 'both' ? [words] : []))
        .join('');
    expect(side('before')).toBe(text(7));
    expect(side('after')).toBe(text(11));
  });
});

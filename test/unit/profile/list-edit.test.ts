import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { addToList, removeFromList } from '../../../src/profile/list-edit.ts';

const PATH = ['sandbox', 'network'] as const;
const ENTRY = 'new.test:8443';

/** Texts, and what they become. */
const EDITS: readonly (readonly [name: string, before: string, after: string])[] = [
  [
    'no section',
    '# mine\nserver:\n  command: x   # here\npolicy: {default: allow}\n# end\n',
    '# mine\nserver:\n  command: x   # here\npolicy: {default: allow}\nsandbox: {network: [new.test:8443]}\n# end\n',
  ],
  ['no final line end', 'server: {command: x}', 'server: {command: x}\nsandbox: {network: [new.test:8443]}'],
  [
    'CRLF',
    'server: {command: x}\r\npolicy: {}\r\n',
    'server: {command: x}\r\npolicy: {}\r\nsandbox: {network: [new.test:8443]}\r\n',
  ],
  [
    'a section without the list',
    'sandbox:\n  read:\n    - ~/src # sources\n\nserver: {command: x}\n',
    'sandbox:\n  read:\n    - ~/src # sources\n  network: [new.test:8443]\n\nserver: {command: x}\n',
  ],
  [
    'a section in braces',
    'sandbox: {read: [~/src]} # box\nserver: {command: x}\n',
    'sandbox: {read: [~/src], network: [new.test:8443]} # box\nserver: {command: x}\n',
  ],
  [
    'an empty section',
    'sandbox: {}\nserver: {command: x}\n',
    'sandbox: { network: [new.test:8443] }\nserver: {command: x}\n',
  ],
  ['an empty list without spaces', 'sandbox: {network: []}\n', 'sandbox: {network: [ new.test:8443 ]}\n'],
  [
    'a list on one line',
    'sandbox:\n  network: [a.test, "*.b.test"]  # hosts\n',
    'sandbox:\n  network: [a.test, "*.b.test", new.test:8443]  # hosts\n',
  ],
  ['an empty list', 'sandbox:\n  network: [ ]\n', 'sandbox:\n  network: [new.test:8443 ]\n'],
  [
    'brackets over lines',
    'sandbox:\n  network: [\n    a.test, # first\n    b.test # second\n  ]\n',
    'sandbox:\n  network: [\n    a.test, # first\n    b.test, new.test:8443 # second\n  ]\n',
  ],
  ['a comma at the end', 'sandbox: {network: [a.test,]}\n', 'sandbox: {network: [a.test, new.test:8443,]}\n'],
  [
    'a list of lines',
    'sandbox:\n  network:\n    - a.test   # one\n    # two\n    - "b.test"\n  memory: 1GiB\n',
    'sandbox:\n  network:\n    - a.test   # one\n    # two\n    - "b.test"\n    - new.test:8443\n  memory: 1GiB\n',
  ],
  [
    'a list that is not indented',
    'sandbox:\n  network:\n  - a.test\nserver: {command: x}',
    'sandbox:\n  network:\n  - a.test\n  - new.test:8443\nserver: {command: x}',
  ],
  [
    'JSON',
    '{"server": {"command": "x"}}\n',
    '{"server": {"command": "x"}, sandbox: {network: [new.test:8443]}}\n',
  ],
  [
    'a block of text at the end',
    'server: {command: x}\ndescription: |\n  two\n  lines\n',
    'server: {command: x}\ndescription: |\n  two\n  lines\nsandbox: {network: [new.test:8443]}\n',
  ],
];

describe('an entry', () => {
  test.each(EDITS)('is added where there is %s', (_name, before, after) => {
    expect(addToList(before, PATH, ENTRY)).toBe(after);
  });

  test.each(EDITS)('is taken out again: %s', (_name, before, after) => {
    const removed = removeFromList(after, PATH, ENTRY) ?? '';
    expect(removed).toBe(before);
  });

  test('goes with the list that was made for it when it is the last of several', () => {
    for (const before of [
      'server: {command: x}\n',
      'sandbox:\n  memory: 1GiB # much\n',
      'sandbox: {network: []}\n',
    ]) {
      const one = addToList(before, PATH, 'a.test') ?? '';
      const two = addToList(one, PATH, 'b.test') ?? '';
      const left = removeFromList(two, PATH, 'a.test') ?? '';
      expect(removeFromList(left, PATH, 'b.test')).toBe(before);
      expect(removeFromList(removeFromList(two, PATH, 'b.test') ?? '', PATH, 'a.test')).toBe(before);
    }
  });

  test.each([
    [
      'sandbox:\n  network: [a.test] # mine\nserver: {command: x}\n',
      'sandbox:\n  network: [] # mine\nserver: {command: x}\n',
    ],
    ['sandbox: {network: [a.test], read: [~/x]}\n', 'sandbox: {network: [], read: [~/x]}\n'],
    ['sandbox:\n  network: [a.test]\n', 'sandbox:\n  network: []\n'],
  ])('leaves a list that was not made for it: %j', (text, expected) => {
    expect(removeFromList(text, PATH, 'a.test')).toBe(expected);
  });

  test('is in quotes where YAML would read it otherwise', () => {
    for (const entry of [
      '*.a.test',
      '10.1.0.0/16',
      '127.0.0.1:80',
      'true',
      'localhost:5432',
      '0x1.test',
      'fd00::/32',
    ]) {
      const text = addToList('sandbox: {network: [a.test]}\n', PATH, entry) ?? '';
      expect(parse(text).sandbox.network).toEqual(['a.test', entry]);
      expect(removeFromList(text, PATH, entry)).toBe('sandbox: {network: [a.test]}\n');
    }
  });

  test('is taken out of the beginning and the middle', () => {
    const flow = 'sandbox: {network: [a.test, b.test, c.test]}\n';
    expect(removeFromList(flow, PATH, 'a.test')).toBe('sandbox: {network: [b.test, c.test]}\n');
    expect(removeFromList(flow, PATH, 'b.test')).toBe('sandbox: {network: [a.test, c.test]}\n');
    const lines = 'sandbox:\n  network:\n    - a.test\n    - b.test # b\n    - c.test\n';
    expect(removeFromList(lines, PATH, 'b.test')).toBe('sandbox:\n  network:\n    - a.test\n    - c.test\n');
    expect(removeFromList(lines, PATH, 'x.test')).toBeUndefined();
    expect(removeFromList('sandbox:\n  network:\n  - a.test\n', PATH, 'a.test')).toBe(
      'sandbox:\n  network: []\n',
    );
  });

  test.each([
    ['a list of another kind', 'sandbox: {network: a.test}\n'],
    ['a section without a value', 'sandbox:\nserver: {command: x}\n'],
    ['a list without a value', 'sandbox:\n  network:\n'],
    ['no map', '- a\n'],
    ['nothing', ''],
  ])('is not added to %s', (_name, text) => {
    expect(addToList(text, PATH, ENTRY)).toBeUndefined();
  });
});

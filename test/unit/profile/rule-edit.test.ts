import { describe, expect, test } from 'vitest';
import { changeRules, policyText, type RuleChange } from '../../../src/profile/rule-edit.ts';

const allow = (pattern: string): RuleChange => ({ part: 'tools', pattern, says: 'allow' });

/** Texts, the change, and what they become. */
const EDITS: readonly (readonly [name: string, before: string, change: RuleChange, after: string])[] = [
  [
    'no policy',
    '# mine\nserver: {command: x} # here\n# end\n',
    allow('a'),
    '# mine\nserver: {command: x} # here\npolicy:\n  tools:\n    "a": allow\n# end\n',
  ],
  [
    'no rules',
    'server: {command: x}\npolicy:\n  default: ask # why\n\naudit: {}\n',
    allow('a'),
    'server: {command: x}\npolicy:\n  default: ask # why\n  tools:\n    "a": allow\n\naudit: {}\n',
  ],
  [
    'rules on lines',
    'policy:\n    tools:\n        "d*": deny   # never\n        # more\n    default: ask\n',
    allow('a'),
    'policy:\n    tools:\n        "d*": deny   # never\n        "a": allow\n        # more\n    default: ask\n',
  ],
  [
    'rules in braces',
    'policy: {default: ask, tools: {b: ask}} # p\n',
    allow('a'),
    'policy: {default: ask, tools: {b: ask, "a": allow}} # p\n',
  ],
  ['a policy in braces', 'policy: {}\n', allow('a'), 'policy: {"tools": {"a": allow}}\n'],
  [
    'another decision',
    'policy:\n  tools:\n    a:   ask # so\n    b: deny\n',
    allow('a'),
    'policy:\n  tools:\n    a:   allow # so\n    b: deny\n',
  ],
  [
    'CRLF',
    'policy:\r\n  default: ask\r\n',
    allow('a'),
    'policy:\r\n  default: ask\r\n  tools:\r\n    "a": allow\r\n',
  ],
  [
    'the default',
    'policy:\n  default: allow # all\n',
    { part: 'default', says: 'ask' },
    'policy:\n  default: ask # all\n',
  ],
  [
    'no default',
    'policy:\n  tools: {a: allow}\n',
    { part: 'default', says: 'ask' },
    'policy:\n  tools: {a: allow}\n  default: ask\n',
  ],
  [
    'a name that is no plain word',
    'policy: {default: ask}\n',
    allow('a: "b" # c'),
    'policy: {default: ask, "tools": {"a: \\"b\\" # c": allow}}\n',
  ],
];

describe('a rule is changed, and nothing else', () => {
  test.each(EDITS)('%s', (_name, before, change, after) => {
    expect(changeRules(before, [change])?.replace('"tools"', 'tools')).toBe(
      after.replace('"tools"', 'tools'),
    );
  });

  test.each([
    ['a condition', 'policy: {tools: {a: {allow: {}, else: ask}}}\n'],
    ['an anchor', 'server: &s {command: x}\npolicy: *s\n'],
    ['a rule without a decision', 'policy:\n  tools:\n    a:\n'],
    ['rules that are none', 'policy: {tools: [a]}\n'],
    ['no YAML', 'policy: {\n'],
  ])('%s is left to an editor', (_name, text) => {
    expect(changeRules(text, [allow('a')])).toBeUndefined();
  });

  test('several at once', () => {
    expect(
      changeRules('policy:\n  default: allow\n', [{ part: 'default', says: 'ask' }, allow('a'), allow('b')]),
    ).toBe('policy:\n  default: ask\n  tools:\n    "a": allow\n    "b": allow\n');
  });
});

test('the text of a policy is shown as it stands', () => {
  expect(policyText('a: 1\npolicy: # mine\n  default: ask # b\n# c\nz: 2\n')).toBe(
    'policy: # mine\n  default: ask # b',
  );
  expect(policyText('a: 1\n')).toBe('');
});

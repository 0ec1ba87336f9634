import { describe, expect, test } from 'vitest';
import { decide, denies } from '../../../src/policy/decide.ts';
import { matches } from '../../../src/policy/pattern.ts';
import type { ProfilePolicy } from '../../../src/profile/format.ts';

describe('patterns', () => {
  test.each([
    ['get_issue', 'get_issue', true],
    ['get_issue', 'get_issues', false],
    ['get_issue', 'Get_issue', false],
    ['get_*', 'get_', true],
    ['get_*', 'get_issue', true],
    ['get_*', 'forget_issue', false],
    ['*_issue', 'get_issue', true],
    ['*_issue', 'get_issues', false],
    ['*', '', true],
    ['*', 'anything at all', true],
    ['get_?', 'get_x', true],
    ['get_?', 'get_', false],
    ['get_?', 'get_xy', false],
    ['?', '漢', true],
    ['?', '😀', true],
    ['*a*b*', 'xaxbx', true],
    ['*a*b*', 'xbxax', false],
    ['a*a', 'a', false],
    ['**', 'x', true],
    ['get.issue', 'getXissue', false],
    ['[a-z]', 'b', false],
    ['', '', true],
    ['', 'x', false],
  ])('%j and %j: %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });

  test('a pattern with many stars is answered in no time', () => {
    expect(matches(`${'*a'.repeat(100)}*b`, 'a'.repeat(5000))).toBe(false);
  });
});

describe('decisions', () => {
  const policy: ProfilePolicy = {
    default: 'ask',
    tools: {
      '*_issue': 'allow',
      'get_*': 'allow',
      get_issue: 'allow',
      'delete_*': 'deny',
      'delete_own_*': 'allow',
      'create_*': 'ask',
      create_issue: 'allow',
      push: { allow: { properties: { owner: { const: 'acme' } } }, else: 'deny' },
    },
  };

  test.each([
    ['get_issue', 'allow', 'policy.tools.get_issue'],
    ['close_issue', 'allow', 'policy.tools.*_issue'],
    ['get_repository', 'allow', 'policy.tools.get_*'],
    ['anything', 'ask', 'policy.default'],
    ['GET_issue', 'allow', 'policy.tools.*_issue'],
  ])('%s: %s by %s', (tool, decision, rule) => {
    expect(decide(policy, tool)).toEqual({ decision, rule });
  });

  test('W-POL-1 deny wins over ask, and ask over allow, however specific the patterns are', () => {
    expect(decide(policy, 'delete_own_issue')).toEqual({ decision: 'deny', rule: 'policy.tools.delete_*' });
    expect(decide(policy, 'create_issue')).toEqual({ decision: 'ask', rule: 'policy.tools.create_*' });
  });

  test('W-POL-1 a rule with a condition allows nothing by the name alone', () => {
    expect(decide(policy, 'push')).toEqual({ decision: 'ask', rule: 'policy.tools.push' });
  });

  test('the most specific pattern of the winning kind is reported, whatever the order in the file', () => {
    const tools = { '*': 'deny', 'delete_*': 'deny', delete_repo: 'deny', 'delete_rep?': 'deny' } as const;
    expect(decide({ default: 'allow', tools }, 'delete_repo').rule).toBe('policy.tools.delete_repo');
    expect(decide({ default: 'allow', tools }, 'delete_repx').rule).toBe('policy.tools.delete_rep?');
    expect(decide({ default: 'allow', tools }, 'delete_it').rule).toBe('policy.tools.delete_*');
    expect(decide({ default: 'allow', tools }, 'x').rule).toBe('policy.tools.*');
    const same = { 'delete_repo*': 'deny', delete_repo: 'deny' } as const;
    expect(decide({ default: 'allow', tools: same }, 'delete_repo').rule).toBe('policy.tools.delete_repo');
  });

  test('a policy tells whether it denies anything', () => {
    expect(denies(policy)).toBe(true);
    expect(denies({ default: 'deny', tools: {} })).toBe(true);
    expect(denies({ default: 'ask', tools: { x: 'allow' } })).toBe(false);
  });
});

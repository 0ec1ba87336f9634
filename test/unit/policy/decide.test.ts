import { describe, expect, test } from 'vitest';
import { decideAll, decide as decideOn, denies, MAX_NAME } from '../../../src/policy/decide.ts';
import { matches } from '../../../src/policy/pattern.ts';
import { isNormal, normalForm } from '../../../src/policy/uri.ts';
import { policyOf } from '../../fixtures/policy.ts';

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

const decide = (policy: Parameters<typeof decideOn>[0], name: string) =>
  decideOn(policy, { kind: 'tools', name });

describe('decisions', () => {
  const policy = policyOf({
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
  });

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
    expect(decide(policyOf({ tools }), 'delete_repo').rule).toBe('policy.tools.delete_repo');
    expect(decide(policyOf({ tools }), 'delete_repx').rule).toBe('policy.tools.delete_rep?');
    expect(decide(policyOf({ tools }), 'delete_it').rule).toBe('policy.tools.delete_*');
    expect(decide(policyOf({ tools }), 'x').rule).toBe('policy.tools.*');
    const same = { 'delete_repo*': 'deny', delete_repo: 'deny' } as const;
    expect(decide(policyOf({ tools: same }), 'delete_repo').rule).toBe('policy.tools.delete_repo');
  });

  test('a policy tells whether it denies anything of a kind', () => {
    expect(denies(policy, 'tools')).toBe(true);
    expect(denies(policy, 'prompts')).toBe(false);
    expect(denies(policyOf({ default: 'deny' }), 'prompts')).toBe(true);
    expect(denies(policyOf({ methods: { 'prompts/*': 'deny' } }), 'prompts')).toBe(true);
    expect(denies(policyOf({ default: 'ask', tools: { x: 'allow' } }), 'tools')).toBe(false);
  });

  test('a name over the bound is denied before it is compared', () => {
    const open = policyOf({ tools: { '*': 'allow' } });
    expect(decide(open, 'a'.repeat(MAX_NAME.tools)).decision).toBe('allow');
    expect(decide(open, 'a'.repeat(MAX_NAME.tools + 1))).toEqual({ decision: 'deny', rule: 'protocol' });
  });
});

describe('W-POL-2 another spelling of a name does not escape a deny or an ask', () => {
  const policy = policyOf({ tools: { 'delete_*': 'deny', 'Straße *': 'ask', '*': 'allow' } });

  test.each([
    'DELETE_ALL',
    ' delete_all',
    'delete_all ',
    'de\u00adlete_all',
    'delete\u200b_all',
    '\ufeffdelete_all',
    'ｄｅｌｅｔｅ＿ａｌｌ',
    'delete_\u{1d41a}ll',
    'de\u034flete_all',
    'delete\u3164_all',
    'delete\0_all',
    'Delete_\n',
  ])('%j: deny by policy.tools.delete_*', (name) => {
    expect(decide(policy, name)).toEqual({ decision: 'deny', rule: 'policy.tools.delete_*' });
  });

  test('a pattern is folded as a name is', () => {
    expect(decide(policy, 'STRASSE x').decision).toBe('ask');
    expect(decide(policy, 'STRA\u1e9eE x').decision).toBe('ask');
    expect(decide(policyOf({ tools: { '\u039f\u03a3*': 'deny' } }), '\u03bf\u03c3\u03b1').decision).toBe(
      'deny',
    );
    expect(decide(policy, 'strassex').decision).toBe('ask');
    expect(decide(policyOf({ tools: { DELETE_ALL: 'deny' } }), 'delete_all').decision).toBe('deny');
  });

  test('an allow holds for the name as it is written', () => {
    const allowed = policyOf({ default: 'deny', tools: { get_issue: 'allow' } });
    expect(decide(allowed, 'get_issue').decision).toBe('allow');
    expect(decide(allowed, 'GET_issue')).toEqual({ decision: 'deny', rule: 'policy.default' });
    expect(decide(allowed, 'get_issue ').decision).toBe('deny');
  });
});

describe('W-POL-4 resources are decided on by what their URI leads to', () => {
  const policy = policyOf({
    default: 'ask',
    resources: { 'file:///home/me/*': 'allow', 'file:///home/me/.ssh/*': 'deny', 'file:///a%20b/*': 'deny' },
  });
  const on = (name: string) => decideOn(policy, { kind: 'resources', name, method: 'resources/read' });

  test.each([
    ['file:///home/me/x.txt', 'allow'],
    ['file:///home/me/100%25.txt', 'allow'],
    ['file:///home/me/..x/y', 'allow'],
    ['file:///etc/passwd', 'ask'],
    ['file:///home/me/.ssh/id', 'deny'],
    ['file:///home/me/../me/.ssh/id', 'deny'],
    ['file:///home/me/x/..%2f.ssh/id', 'deny'],
    ['file:///home/me/%2essh/id', 'deny'],
    ['file:///home/me/%252essh/id', 'deny'],
    ['file:///home/me//.ssh//id', 'deny'],
    ['file:///home/me/./.ssh/id', 'deny'],
    ['file:///home/me/.SSH/id', 'deny'],
    ['FILE:///home/me/.ssh/id', 'deny'],
    ['file:/home/me/.ssh/id', 'deny'],
    ['file://localhost/home/me/.ssh/id', 'deny'],
    ['file:///home\\me\\.ssh\\id', 'deny'],
    ['file:///home/me/.ssh/id?x#y', 'deny'],
    ['file:///x?/../home/me/.ssh/id', 'deny'],
    ['file:///x%23/../home/me/.ssh/id', 'deny'],
    ['file:///a b/x', 'deny'],
    ['file:///a%20b/x', 'deny'],
  ])('%s: %s', (uri, decision) => {
    expect(on(uri).decision).toBe(decision);
  });

  test.each([
    'file:///home/me/../../etc/passwd',
    'file:///home/me/%2e%2e/%2e%2e/etc/passwd',
    'file:///home/me/..%2f..%2fetc/passwd',
    'file:///home/me/%252e%252e/x',
    'file:///home/me/..\\..\\etc/passwd',
    'file:///home/me/..%5c..%5cetc/passwd',
    'file:///home/me/x?/../../../etc/passwd',
    'file:///home/me/x#/../../../etc/passwd',
    'file:///home/me/x#..%5c/..\\..\\etc/passwd',
    'file:///home/me/./x',
    'file:///home/me/x\0.txt',
  ])('%s is not what a pattern allows', (uri) => {
    expect(on(uri)).toEqual({ decision: 'ask', rule: 'policy.default' });
  });

  test('an exact URI allows itself', () => {
    const rules = policyOf({ default: 'deny', resources: { 'x://a/../b': 'allow' } });
    expect(decideOn(rules, { kind: 'resources', name: 'x://a/../b' }).decision).toBe('allow');
  });

  test.each([
    ['file:/a/./b/../c', 'file:///a/c'],
    ['file://LOCALHOST/a', 'file:///a'],
    ['https://h/a/../../b?c=/../d#e', 'https://h/b?c=/../d'],
    ['memo:a/../b', 'memo:b'],
    ['x://h/a/..', 'x://h/'],
    ['x://h', 'x://h'],
    ['', ''],
  ])('the normal form of %s is %s', (uri, normal) => {
    expect(normalForm(uri)).toBe(normal);
    expect(isNormal(normal)).toBe(true);
  });
});

describe('W-POL-6 methods', () => {
  const policy = policyOf({
    default: 'deny',
    tools: { get: 'allow' },
    resources: { '*': 'allow' },
    methods: { 'x/*': 'allow', '*': 'allow', 'resources/*': 'ask', 'sampling/*': 'deny' },
  });

  test('an unknown method is decided on by the patterns, else by the default', () => {
    expect(decideOn(policy, { kind: 'methods', name: 'x/y' })).toEqual({
      decision: 'allow',
      rule: 'policy.methods.x/*',
    });
    const none = policyOf({ default: 'deny' });
    expect(decideOn(none, { kind: 'methods', name: 'x/y' })).toEqual({
      decision: 'deny',
      rule: 'policy.default',
    });
  });

  test('a deny or an ask holds for every request of the method, an allow for no tool', () => {
    expect(decideOn(policy, { kind: 'resources', name: 'a:b', method: 'resources/read' })).toEqual({
      decision: 'ask',
      rule: 'policy.methods.resources/*',
    });
    expect(decideOn(policy, { kind: 'tools', name: 'other', method: 'tools/call' }).decision).toBe('deny');
    expect(decideOn(policy, { kind: 'tools', name: 'get', method: 'tools/call' }).decision).toBe('allow');
  });

  test('where the protocol lets a method pass, the default does not count, and a pattern does', () => {
    const roots = { kind: 'methods', name: 'roots/list' } as const;
    const none = policyOf({ default: 'deny', methods: { 'sampling/*': 'deny' } });
    expect(decideOn(none, roots, 'allow')).toEqual({ decision: 'allow', rule: 'protocol' });
    expect(decideOn(none, { kind: 'methods', name: 'Sampling/createMessage' }, 'allow').decision).toBe(
      'deny',
    );
  });
});

test('W-POL-5 prompts are decided on by name, as tools are', () => {
  const policy = policyOf({ default: 'deny', prompts: { 'review_*': 'allow', review_all: 'deny' } });
  const on = (name: string) => decideOn(policy, { kind: 'prompts', name, method: 'prompts/get' });
  expect(on('review_this')).toEqual({ decision: 'allow', rule: 'policy.prompts.review_*' });
  expect(on('Review_All')).toEqual({ decision: 'deny', rule: 'policy.prompts.review_all' });
  expect(on('other')).toEqual({ decision: 'deny', rule: 'policy.default' });
});

test('of several things the strictest verdict holds', () => {
  const policy = policyOf({ resources: { 'a:*': 'allow', 'b:*': 'ask', 'c:*': 'deny' } });
  const on = (...names: string[]) =>
    decideAll(
      policy,
      names.map((name) => ({ kind: 'resources', name })),
    );
  expect(on('a:1', 'b:1', 'a:2')).toEqual({ decision: 'ask', rule: 'policy.resources.b:*' });
  expect(on('c:1', 'b:1')).toEqual({ decision: 'deny', rule: 'policy.resources.c:*' });
  expect(on('a:1')).toEqual({ decision: 'allow', rule: 'policy.resources.a:*' });
  expect(on()).toEqual({ decision: 'allow', rule: 'protocol' });
});

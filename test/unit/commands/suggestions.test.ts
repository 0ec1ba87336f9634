import { describe, expect, test } from 'vitest';
import { EvidenceBook } from '../../../src/commands/policy/evidence.ts';
import { changesOf, suggestRules } from '../../../src/commands/policy/suggestions.ts';
import type { ProfilePolicy } from '../../../src/profile/format.ts';
import { type Called, evidenceOf } from '../../fixtures/evidence.ts';
import { policyOf } from '../../fixtures/policy.ts';

const suggest = (calls: readonly Called[], policy: Partial<ProfilePolicy> = {}) =>
  suggestRules(policyOf({ default: 'ask', ...policy }), evidenceOf(calls).all);
const rulesOf = (...given: Parameters<typeof suggest>) =>
  suggest(...given).rules.map(({ name, says }) => [name, says]);

const yes = (by: Called['by'] = 'once', count = 1): Called => ({ tool: 'a', by, decision: 'allow', count });
const no = (by: Called['by'] = 'once'): Called => ({ tool: 'a', by, decision: 'deny' });

describe('W-POL-15 a rule that allows', () => {
  test('follows from an answer for the tool, or from three yes', () => {
    expect(rulesOf([yes('tool')])).toEqual([['a', 'allow']]);
    expect(rulesOf([yes(), yes(), yes()])).toEqual([['a', 'allow']]);
    expect(suggest([yes('tool', 12)]).rules[0]?.because).toBe('12 calls; you said yes once (terminal)');
  });

  test.each<[string, Called[]]>([
    ['fewer', [yes(), yes()]],
    ['many calls by one answer for these arguments', [yes('arguments', 50)]],
    ['calls that nobody decided on', Array<Called>(50).fill(no('nobody'))],
    ['calls that nobody answered in time', Array<Called>(50).fill(no('timeout'))],
    ['calls that a rule refused', [no('policy.tools.a')]],
    ['nothing', []],
  ])('does not follow from %s', (_name, calls) => {
    expect(rulesOf(calls)).toEqual([]);
  });

  test.each<[string, Called[]]>([
    ['once', [yes('tool'), yes(), yes(), yes(), no()]],
    ['before', [no(), yes('tool')]],
    ['for good', [yes('tool'), no('tool')]],
  ])('never follows where a person has said no too: %s', (_name, calls) => {
    expect(rulesOf(calls)).toEqual([]);
    expect(suggest(calls).notes[0]).toContain('you said yes');
  });

  test('does not follow where another rule would ask all the same, or decides by arguments', () => {
    expect(rulesOf([yes('tool')], { tools: { 'a*': 'ask' } })).toEqual([]);
    expect(suggest([yes('tool')], { tools: { 'a*': 'ask' } }).notes[0]).toContain(
      'policy.tools.a* asks all the same',
    );
    expect(rulesOf([yes('tool')], { tools: { a: { allow: {}, else: 'ask' } } })).toEqual([]);
    expect(rulesOf([yes('tool')], { tools: { a: 'ask' } })).toEqual([]);
    expect(rulesOf([yes('tool')], { tools: { a: 'allow' } })).toEqual([]);
  });

  test.each(['a*', 'a?', 'a\u200b', 'a\n', '\u202ea', 'x'.repeat(257), '__proto__'])(
    'is never written for a name that would be a pattern or is not shown: %j',
    (tool) => {
      expect(rulesOf([{ tool, by: 'tool', decision: 'allow' }])).toEqual([]);
    },
  );
});

test('a rule that denies follows from a no for good, or from two', () => {
  expect(rulesOf([no('tool')])).toEqual([['a', 'deny']]);
  expect(rulesOf([no(), no()])).toEqual([['a', 'deny']]);
  expect(rulesOf([no()])).toEqual([]);
  expect(rulesOf([no(), no()], { tools: { '*': 'deny' } })).toEqual([]);
});

test('what "default: allow" let through gets rules of its own, and the default asks', () => {
  const suggestions = suggest(
    [
      { tool: 'b', by: 'policy.default', decision: 'allow', count: 7 },
      { tool: 'c', by: 'policy.tools.c', decision: 'allow' },
    ],
    { default: 'allow', tools: { c: 'allow' } },
  );
  expect(changesOf(suggestions)).toEqual([
    { part: 'default', says: 'ask' },
    { part: 'tools', pattern: 'b', says: 'allow' },
  ]);
  expect(suggestions.rules[0]?.because).toBe('7 calls; "default: allow" let through 7, and nobody was asked');
});

test('resources and prompts have rules of their own', () => {
  const book = new EvidenceBook();
  const record = (fields: object) =>
    book.add({ seq: 1, time: '', session: 's', event: 'request', decision: 'allow', ...fields } as never);
  book.add({
    event: 'consent.answer',
    session: 's',
    question: '1',
    rule: 'grant.x',
    by: 'terminal',
    scope: 'always',
    extent: 'name',
  } as never);
  record({ method: 'resources/read', target: 'file:///a', rule: 'grant.x' });
  record({ method: 'prompts/get', target: 'p', rule: 'grant.x' });
  record({ method: 'completion/complete', target: 'p', rule: 'grant.x' });
  expect(changesOf(suggestRules(policyOf({ default: 'ask' }), book.all))).toEqual([
    { part: 'resources', pattern: 'file:///a', says: 'allow' },
    { part: 'prompts', pattern: 'p', says: 'allow' },
  ]);
});

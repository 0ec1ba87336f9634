import { describe, expect, test } from 'vitest';
import { MAX_JUDGED } from '../../../src/policy/arguments.ts';
import {
  CallArguments,
  judge,
  loadConditions,
  optionalNames,
  requireConditions,
} from '../../../src/policy/condition.ts';
import { decide, hasConditions } from '../../../src/policy/decide.ts';
import type { Condition } from '../../../src/profile/format.ts';
import { policyOf } from '../../fixtures/policy.ts';

const owner: Condition = {
  allow: { properties: { owner: { const: 'acme' } }, required: ['owner'] },
  else: 'ask',
};

async function judged(allow: Condition['allow'], text: string): Promise<string | true> {
  const condition: Condition = { allow, else: 'deny' };
  expect(await loadConditions(policyOf({ tools: { tool: condition } }))).toEqual([]);
  const judgement = judge(condition, new CallArguments(() => text));
  return judgement.isMet ? true : judgement.why;
}

describe('W-POL-11 a condition allows only what every server reads as it does', () => {
  test.each<[string, Condition['allow'], string, string | true]>([
    ['what fits', owner.allow, '{"owner":"acme"}', true],
    ['another value', owner.allow, '{"owner":"evil"}', '"owner" must be equal to constant "acme"'],
    ['a missing member', owner.allow, '{}', "the arguments must have required property 'owner'"],
    [
      'an inherited member',
      { required: ['toString'] },
      '{}',
      "the arguments must have required property 'toString'",
    ],
    [
      'another spelling beside it',
      owner.allow,
      '{"owner":"acme","Owner":"evil"}',
      'two members of the arguments differ only in the spelling of their names',
    ],
    [
      'another spelling in its place',
      { properties: { owner: { const: 'acme' } } },
      '{"OWNER":"evil"}',
      'a member of the arguments is named almost like "owner"',
    ],
    [
      'another spelling, at depth',
      { properties: { a: { properties: { owner: { const: 1 } } } } },
      '{"a":{"o\\u200bwner":2}}',
      'a member of the arguments is named almost like "owner"',
    ],
    [
      'two spellings, in a list',
      {},
      '{"a":[{"b":1,"B":2}]}',
      'two members of the arguments differ only in the spelling of their names',
    ],
    [
      'a number beyond 2^53',
      { properties: { n: { const: 9007199254740992 } } },
      '{"n":9007199254740993}',
      'a number has more digits than every reader keeps',
    ],
    [
      'a number of many digits',
      { properties: { n: { maximum: 1 } } },
      '{"n":1.00000000000000000001}',
      'a number has more digits than every reader keeps',
    ],
    [
      'a number beyond every double',
      { properties: { n: { minimum: 1 } } },
      '{"n":1e400}',
      'a number has more digits than every reader keeps',
    ],
    [
      'a number that becomes 0',
      { properties: { n: { const: 0 } } },
      '{"n":1e-400}',
      'a number has more digits than every reader keeps',
    ],
    ['an exact number with an exponent', { properties: { n: { const: 1500 } } }, '{"n":1.5e3}', true],
    [
      'digits in a string',
      { properties: { n: { type: 'string' } } },
      '{"n":"9007199254740993 \\" 9007199254740993"}',
      true,
    ],
    [
      'a member called __proto__',
      { additionalProperties: false },
      '{"__proto__":{"owner":"acme"}}',
      'the arguments must NOT have additional properties',
    ],
    ['what is no JSON', {}, '{"a":', 'the arguments cannot be read'],
    [
      'what is too long',
      {},
      `{"a":"${'x'.repeat(MAX_JUDGED)}"}`,
      `the arguments have more than ${MAX_JUDGED} characters`,
    ],
    [
      'equal objects in a unique list',
      { properties: { a: { uniqueItems: true } } },
      '{"a":[{"x":1,"y":2},{"y":2,"x":1}]}',
      '"a" must pass "uniqueItems" keyword validation',
    ],
    ['a unique list', { properties: { a: { uniqueItems: true } } }, '{"a":[1,"1",[1],{"x":1}]}', true],
    [
      'a pattern at the end of a line',
      { properties: { a: { pattern: '^x$' } } },
      '{"a":"x\\n"}',
      '"a" must match pattern "^x$"',
    ],
  ])('%s', async (_, allow, text, expected) => {
    expect(await judged(allow, text)).toBe(expected);
  });

  test('what fits one condition says nothing about another with the same "$id"', async () => {
    const id = 'https://example.com/schema';
    expect(await judged({ $id: id, const: { a: 1 } }, '{"a":1}')).toBe(true);
    expect(await judged({ $id: id, const: { a: 2 } }, '{"a":2}')).toBe(true);
  });
});

test.each([
  ['a remote reference', { $ref: 'https://example.com/schema.json' }],
  ['a file', { $ref: 'file:///etc/passwd' }],
  ['an unknown keyword', { propertys: {} }],
  ['a format, which would be ignored', { properties: { a: { format: 'uri' } } }],
  ['another draft', { $schema: 'http://json-schema.org/draft-07/schema#' }],
  ['an asynchronous schema', { $async: true }],
  ['data in the place of a schema', { properties: { a: { maximum: { $data: '1/b' } } } }],
  ['a pattern that takes long', { properties: { a: { pattern: '(a)\\1' } } }],
  ['a pattern that looks ahead', { properties: { a: { pattern: '^(?!x)' } } }],
  ['a schema of the wrong form', { properties: { a: 1 } }],
])('W-POL-12 a condition with %s is refused', async (_, allow) => {
  const policy = policyOf({ tools: { 'tool_*': { allow, else: 'ask' } } });
  expect(await loadConditions(policy)).toEqual([{ pattern: 'tool_*', fault: expect.any(String) }]);
  await expect(requireConditions(policy, 'github')).rejects.toMatchObject({ code: 'profile-invalid' });
  const subject = { kind: 'tools', name: 'tool_x', arguments: new CallArguments(() => '{}') } as const;
  expect(decide(policy, subject)).toMatchObject({ decision: 'ask', why: 'the condition cannot be used' });
});

test.each([
  ['dependentSchemas', { dependentSchemas: { force: false } }],
  ['dependentRequired', { dependentRequired: { force: ['ok'] } }],
  ['a name that another depends on', { dependentRequired: { x: ['force'] } }],
  ['patternProperties', { patternProperties: { '^force$': false } }],
  ['propertyNames with const', { propertyNames: { not: { const: 'force' } } }],
  ['propertyNames with enum', { propertyNames: { not: { enum: ['force'] } } }],
  ['propertyNames with pattern', { propertyNames: { not: { pattern: '^forc' } } }],
])('W-POL-11 a name that a condition speaks of by %s is met in its own spelling only', async (_, schema) => {
  for (const name of ['Force', 'FORCE', 'ｆｏｒｃｅ', 'force\u200b'])
    expect(await judged(schema, JSON.stringify({ [name]: true })), name).toBeTypeOf('string');
  expect(await judged(schema, '{"other":1}')).toBe(true);
});

test.each([
  ['itself', { $ref: '#' }],
  [
    'itself by a definition',
    { $defs: { n: { properties: { a: { $ref: '#/$defs/n' } } } }, $ref: '#/$defs/n' },
  ],
  ['itself by its own place', { properties: { a: { properties: { b: { $ref: '#/properties/a' } } } } }],
  [
    'ever more',
    {
      $defs: Object.fromEntries(
        Array.from({ length: 31 }, (_, at) => [
          `d${at}`,
          at === 30 ? {} : { allOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] },
        ]),
      ),
      $ref: '#/$defs/d0',
    },
  ],
  ['by a scope', { properties: { a: { $dynamicRef: '#nowhere' } } }],
  ['by an anchor', { $defs: { n: { $anchor: 'n', properties: { a: { $ref: '#n' } } } }, $ref: '#n' }],
  ['by an address', { $defs: { n: { $id: 'urn:n', properties: { a: { $ref: 'urn:n' } } } }, $ref: 'urn:n' }],
  ['by its own address', { $id: 'urn:n', properties: { a: { $ref: 'urn:n' } } }],
  ['what is left out', { properties: JSON.parse('{"__proto__": false}') }],
])('W-POL-13 a condition that refers to %s is refused', async (_, allow) => {
  const policy = policyOf({ tools: { t: { allow, else: 'deny' } } });
  expect(await loadConditions(policy)).toHaveLength(1);
});

test('W-POL-13 a definition may be referred to from several places', async () => {
  const schema = {
    $defs: { word: { type: 'string', const: 'ok' } },
    properties: { a: { $ref: '#/$defs/word' }, b: { $ref: '#/$defs/word' } },
  };
  expect(await judged(schema, '{"a":"ok","b":"ok"}')).toBe(true);
  expect(await judged(schema, '{"a":"ok","b":"no"}')).toBeTypeOf('string');
});

test('W-POL-12 a condition that was not loaded allows nothing', () => {
  const policy = policyOf({ tools: { tool: { allow: {}, else: 'deny' } } });
  const subject = { kind: 'tools', name: 'tool', arguments: new CallArguments(() => '{}') } as const;
  expect(decide(policy, subject)).toMatchObject({ decision: 'deny', rule: 'policy.tools.tool.else' });
});

describe('decisions on arguments', () => {
  const policy = policyOf({
    default: 'deny',
    tools: {
      create_issue: owner,
      'create_*': { allow: { required: ['draft'] }, else: 'deny' },
      'list_*': 'allow',
    },
  });
  const decided = async (name: string, text: string) => {
    await loadConditions(policy);
    return decide(policy, { kind: 'tools', name, arguments: new CallArguments(() => text) });
  };

  test.each([
    ['create_issue', '{"owner":"acme","draft":1}', 'allow', 'policy.tools.create_issue.allow'],
    ['create_issue', '{"owner":"acme"}', 'deny', 'policy.tools.create_*.else'],
    ['create_issue', '{"owner":"evil","draft":1}', 'ask', 'policy.tools.create_issue.else'],
    ['create_pull', '{"draft":true}', 'allow', 'policy.tools.create_*.allow'],
    ['list_issues', '{"a":1}', 'allow', 'policy.tools.list_*'],
    ['CREATE_ISSUE', '{"owner":"acme","draft":1}', 'deny', 'policy.tools.create_*.else'],
  ])('%s %s: %s', async (name, text, decision, rule) => {
    expect(await decided(name, text)).toMatchObject({ decision, rule });
  });

  test('a verdict says whether other arguments may bring another', async () => {
    expect((await decided('create_issue', '{}')).byArguments).toBe(true);
    expect((await decided('list_issues', '{}')).byArguments).toBeUndefined();
    expect(hasConditions(policy)).toBe(true);
    expect(hasConditions(policyOf({ tools: { a: 'ask' } }))).toBe(false);
  });

  test('arguments are read only where a condition asks for them', async () => {
    const unread = new CallArguments(() => {
      throw new Error('read');
    });
    expect(decide(policy, { kind: 'tools', name: 'list_x', arguments: unread }).decision).toBe('allow');
  });
});

test('names that a condition does not require', () => {
  expect(optionalNames({ allow: { properties: { a: {}, b: {} }, required: ['b'] }, else: 'ask' })).toEqual([
    'a',
  ]);
  expect(optionalNames(owner)).toEqual([]);
});

import { describe, expect, test } from 'vitest';
import {
  actOf,
  argumentLines,
  dialogText,
  type Question,
  questionLines,
} from '../../../../src/consent/questions/question.ts';
import { makeQuestion } from '../../../fixtures/question.ts';

const question = makeQuestion({
  host: { key: '/usr/bin/claude', name: 'claude' },
  arguments: '{"title":"x","owner":"acme"}',
  reach: {
    network: ['api.github.com'],
    read: [],
    write: ['/w'],
    sandbox: 'on',
    credentials: ['github/token'],
  },
});

describe('W-CONS-7 arguments', () => {
  test('all of them, what acts first, in their own words', () => {
    const text = JSON.stringify({
      note: 'a',
      title: 'b',
      path: '/etc/passwd',
      recipient: 'x@y',
      command: 'rm -rf /',
      force: true,
      other: 'curl $(x)',
    });
    expect(argumentLines(text).map((line) => line.replace(/:.*/, ''))).toEqual([
      'command',
      'force',
      'recipient',
      'path',
      'other',
      'note',
      'title',
    ]);
  });

  test.each([
    ['numbers keep their digits', '{"n":9007199254740993.10}', ['n: 9007199254740993.10']],
    [
      'what moves or hides is shown',
      '{"a":"\u202egnp\u200b\\u001b[2J"}',
      ['a: "\\u202egnp\\u200b\\u001b[2J"'],
    ],
    ['line breaks make no line', '{"a":"x\\nprofile evil, since"}', ['a: "x\\nprofile evil, since"']],
    ['names that are no words are quoted', '{"a\\nb: 1":1}', ['"a\\nb: 1": 1']],
    ['a member called __proto__', '{"__proto__":{"a":1}}', ['__proto__: {"a":1}']],
    ['what is no object', '[1]', ['[1]']],
    ['what is no JSON', '{"a"', ['{"a"']],
    ['nothing', '', []],
  ])('%s', (_, text, lines) => {
    expect(argumentLines(text)).toEqual(lines);
  });
});

test('W-CONS-7 a question says who asks what, by which rule, and what the server may do', () => {
  expect(questionLines({ ...question, calls: 3, claims: ['Creates\nan issue'] })).toEqual([
    'claude asks: call the tool "create_issue"',
    '  owner: "acme"',
    '  title: "x"',
    '  3 calls of this kind wait',
    'profile github, since policy.default says ask',
    'host program /usr/bin/claude',
    'it may reach api.github.com',
    'it may read no files of yours',
    'it may change /w',
    'it may use the credentials github/token',
    'the server says of it: Creates\\u000aan issue',
  ]);
  const off = { ...question.reach, sandbox: 'off' } as const;
  expect(questionLines({ ...question, reach: off })).toContain(
    'it runs without a sandbox, and may do all that you may',
  );
});

test('W-CONS-7 a name cannot look like more than a name', () => {
  const [first] = questionLines({ ...question, name: 'x" of "safe\n\u202e' });
  expect(first).toBe('claude asks: call the tool "x\\" of \\"safe\\n\\u202e"');
  expect(actOf({ kind: 'resources', method: 'resources/read', name: 'file:///a' })).toBe(
    'read the resource "file:///a"',
  );
});

test('a dialog shows a question whole, or not at all', () => {
  expect(dialogText(question)?.split('\n')).toEqual([
    'Warder asks: call the tool "create_issue" of "github"?',
    'owner: "acme", title: "x"',
    'It may reach api.github.com; change /w; use github/token.',
  ]);
  expect(dialogText({ ...question, calls: 3 })?.split('\n')[0]).toBe(
    'Warder asks: call the tool "create_issue" of "github", 3 times?',
  );
  const of = (reach: Partial<Question['reach']>) =>
    dialogText({ ...question, reach: { ...question.reach, ...reach } })
      ?.split('\n')
      .at(-1);
  expect(of({ network: [], write: [], credentials: [] })).toBe('It may reach no network; use no credential.');
  expect(of({ sandbox: 'off' })).toBe(
    'It runs without a sandbox, may do all that you may, and use github/token.',
  );
  expect(of({ sandbox: 'remote', network: [], write: [] })).toBe(
    'It runs on another machine; its requests carry github/token.',
  );
  expect(of({ write: ['/x'.repeat(50)] })).toBeUndefined();
  expect(dialogText({ ...question, arguments: JSON.stringify({ a: 'x'.repeat(100) }) })).toBeUndefined();
  expect(dialogText({ ...question, arguments: JSON.stringify({ a: '漢'.repeat(49) }) })).toBeUndefined();
});

import { describe, expect, test } from 'vitest';
import { choiceForm, offersForms, readFormReply } from '../../../../src/relay/consent/elicitation.ts';

const CHOICES = ['Deny', 'Allow once'];

function read(text: string) {
  const bytes = Buffer.from(`xx${text}xx`);
  return readFormReply(bytes, { start: 2, end: bytes.length - 2 }, CHOICES);
}

test.each([
  ['{"elicitation":{}}', true],
  ['{"elicitation":{"form":{}}}', true],
  ['{"elicitation":{"form":{},"url":{}}}', true],
  ['{"elicitation":{"applyDefaults":true}}', true],
  ['{"elicitation":{"url":{}}}', false],
  ['{"elicitation":true}', false],
  ['{"elicitation":{},"elicitation":{}}', false],
  ['{"Elicitation":{}}', false],
  ['{}', false],
  ['[]', false],
])('capabilities %s offer forms: %s', (text, offers) => {
  const bytes = Buffer.from(text);
  expect(offersForms(bytes, { start: 0, end: bytes.length })).toBe(offers);
});

test('a form has one member, and its choices in their order', () => {
  expect(choiceForm('Really?', CHOICES)).toEqual({
    message: 'Really?',
    requestedSchema: {
      type: 'object',
      properties: { answer: { type: 'string', title: 'Answer', enum: ['Deny', 'Allow once'] } },
      required: ['answer'],
    },
  });
});

describe('W-CONS-10 of an answer', () => {
  test.each([
    ['a choice counts', '{"action":"accept","content":{"answer":"Allow once"}}', 'Allow once'],
    [
      'other members of the result do not',
      '{"_meta":{"a":1},"content":{"answer":"Deny"},"action":"accept"}',
      'Deny',
    ],
    ['escapes are read', '{"action":"accept","content":{"answer":"Den\\u0079"}}', 'Deny'],
  ])('%s', (_, text, choice) => {
    expect(read(text)).toEqual({ action: 'accept', choice });
  });

  test.each([
    ['another value', '{"action":"accept","content":{"answer":"Allow always"}}'],
    ['another case', '{"action":"accept","content":{"answer":"allow once"}}'],
    ['white space around it', '{"action":"accept","content":{"answer":"Allow once "}}'],
    ['a list', '{"action":"accept","content":{"answer":["Allow once"]}}'],
    ['another member', '{"action":"accept","content":{"Answer":"Allow once"}}'],
    ['one more member', '{"action":"accept","content":{"answer":"Allow once","note":"x"}}'],
    ['a member twice', '{"action":"accept","content":{"answer":"Deny","answer":"Allow once"}}'],
    [
      'the content twice',
      '{"action":"accept","content":{"answer":"Deny"},"content":{"answer":"Allow once"}}',
    ],
    ['the content in another case too', '{"action":"accept","content":{"answer":"Allow once"},"Content":{}}'],
    ['the action twice', '{"action":"decline","content":{"answer":"Allow once"},"action":"accept"}'],
    ['no content', '{"action":"accept"}'],
    ['null', '{"action":"accept","content":null}'],
    ['an unknown action', '{"action":"approve","content":{"answer":"Allow once"}}'],
    ['no action', '{"content":{"answer":"Allow once"}}'],
    ['__proto__', '{"action":"accept","content":{"__proto__":{"answer":"Allow once"}}}'],
    [
      'much text',
      `{"action":"accept","content":{"answer":"Allow once"},"_meta":{"a":"${'x'.repeat(20_000)}"}}`,
    ],
    ['no object', '["accept"]'],
  ])('%s is none', (_, text) => {
    expect(read(text)).toEqual({ action: 'none' });
  });

  test.each(['decline', 'cancel'])('%s is what it says, whatever the content', (action) => {
    expect(read(`{"action":"${action}","content":{"answer":"Allow once"}}`)).toEqual({ action });
  });
});

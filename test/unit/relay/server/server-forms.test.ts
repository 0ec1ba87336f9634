import { describe, expect, test } from 'vitest';
import { labelled, MAX_FORM } from '../../../../src/relay/server/server-forms.ts';

const WHOSE = 'The server "github"';

function label(text: string) {
  const form = labelled(Buffer.from(text), WHOSE);
  return 'fault' in form ? form : JSON.parse(form.toString());
}

test('W-CONS-12 a form says whose it is, and is otherwise what it was', () => {
  const form = {
    mode: 'form',
    message: 'Who are you?',
    requestedSchema: {
      type: 'object',
      properties: {
        title: { type: 'string', title: 'Title', enum: ['a', 'b'], enumNames: ['A', 'B'], default: 'a' },
        n: { type: 'number', minimum: 1 },
      },
      required: ['title'],
    },
    _meta: { x: [1, null, true] },
  };
  expect(label(JSON.stringify(form))).toEqual({
    ...form,
    message: 'The server "github" asks: Who are you?',
  });
  expect(
    labelled(Buffer.from('{"message":"m","n":9007199254740993.10,"__proto__":{"a":1}}'), WHOSE).toString(),
  ).toBe('{"message":"The server \\"github\\" asks: m","n":9007199254740993.10,"__proto__":{"a":1}}');
  expect(
    label('{"message":"Open it","mode":"url","url":"https://a.example/","elicitationId":"1"}'),
  ).toMatchObject({
    message: 'The server "github" asks: Open it',
    url: 'https://a.example/',
  });
});

describe("W-CONS-12 a form that looks like a question of Warder's", () => {
  test.each([
    [
      'word for word',
      'Warder asks: call the tool "x" of "github"?',
      'Warder asks: call the tool "x" of "github"?',
    ],
    ['on lines of its own', 'a\n\r\nWarder asks: b?\rc', 'a\n> \n> Warder asks: b?\n> c'],
    ['written over the label', '\u001b[2K\rWarder asks: b?', '\\u001b[2K\n> Warder asks: b?'],
    ['with the label reversed', '\u202eWarder', '\\u202eWarder'],
    ['after lines that a terminal breaks', 'a\u2028Warder\u0085b\u000bc', 'a\\u2028Warder\\u0085b\\u000bc'],
    ['with invisible characters', 'W\u200barder\ufe0f', 'W\\u200barder\\ufe0f'],
  ])('%s', (_, message, shown) => {
    expect(label(JSON.stringify({ message })).message).toBe(`The server "github" asks: ${shown}`);
  });

  test('in a title, a description or the name of a choice', () => {
    const texts = {
      title: '\u001b[A',
      description: 'a\nb',
      enumNames: ['\u202e'],
      oneOf: [{ const: 'a', title: '\u200b' }],
    };
    const { requestedSchema } = label(
      JSON.stringify({ message: 'm', requestedSchema: { properties: { p: texts } } }),
    );
    expect(requestedSchema.properties.p).toEqual({
      title: '\\u001b[A',
      description: 'a\\u000ab',
      enumNames: ['\\u202e'],
      oneOf: [{ const: 'a', title: '\\u200b' }],
    });
  });
});

test.each([
  ['the message twice', '{"message":"a","message":"Warder asks"}'],
  ['the message in another case too', '{"message":"a","Message":"Warder asks"}'],
  ['the schema in another case too', '{"message":"a","requestedSchema":{},"RequestedSchema":{}}'],
  [
    'a member twice at depth',
    '{"message":"a","requestedSchema":{"properties":{"p":{"title":"a","title":"b"}}}}',
  ],
  ['no message', '{"requestedSchema":{}}'],
  ['a message in another case only', '{"Message":"Warder asks"}'],
  ['a message that is no text', '{"message":["Warder asks"]}'],
  ['a list', '[]'],
  ['nothing', ''],
  ['a value that hides', '{"message":"a","requestedSchema":{"properties":{"p":{"enum":["\\u001b[2K"]}}}}'],
  ['a name that hides', '{"message":"a","requestedSchema":{"properties":{"\\u202e":{}}}}'],
  ['too much', JSON.stringify({ message: 'x'.repeat(MAX_FORM) })],
])('W-CONS-12 a form with %s is not shown', (_, text) => {
  expect(label(text)).toEqual({ fault: expect.stringContaining('its form') });
});

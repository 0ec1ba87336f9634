import { expect, test } from 'vitest';
import { answerRefused, refusedStartLine } from '../../../src/wire/refused-start.ts';

const REFUSAL = { code: 'socket-unsafe', message: 'the folder is open to other users', hint: 'close it' };
const ERROR = `"error":{"code":-32015,"message":"the folder is open to other users","data":{"code":"socket-unsafe","hint":"close it"}}`;

const answers = (text: string): string[] =>
  answerRefused(text, REFUSAL)
    .split('\n')
    .filter((line) => line !== '');

test.each([
  ['"a"', '"a"'],
  ['0', '0'],
  ['""', '""'],
  ['9007199254740993', '9007199254740993'],
  ['1.0', '1.0'],
  ['"\\u0061"', '"a"'],
])('W-RELAY-11 a request is answered under its own id: %s', (id, written) => {
  expect(answers(`{"jsonrpc":"2.0","id":${id},"method":"initialize","params":{"n":1e400}}`)).toEqual([
    `{"jsonrpc":"2.0","id":${written},${ERROR}}`,
  ]);
});

test('W-RELAY-11 each request of a batch is answered, as are those of several lines', () => {
  const text = `[{"id":1,"method":"initialize"},{"method":"notifications/x"},7,null,[{"id":9,"method":"x"}],{"id":2,"method":"ping"}]
{"id":3,"method":"server/discover"}\r\n`;
  expect(answers(text).map((line) => JSON.parse(line).id)).toEqual([1, 2, 3]);
});

test.each([
  '',
  'junk',
  '{',
  '[]',
  'null',
  '7',
  '{"id":null,"method":"x"}',
  '{"id":{},"method":"x"}',
  '{"method":"notifications/x"}',
  '{"id":1,"result":{}}',
  '{"id":true,"method":"x"}',
  '{"id":1,"method":7}',
  '{"__proto__":{"id":1,"method":"x"}}',
  '['.repeat(100_000),
])('what asks nothing is not answered: %#', (text) => {
  expect(answers(text)).toEqual([]);
});

test('a refusal without a hint has none in its answer', () => {
  const line = refusedStartLine('1', { code: 'usage', message: 'no' });
  expect(line).toBe(
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32015,"message":"no","data":{"code":"usage"}}}\n',
  );
});

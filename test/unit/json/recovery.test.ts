import { describe, expect, test } from 'vitest';
import { findId, MAX_SEARCHED } from '../../../src/json/recovery.ts';

function find(line: string | Buffer) {
  const text = Buffer.from(line);
  return findId(
    Buffer.concat([Buffer.from('{"id":0,\n'), text, Buffer.from('\n"id":0}')]),
    9,
    9 + text.length,
  );
}

const nested = '['.repeat(5000);

describe('the id of a line that cannot be passed on', () => {
  test.each<[string, string | Buffer, unknown]>([
    ['nested over the bound', `{"jsonrpc":"2.0","id":7,"result":{"a":${nested}${']'.repeat(5000)}}}`, 7],
    ['nested over the bound, the id last', `{"result":{"a":${nested}${']'.repeat(5000)}},"id":"a"}`, 'a'],
    ['nested and never closed', `{"id":7,"result":${nested}`, 7],
    ['led by a byte order mark', '\ufeff{"jsonrpc":"2.0","id":7,"result":{}}', 7],
    ['led by white space', ' \t\r{"id":7,"result":{}}', 7],
    ['with a carriage return in it', '{\r"id"\r:\r7\r,"result":{}}', 7],
    ['not UTF-8', Buffer.from('7b226964223a372c22726573756c74223a22ff227d', 'hex'), 7],
    ['with a member twice', '{"id":7,"result":{},"result":{}}', 7],
    ['with the id twice, the same', '{"id":7,"id":7,"result":{}}', 7],
    ['that is cut off', '{"id":"x","result":{"content":[{"type":"te', 'x'],
    ['with a broken string', '{"id":7,"result":"a\u0001b"}', 7],
    ['of 0', '{"id":0,"result":{},"result":{}}', 0],
    ['of no characters', '{"id":"","result":{},"result":{}}', ''],
    ['with escapes', '{"id":"\\u0061","result":{}}', 'a'],
    ['with digits for a whole number', '{"id":7.0,"result":{}}', 7],
    ['beyond 2^53', '{"id":9007199254740993,"result":{}}', 9007199254740993n],
  ])('%s', (_name, line, id) => {
    expect(find(line)).toEqual({ id, kind: 'response' });
  });

  test.each([
    ['is there twice, and differs', '{"id":7,"id":8,"result":{}}'],
    ['is spelled so that some see another', '{"id":7,"ID":8,"result":{}}'],
    ['is spelled with an escape', '{"\\u0069d":7,"result":{}}'],
    ['is in an object inside', '{"result":{"id":7}}'],
    ['is in a string', '{"result":"\\",\\"id\\":7"}'],
    ['is in a list', '[{"id":7,"method":"ping"}]'],
    ['is null', '{"id":null,"error":{}}'],
    ['is an object', '{"id":{"id":7},"result":{}}'],
    ['is too long', `{"id":"${'x'.repeat(2000)}","result":{}}`],
    ['is cut off', '{"id":"7'],
    ['may be cut off', '{"id":7'],
    ['is not there', '{"result":{}}'],
    ['is not JSON', 'id: 7'],
    ['is nothing', ''],
  ])('is not guessed where it %s', (_name, line) => {
    expect(find(line)).toBeUndefined();
  });

  test.each([
    ['{"id":7,"method":"ping"', 'request'],
    ['{"method":"ping","id":7 ', 'request'],
    ['{"id":7,"error":{}', 'response'],
    ['{"id":7,"method":"ping","result":{}', 'unknown'],
    ['{"id":7,', 'unknown'],
    ['{"id":7,"params":{"method":"ping"}', 'unknown'],
  ])('%s: a %s', (line, kind) => {
    expect(find(line)).toEqual({ id: 7, kind });
  });

  test.each([
    [
      'first, of an answer',
      (x: string) => `{"jsonrpc":"2.0","id":7,"result":"${x}"}`,
      { id: 7, kind: 'response' },
    ],
    ['last, of an answer', (x: string) => `{"result":"${x}","id":7}`, { id: 7, kind: 'response' }],
    ['of a request', (x: string) => `{"jsonrpc":"2.0","id":7,"method":"${x}"}`, { id: 7, kind: 'request' }],
    [
      'of a request, last',
      (x: string) => `{"method":"${x}","jsonrpc":"2.0","id":7}`,
      { id: 7, kind: 'request' },
    ],
    ['of what is unknown', (x: string) => `{"x":"${x}","id":7}`, { id: 7, kind: 'unknown' }],
    ['in the middle', (x: string) => `{"x":"${x}","id":7,"y":"${x}"}`, undefined],
  ])('of a line that is too long to be searched, %s', (_name, line, expected) => {
    expect(find(line('x'.repeat(MAX_SEARCHED)))).toEqual(expected);
  });
});

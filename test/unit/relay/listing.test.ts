import { describe, expect, test } from 'vitest';
import { readEnvelope } from '../../../src/relay/json/envelope.ts';
import { cutTools } from '../../../src/relay/listing.ts';

function cut(line: string, hidden: (tool: string) => boolean): string | undefined {
  const bytes = Buffer.from(`before\n${line}\nafter`);
  const [start, end] = [7, bytes.length - 6];
  const message = readEnvelope(bytes, start, end);
  expect(message.fault).toBeUndefined();
  const listing = cutTools(bytes, start, end, message.resultStart, hidden);
  if (listing === undefined) return undefined;
  return 'fault' in listing ? `fault: ${listing.fault}` : listing.line.toString();
}

const denied = (tool: string): boolean => tool.startsWith('delete');
const list = (tools: string): string =>
  `{"jsonrpc":"2.0","id":1,"result":{"tools":[${tools}],"nextCursor":"c"}}`;

describe('W-POL-2 denied tools are cut out of a list', () => {
  test.each([
    [
      'the first',
      '{"name":"delete"}, {"name":"get","n":9007199254740993}',
      '{"name":"get","n":9007199254740993}',
    ],
    ['the last', '{"name":"get"} , {"name":"delete"}', '{"name":"get"}'],
    ['one in the middle', '{"name":"a"},{"name":"delete"},{"name":"b"}', '{"name":"a"},{"name":"b"}'],
    [
      'two in a row',
      '{"name":"a"},{"name":"delete"},{"name":"delete2"},{"name":"b"}',
      '{"name":"a"},{"name":"b"}',
    ],
    ['all', ' {"name":"delete"},{"name":"delete2"} ', ''],
    ['one spelled with an escape', '{"name":"d\\u0065lete"},{"name":"get"}', '{"name":"get"}'],
    ['what has no name', '{"title":"x"},{"name":"get"},7,{"name":7}', '{"name":"get"}'],
  ])('%s, and the rest stays as it was', (_name, tools, rest) => {
    expect(cut(list(tools), denied)).toBe(list(rest));
  });

  test('what stays together keeps what is between', () => {
    const tools = '{"name":"delete"},{"name":"a"} ,\t{"name":"b"}';
    expect(cut(list(tools), denied)).toBe(list('{"name":"a"} ,\t{"name":"b"}'));
  });

  test('nothing is made anew where nothing is to be cut', () => {
    expect(cut(list('{"name":"a"},{"name":"b"}'), denied)).toBeUndefined();
    expect(cut(list(''), denied)).toBeUndefined();
    expect(cut('{"jsonrpc":"2.0","id":1,"result":{}}', denied)).toBeUndefined();
    expect(cut('{"jsonrpc":"2.0","id":1,"result":7}', denied)).toBeUndefined();
  });

  test('of thousands', () => {
    const tools = Array.from({ length: 5000 }, (_, i) => ({
      name: i % 3 === 0 ? `delete_${i}` : `get_${i}`,
      i,
    }));
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools } });
    const left: { result: unknown } = JSON.parse(cut(text, denied) ?? '');
    expect(left.result).toEqual({ tools: tools.filter(({ name }) => !denied(name)) });
  });
});

describe('W-POL-2 a list that two parsers could read as two lists does not go on', () => {
  test.each([
    ['two lists', '{"tools":[],"tools":[{"name":"delete"}]}'],
    ['a list with an escape in its name', '{"tools":[],"t\\u006fols":[{"name":"delete"}]}'],
    ['a list in other case', '{"tools":[],"Tools":[{"name":"delete"}]}'],
    ['two names', '{"tools":[{"name":"get","name":"delete"}]}'],
    ['a name in other case', '{"tools":[{"name":"get","NAME":"delete"}]}'],
    ['no list', '{"tools":{"name":"delete"}}'],
  ])('%s', (_name, result) => {
    expect(cut(`{"jsonrpc":"2.0","id":1,"result":${result}}`, denied)).toMatch(/^fault: /);
  });
});

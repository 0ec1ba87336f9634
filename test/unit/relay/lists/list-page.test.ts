import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readEnvelope } from '../../../../src/json/envelope.ts';
import { LIST_SHAPES, type ListShape } from '../../../../src/relay/listed-kinds.ts';
import { type ListLimits, type ListPage, readListPage } from '../../../../src/relay/lists/list-page.ts';

const LIMITS: ListLimits = { entries: 10_000, nameBytes: 200, definitionBytes: 100_000 };
const [TOOLS] = LIST_SHAPES as [ListShape];
const denied = (name: string): boolean => name.startsWith('delete');
const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Reads a line to its end, and counts the slices. */
function read(
  line: string,
  hidden: (name: string) => boolean = () => false,
  limits: Partial<ListLimits> = {},
  { shape = TOOLS, isCacheable = false, judged = [] as [number, boolean][] } = {},
) {
  const bytes = Buffer.from(`before\n${line}\nafter`);
  const [start, end] = [7, bytes.length - 6];
  const { fault, resultStart, resultEnd } = readEnvelope(bytes, start, end);
  expect(fault).toBeUndefined();
  const reader = readListPage(bytes, start, end, {
    shape,
    result: { start: resultStart, end: resultEnd },
    limits: { ...LIMITS, ...limits },
    judge: (entries, isLast) => {
      judged.push([entries.length, isLast]);
      return { has: hidden };
    },
    isCacheable,
  });
  for (let slices = 1; ; slices++) {
    const { done, value } = reader.next();
    if (done === true) return { page: value, slices };
  }
}

function pageOf(line: string, hidden?: (name: string) => boolean): ListPage {
  const { page } = read(line, hidden);
  if (page.fault !== undefined) throw new Error(page.fault);
  return page;
}

const cut = (line: string): string | undefined => pageOf(line, denied).line?.toString();
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
    expect(cut(list(tools))).toBe(list(rest));
  });

  test('what stays together keeps what is between', () => {
    const tools = '{"name":"delete"},{"name":"a"} ,\t{"name":"b"}';
    expect(cut(list(tools))).toBe(list('{"name":"a"} ,\t{"name":"b"}'));
  });

  test('nothing is made anew where nothing is to be cut', () => {
    expect(cut(list('{"name":"a"},{"name":"b"}'))).toBeUndefined();
    expect(cut(list(''))).toBeUndefined();
    expect(cut('{"jsonrpc":"2.0","id":1,"result":{}}')).toBeUndefined();
    expect(cut('{"jsonrpc":"2.0","id":1,"result":7}')).toBeUndefined();
    expect(pageOf(list('{"name":"delete"}')).line).toBeUndefined();
  });

  test('of thousands, in slices', () => {
    const tools = Array.from({ length: 5000 }, (_, i) => ({
      name: i % 3 === 0 ? `delete_${i}` : `get_${i}`,
      i,
    }));
    const { page, slices } = read(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools } }), denied);
    expect(slices).toBeGreaterThan(4);
    const left: { result: unknown } = JSON.parse(String(page.fault === undefined && page.line));
    expect(left.result).toEqual({ tools: tools.filter(({ name }) => !denied(name)) });
  });

  test('and judged slice by slice, to the end', () => {
    const tools = Array.from({ length: 120 }, (_, i) => ({ name: `t${i}` }));
    for (const nextCursor of ['c', undefined]) {
      const line = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools, nextCursor } });
      const judged: [number, boolean][] = [];
      read(line, undefined, {}, { judged });
      const ends = nextCursor === undefined;
      expect(judged).toEqual([
        [50, false],
        [50, false],
        [20, ends],
      ]);
    }
  });

  test('of large ones, in slices', () => {
    const tools = Array.from({ length: 100 }, (_, i) => ({ name: `t${i}`, text: 'x'.repeat(90_000) }));
    expect(read(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools } })).slices).toBeGreaterThan(5);
  });
});

describe('W-POL-2 a list that two parsers could read as two lists does not go on', () => {
  test.each([
    ['two lists', '{"tools":[],"tools":[{"name":"delete"}]}'],
    ['a list with an escape in its name', '{"tools":[],"t\\u006fols":[{"name":"delete"}]}'],
    ['a list in other case', '{"tools":[],"Tools":[{"name":"delete"}]}'],
    ['two names', '{"tools":[{"name":"get","name":"delete"}]}'],
    ['a name in other case', '{"tools":[{"name":"get","NAME":"delete"}]}'],
    ['two cursors', '{"tools":[],"nextCursor":"a","nextCursor":"b"}'],
    ['no list', '{"tools":{"name":"delete"}}'],
  ])('%s', (_name, result) => {
    expect(read(`{"jsonrpc":"2.0","id":1,"result":${result}}`).page.fault).toEqual(expect.any(String));
  });
});

describe('W-RELAY-6 a list over its bounds does not go on', () => {
  test.each<[string, string, Partial<ListLimits>]>([
    ['tools', '{"name":"a"},{"name":"b"},{"name":"c"}', { entries: 2 }],
    ['a name', `{"name":"${'x'.repeat(200)}"}`, {}],
    ['a definition', `{"name":"a","x":"${'x'.repeat(200)}"}`, { definitionBytes: 100 }],
  ])('%s', (_name, tools, limits) => {
    expect(read(list(tools), undefined, limits).page.fault).toMatch(/more than/);
  });
});

describe('what is read', () => {
  test('is each name, and the digest of its bytes, the hidden ones included', () => {
    const [first, second] = ['{"name":"get", "n":1.0}', '{ "name":"d\\u0065lete" }'];
    expect(pageOf(list(`${first} ,${second},7`), denied).entries).toEqual([
      { name: 'get', digest: sha256(first) },
      { name: 'delete', digest: sha256(second) },
    ]);
  });

  test.each([
    ['{"tools":[],"nextCursor":"c"}', false],
    ['{"tools":[],"nextCursor":""}', false],
    ['{"tools":[],"nextCursor":null}', true],
    ['{"tools":[]}', true],
    ['{}', true],
  ])('%s: the last page %s', (result, isLast) => {
    expect(pageOf(`{"jsonrpc":"2.0","id":1,"result":${result}}`).isLast).toBe(isLast);
  });
});

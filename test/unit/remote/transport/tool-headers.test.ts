import { expect, test } from 'vitest';
import type { Log } from '../../../../src/os/log.ts';
import { ToolHeaders } from '../../../../src/remote/transport/tool-headers.ts';

const good = { name: 'good', inputSchema: { properties: { r: { type: 'string', 'x-mcp-header': 'R' } } } };
const bad = { name: 'bad', inputSchema: { properties: { r: { type: 'object', 'x-mcp-header': 'R' } } } };
const plain = { name: 'plain', inputSchema: {} };

function open(): { tools: ToolHeaders; warnings: object[]; list(...all: object[]): Promise<unknown> } {
  const warnings: object[] = [];
  const tools = new ToolHeaders({ warn: (fields: object) => void warnings.push(fields) } as unknown as Log);
  return {
    tools,
    warnings,
    async list(...all) {
      const head = '{"jsonrpc":"2.0","id":1,"result":';
      const result = JSON.stringify({ tools: all, nextCursor: 'n', big: 1 }).replace(
        '"big":1',
        '"big":9007199254740993',
      );
      const json = Buffer.from(`${head}${result}}`);
      const read = await tools.read(json, { start: head.length, end: head.length + result.length });
      expect(read.toString()).toContain('9007199254740993');
      return JSON.parse(read.toString()).result.tools.map(({ name }: { name: string }) => name);
    },
  };
}

const call = Buffer.from('{"params":{"arguments":{"r":"eu"}}}');

test.for([
  [
    [good, plain],
    ['good', 'plain'],
  ],
  [
    [bad, good, plain],
    ['good', 'plain'],
  ],
  [[bad, bad, good], ['good']],
  [
    [good, bad, plain],
    ['good', 'plain'],
  ],
  [[good, bad], ['good']],
  [[bad], []],
  [[], []],
] as const)(
  'W-REM-11: tools with wrong annotations are left out of a list, and told of in the log: %#',
  async ([all, kept]) => {
    const { list, warnings, tools } = open();
    expect(await list(...all)).toEqual(kept);
    expect(warnings).toHaveLength(all.length - kept.length);
    expect(tools.headersFor('good', call)).toEqual(
      kept.some((name) => name === 'good') ? { 'mcp-param-r': 'eu' } : {},
    );
    expect(tools.headersFor('plain', call)).toEqual({});
  },
);

test('what is known of a tool is what its last definition says', async () => {
  const { list, tools } = open();
  await list(good);
  await list({ ...plain, name: 'good' });
  expect(tools.headersFor('good', call)).toEqual({});
});

test('an annotation whose name is spelled with escapes is found', async () => {
  const { tools } = open();
  const result =
    '{"tools":[{"name":"t","inputSchema":{"properties":{"r":{"type":"object","\\u0078-mcp-header":"R"}}}}]}';
  const read = await tools.read(Buffer.from(result), { start: 0, end: result.length });
  expect(read.toString()).toBe('{"tools":[]}');
});

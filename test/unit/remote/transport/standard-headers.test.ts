import { expect, test } from 'vitest';
import {
  headerValue,
  standardHeaders,
  versionOf,
} from '../../../../src/remote/transport/standard-headers.ts';

test.for([
  ['us-west1', 'us-west1'],
  ['us west 1', 'us west 1'],
  ['', ''],
  ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
  [' padded ', '=?base64?IHBhZGRlZCA=?='],
  ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
  ['a\r\nHost: evil', '=?base64?YQ0KSG9zdDogZXZpbA==?='],
  ['\tindented', '=?base64?CWluZGVudGVk?='],
  ['a\tb', '=?base64?YQli?='],
  ['\u0000', '=?base64?AA==?='],
  ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
  ['=?base64?open', '=?base64?open'],
] as const)('W-REM-11: the header for %j is %j', ([value, header]) => {
  expect(headerValue(value)).toBe(header);
});

test('the name is that of a tool, prompt, resource or task, and of nothing else', () => {
  const headers = (method: string, params: object, name = ''): Record<string, string> =>
    standardHeaders({ method, name, json: Buffer.from(JSON.stringify({ method, params })) });
  const call = { 'mcp-method': 'tools/call', 'mcp-name': 'my-tool' };
  expect(headers('tools/call', { name: 'my-tool' }, 'my-tool')).toEqual(call);
  expect(headers('tools/call', { name: 'my-tool' })).toEqual(call);
  expect(headers('resources/read', { uri: 'file:///a%20b' })['mcp-name']).toBe('file:///a%20b');
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel'])
    expect(headers(method, { taskId: 'task-1', name: 'no' })['mcp-name']).toBe('task-1');
  // The relay may tell the start of a long name alone.
  const long = `file:///${'x'.repeat(2000)}`;
  expect(headers('resources/read', { uri: long }, long.slice(0, 1024))['mcp-name']).toBe(long);
  expect(headers('tools/list', { name: 'x' })).toEqual({ 'mcp-method': 'tools/list' });
  expect(headers('tools/call', {})).toEqual({ 'mcp-method': 'tools/call' });
  expect(headers('x/\r\ny', {})).toEqual({ 'mcp-method': '=?base64?eC8NCnk=?=' });
});

test('the version is the one of the message itself', () => {
  const of = (meta: string): string | undefined =>
    versionOf(Buffer.from(`{"id":1,"params":{"_meta":${meta}}}`));
  expect(of('{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}')).toBe('2026-07-28');
  expect(of('{"io.modelcontextprotocol/protocolVersion":7}')).toBeUndefined();
  expect(of('{}')).toBeUndefined();
  expect(versionOf(Buffer.from('{}'))).toBeUndefined();
});

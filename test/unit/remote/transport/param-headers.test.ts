import { expect, test } from 'vitest';
import { paramHeaders, paramHeadersOf } from '../../../../src/remote/transport/param-headers.ts';

const schema = (properties: object): object => ({ type: 'object', properties });
const annotated = (name: unknown, type: unknown = 'string'): object => ({ type, 'x-mcp-header': name });

test('annotated parameters are found at every depth of properties', () => {
  const nested = schema({ in: schema({ b: annotated('Deep', 'integer') }), a: annotated('Region'), c: {} });
  expect(paramHeadersOf(nested)).toEqual([
    { path: ['in', 'b'], header: 'mcp-param-deep' },
    { path: ['a'], header: 'mcp-param-region' },
  ]);
  expect(paramHeadersOf(undefined)).toEqual([]);
  expect(paramHeadersOf({ type: 'object', properties: { 'x-mcp-header': { type: 'string' } } })).toEqual([]);
  expect(paramHeadersOf({ default: { 'x-mcp-header': 'data' }, enum: [{ 'x-mcp-header': 1 }] })).toEqual([]);
});

test.for([
  ['empty', schema({ a: annotated('') })],
  ['no string', schema({ a: annotated(7) })],
  ['a space', schema({ a: annotated('My Region') })],
  ['a colon', schema({ a: annotated('Region:x') })],
  ['a line break', schema({ a: annotated('Region\r\nHost: evil') })],
  ['beyond ASCII', schema({ a: annotated('Région') })],
  ['a control character', schema({ a: annotated('Region\t1') })],
  ['a number', schema({ a: annotated('A', 'number') })],
  ['an object', schema({ a: annotated('A', 'object') })],
  ['null', schema({ a: annotated('A', 'null') })],
  ['several types', schema({ a: annotated('A', ['string', 'null']) })],
  ['no type', schema({ a: { 'x-mcp-header': 'A' } })],
  ['twice', schema({ a: annotated('A'), b: annotated('A') })],
  ['twice in other case', schema({ a: annotated('MyField'), b: annotated('myfield') })],
  ['at the root', { ...annotated('A'), type: 'string' }],
  ['in items', schema({ a: { type: 'array', items: annotated('A') } })],
  ['in oneOf', { type: 'object', oneOf: [schema({ a: annotated('A') })] }],
  ['in $defs', { type: 'object', $defs: { d: annotated('A') } }],
  ['in patternProperties', { patternProperties: { x: annotated('A') } }],
  ['in if', schema({ a: { if: annotated('A') } })],
  ['behind an unknown keyword', schema({ a: { vendor: { properties: { b: annotated('A') } } } })],
  [
    'too many',
    schema(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`p${i}`, annotated(`P${i}`)]))),
  ],
] as const)('W-REM-11: an annotation that is %s makes the tool one that is not offered', ([, wrong]) => {
  expect(paramHeadersOf(wrong)).toEqual(expect.any(String));
});

const call = (args: string): Buffer =>
  Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":${args}}}`);
const params = [
  { path: ['a'], header: 'mcp-param-a' },
  { path: ['in', 'b'], header: 'mcp-param-b' },
];

test('values are taken at the exact path; null and what is not there have no header', () => {
  expect(paramHeaders(call('{"a":"x","in":{"b":-7}}'), params)).toEqual({
    'mcp-param-a': 'x',
    'mcp-param-b': '-7',
  });
  expect(paramHeaders(call('{"a":true,"in":{"b":42.0}}'), params)).toEqual({
    'mcp-param-a': 'true',
    'mcp-param-b': '42',
  });
  expect(paramHeaders(call('{"a":null,"in":7}'), params)).toEqual({});
  expect(paramHeaders(call('{"a":"","b":1,"in.b":2}'), params)).toEqual({ 'mcp-param-a': '' });
  expect(paramHeaders(call('{"a":{},"in":{"b":[]}}'), params)).toEqual({});
  expect(paramHeaders(call('{}'), [{ path: ['__proto__', 'constructor'], header: 'h' }])).toEqual({});
  expect(paramHeaders(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call"}'), params)).toEqual({});
});

test.for(['9007199254740993', '1.5', '1e999', `"${'x'.repeat(8193)}"`])(
  'W-REM-11: a value that is not read alike everywhere, or too long, keeps the call back: %#',
  (value) => {
    expect(paramHeaders(call(`{"a":${value}}`), params)).toEqual(expect.any(String));
  },
);

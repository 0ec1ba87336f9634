// `Mcp-Param-*`: parameters of a tool that its definition wants repeated in headers (2026-07-28, Streamable HTTP, "Custom
// Headers from Tool Parameters"). A tool whose annotations break the rules is not to be offered.
import { type Range, readMember } from '../../json/read.ts';
import { headerValue } from './standard-headers.ts';

/** A parameter that is repeated: the path of `properties` to it, and the header. */
export interface ParamHeader {
  readonly path: readonly string[];
  /** Of the header, in lower case. */
  readonly header: string;
}

const ANNOTATION = 'x-mcp-header';
const TYPES = new Set(['string', 'integer', 'boolean']);
/** A token (RFC 9110 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Levels of a schema that are looked at, headers of a tool, and bytes of one, so that a head stays below what servers take. */
const MAX_DEPTH = 64;
const MAX_HEADERS = 64;
const MAX_VALUE = 8192;

/** What of a tool's `inputSchema` is repeated; a string says why the tool is not to be offered. */
export function paramHeadersOf(schema: unknown): readonly ParamHeader[] | string {
  const found: ParamHeader[] = [];
  const problem = walk(schema, [], true, 0, found);
  if (problem !== undefined) return problem;
  if (found.length > MAX_HEADERS) return `more than ${MAX_HEADERS} parameters are to be headers`;
  const names = new Set(found.map(({ header }) => header));
  return names.size === found.length ? found : 'two parameters are to be the same header';
}

/** `reachable`: by a chain of `properties` alone. */
function walk(
  schema: unknown,
  path: readonly string[],
  reachable: boolean,
  depth: number,
  found: ParamHeader[],
): string | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined;
  if (depth > MAX_DEPTH) return 'the schema is too deep';
  if (!Array.isArray(schema) && Object.hasOwn(schema, ANNOTATION)) {
    const { [ANNOTATION]: name, type } = schema as Record<string, unknown>;
    if (typeof name !== 'string' || name === '') return `"${ANNOTATION}" is not a name`;
    if (!TOKEN.test(name)) return `"${ANNOTATION}" is not the name of a header`;
    if (!reachable || path.length === 0) return `"${ANNOTATION}" is at a place that has no value of its own`;
    if (typeof type !== 'string' || !TYPES.has(type))
      return `"${ANNOTATION}" is at a parameter that is no string, integer or boolean`;
    found.push({ path, header: `mcp-param-${name.toLowerCase()}` });
  }
  for (const [key, value] of Object.entries(schema)) {
    if (DATA.has(key)) continue;
    const isProperties =
      (key === 'properties' || NAMED_SCHEMAS.has(key)) && typeof value === 'object' && value !== null;
    if (!isProperties || Array.isArray(value)) {
      const problem = walk(value, path, false, depth + 1, found);
      if (problem !== undefined) return problem;
      continue;
    }
    for (const [name, property] of Object.entries(value)) {
      const problem = walk(property, [...path, name], reachable && key === 'properties', depth + 1, found);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

/** Keywords whose value is no schema, but data. */
const DATA = new Set([ANNOTATION, 'default', 'const', 'enum', 'examples']);
/** Keywords whose members are named by the author: none of these names is a keyword. */
const NAMED_SCHEMAS = new Set(['patternProperties', '$defs', 'definitions', 'dependentSchemas']);

/** The headers of a call. A string says why it cannot be sent. `json` is the message. */
export function paramHeaders(json: Buffer, params: readonly ParamHeader[]): Record<string, string> | string {
  const headers: Record<string, string> = {};
  if (params.length === 0) return headers;
  const within = memberAt(json, { start: 0, end: json.length }, 'params');
  const range = within && memberAt(json, within, 'arguments');
  if (range === undefined) return headers;
  let args: unknown;
  try {
    args = JSON.parse(json.toString('utf8', range.start, range.end));
  } catch {
    return 'the arguments are no JSON';
  }
  for (const { path, header } of params) {
    const value = path.reduce(memberOf, args);
    const text = textOf(value);
    if (text === null)
      return `the argument "${path.join('.')}" cannot be a header: it is too long, or an integer that programs read differently`;
    if (text !== undefined) headers[header] = headerValue(text);
  }
  return headers;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** The value as text; undefined where it is none of the types that are repeated, null where it cannot be. */
function textOf(value: unknown): string | undefined | null {
  switch (typeof value) {
    case 'string':
      return Buffer.byteLength(value) > MAX_VALUE ? null : value;
    case 'boolean':
      return String(value);
    case 'number':
      return Number.isSafeInteger(value) ? String(value) : null;
    default:
      return undefined;
  }
}

function memberAt(json: Buffer, { start, end }: Range, name: 'params' | 'arguments'): Range | undefined {
  const member = readMember(json, start, end, name);
  return typeof member === 'string' ? undefined : member;
}

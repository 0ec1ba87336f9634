// The headers in which a request of 2026-07-28 repeats what its body says (Streamable HTTP, "Request Metadata").
import { type Range, readMember, readText } from '../../json/read.ts';

/** Methods whose `Mcp-Name` is the tool's, the prompt's, the resource's, or the task's (SEP-2663). */
const NAMED = new Set([
  'tools/call',
  'prompts/get',
  'resources/read',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
  'tasks/result',
]);
const VERSION = 'io.modelcontextprotocol/protocolVersion';
const MAX_VERSION = 128;

/** `Mcp-Method` and, where the method has one, `Mcp-Name`. */
export function standardHeaders(method: string, name: string): Record<string, string> {
  return {
    'mcp-method': headerValue(method),
    ...(NAMED.has(method) && { 'mcp-name': headerValue(name) }),
  };
}

/**
 * A value as a header carries it: as it is where it is printable ASCII without white space around it, else, and where it looks
 * like that, as `=?base64?…?=` of its UTF-8.
 */
export function headerValue(value: string): string {
  const isPlain = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/.test(value);
  return isPlain && !(value.startsWith('=?base64?') && value.endsWith('?='))
    ? value
    : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

/** The version of the protocol that a request says in its `_meta`. */
export function versionOf(json: Buffer): string | undefined {
  const params = memberOf(json, { start: 0, end: json.length }, 'params');
  const meta = params && memberOf(json, params, '_meta');
  const version = meta && memberOf(json, meta, VERSION);
  return version && readText(json, version, MAX_VERSION);
}

function memberOf(
  json: Buffer,
  { start, end }: Range,
  name: 'params' | '_meta' | typeof VERSION,
): Range | undefined {
  const member = readMember(json, start, end, name);
  return typeof member === 'string' ? undefined : member;
}

// The headers in which a request of 2026-07-28 repeats what its body says (Streamable HTTP, "Request Metadata").

import { memberIn, readText, whole } from '../../json/read.ts';
import type { RemoteMessage } from '../pipe.ts';

/** The member of `params` that is the `Mcp-Name`, by method: that of tasks by SEP-2663. */
const NAMED = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
  ['tasks/result', 'taskId'],
] as const);
/** The longest name in bytes, and the longest that is surely all of it where the relay tells it. */
const MAX_NAME = 16_384;
const SHORT = 512;
const VERSION = 'io.modelcontextprotocol/protocolVersion';
const MAX_VERSION = 128;

/** `Mcp-Method` and, where the method has one, `Mcp-Name`. */
export function standardHeaders({ method, name, json }: Named): Record<string, string> {
  const member = NAMED.get(method as typeof NAMED extends Map<infer Method, string> ? Method : never);
  const isKnown = name !== '' && name.length <= SHORT;
  const named = member === undefined ? undefined : isKnown ? name : nameIn(json, member);
  return {
    'mcp-method': headerValue(method),
    ...(named !== undefined && { 'mcp-name': headerValue(named) }),
  };
}

type Named = Pick<RemoteMessage, 'method' | 'name' | 'json'>;

function nameIn(json: Buffer, member: 'name' | 'uri' | 'taskId'): string | undefined {
  const params = memberIn(json, whole(json), 'params');
  const name = memberIn(json, params, member);
  return name && readText(json, name, MAX_NAME);
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
  const params = memberIn(json, whole(json), 'params');
  const meta = memberIn(json, params, '_meta');
  const version = memberIn(json, meta, VERSION);
  return version && readText(json, version, MAX_VERSION);
}

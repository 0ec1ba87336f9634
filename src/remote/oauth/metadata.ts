// Fetching a metadata document: bounded, redirects followed a few times and each checked, and nothing taken for metadata
// that is no JSON object.

import type { WarderError } from '../../errors.ts';
import { isLoopbackHost } from '../../profile/host.ts';
import { metadataError } from './metadata-error.ts';
import type { OAuthParts } from './parts.ts';
import { readUrl } from './secure-url.ts';

/** Characters of a document. */
const MAX_DOCUMENT = 262_144;
const MAX_REDIRECTS = 3;

/** A JSON object of somebody else's. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface MetadataDocument {
  readonly json: JsonObject;
  /** Where it was asked for. */
  readonly url: string;
}

/**
 * The document at a URL; undefined where the server has none: it answers 4xx, or 200 with something that is no JSON, as
 * sites do that have a page for every path. Throws `server-metadata` for any other answer, and what `fetch` throws.
 */
export async function fetchMetadata(
  parts: OAuthParts,
  address: string | URL,
  what: string,
): Promise<MetadataDocument | undefined> {
  const start = readUrl(String(address), what, parts);
  let url = start;
  for (let redirects = 0; ; redirects += 1) {
    const response = await parts.fetch(url, {
      method: 'GET',
      redirect: 'manual',
      headers: { accept: 'application/json', 'mcp-protocol-version': PROTOCOL_VERSION },
      ...(parts.signal && { signal: parts.signal }),
    });
    const location = response.headers.get('location');
    if (isRedirect(response.status) && location !== null) {
      discard(response);
      if (redirects === MAX_REDIRECTS) throw failure(what, start, 'it redirects too often');
      const next = URL.parse(location, url.href);
      const before = url;
      url = readUrl(next?.href ?? location, what, parts);
      // A server elsewhere has nothing to ask of programs of this machine.
      if (isLoopbackHost(url.hostname) && !isLoopbackHost(before.hostname))
        throw failure(what, start, 'it redirects to this machine');
      continue;
    }
    if (response.status !== 200) {
      discard(response);
      if (response.status >= 400 && response.status < 500) return undefined;
      throw failure(what, start, `the server answers ${response.status}`);
    }
    const json = parseObject(await readBody(response));
    return json === undefined ? undefined : { json, url: start.href };
  }
}

/** Revision of MCP that Warder speaks of in these requests; revision 2025-03-26 asks for the header. */
const PROTOCOL_VERSION = '2025-11-25';

/** The text of a response; undefined if it is longer than a document may be. */
export async function readBody(response: Response): Promise<string | undefined> {
  if (response.body === null) return '';
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length > MAX_DOCUMENT) {
      reader.cancel().catch(() => undefined);
      return undefined;
    }
  }
}

/** Ends a response whose body is of no interest; waits for nothing. */
export function discard(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}

/** Parses a JSON object; undefined for anything else. */
export function parseObject(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A member that is a text of sensible length. */
export function textOf(json: JsonObject, name: string, most = 4096): string | undefined {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  return typeof value === 'string' && value !== '' && value.length <= most ? value : undefined;
}

/** Most entries of a list. */
const MAX_LIST = 1000;

/** A member that is a list of texts; undefined for anything else. */
export function textsOf(json: JsonObject, name: string): readonly string[] | undefined {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  if (!Array.isArray(value)) return undefined;
  return value
    .slice(0, MAX_LIST)
    .filter((one): one is string => typeof one === 'string' && one.length <= 4096);
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function failure(what: string, { host }: URL, reason: string): WarderError {
  return metadataError(`cannot read the ${what} at ${host}: ${reason}`);
}

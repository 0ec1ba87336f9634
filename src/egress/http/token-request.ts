// Requests to a token endpoint (RFC 6749 4 and 6, RFC 7523, RFC 8693): a form, or JSON as some services take it, with a
// `grant_type` and secret parameters.

/** Parameters that a token endpoint consumes as secrets. */
const SECRET_PARAMETERS: ReadonlySet<string> = new Set([
  'refresh_token',
  'client_secret',
  'client_assertion',
  'assertion',
  'code',
  'device_code',
  'password',
  'subject_token',
  'actor_token',
]);

/** A token request is short; a longer body is not read as one. */
const MAX_LENGTH = 64 * 1024;

/** The secret parameters of a token request, each with its value. */
export type TokenRequest = ReadonlyMap<string, string>;

/** Reads a body as a token request; `undefined` if it is none, or names a parameter twice. */
export function readTokenRequest(body: Buffer, format: 'form' | 'json'): TokenRequest | undefined {
  if (body.length > MAX_LENGTH || !body.includes('grant_type')) return undefined;
  const fields = format === 'form' ? [...new URLSearchParams(body.toString())] : readJson(body.toString());
  const names = fields.map(([name]) => name);
  if (new Set(names).size < names.length || !names.includes('grant_type')) return undefined;
  return new Map(fields.filter(([name]) => SECRET_PARAMETERS.has(name)));
}

/** The members of an object that are strings. */
function readJson(text: string): [string, string][] {
  try {
    const value: unknown = JSON.parse(text);
    // With a member twice, the host may read the other one.
    if (text.split('"refresh_token"').length > 2) return [];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    return Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  } catch {
    return [];
  }
}

// Checks of access tokens before they are kept. An opaque token says nothing, so nothing of it can be checked: that it is
// for this server rests on `resource`, and on the server, which has to refuse others. A JWT (RFC 9068) that says it is
// another's is refused. Its signature is not verified: it came from the token endpoint over TLS, and is for the server.
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { WarderError } from '../../errors.ts';
import { type JsonObject, parseObject } from './metadata.ts';
import type { DpopKey } from './token-set.ts';

/** Characters of a token: what a header takes, and no more than servers take. */
const MAX_TOKEN = 16_384;
/** RFC 6750 section 2.1, and other visible characters, which servers use all the same. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Whether a token can be sent in a header. */
export function isSendable(token: string): boolean {
  return token.length <= MAX_TOKEN && TOKEN.test(token);
}

/** The claims of a JWT, unverified; undefined for any other text. */
export function readClaims(token: string): { header: JsonObject; claims: JsonObject } | undefined {
  const [header, claims, signature, ...others] = token.split('.');
  if (header === undefined || claims === undefined || signature === undefined || others.length > 0) {
    return undefined;
  }
  const [first, second] = [header, claims].map((part) =>
    parseObject(/^[\w-]+$/.test(part) ? Buffer.from(part, 'base64url').toString('utf8') : undefined),
  );
  return first === undefined || second === undefined ? undefined : { header: first, claims: second };
}

/** A digest that names a token in the log: of its id (`jti`), else of the token. */
export function tokenDigest(token: string): string {
  const id = readClaims(token)?.claims.jti;
  const named = typeof id === 'string' && id !== '' ? id : token;
  return `sha256:${createHash('sha256').update(named).digest('hex')}`;
}

export interface TokenUse {
  readonly issuer: string;
  readonly clientId: string;
  /** Undefined: the token is for no resource of ours. */
  readonly resource: string | undefined;
  readonly dpopKey: DpopKey | undefined;
}

/** Throws `sign-in-failed` for an access token that cannot be sent, or says that it is another's. */
export async function checkAccessToken(token: string, use: TokenUse): Promise<void> {
  if (!isSendable(token)) throw foreign(use, 'it cannot be sent in a header');
  const claims = readClaims(token)?.claims;
  if (claims === undefined) return;
  const { iss, aud, cnf } = claims;
  if (typeof iss === 'string' && !isSamePlace(iss, use.issuer)) throw foreign(use, 'another issuer made it');
  if (use.resource !== undefined && isForeignAudience(aud, use.resource, use)) {
    throw foreign(use, 'it is for another server');
  }
  const bound = typeof cnf === 'object' && cnf !== null && 'jkt' in cnf ? cnf.jkt : undefined;
  if (bound === undefined) return;
  const own = use.dpopKey && (await calculateJwkThumbprint(publicKeyOf(use.dpopKey)));
  if (bound !== own) throw foreign(use, 'it is bound to another key');
}

function publicKeyOf({ kty, crv, x, y }: DpopKey): { kty: string; crv: string; x: string; y: string } {
  return { kty, crv, x, y };
}

/**
 * Whether audiences say that a token is for others. One of them has to be the resource, a place above or below it, the
 * issuer, the client, or a name that is no URL: authorization servers map resources to names of their own (RFC 8707
 * section 2), and a name that Warder does not know accuses nobody.
 */
function isForeignAudience(aud: unknown, resource: string, { issuer, clientId }: TokenUse): boolean {
  const audiences = (Array.isArray(aud) ? aud : [aud]).filter(
    (one): one is string => typeof one === 'string',
  );
  if (audiences.length === 0) return false;
  return !audiences.some(
    (one) =>
      !/^[a-z][a-z0-9+.-]*:\/\//i.test(one) ||
      one === clientId ||
      isSamePlace(one, issuer) ||
      isNear(one, resource),
  );
}

/** Whether two URLs differ in spelling alone: case of the host, default port, a slash at the end. */
function isSamePlace(one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [URL.parse(one), URL.parse(other)];
  return a !== null && b !== null && a.href.replace(/\/$/, '') === b.href.replace(/\/$/, '');
}

/** Whether two URLs are on one origin, and the path of one is, in whole segments, above the other's. */
function isNear(one: string, other: string): boolean {
  const [a, b] = [URL.parse(one), URL.parse(other)];
  if (a === null || b === null || a.origin !== b.origin) return false;
  const [short, long] = [a.pathname, b.pathname]
    .map((path) => path.replace(/\/*$/, '/'))
    .toSorted((x, y) => x.length - y.length);
  return long?.startsWith(short ?? '') === true;
}

function foreign({ issuer }: TokenUse, reason: string): WarderError {
  return new WarderError('sign-in-failed', `the token of ${issuer} is not used: ${reason}`, {
    hint: 'the authorization server has to make tokens for this server; tell whoever runs it',
  });
}

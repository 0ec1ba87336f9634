// The good answers of a token endpoint (RFC 6749 section 5.1), read and checked.
import { WarderError } from '../../errors.ts';
import type { Answer } from './answer.ts';
import { type JsonObject, textOf } from './metadata.ts';
import { readScopes } from './scopes.ts';
import { checkAccessToken, isSendable } from './token-check.ts';
import type { DpopKey, TokenSet } from './token-set.ts';

/** What a request asked for. */
export interface TokenWish {
  readonly issuer: string;
  readonly clientId: string;
  readonly resource: string | undefined;
  readonly scopes: readonly string[] | undefined;
  /** Kept where the answer has no new one (RFC 6749 section 6). */
  readonly refreshToken: string | undefined;
  readonly dpopKey: DpopKey | undefined;
  /** Milliseconds since the epoch when the request was made. */
  readonly now: number;
}

/** Reads a good answer. The ID token in it is not checked here, and not kept. Throws `sign-in-failed`. */
export async function readTokens({ json, what }: Answer, wish: TokenWish): Promise<TokenSet> {
  if (json === undefined) throw malformed(wish, what, 'it is no JSON');
  const accessToken = textOf(json, 'access_token', 65_536);
  if (accessToken === undefined) throw malformed(wish, what, 'it has no token');
  const tokenType = readType(json);
  if (tokenType === undefined)
    throw malformed(wish, what, 'its token is of a type that Warder does not know');
  if (tokenType === 'DPoP' && wish.dpopKey === undefined) {
    throw malformed(wish, what, 'its token is bound to a key that Warder did not show');
  }
  if (tokenType === 'Bearer' && wish.dpopKey !== undefined) {
    throw malformed(wish, what, 'its token is not bound to the key');
  }
  await checkAccessToken(accessToken, wish);
  const refreshToken = textOf(json, 'refresh_token', 65_536);
  if (refreshToken !== undefined && !isSendable(refreshToken)) {
    throw malformed(wish, what, 'its refresh token has characters that none has');
  }
  const seconds = secondsOf(json.expires_in);
  const scopes = readScopes(textOf(json, 'scope', 65_536));
  return {
    accessToken,
    tokenType,
    refreshToken: refreshToken ?? wish.refreshToken,
    expiresAt: seconds === undefined ? undefined : wish.now + seconds * 1000,
    scopes: scopes ?? wish.scopes,
    idToken: undefined,
    issuer: wish.issuer,
    resource: wish.resource,
    clientId: wish.clientId,
    dpopKey: wish.dpopKey,
  };
}

function readType(json: JsonObject): 'Bearer' | 'DPoP' | undefined {
  const type = textOf(json, 'token_type', 64)?.toLowerCase();
  return type === 'bearer' ? 'Bearer' : type === 'dpop' ? 'DPoP' : undefined;
}

/** No token is taken to live longer than this many seconds; whoever says more means "does not expire". */
const MAX_LIFETIME = 366 * 86_400;

/** A number of seconds, also as a text, as some servers have it; undefined for what is none. */
export function secondsOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,12}(?:\.\d+)?$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) return undefined;
  return Math.min(Math.floor(number), MAX_LIFETIME);
}

/** The error of an answer that is not of its form. `what`: what was asked for; `reason`: has nothing of the answer itself in it. */
export function malformed(
  { issuer }: { readonly issuer: string },
  what: string,
  reason: string,
): WarderError {
  return new WarderError('sign-in-failed', `the answer of ${issuer} to the ${what} is not used: ${reason}`, {
    hint: 'tell whoever runs the authorization server',
  });
}

// Requests to the token endpoint: with a code, to refresh, and with the client's own credentials.
import { genericTokenEndpointRequest } from 'oauth4webapi';
import { WarderError } from '../../errors.ts';
import { type Answer, answerFailure, isGood, readAnswer } from './answer.ts';
import { type AuthorizationAttempt, checkOwner } from './authorization.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { clientAuth } from './client-auth.ts';
import type { Dpop } from './dpop.ts';
import { checkIdToken } from './id-token.ts';
import { textOf } from './metadata.ts';
import { type OAuthParts, requestOptions } from './parts.ts';
import type { ClientRegistration } from './registration.ts';
import { readTokens } from './token-answer.ts';
import type { TokenSet } from './token-set.ts';

/** One request to a token endpoint. */
export interface Grant {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly dpop: Dpop | undefined;
  /** For messages: `refresh`, `sign-in`, … */
  readonly what: string;
}

/**
 * Sends a grant. Where the server asks for a nonce in the proof, once more with it (RFC 9449 section 8); nothing else is
 * repeated. Throws for an answer that is not good what `answerFailure` makes of it, and what `fetch` throws.
 */
export async function sendGrant(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  { type, parameters, dpop, what }: Grant,
): Promise<Answer> {
  checkOwner(server, registration);
  const url = new URL(server.tokenEndpoint);
  for (let attempt = 1; ; attempt += 1) {
    const headers = dpop === undefined ? {} : { dpop: await dpop.proof({ method: 'POST', url }) };
    const response = await genericTokenEndpointRequest(
      { issuer: server.issuer, token_endpoint: server.tokenEndpoint },
      { client_id: registration.clientId },
      clientAuth(parts, registration, server),
      type,
      { ...parameters },
      requestOptions(parts, headers),
    );
    const answer = await readAnswer(response, what, secretsOf(parameters, registration));
    const isNew = dpop?.remember(url, answer.headers) === true;
    if (isGood(answer)) return answer;
    const wantsNonce = answer.json && textOf(answer.json, 'error') === 'use_dpop_nonce';
    if (!wantsNonce || !isNew || attempt > 1) throw answerFailure(answer, server.issuer);
  }
}

/** All that is sent and not public: what is left over is in every URL of the flow. */
function secretsOf(parameters: Grant['parameters'], { clientSecret = '' }: ClientRegistration): string[] {
  const {
    resource: _resource,
    scope: _scope,
    redirect_uri: _redirect,
    audience: _audience,
    ...others
  } = parameters;
  const values = Object.entries(others).filter(([name]) => !name.endsWith('_type'));
  return [clientSecret, ...values.map(([, value]) => value)];
}

/** Redeems the code of an authorization response, with the attempt's own redirect URI, verifier and resource. */
export async function redeemCode(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  attempt: AuthorizationAttempt,
  code: string,
  dpop?: Dpop,
): Promise<TokenSet> {
  checkOwner(server, attempt);
  const { redirectUri, resource, codeVerifier, clientId, nonce, scopes } = attempt;
  if (clientId !== registration.clientId) {
    throw new WarderError(
      'sign-in-failed',
      'the client was registered anew while the sign-in was under way',
      {
        hint: 'sign in again',
      },
    );
  }
  const now = parts.clock.now();
  const answer = await sendGrant(parts, server, registration, {
    type: 'authorization_code',
    parameters: {
      code,
      redirect_uri: redirectUri,
      code_verifier: codeVerifier,
      ...(resource !== undefined && { resource }),
    },
    dpop,
    what: 'sign-in',
  });
  const tokens = await readTokens(answer, {
    issuer: server.issuer,
    clientId,
    resource,
    scopes,
    refreshToken: undefined,
    dpopKey: dpop?.key,
    now,
  });
  const idToken = answer.json && textOf(answer.json, 'id_token', 65_536);
  if (idToken === undefined || nonce === undefined) return tokens;
  await checkIdToken(parts, server, { idToken, clientId, expected: { nonce } });
  return { ...tokens, idToken };
}

/**
 * New tokens for old ones. The scopes are not named: they stay as they are (RFC 6749 section 6). The refresh token and the
 * ID token are the new ones, or the old ones where the answer has none.
 */
export async function refreshTokens(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  tokens: TokenSet,
  dpop?: Dpop,
): Promise<TokenSet> {
  checkOwner(server, tokens);
  const { refreshToken, resource, clientId, scopes } = tokens;
  if (refreshToken === undefined || clientId !== registration.clientId) {
    const reason =
      refreshToken === undefined ? 'there is no refresh token' : 'the client was registered anew';
    throw new WarderError('sign-in-failed', `cannot refresh the token of ${server.issuer}: ${reason}`, {
      hint: 'sign in again',
    });
  }
  const now = parts.clock.now();
  const answer = await sendGrant(parts, server, registration, {
    type: 'refresh_token',
    parameters: { refresh_token: refreshToken, ...(resource !== undefined && { resource }) },
    dpop,
    what: 'refresh',
  });
  const wish = { issuer: server.issuer, clientId, resource, scopes, refreshToken, dpopKey: dpop?.key, now };
  const renewed = await readTokens(answer, wish);
  const idToken = answer.json && textOf(answer.json, 'id_token', 65_536);
  const { idToken: before } = tokens;
  if (idToken === undefined || before === undefined) return { ...renewed, idToken: before };
  await checkIdToken(parts, server, { idToken, clientId, expected: { before } });
  return { ...renewed, idToken };
}

/** What a token is for. */
export interface TokenTarget {
  readonly resource: string;
  readonly scopes: readonly string[] | undefined;
}

/** A token for Warder's own account (RFC 6749 section 4.4). */
export async function requestClientCredentials(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  target: TokenTarget,
  dpop?: Dpop,
): Promise<TokenSet> {
  const now = parts.clock.now();
  const answer = await sendGrant(parts, server, registration, {
    type: 'client_credentials',
    parameters: targetParameters(target),
    dpop,
    what: 'request of a token',
  });
  return readGranted(answer, server, registration, target, dpop, now);
}

/** `resource` and `scope` of a request. */
export function targetParameters({ resource, scopes }: TokenTarget): Readonly<Record<string, string>> {
  return { resource, ...(scopes !== undefined && scopes.length > 0 && { scope: scopes.join(' ') }) };
}

/** The tokens of an answer to a grant that is no code. */
export function readGranted(
  answer: Answer,
  server: AuthorizationServer,
  registration: ClientRegistration,
  { resource, scopes }: TokenTarget,
  dpop: Dpop | undefined,
  now: number,
): Promise<TokenSet> {
  return readTokens(answer, {
    issuer: server.issuer,
    clientId: registration.clientId,
    resource,
    scopes,
    refreshToken: undefined,
    dpopKey: dpop?.key,
    now,
  });
}

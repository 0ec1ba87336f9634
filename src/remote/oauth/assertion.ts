// Grants that need no browser at the remote server's authorization server: token exchange (RFC 8693), enterprise-managed
// authorization (ID-JAG: draft-ietf-oauth-identity-assertion-authz-grant), and assertions of workloads (RFC 7523).
import { WarderError } from '../../errors.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import type { Dpop } from './dpop.ts';
import { textOf } from './metadata.ts';
import type { OAuthParts } from './parts.ts';
import type { ClientRegistration } from './registration.ts';
import { malformed } from './token-answer.ts';
import { readClaims } from './token-check.ts';
import { readGranted, sendGrant, type TokenTarget, targetParameters } from './token-request.ts';
import type { TokenSet } from './token-set.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const TYPE = 'urn:ietf:params:oauth:token-type:';
const ID_JAG = `${TYPE}id-jag`;

/** The kinds of tokens of RFC 8693 section 3. */
export type SubjectTokenType = 'access_token' | 'refresh_token' | 'id_token' | 'saml1' | 'saml2' | 'jwt';

export interface ExchangeRequest extends TokenTarget {
  readonly subjectToken: string;
  readonly subjectTokenType: SubjectTokenType;
  readonly audience?: string | undefined;
}

/** Exchanges a token of the user's for one for the remote server. */
export async function exchangeToken(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  request: ExchangeRequest,
  dpop?: Dpop,
): Promise<TokenSet> {
  const { subjectToken, subjectTokenType, audience } = request;
  const what = 'token exchange';
  const now = parts.clock.now();
  const answer = await sendGrant(parts, server, registration, {
    type: EXCHANGE,
    parameters: {
      subject_token: subjectToken,
      subject_token_type: TYPE + subjectTokenType,
      requested_token_type: `${TYPE}access_token`,
      ...(audience !== undefined && { audience }),
      ...targetParameters(request),
    },
    dpop,
    what,
  });
  const issued = answer.json && textOf(answer.json, 'issued_token_type');
  if (issued !== undefined && issued !== `${TYPE}access_token` && issued !== `${TYPE}jwt`) {
    throw malformed(server, what, 'it is no access token');
  }
  return readGranted(answer, server, registration, request, dpop, now);
}

export interface IdJagRequest extends TokenTarget {
  /** The issuer of the remote server's authorization server. */
  readonly audience: string;
  /** The person's, of the identity provider. */
  readonly idToken: string;
}

/**
 * Asks the identity provider for a grant for the remote server's authorization server (enterprise-managed authorization).
 * Returns the grant, checked: it is such a grant, of this provider, and for that server alone.
 */
export async function requestIdJag(
  parts: OAuthParts,
  provider: AuthorizationServer,
  registration: ClientRegistration,
  request: IdJagRequest,
): Promise<string> {
  const what = 'request of a grant';
  const answer = await sendGrant(parts, provider, registration, {
    type: EXCHANGE,
    parameters: {
      requested_token_type: ID_JAG,
      audience: request.audience,
      subject_token: request.idToken,
      subject_token_type: `${TYPE}id_token`,
      ...targetParameters(request),
    },
    dpop: undefined,
    what,
  });
  const json = answer.json ?? {};
  const grant = textOf(json, 'access_token', 65_536);
  if (grant === undefined || textOf(json, 'issued_token_type') !== ID_JAG) {
    throw malformed(provider, what, 'it is no identity assertion');
  }
  // A token of another type could be used elsewhere; this one is for nothing but the exchange.
  if (textOf(json, 'token_type')?.toLowerCase() !== 'n_a')
    throw malformed(provider, what, 'it is a token of its own');
  const jwt = readClaims(grant);
  if (jwt === undefined || String(jwt.header.typ).toLowerCase() !== 'oauth-id-jag+jwt') {
    throw malformed(provider, what, 'it is no identity assertion');
  }
  const { iss, resource } = jwt.claims;
  if (iss !== provider.issuer) throw malformed(provider, what, 'another issuer made it');
  if (!isFor(jwt.claims.aud, [request.audience])) throw malformed(provider, what, 'it is for another server');
  const resources = Array.isArray(resource) ? resource : [resource];
  if (resource !== undefined && !resources.includes(request.resource)) {
    throw malformed(provider, what, 'it is for another server');
  }
  return grant;
}

/**
 * Redeems an assertion: an identity assertion, or a workload's. Never sent to a server that it is not for, which could
 * use it at the one that it is for; never sent twice, and never another grant instead.
 */
export async function redeemAssertion(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  assertion: string,
  target: TokenTarget,
  dpop?: Dpop,
): Promise<TokenSet> {
  const now = parts.clock.now();
  const claims = readClaims(assertion)?.claims;
  if (claims === undefined) throw unfit('it is no JWT');
  if (!isFor(claims.aud, [server.issuer, server.tokenEndpoint]))
    throw unfit(`it is not for ${server.issuer}`);
  if (typeof claims.exp !== 'number' || claims.exp * 1000 <= now) throw unfit('it has expired');
  const answer = await sendGrant(parts, server, registration, {
    type: JWT_BEARER,
    parameters: { assertion, ...targetParameters(target) },
    dpop,
    what: 'use of the assertion',
  });
  return readGranted(answer, server, registration, target, dpop, now);
}

/** Whether an audience names one of these servers; a slash at the end does not count. */
function isFor(aud: unknown, servers: readonly string[]): boolean {
  const bare = (url: string): string => url.replace(/\/$/, '');
  return (Array.isArray(aud) ? aud : [aud]).some(
    (one) => typeof one === 'string' && servers.some((server) => bare(server) === bare(one)),
  );
}

function unfit(reason: string): WarderError {
  return new WarderError('sign-in-failed', `the assertion is not sent: ${reason}`, {
    hint: 'set the credential "assertion" of the profile again, from a source that makes it anew',
  });
}

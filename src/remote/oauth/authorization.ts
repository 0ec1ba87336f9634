// The authorization code flow with PKCE (OAuth 2.1 section 4.1, RFC 7636, RFC 8707, RFC 9207): the URL that the browser
// opens, and the response that comes back.

import { calculatePKCECodeChallenge } from 'oauth4webapi';
import { WarderError } from '../../errors.ts';
import { isLoopbackHost } from '../../profile/host.ts';
import { refusal } from './answer.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { metadataError } from './metadata-error.ts';
import { type OAuthParts, randomText } from './parts.ts';
import type { ClientRegistration } from './registration.ts';
import { OFFLINE_ACCESS } from './scope-choice.ts';
import { readUrl } from './secure-url.ts';

/** One attempt to sign in: what the response is checked against. Used once. Holds the code verifier: never logged. */
export interface AuthorizationAttempt {
  readonly issuer: string;
  /** The server's metadata says that its responses carry `iss`. */
  readonly issInResponse: boolean;
  readonly clientId: string;
  readonly redirectUri: string;
  /** Undefined: a sign-in at an identity provider, whose token is for no resource. */
  readonly resource: string | undefined;
  /** As requested; undefined: the server chooses. */
  readonly scopes: readonly string[] | undefined;
  readonly state: string;
  readonly codeVerifier: string;
  /** Only where OpenID Connect is asked for (scope `openid`). */
  readonly nonce: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface AuthorizationRequest {
  readonly redirectUri: string;
  readonly resource: string | undefined;
  readonly scopes: readonly string[] | undefined;
}

/**
 * Begins an attempt. `url` is checked: it may be shown and opened. Throws `server-metadata` where the server has no such
 * flow or no PKCE, and `sign-in-failed` where the registration is another server's or has another redirect URI.
 */
export async function startAuthorization(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  request: AuthorizationRequest,
): Promise<{ readonly attempt: AuthorizationAttempt; readonly url: string }> {
  checkOwner(server, registration);
  checkRedirect(registration, request.redirectUri);
  const endpoint = authorizationEndpoint(server, parts);
  const { redirectUri, resource, scopes } = request;
  const attempt: AuthorizationAttempt = {
    issuer: server.issuer,
    issInResponse: server.issInResponse,
    clientId: registration.clientId,
    redirectUri,
    resource,
    scopes,
    state: randomText(parts),
    codeVerifier: randomText(parts),
    nonce: scopes?.includes('openid') ? randomText(parts) : undefined,
    startedAt: parts.clock.now(),
  };
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: attempt.clientId,
    redirect_uri: redirectUri,
    state: attempt.state,
    code_challenge: await calculatePKCECodeChallenge(attempt.codeVerifier),
    code_challenge_method: 'S256',
  });
  if (resource !== undefined) query.set('resource', resource);
  if (scopes !== undefined && scopes.length > 0) query.set('scope', scopes.join(' '));
  if (attempt.nonce !== undefined) query.set('nonce', attempt.nonce);
  // Without the person's consent anew no refresh token is given (OpenID Connect Core section 11).
  if (scopes?.includes(OFFLINE_ACCESS)) query.set('prompt', 'consent');
  return { attempt, url: extend(endpoint, query) };
}

function authorizationEndpoint(server: AuthorizationServer, parts: OAuthParts): string {
  const { issuer, authorizationEndpoint: endpoint, codeChallengeMethods } = server;
  if (endpoint === undefined) {
    throw metadataError(
      `the authorization server ${issuer} has no sign-in by browser`,
      'set another "auth" in the profile: "flow: device", or "type: client-credentials"',
    );
  }
  if (codeChallengeMethods?.includes('S256') !== true) {
    throw metadataError(
      `the authorization server ${issuer} does not offer PKCE with S256`,
      'without it a stolen code is enough to sign in; tell whoever runs the server',
    );
  }
  readUrl(endpoint, 'authorization endpoint', parts);
  return endpoint;
}

/** Adds to the endpoint's own query (RFC 6749 section 3.1). A parameter that stands there already would be sent twice. */
function extend(endpoint: string, query: URLSearchParams): string {
  const own = new URL(endpoint).searchParams;
  for (const name of query.keys()) {
    if (!own.has(name)) continue;
    throw metadataError(`the authorization endpoint is not used: it sets "${name}" itself`);
  }
  const joint = endpoint.endsWith('?') || endpoint.endsWith('&') ? '' : endpoint.includes('?') ? '&' : '?';
  return endpoint + joint + query.toString();
}

function checkRedirect({ redirectUris, issuer }: ClientRegistration, redirectUri: string): void {
  const url = URL.parse(redirectUri);
  const ours =
    url !== null &&
    url.protocol === 'http:' &&
    isLoopbackHost(url.hostname) &&
    url.search === '' &&
    url.hash === '';
  if (ours && (redirectUris.length === 0 || redirectUris.includes(redirectUri))) return;
  throw new WarderError('sign-in-failed', `the client at ${issuer} is not registered for this redirect URI`, {
    hint: 'register it anew, or set "callback-port" in the profile to the port that is registered',
  });
}

/** A client's id and secret go to the server that issued them, and to no other. */
export function checkOwner(server: AuthorizationServer, owned: { readonly issuer: string }): void {
  if (owned.issuer === server.issuer) return;
  throw new WarderError('sign-in-failed', `what ${owned.issuer} issued is not used with ${server.issuer}`, {
    hint: 'the remote server names another authorization server than before: sign in again',
  });
}

/**
 * The code of an authorization response. `url` is what the browser opened, or what the person pasted. In this order:
 * the place, `iss` (RFC 9207 section 2.4), `state`, and only then the error, whose words are nobody's before. Throws
 * `sign-in-failed`, and `sign-in-denied` where the person said no.
 */
export function readAuthorizationResponse(attempt: AuthorizationAttempt, url: string): string {
  const mark = url.indexOf('?');
  if (mark === -1 || url.slice(0, mark) !== attempt.redirectUri || url.includes('#')) {
    throw unexpected('it came to another place');
  }
  const query = new URLSearchParams(url.slice(mark));
  const only = (name: string): string | undefined => {
    const [value, ...others] = query.getAll(name);
    if (others.length > 0) throw unexpected(`it has "${name}" twice`);
    return value;
  };
  const iss = only('iss');
  if (iss === undefined && attempt.issInResponse) throw unexpected('it does not name its issuer');
  if (iss !== undefined && iss !== attempt.issuer)
    throw unexpected('it is from another authorization server');
  if (only('state') !== attempt.state) throw unexpected('it does not belong to this attempt');
  const error = only('error');
  if (error !== undefined) {
    const secrets = [attempt.state, attempt.codeVerifier];
    const about = { issuer: attempt.issuer, status: 0, what: 'sign-in', secrets };
    throw refusal(error, only('error_description'), about);
  }
  const code = only('code');
  if (code === undefined || !/^[\x20-\x7e]{1,4096}$/.test(code)) throw unexpected('it has no code');
  return code;
}

function unexpected(reason: string): WarderError {
  return new WarderError('sign-in-failed', `the response of the sign-in is not used: ${reason}`, {
    hint: 'start again, and use only the page that Warder opened',
  });
}

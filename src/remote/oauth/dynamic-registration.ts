// Dynamic registration of a client (RFC 7591).
import { dynamicClientRegistrationRequest } from 'oauth4webapi';
import { WarderError } from '../../errors.ts';
import { answerFailure, readAnswer } from './answer.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { type JsonObject, textOf, textsOf } from './metadata.ts';
import { type OAuthParts, requestOptions } from './parts.ts';
import { type ClientAuthMethod, type ClientRegistration, methodsOf } from './registration.ts';

export interface RegistrationRequest {
  /** Undefined: the client uses no browser. */
  readonly redirectUri: string | undefined;
  readonly scopes: readonly string[] | undefined;
  /** Its tokens are bound by DPoP. */
  readonly dpop: boolean;
}

/** The name that Warder gives itself. An authorization server shows it as it likes, and cannot verify it. */
const CLIENT_NAME = 'Warder';

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/**
 * Registers a native client with exactly this redirect URI. It is public where the server takes public clients: then there
 * is no secret to keep. Throws `sign-in-failed`: refused, or registered as something else than asked for.
 */
export async function registerClient(
  parts: OAuthParts,
  server: AuthorizationServer,
  request: RegistrationRequest,
): Promise<ClientRegistration> {
  const { redirectUri, scopes, dpop } = request;
  const authMethod = registrationMethod(server);
  const grant = redirectUri === undefined ? DEVICE_GRANT : 'authorization_code';
  // A server that gives no refresh tokens may refuse a client that wants some.
  const refreshes = server.grantTypes?.includes('refresh_token') !== false;
  const response = await dynamicClientRegistrationRequest(
    { issuer: server.issuer, registration_endpoint: server.registrationEndpoint ?? '' },
    {
      client_name: CLIENT_NAME,
      application_type: 'native',
      redirect_uris: redirectUri === undefined ? [] : [redirectUri],
      grant_types: refreshes ? [grant, 'refresh_token'] : [grant],
      response_types: redirectUri === undefined ? [] : ['code'],
      token_endpoint_auth_method: authMethod,
      ...(scopes !== undefined && { scope: scopes.join(' ') }),
      ...(dpop && { dpop_bound_access_tokens: true }),
    },
    requestOptions(parts),
  );
  const answer = await readAnswer(response, 'registration of a client', []);
  // RFC 7591 says 201; there are servers that say 200.
  if (answer.status !== 200 && answer.status !== 201) throw answerFailure(answer, server.issuer);
  return readRegistration(answer.json ?? {}, server, request, authMethod);
}

function registrationMethod(server: AuthorizationServer): ClientAuthMethod {
  const methods = methodsOf(server);
  const known = ['none', 'client_secret_basic', 'client_secret_post'] as const;
  const method = known.find((one) => methods.includes(one));
  if (method !== undefined) return method;
  throw new WarderError(
    'sign-in-failed',
    `cannot register at ${server.issuer}: it takes no client with a secret, and none without`,
    {
      hint: 'register a client there yourself, and set "client-id" in the profile',
    },
  );
}

function readRegistration(
  json: JsonObject,
  server: AuthorizationServer,
  { redirectUri }: RegistrationRequest,
  requested: ClientAuthMethod,
): ClientRegistration {
  const clientId = textOf(json, 'client_id');
  if (clientId === undefined || !VISIBLE.test(clientId)) throw misregistered(server, 'it gave no id');
  const redirectUris = textsOf(json, 'redirect_uris') ?? (redirectUri === undefined ? [] : [redirectUri]);
  if (redirectUri !== undefined && redirectUris.length > 0 && !redirectUris.includes(redirectUri)) {
    throw misregistered(server, 'it registered another redirect URI');
  }
  const clientSecret = textOf(json, 'client_secret');
  const authMethod = chosenMethod(json, server, requested);
  if (authMethod === undefined)
    throw misregistered(server, 'it wants a client authentication that it does not list');
  if (authMethod !== 'none' && clientSecret === undefined) throw misregistered(server, 'it gave no secret');
  const expires = json.client_secret_expires_at;
  return {
    kind: 'dynamic',
    issuer: server.issuer,
    clientId,
    authMethod,
    clientSecret: authMethod === 'none' ? undefined : clientSecret,
    // 0: never (RFC 7591 section 3.2.1).
    secretExpiresAt:
      authMethod !== 'none' && typeof expires === 'number' && expires > 0 ? expires * 1000 : undefined,
    key: undefined,
    redirectUris: redirectUris.length > 0 || redirectUri === undefined ? redirectUris : [redirectUri],
  };
}

/** RFC 6749 appendix A: ids are visible ASCII and spaces. */
const VISIBLE = /^[\x20-\x7e]+$/;

/** The method that the server registered; where it does not say, the one that was asked for. */
function chosenMethod(
  json: JsonObject,
  server: AuthorizationServer,
  requested: ClientAuthMethod,
): ClientAuthMethod | undefined {
  const said = textOf(json, 'token_endpoint_auth_method') ?? requested;
  const known = ['none', 'client_secret_basic', 'client_secret_post'] as const;
  const method = known.find((one) => one === said);
  return method !== undefined && (method === requested || methodsOf(server).includes(method))
    ? method
    : undefined;
}

function misregistered({ issuer }: AuthorizationServer, reason: string): WarderError {
  return new WarderError('sign-in-failed', `the registration at ${issuer} is not used: ${reason}`, {
    hint: 'register a client there yourself, and set "client-id" in the profile',
  });
}

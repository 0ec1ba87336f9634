// Metadata of an authorization server (RFC 8414, OpenID Connect Discovery 1.0). It is refused as a whole where its issuer
// is not the one asked for, byte for byte, or where one of its endpoints may not be used.
import { fetchMetadata, type JsonObject, textOf, textsOf } from './metadata.ts';
import { metadataError } from './metadata-error.ts';
import type { OAuthParts } from './parts.ts';
import { onlyScopes } from './scopes.ts';
import { readUrl } from './secure-url.ts';

/** Plain data that may be stored as JSON. */
export interface AuthorizationServer {
  /** Byte for byte as the server was asked for and as it says it. */
  readonly issuer: string;
  /** `default`: no metadata was found, these are the places that revision 2025-03-26 of MCP names. */
  readonly source: 'oauth' | 'openid' | 'default';
  readonly authorizationEndpoint: string | undefined;
  readonly tokenEndpoint: string;
  readonly registrationEndpoint: string | undefined;
  readonly revocationEndpoint: string | undefined;
  readonly deviceAuthorizationEndpoint: string | undefined;
  readonly jwksUri: string | undefined;
  readonly scopesSupported: readonly string[] | undefined;
  readonly grantTypes: readonly string[] | undefined;
  /** Undefined: PKCE is not offered. */
  readonly codeChallengeMethods: readonly string[] | undefined;
  /** How clients authenticate at the token endpoint; undefined means `client_secret_basic` (RFC 8414 section 2). */
  readonly tokenAuthMethods: readonly string[] | undefined;
  readonly tokenAuthAlgorithms: readonly string[] | undefined;
  readonly idTokenAlgorithms: readonly string[] | undefined;
  readonly dpopAlgorithms: readonly string[] | undefined;
  /** It fetches Client ID Metadata Documents. */
  readonly clientIdMetadataDocuments: boolean;
  /** Its authorization responses carry `iss` (RFC 9207). */
  readonly issInResponse: boolean;
}

const WHAT = 'metadata of the authorization server';
const OAUTH = '/.well-known/oauth-authorization-server';
const OPENID = '/.well-known/openid-configuration';

interface Place {
  readonly url: string;
  readonly source: 'oauth' | 'openid';
}

/** Where an issuer's metadata may be, in the order of MCP ("Authorization Server Metadata Discovery"). */
export function serverPlaces(issuer: URL): readonly Place[] {
  const path = issuer.pathname.replace(/\/$/, '');
  const { origin } = issuer;
  const inserted: readonly Place[] = [
    { url: origin + OAUTH + path, source: 'oauth' },
    { url: origin + OPENID + path, source: 'openid' },
  ];
  return path === '' ? inserted : [...inserted, { url: origin + path + OPENID, source: 'openid' }];
}

/** The metadata of an issuer that a resource names. Throws `server-metadata` where there is none or it is refused. */
export async function findAuthorizationServer(
  parts: OAuthParts,
  issuer: string,
): Promise<AuthorizationServer> {
  const url = readIssuer(issuer, parts);
  const found = await search(parts, url, [issuer]);
  if (found !== undefined) return found;
  throw metadataError(
    `the authorization server ${url.host} has no metadata`,
    'tell whoever runs it that RFC 8414 names the place',
  );
}

/**
 * The authorization server of a remote server without metadata of its own (MCP 2025-03-26): the server's origin, with its
 * metadata or, where there is none, with `/authorize`, `/token` and `/register`, and S256, which that revision demands.
 */
export async function findLegacyServer(parts: OAuthParts, server: URL): Promise<AuthorizationServer> {
  const { origin } = readIssuer(server.origin, parts);
  // Nobody named the issuer; both spellings lead to the same place, and the document says which is meant.
  const found = await search(parts, new URL(origin), [origin, `${origin}/`]);
  return (
    found ?? {
      ...NOTHING,
      issuer: origin,
      source: 'default',
      authorizationEndpoint: `${origin}/authorize`,
      tokenEndpoint: `${origin}/token`,
      registrationEndpoint: `${origin}/register`,
      codeChallengeMethods: ['S256'],
      tokenAuthMethods: ['none', 'client_secret_post', 'client_secret_basic'],
    }
  );
}

const NOTHING = {
  authorizationEndpoint: undefined,
  registrationEndpoint: undefined,
  revocationEndpoint: undefined,
  deviceAuthorizationEndpoint: undefined,
  jwksUri: undefined,
  scopesSupported: undefined,
  grantTypes: undefined,
  codeChallengeMethods: undefined,
  tokenAuthMethods: undefined,
  tokenAuthAlgorithms: undefined,
  idTokenAlgorithms: undefined,
  dpopAlgorithms: undefined,
  clientIdMetadataDocuments: false,
  issInResponse: false,
} as const;

/** An issuer has no query (RFC 8414 section 2). */
function readIssuer(issuer: string, parts: OAuthParts): URL {
  const url = readUrl(issuer, 'issuer of the authorization server', parts);
  if (!issuer.includes('?')) return url;
  throw metadataError(`the authorization server ${url.host} is not used: its issuer has a query`);
}

async function search(
  parts: OAuthParts,
  issuer: URL,
  spellings: readonly string[],
): Promise<AuthorizationServer | undefined> {
  for (const { url, source } of serverPlaces(issuer)) {
    const document = await fetchMetadata(parts, url, WHAT);
    if (document !== undefined) return readServer(parts, document.json, spellings, source, issuer.host);
  }
  return undefined;
}

function readServer(
  parts: OAuthParts,
  json: JsonObject,
  spellings: readonly string[],
  source: 'oauth' | 'openid',
  host: string,
): AuthorizationServer {
  const issuer = textOf(json, 'issuer');
  if (issuer === undefined || !spellings.includes(issuer)) {
    throw metadataError(
      `the ${WHAT} ${host} is not used: it is of another issuer`,
      'its "issuer" has to be exactly what the remote server names',
    );
  }
  const endpoint = (name: string): string | undefined =>
    Object.hasOwn(json, name) && json[name] !== null ? readEndpoint(json[name], name, parts) : undefined;
  const tokenEndpoint = endpoint('token_endpoint');
  if (tokenEndpoint === undefined) {
    throw metadataError(`the ${WHAT} ${host} is not used: it has no token endpoint`);
  }
  const scopes = textsOf(json, 'scopes_supported');
  return {
    issuer,
    source,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint,
    registrationEndpoint: endpoint('registration_endpoint'),
    revocationEndpoint: endpoint('revocation_endpoint'),
    deviceAuthorizationEndpoint: endpoint('device_authorization_endpoint'),
    jwksUri: endpoint('jwks_uri'),
    scopesSupported: scopes && onlyScopes(scopes),
    grantTypes: textsOf(json, 'grant_types_supported'),
    codeChallengeMethods: textsOf(json, 'code_challenge_methods_supported'),
    tokenAuthMethods: textsOf(json, 'token_endpoint_auth_methods_supported'),
    tokenAuthAlgorithms: textsOf(json, 'token_endpoint_auth_signing_alg_values_supported'),
    idTokenAlgorithms: textsOf(json, 'id_token_signing_alg_values_supported'),
    dpopAlgorithms: textsOf(json, 'dpop_signing_alg_values_supported'),
    clientIdMetadataDocuments: json.client_id_metadata_document_supported === true,
    issInResponse: json.authorization_response_iss_parameter_supported === true,
  };
}

/** An endpoint byte for byte: a query of its own is kept (RFC 6749 sections 3.1 and 3.2). */
function readEndpoint(value: unknown, name: string, parts: OAuthParts): string {
  readUrl(value, `"${name}" of the authorization server`, parts);
  return value as string;
}

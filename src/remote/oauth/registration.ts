// Who Warder is to an authorization server: registered beforehand, by a Client ID Metadata Document, or dynamically. A
// registration belongs to one issuer and is never used with another.
import type { AuthorizationServer } from './authorization-server.ts';
import { urlProblem } from './secure-url.ts';

export type RegistrationKind = 'pre-registered' | 'metadata-document' | 'dynamic';

/** How a client authenticates at the token endpoint (RFC 7591 section 2). */
export type ClientAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';

/** A private key for `private_key_jwt`. */
export interface ClientKey {
  /** PKCS #8 in PEM, or a JSON Web Key. */
  readonly key: string;
  readonly id: string | undefined;
  /** `RS256`, `ES256`, …; undefined: by the key. */
  readonly algorithm: string | undefined;
}

/** Plain data that may be stored as JSON, sealed: it can hold a secret. */
export interface ClientRegistration {
  readonly kind: RegistrationKind;
  readonly issuer: string;
  readonly clientId: string;
  readonly authMethod: ClientAuthMethod;
  readonly clientSecret: string | undefined;
  /** Milliseconds since the epoch; undefined: it does not expire. */
  readonly secretExpiresAt: number | undefined;
  /** Only of a client that was registered beforehand; never stored with the registration. */
  readonly key: ClientKey | undefined;
  /** Exactly as registered; empty where nothing is known of them. */
  readonly redirectUris: readonly string[];
}

export interface RegistrationWish {
  /** The profile's. */
  readonly clientId?: string | undefined;
  /** Where Warder's own metadata document is. */
  readonly metadataDocument?: string | undefined;
  /** The profile wants a redirect that the document does not list (a port of its own). */
  readonly customRedirect: boolean;
}

/** Which way to register (MCP, "Client Registration"); `none`: the person has to register a client. */
export function chooseRegistration(
  server: AuthorizationServer,
  { clientId, metadataDocument, customRedirect }: RegistrationWish,
): RegistrationKind | 'none' {
  if (clientId !== undefined) return 'pre-registered';
  const takesDocument =
    server.clientIdMetadataDocuments && server.tokenAuthMethods?.includes('none') === true && !customRedirect;
  if (metadataDocument !== undefined && takesDocument && isDocumentUrl(metadataDocument)) {
    return 'metadata-document';
  }
  return server.registrationEndpoint === undefined ? 'none' : 'dynamic';
}

/** Whether a URL can be a client's id (draft-ietf-oauth-client-id-metadata-document section 3): https, with a path. */
export function isDocumentUrl(text: string): boolean {
  if (urlProblem(text, { insecureLoopback: false }) !== undefined) return false;
  // Dot segments would be a second spelling of the same id.
  return new URL(text).pathname !== '/' && !/\/\.{1,2}(?:\/|$)/.test(text) && new URL(text).href === text;
}

export interface PreRegisteredClient {
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  readonly key?: ClientKey | undefined;
}

/** A client that was registered at this server beforehand. */
export function preRegistered(
  server: AuthorizationServer,
  { clientId, clientSecret, key }: PreRegisteredClient,
): ClientRegistration {
  return {
    kind: 'pre-registered',
    issuer: server.issuer,
    clientId,
    authMethod: methodFor(server, { key: key !== undefined, secret: clientSecret !== undefined }),
    clientSecret,
    secretExpiresAt: undefined,
    key,
    redirectUris: [],
  };
}

/** A client whose id is the URL of its metadata document. */
export function fromMetadataDocument(
  server: AuthorizationServer,
  url: string,
  redirectUris: readonly string[],
): ClientRegistration {
  return {
    kind: 'metadata-document',
    issuer: server.issuer,
    clientId: url,
    authMethod: 'none',
    clientSecret: undefined,
    secretExpiresAt: undefined,
    key: undefined,
    redirectUris,
  };
}

/** The methods that the server takes, in the order in which Warder prefers them; the RFC's default where it lists none. */
export function methodsOf(server: AuthorizationServer): readonly string[] {
  return server.tokenAuthMethods ?? ['client_secret_basic'];
}

/**
 * The method for a client that was registered beforehand, by what it has: a key, then a secret, then nothing. A server that
 * lists none of the fitting ones gets the usual one: its list may be incomplete, and nobody but it sees the secret.
 */
function methodFor(
  server: AuthorizationServer,
  has: { readonly key: boolean; readonly secret: boolean },
): ClientAuthMethod {
  const methods = methodsOf(server);
  if (has.key) return 'private_key_jwt';
  if (!has.secret) return 'none';
  return !methods.includes('client_secret_basic') && methods.includes('client_secret_post')
    ? 'client_secret_post'
    : 'client_secret_basic';
}

/** Milliseconds before its expiry at which a secret is no longer used. */
const EXPIRY_MARGIN = 60_000;

/** Whether a registration is this issuer's, may use the redirect URI, and has a secret that is still valid. */
export function registrationFits(
  registration: ClientRegistration,
  use: { readonly issuer: string; readonly redirectUri: string | undefined; readonly now: number },
): boolean {
  const { issuer, redirectUris, secretExpiresAt } = registration;
  const redirects =
    use.redirectUri === undefined || redirectUris.length === 0 || redirectUris.includes(use.redirectUri);
  return (
    issuer === use.issuer &&
    redirects &&
    (secretExpiresAt === undefined || secretExpiresAt - EXPIRY_MARGIN > use.now)
  );
}

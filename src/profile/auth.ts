// How Warder proves to a remote server that it may use it: `auth` of a profile. A secret is never written there: each is
// the name of a stored credential, or `{credential: NAME, from: SOURCE}`.
import type { AuthFile, StoredFile } from './auth-schema.ts';
import { fromSource, type ProfileCredential, type SourceFile, toSource, UNLIMITED } from './credential.ts';

/** What an OAuth client is at an authorization server; a name that is `undefined` comes from its registration. */
interface OAuthClient {
  /** The authorization server, where the server's metadata lists several; any other is refused. */
  readonly issuer: string | undefined;
  readonly clientId: string | undefined;
  readonly clientSecret: ProfileCredential | undefined;
  /** `undefined`: those of the challenge, else those of the server's metadata. Empty: none. */
  readonly scopes: readonly string[] | undefined;
}

/** A person signs in: authorization code with PKCE (RFC 6749 4.1, RFC 7636), or the device flow (RFC 8628). */
export interface OAuthAuth extends OAuthClient {
  readonly type: 'oauth';
  /** The URL of a Client ID Metadata Document that is used instead of the settings' one. */
  readonly clientMetadataUrl: string | undefined;
  /** The port of the redirect on 127.0.0.1; `undefined`: a random one. */
  readonly callbackPort: number | undefined;
  readonly flow: 'code' | 'device';
}

/** A stored token or key in a header of each request. */
export interface BearerAuth {
  readonly type: 'bearer';
  readonly credential: ProfileCredential;
}
export interface HeaderAuth {
  readonly type: 'header';
  readonly header: string;
  /** What stands before the value: `Token `. */
  readonly prefix: string;
  readonly credential: ProfileCredential;
}

/** The profile's own client, without a person (RFC 6749 4.4): with a secret, or a signed assertion (RFC 7523 2.2). */
export interface ClientCredentialsAuth extends OAuthClient {
  readonly type: 'client-credentials';
  readonly clientId: string;
  /** Exactly one of this and `clientSecret` is set. */
  readonly privateKey:
    | {
        /** PEM (PKCS #8) or a JWK. */
        readonly credential: ProfileCredential;
        readonly keyId: string | undefined;
        /** A name of JWS; `undefined`: as the key says. */
        readonly algorithm: string | undefined;
      }
    | undefined;
}

/** Enterprise-managed authorization: an ID token of the company's provider is exchanged for a grant (ID-JAG). */
export interface EnterpriseAuth extends OAuthClient {
  readonly type: 'enterprise';
  readonly clientId: string;
  /** The client of the identity provider; `idToken`: a stored ID token instead of a sign-in there. */
  readonly identity: {
    readonly issuer: string;
    readonly clientId: string;
    readonly clientSecret: ProfileCredential | undefined;
    readonly scopes: readonly string[] | undefined;
    readonly idToken: ProfileCredential | undefined;
  };
}

/** A token from elsewhere is exchanged (RFC 8693), or is itself the grant (RFC 7523 2.1). */
export interface AssertionAuth extends OAuthClient {
  readonly type: 'token-exchange' | 'jwt-bearer';
  readonly assertion: ProfileCredential;
  /** Of `token-exchange`: the URI of the assertion's type (RFC 8693 3). */
  readonly subjectType: string;
  /** Of `token-exchange`: whom the new token is for, beside the server. */
  readonly audience: string | undefined;
}

/** `auth` as it is meant, by its `type`. */
export type RemoteAuth =
  | { readonly type: 'none' }
  | OAuthAuth
  | BearerAuth
  | HeaderAuth
  | ClientCredentialsAuth
  | EnterpriseAuth
  | AssertionAuth;

const SUBJECT_PREFIX = 'urn:ietf:params:oauth:token-type:';

/** With its defaults. `profile`: its name; `host`: where the server is, with its port if that is not 443. */
export function toAuth(file: AuthFile = { type: 'oauth' }, profile: string, host: string): RemoteAuth {
  const credential = (
    variable: string,
    written: StoredFile | undefined,
    hosts: string[] = [],
  ): ProfileCredential => {
    const { credential: name, from } =
      typeof written === 'object'
        ? written
        : { credential: written ?? `${profile}/${variable}`, from: undefined };
    return { ...UNLIMITED, deliver: 'sealed', variable, name, from: toSource(from), hosts };
  };
  const optional = (variable: string, written: StoredFile | undefined): ProfileCredential | undefined =>
    written === undefined ? undefined : credential(variable, written);
  const token = (written: string | undefined, from: SourceFile | undefined): ProfileCredential =>
    credential('token', { credential: written ?? `${profile}/token`, from }, [host]);
  const toClient = (written: OAuthClientFile): OAuthClient => ({
    issuer: written.issuer,
    clientId: written['client-id'],
    clientSecret: optional('client-secret', written['client-secret']),
    scopes: written.scopes,
  });
  switch (file.type) {
    case 'none':
      return { type: 'none' };
    case 'oauth':
      return {
        type: 'oauth',
        ...toClient(file),
        clientMetadataUrl: file['client-metadata-url'],
        callbackPort: file['callback-port'],
        flow: file.flow ?? 'code',
      };
    case 'bearer':
      return { type: 'bearer', credential: token(file.credential, file.from) };
    case 'header': {
      const { header, prefix = '' } = file;
      return { type: 'header', header, prefix, credential: token(file.credential, file.from) };
    }
    case 'client-credentials': {
      const key = optional('private-key', file['private-key']);
      return {
        type: 'client-credentials',
        ...toClient(file),
        clientId: file['client-id'],
        privateKey: key && { credential: key, keyId: file['key-id'], algorithm: file.algorithm },
      };
    }
    case 'enterprise': {
      const { identity } = file;
      return {
        type: 'enterprise',
        ...toClient(file),
        clientId: file['client-id'],
        identity: {
          issuer: identity.issuer,
          clientId: identity['client-id'],
          clientSecret: optional('identity-client-secret', identity['client-secret']),
          scopes: identity.scopes,
          idToken: optional('id-token', identity['id-token']),
        },
      };
    }
    case 'token-exchange':
    case 'jwt-bearer':
      return {
        type: file.type,
        ...toClient(file),
        assertion: credential('assertion', file.assertion),
        subjectType: SUBJECT_PREFIX + ((file.type === 'token-exchange' && file['subject-type']) || 'jwt'),
        audience: file.type === 'token-exchange' ? file.audience : undefined,
      };
  }
}

interface OAuthClientFile {
  readonly issuer?: string | undefined;
  readonly 'client-id'?: string | undefined;
  readonly 'client-secret'?: StoredFile | undefined;
  readonly scopes?: readonly string[] | undefined;
}

/** What the credentials of `auth` are called in its profile, where a local server has variables. */
export const AUTH_VARIABLES: readonly string[] = [
  'token',
  'client-secret',
  'private-key',
  'assertion',
  'identity-client-secret',
  'id-token',
];

/** What the account that a profile is signed in to is called where credentials are: in the log, and in `warder revoke`. */
export function accountName(profile: string): string {
  return `oauth/${profile}`;
}

/** The name of the credential that requests carry: a stored one, or the account whose tokens are got by OAuth. */
export function carriedCredential(auth: RemoteAuth, profile: string): string | undefined {
  if (auth.type === 'none') return undefined;
  return auth.type === 'bearer' || auth.type === 'header' ? auth.credential.name : accountName(profile);
}

/** The stored credentials of `auth`. They are the profile's `credentials`. */
export function authCredentials(auth: RemoteAuth): ProfileCredential[] {
  const found = ((): (ProfileCredential | undefined)[] => {
    switch (auth.type) {
      case 'none':
        return [];
      case 'oauth':
        return [auth.clientSecret];
      case 'bearer':
      case 'header':
        return [auth.credential];
      case 'client-credentials':
        return [auth.clientSecret, auth.privateKey?.credential];
      case 'enterprise':
        return [auth.clientSecret, auth.identity.clientSecret, auth.identity.idToken];
      case 'token-exchange':
      case 'jwt-bearer':
        return [auth.clientSecret, auth.assertion];
    }
  })();
  return found.filter((credential) => credential !== undefined);
}

/** As a profile says it, with its defaults: the opposite of `toAuth`. Members that are `undefined` are not written. */
export function fromAuth(auth: RemoteAuth): object {
  switch (auth.type) {
    case 'none':
      return { type: 'none' };
    case 'oauth':
      return {
        type: 'oauth',
        ...fromClient(auth),
        'client-metadata-url': auth.clientMetadataUrl,
        'callback-port': auth.callbackPort,
        flow: auth.flow,
      };
    case 'bearer':
      return { type: 'bearer', ...fromToken(auth.credential) };
    case 'header':
      return {
        type: 'header',
        header: auth.header,
        prefix: auth.prefix === '' ? undefined : auth.prefix,
        ...fromToken(auth.credential),
      };
    case 'client-credentials': {
      const { privateKey: key } = auth;
      return {
        type: 'client-credentials',
        ...fromClient(auth),
        'private-key': fromCredential(key?.credential),
        'key-id': key?.keyId,
        algorithm: key?.algorithm,
      };
    }
    case 'enterprise':
      return {
        type: 'enterprise',
        ...fromClient(auth),
        identity: { ...fromClient(auth.identity), 'id-token': fromCredential(auth.identity.idToken) },
      };
    case 'token-exchange':
      return {
        type: auth.type,
        ...fromClient(auth),
        assertion: fromCredential(auth.assertion),
        'subject-type': auth.subjectType.slice(SUBJECT_PREFIX.length),
        audience: auth.audience,
      };
    case 'jwt-bearer':
      return { type: auth.type, ...fromClient(auth), assertion: fromCredential(auth.assertion) };
  }
}

function fromClient({ issuer, clientId, clientSecret, scopes }: OAuthClient): object {
  return { issuer, 'client-id': clientId, 'client-secret': fromCredential(clientSecret), scopes };
}

function fromCredential(credential: ProfileCredential | undefined): object | string | undefined {
  if (credential === undefined) return undefined;
  return credential.from === 'store' ? credential.name : fromToken(credential);
}

function fromToken({ name, from }: ProfileCredential): object {
  return { credential: name, from: fromSource(from) };
}

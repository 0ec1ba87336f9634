// Who Warder is to an authorization server. A registration belongs to one issuer and is never used with another.

export type RegistrationKind = 'pre-registered' | 'metadata-document' | 'dynamic';

/** How a client authenticates at the token endpoint (RFC 7591 section 2). */
export type ClientAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';

/** A private key for `private_key_jwt`. */
export interface ClientKey {
  /** PKCS #8 in PEM, or a JSON Web Key. */
  readonly key: string;
  readonly id: string | undefined;
  /** `RS256`, `ES256`, …; undefined: by the key and what the server lists. */
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

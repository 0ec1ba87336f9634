// What a token endpoint issued.

/** Plain data that may be stored as JSON, sealed. */
export interface TokenSet {
  readonly accessToken: string;
  readonly tokenType: 'Bearer' | 'DPoP';
  readonly refreshToken: string | undefined;
  /** Milliseconds since the epoch; undefined: the server did not say. */
  readonly expiresAt: number | undefined;
  /** Granted; where the server says nothing, as requested (RFC 6749 section 5.1); undefined: nobody said. */
  readonly scopes: readonly string[] | undefined;
  /** Only where OpenID Connect was asked for, and checked. */
  readonly idToken: string | undefined;
  readonly issuer: string;
  /** The `resource` that the token was requested for; undefined of a sign-in at an identity provider. */
  readonly resource: string | undefined;
  readonly clientId: string;
  /** The key that a DPoP token is bound to. */
  readonly dpopKey: DpopKey | undefined;
}

/** A P-256 key pair as a private JSON Web Key (RFC 7517), for ES256. */
export interface DpopKey {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly d: string;
}

// The authorization code flow with PKCE (OAuth 2.1 section 4.1, RFC 7636, RFC 8707, RFC 9207).

/** One attempt to sign in: what the response is checked against. Used once. Holds the code verifier: never logged. */
export interface AuthorizationAttempt {
  readonly issuer: string;
  /** The server's metadata says that its responses carry `iss`. */
  readonly issInResponse: boolean;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly resource: string;
  /** As requested; undefined: the server chooses. */
  readonly scopes: readonly string[] | undefined;
  readonly state: string;
  readonly codeVerifier: string;
  /** Only where OpenID Connect is asked for. */
  readonly nonce: string | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

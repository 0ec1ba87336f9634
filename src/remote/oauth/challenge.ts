// `WWW-Authenticate`: what a server wants (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728
// section 5.1).

/** A challenge for an access token. All its values are the server's words: bounded, otherwise unchecked. */
export interface Challenge {
  readonly scheme: 'bearer' | 'dpop';
  /** `invalid_token`, `insufficient_scope`, `use_dpop_nonce`, … */
  readonly error: string | undefined;
  /** The scopes that the request needs; undefined where the server names none. */
  readonly scopes: readonly string[] | undefined;
  /** Where the metadata of the protected resource is said to be. */
  readonly resourceMetadata: string | undefined;
}

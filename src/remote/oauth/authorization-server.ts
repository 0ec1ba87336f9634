// Metadata of an authorization server (RFC 8414, OpenID Connect Discovery 1.0): plain data that may be stored as JSON.

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

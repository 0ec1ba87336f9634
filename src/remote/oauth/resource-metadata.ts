// Metadata of a protected resource (RFC 9728): which authorization servers issue tokens for a remote server.

export interface ResourceMetadata {
  /** What names the server to its authorization server, byte for byte as the metadata says it. */
  readonly resource: string;
  /** Issuers, at least one, in the server's order, byte for byte. */
  readonly authorizationServers: readonly string[];
  readonly scopesSupported: readonly string[] | undefined;
  /** Signing algorithms of DPoP proofs that the server takes; undefined where it says nothing of DPoP. */
  readonly dpopAlgorithms: readonly string[] | undefined;
  /** The server takes tokens bound by DPoP only. */
  readonly dpopRequired: boolean;
  /** Self-asserted: shown to people as unverified. */
  readonly name: string | undefined;
  /** Where it was found. */
  readonly url: string;
}

// Which scopes a first request asks for (MCP, "Scope Selection Strategy").
import type { AuthorizationServer } from './authorization-server.ts';
import type { Challenge } from './challenge.ts';
import type { ResourceMetadata } from './resource-metadata.ts';
import { onlyScopes } from './scopes.ts';

/** What asks for a refresh token (OpenID Connect Core section 11). */
export const OFFLINE_ACCESS = 'offline_access';

export interface ScopeSources {
  /** The profile's; they win. */
  readonly configured?: readonly string[] | undefined;
  readonly challenge?: Challenge | undefined;
  readonly metadata?: ResourceMetadata | undefined;
  readonly server: AuthorizationServer;
  /** A refresh token is wanted. */
  readonly refresh: boolean;
}

/**
 * The scopes of a first request: the challenge's, else all that the resource supports, else none (MCP, "Scope Selection
 * Strategy"). `offline_access` is added where the authorization server offers it and there are others: alone it would
 * replace what the server gives without being asked. Undefined: the request has no `scope`.
 */
export function chooseScopes(sources: ScopeSources): readonly string[] | undefined {
  const { configured, challenge, metadata, server, refresh } = sources;
  const scopes = configured ?? challenge?.scopes ?? metadata?.scopesSupported;
  if (scopes === undefined || scopes.length === 0) return undefined;
  const offline = refresh && configured === undefined && server.scopesSupported?.includes(OFFLINE_ACCESS);
  return onlyScopes(offline ? [...scopes, OFFLINE_ACCESS] : scopes);
}

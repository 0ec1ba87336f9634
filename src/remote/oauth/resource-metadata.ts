// Metadata of a protected resource (RFC 9728): which authorization servers issue tokens for a remote server.
import type { WarderError } from '../../errors.ts';
import type { Challenge } from './challenge.ts';
import { fetchMetadata, type MetadataDocument, textOf, textsOf } from './metadata.ts';
import { metadataError } from './metadata-error.ts';
import type { OAuthParts } from './parts.ts';
import { onlyScopes } from './scopes.ts';
import { urlProblem } from './secure-url.ts';

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

const WHAT = 'metadata of the protected resource';
const WELL_KNOWN = '/.well-known/oauth-protected-resource';
/** Authorization servers that are looked at. */
const MAX_SERVERS = 16;

/**
 * The metadata of the remote server at `server`: where the challenge says, else at the well-known place of its path, else
 * of its root. Undefined where it has none, as before revision 2025-06-18. Throws `server-metadata` where it is not the
 * server's own or names no authorization server, and where the challenge's place has none.
 */
export async function findResource(
  parts: OAuthParts,
  server: URL,
  challenge?: Challenge,
): Promise<ResourceMetadata | undefined> {
  if (challenge?.resourceMetadata !== undefined) {
    const document = await fetchMetadata(parts, challenge.resourceMetadata, WHAT);
    if (document !== undefined) return readResource(parts, server, document);
    throw refused(server, 'there is none where the server says it is');
  }
  for (const place of resourcePlaces(server)) {
    const document = await fetchMetadata(parts, place, WHAT);
    if (document !== undefined) return readResource(parts, server, document);
  }
  return undefined;
}

/** The well-known places of a server's metadata (RFC 9728 section 3.1), the most specific first. */
function resourcePlaces(server: URL): readonly string[] {
  const path = server.pathname === '/' ? '' : server.pathname;
  const root = server.origin + WELL_KNOWN;
  return path === '' ? [root + server.search] : [root + path + server.search, root];
}

function readResource(parts: OAuthParts, server: URL, { json, url }: MetadataDocument): ResourceMetadata {
  const resource = textOf(json, 'resource');
  if (resource === undefined) throw refused(server, 'it names no resource');
  if (!isResourceOf(resource, server, parts)) {
    throw refused(server, 'its "resource" is another server, so its tokens would be for that one');
  }
  const listed = (textsOf(json, 'authorization_servers') ?? []).slice(0, MAX_SERVERS);
  if (listed.length === 0) throw refused(server, 'it names no authorization server');
  const servers = listed.filter((issuer) => urlProblem(issuer, parts) === undefined);
  if (servers.length === 0) {
    throw refused(server, `no authorization server in it is used: ${urlProblem(listed[0], parts)}`);
  }
  const scopes = textsOf(json, 'scopes_supported');
  return {
    resource,
    authorizationServers: [...new Set(servers)],
    scopesSupported: scopes && onlyScopes(scopes),
    dpopAlgorithms: textsOf(json, 'dpop_signing_alg_values_supported'),
    dpopRequired: json.dpop_bound_access_tokens_required === true,
    name: textOf(json, 'resource_name', 256),
    url,
  };
}

/**
 * Whether a `resource` is the server at this URL: the same scheme, host and port, and its path or one above it, in whole
 * segments. Compared as parsed URLs, so that `%2e%2e` and upper case do not deceive.
 */
export function isResourceOf(
  resource: string,
  server: URL,
  parts: Pick<OAuthParts, 'insecureLoopback'>,
): boolean {
  if (urlProblem(resource, parts) !== undefined) return false;
  const url = new URL(resource);
  const folder = (path: string): string => (path.endsWith('/') ? path : `${path}/`);
  return (
    url.origin === server.origin &&
    (url.search === '' || url.search === server.search) &&
    folder(server.pathname).startsWith(folder(url.pathname))
  );
}

/**
 * The `resource` of every request for a token (RFC 8707): the metadata's, byte for byte, else the server's URL without
 * fragment, and without the slash of an empty path (MCP, "Canonical Server URI").
 */
export function resourceOf(server: URL, metadata?: ResourceMetadata): string {
  if (metadata !== undefined) return metadata.resource;
  return server.pathname === '/'
    ? server.origin + server.search
    : server.origin + server.pathname + server.search;
}

function refused({ host }: URL, reason: string): WarderError {
  return metadataError(
    `the ${WHAT} of ${host} is not used: ${reason}`,
    'tell whoever runs the server; a stored token needs no metadata ("auth: {type: bearer, …}")',
  );
}

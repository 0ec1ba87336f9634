// From a remote server's challenge to the authorization server that issues tokens for it.
import {
  type AuthorizationServer,
  findAuthorizationServer,
  findLegacyServer,
} from './authorization-server.ts';
import type { Challenge } from './challenge.ts';
import { metadataError } from './metadata-error.ts';
import type { OAuthParts } from './parts.ts';
import { findResource, type ResourceMetadata, resourceOf } from './resource-metadata.ts';
import { lookAlike, recordServer } from './server-record.ts';

export interface Discovery {
  /** The `resource` of every request for a token, byte for byte. */
  readonly resource: string;
  /** Undefined where the server has none (before revision 2025-06-18). */
  readonly metadata: ResourceMetadata | undefined;
  readonly server: AuthorizationServer;
}

/**
 * Reads the server's metadata and that of its authorization server. Of several, `preferred` is taken where the server
 * still names it, else the first (RFC 9728 section 7.6: the choice is the client's). Throws `server-metadata`.
 */
export async function discover(
  parts: OAuthParts,
  server: URL,
  challenge?: Challenge,
  preferred?: string,
): Promise<Discovery> {
  const metadata = await findResource(parts, server, challenge);
  const resource = resourceOf(server, metadata);
  if (metadata === undefined) return { resource, metadata, server: await findLegacyServer(parts, server) };
  const issuers = metadata.authorizationServers;
  const issuer = preferred !== undefined && issuers.includes(preferred) ? preferred : issuers[0];
  if (issuer === undefined) throw metadataError('the server names no authorization server');
  const found = await findAuthorizationServer(parts, issuer);
  checkLooks(server, found);
  return { resource, metadata, server: found };
}

/** Nobody is asked about a host that was chosen to be taken for another: it is refused. */
function checkLooks({ host }: URL, found: AuthorizationServer): void {
  const { issuer, hosts } = recordServer(found, 'dynamic');
  const alike = lookAlike([host, new URL(issuer).host, ...hosts.map((one) => one.host)]);
  if (alike === undefined) return;
  throw metadataError(
    `the authorization server ${new URL(issuer).host} is not used: ${alike.host} looks like ${alike.like}, and is another`,
  );
}

// Starts a server. Nothing runs, and nothing is asked of a remote server, before the whole profile has been read and everything that it
// asks for is available.
import type { Profile } from '../profile/format.ts';
import { startLocalServer } from './local-server.ts';
import { startRemoteServer } from './remote-server.ts';
import type { SessionContext, StartedServer, StartParts } from './started-server.ts';

/**
 * Starts the server of a profile for a session. Throws what its steps throw; `locked` or `credential-revoked` if its
 * credentials may not be used.
 */
export async function startServer(
  profile: Profile,
  context: SessionContext,
  parts: StartParts,
): Promise<StartedServer> {
  parts.locks.assertUsable(profile.credentials.map(({ name }) => name));
  const { server } = profile;
  return server.kind === 'url'
    ? await startRemoteServer(profile, server, context, parts)
    : await startLocalServer(profile, server, context, parts);
}

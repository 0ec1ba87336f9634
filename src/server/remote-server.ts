// A remote server: nothing is started, and nothing of it is on this machine but the session's side of it.
import { WarderError } from '../errors.ts';
import type { Profile, ProfileServer } from '../profile/format.ts';
import type { SessionContext, StartedServer, StartParts } from './started-server.ts';

/** Makes a session's side of a remote server. Nothing is asked of it yet. */
export async function startRemoteServer(
  profile: Profile,
  _server: Extract<ProfileServer, { kind: 'url' }>,
  _context: SessionContext,
  _parts: StartParts,
): Promise<StartedServer> {
  throw new WarderError('unsupported', `cannot start "${profile.name}": "server" is a URL`, {
    hint: 'use "command" and "args"',
  });
}

// The names of the servers of this machine's hosts that do not go through Warder, for completion.
import { catchWarderError, WarderError } from '../../errors.ts';
import { openHostFile } from '../../host/change.ts';
import { findFiles } from '../../host/find.ts';
import { serversOf } from '../../host/servers.ts';
import type { Context } from '../command.ts';
import { launchedProfile, surroundingsOf } from '../hosts/surroundings.ts';
import { serverName } from './show.ts';

export function serverNames({ places }: Context): string[] {
  const names = findFiles(surroundingsOf(process.env), { projects: true }).flatMap((found) => {
    const servers = catchWarderError(() => serversOf(openHostFile(found).document, found.file));
    if (servers instanceof WarderError) return [];
    return servers
      .filter((server) => launchedProfile(server, places) === undefined)
      .map((server) => serverName({ server }));
  });
  // A shell reads one a line.
  return [...new Set(names)].filter((name) => /^[\w@.:/-]+$/.test(name));
}

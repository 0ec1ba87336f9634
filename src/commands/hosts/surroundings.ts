// What the verbs about hosts have in common: which hosts there are, and which of their servers are Warder's.
import { WarderError } from '../../errors.ts';
import { type FoundFile, findFiles } from '../../host/find.ts';
import type { Surroundings } from '../../host/host-paths.ts';
import { type HostServer, profileOf } from '../../host/servers.ts';
import { hosts } from '../../host/table.ts';
import { homeFolder } from '../../os/home.ts';
import { PACKAGED } from '../../os/launch-command.ts';
import { suggest } from '../../profile/suggestion.ts';
import type { Places } from '../../wire/places.ts';

export function surroundingsOf(env: NodeJS.ProcessEnv): Surroundings {
  return { platform: process.platform, home: homeFolder(env), env, project: process.cwd() };
}

/** Throws `usage` for a host that is not in the table. */
export function checkHosts(ids: readonly string[]): void {
  for (const id of ids) {
    if (Object.hasOwn(hosts, id)) continue;
    const near = suggest(id, Object.keys(hosts));
    throw new WarderError('usage', `there is no host "${id}"`, {
      hint: near === undefined ? `hosts are ${Object.keys(hosts).join(', ')}` : `did you mean "${near}"?`,
    });
  }
}

/** The hosts that have a file on this machine. */
export function hostsHere(env: NodeJS.ProcessEnv): string[] {
  return [...new Set(findFiles(surroundingsOf(env)).map(({ id }: FoundFile) => id))];
}

/** The profile that a host's server is started with, by the launch command that is in use or by the package's. */
export function launchedProfile(server: HostServer, { launchCommand }: Places): string | undefined {
  return profileOf(server, [launchCommand, PACKAGED]);
}

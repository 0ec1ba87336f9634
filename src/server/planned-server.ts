// A server that is not started: what it would run, and what it may reach.
import type { Started } from '../consent/trust.ts';
import { parseSpec } from '../package/spec.ts';
import { allowedEgress, expandHome, type Profile } from '../profile/format.ts';
import { environment } from './environment.ts';
import { findCommand } from './process.ts';
import type { StartedServer, StartParts } from './started-server.ts';

/** What a server would run if it started now; undefined: that cannot be said, or starting it would fail. */
export function plannedStart(profile: Profile, { user, packages }: StartParts): Started | undefined {
  const { name, server, env } = profile;
  if (server.kind === 'url') return undefined;
  if (server.kind === 'package') {
    // Its files are verified at its start.
    const lock = packages.find({ profile: name, spec: parseSpec(server.package) });
    return lock && { package: server.package, digest: lock.digest };
  }
  const { command, args } = server;
  const { home } = user;
  const cwd = expandHome(server.cwd ?? '~', home);
  try {
    const variables = environment(name, user, { tmpdir: '', marker: '', credentials: '' }, env, []);
    const file = findCommand({ profile: name, command, cwd, env: variables, home, ...UNWATCHED });
    return { command: { file, args, folder: cwd } };
  } catch {
    return undefined;
  }
}

const UNWATCHED = { onPlanted: () => {}, onOverrun: () => {} };

/** A server that is not started, as it is logged: what it would run, and what it may reach. */
export function plannedServer(
  profile: Profile,
  started: Started,
): Pick<StartedServer, 'command' | 'credentials' | 'sandbox'> {
  const { network, sealed } = allowedEgress(profile);
  const args = profile.server.kind === 'url' ? [] : profile.server.args;
  const runs =
    'command' in started ? started.command.file : 'package' in started ? started.package : started.url;
  return {
    command: [runs, ...args],
    credentials: [],
    sandbox: {
      off: profile.sandbox?.off === true,
      layers: [],
      network: [...new Set([...network, ...sealed])],
      limits: null,
    },
  };
}

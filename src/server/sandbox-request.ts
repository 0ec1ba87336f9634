// Makes the sandbox request for a profile's server: the same for a start and for `check`, which only shows the plan.
import type { UserEnvironment } from '../profile/environment.ts';
import { allowedEgress, expandHome, type Profile } from '../profile/format.ts';
import type { SandboxRequest } from '../sandbox/request.ts';
import type { Places } from '../wire/places.ts';
import { keptHomeOf } from './kept-home.ts';

/** The user and the machine. */
export interface RequestContext {
  readonly user: UserEnvironment;
  readonly uid: number;
  readonly gid: number;
  /** Warder's own: no server sees any of it. */
  readonly places: Pick<Places, 'state' | 'own'>;
}

/** The server's program as it is started. Warder itself adds `roots` and `files`. */
export type SandboxProgram = Pick<SandboxRequest, 'file' | 'args' | 'env' | 'roots' | 'files'>;

/** A profile without a `sandbox` gets one that lists nothing. */
export function sandboxRequest(
  profile: Profile,
  { user, uid, gid, places }: RequestContext,
  program: SandboxProgram,
): SandboxRequest {
  const { name, server, sandbox } = profile;
  const {
    read = [],
    write = [],
    mayPlant = [],
    unixSockets,
    memory,
    memoryBestEffort = false,
    processes,
    home,
  } = sandbox ?? {};
  const reach = allowedEgress(profile);
  const network = [...new Set([...reach.network, ...reach.sealed])];
  const absolute = (path: string): string => expandHome(path, user.home);
  const cwd = server.kind === 'url' ? undefined : server.cwd;
  return {
    ...program,
    profile: name,
    uid,
    gid,
    user: user.user,
    home: user.home,
    cwd: cwd === undefined ? undefined : absolute(cwd),
    sandbox: {
      read: read.map(absolute),
      write: write.map(absolute),
      mayPlant,
      unixSockets,
      network,
      homeSize: home?.size,
      memory,
      memoryBestEffort,
      processes,
    },
    keptHome: home?.kept === true ? keptHomeOf(places.state, name) : undefined,
    node: process.execPath,
    warder: places.own,
  };
}

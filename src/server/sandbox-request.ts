// What the sandbox of a profile's server is asked for: the same for a start, and for `check`, which only shows it.
import { dirname } from 'node:path';
import type { UserEnvironment } from '../profile/environment.ts';
import { allowedEgress, expandHome, type Profile } from '../profile/format.ts';
import type { SandboxRequest } from '../sandbox/request.ts';
import type { Places } from '../wire/places.ts';

/** Who asks, on what machine. */
export interface RequestContext {
  readonly facts: UserEnvironment;
  readonly uid: number;
  readonly gid: number;
  /** Warder's own: no server sees any of it. */
  readonly places: Pick<Places, 'config' | 'state' | 'run' | 'socket'>;
}

/** The server as it is started. `roots` and `files` are brought in by Warder itself. */
export type SandboxProgram = Pick<SandboxRequest, 'file' | 'args' | 'env' | 'roots' | 'files'>;

/** A profile that says nothing of a sandbox gets one with nothing more in it. */
export function sandboxRequest(
  profile: Profile,
  { facts, uid, gid, places }: RequestContext,
  program: SandboxProgram,
): SandboxRequest {
  const { name, server, sandbox } = profile;
  const { read = [], write = [], memory, processes } = sandbox ?? {};
  const reach = allowedEgress(profile);
  const network = [...new Set([...reach.network, ...reach.sealed])];
  const absolute = (path: string): string => expandHome(path, facts.home);
  const cwd = server.kind === 'url' ? undefined : server.cwd;
  return {
    ...program,
    profile: name,
    uid,
    gid,
    user: facts.user,
    home: facts.home,
    cwd: cwd === undefined ? undefined : absolute(cwd),
    sandbox: { read: read.map(absolute), write: write.map(absolute), network, memory, processes },
    node: process.execPath,
    warder: [places.config, places.state, places.run, dirname(places.socket)],
  };
}

// Which sockets a server may make. A Unix socket can be connected to every socket that a path leads to, and neither a
// system call filter nor a read-only mount distinguishes them. So a server gets Unix sockets only where no program outside has
// its sockets: if its profile lists no folder, and if the packages that its command needs hold no socket at the start.
// Abstract names belong to the sandbox's own network.
import type { SocketPolicy } from '../linux/seccomp.ts';
import type { PlanInputs } from './inputs.ts';
import { within } from './path.ts';
import { SYSTEM_PATHS } from './root.ts';

/** What a server may do with Unix sockets, and why it may no more. */
export interface UnixSockets {
  /** `own`: there are none but its own; `any`: the profile allows those of others too; `none`: no more than pairs. */
  readonly allowed: 'own' | 'any' | 'none';
  /** The path that decides: a listed folder, or what `PlanInputs.foreignSocket` names. */
  readonly because: string | undefined;
}

/** Decides on Unix sockets. */
export function decideUnixSockets({
  listed,
  foreignSocket,
  unixSockets,
}: Pick<PlanInputs, 'foreignSocket' | 'unixSockets'> & {
  readonly listed: readonly Pick<PlanInputs['listed'][number], 'path' | 'folder' | 'implied'>[];
}): UnixSockets {
  if (unixSockets === false) return { allowed: 'none', because: undefined };
  const folder = listed.find(({ path, folder, implied }) => !implied && folder && !isOfSystem(path));
  const because = folder?.path ?? foreignSocket;
  if (because === undefined) return { allowed: 'own', because };
  return { allowed: unixSockets === true ? 'any' : 'none', because };
}

/** The sockets that a system call filter has to allow. */
export function socketPolicy({ allowed }: UnixSockets): SocketPolicy {
  return allowed === 'none' ? 'ip' : 'all';
}

function isOfSystem(path: string): boolean {
  return SYSTEM_PATHS.some((system) => within(path, system));
}

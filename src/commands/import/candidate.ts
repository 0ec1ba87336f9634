// A server of a host that could be imported.
import type { FoundFile } from '../../host/find.ts';
import type { Left, Planned } from '../../host/planned.ts';
import type { HostServer } from '../../host/servers.ts';

/** A server that is not Warder's yet, and what would become of it. */
export interface Candidate<P extends Planned | Left = Planned | Left> {
  readonly found: FoundFile;
  readonly server: HostServer;
  readonly plan: P;
}

/** Whether a server becomes a profile. */
export function isPlanned(candidate: Candidate): candidate is Candidate<Planned> {
  return candidate.plan.kind !== 'left';
}

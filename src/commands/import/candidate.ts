// A server of a host that could be imported, and what became of it.
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

/** What became of a server. */
export interface Imported {
  readonly host: string;
  readonly path: string;
  readonly server: string;
  readonly profile: string | undefined;
  /** Why it stays, and what can be done about it. */
  readonly error: string | undefined;
  readonly hint: string | undefined;
  /** What the person does next. */
  readonly next: string | undefined;
}

/**
 * The folder in which relative paths of a server begin; null: none do, because a user's file says nothing of the folder in which
 * this command runs.
 */
export function originOf({ found }: Pick<Candidate, 'found'>): string | null {
  return found.file.scope === 'project' ? process.cwd() : null;
}

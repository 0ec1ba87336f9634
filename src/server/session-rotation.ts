// A session gets the new value of a credential: from the next request on where what stands before its
// server puts the secret in, or by another server where the server itself has the value.
import type { AuditLog } from '../audit/log.ts';
import { WarderError } from '../errors.ts';
import type { Log } from '../os/log.ts';
import { leaveServer, type SessionEntry } from './session-entry.ts';
import { announceServer } from './session-host.ts';
import { startServer } from './start.ts';
import type { SessionContext, StartedServer, StartParts } from './started-server.ts';

export interface SessionRotationParts {
  readonly audit: Pick<AuditLog, 'append'>;
  readonly start: StartParts;
  readonly log: Log;
}

/** Moves a session to the new value. `starting`: its server is about to start, and is rotated after that. Never rejects. */
export async function rotateSession(
  entry: SessionEntry,
  credential: string,
  context: () => SessionContext,
  { audit, log, start }: SessionRotationParts,
): Promise<'moved' | 'kept' | 'starting'> {
  const { id, loaded, host, session } = entry;
  const { profile } = loaded;
  if (session === undefined) {
    entry.stale = credential;
    return 'starting';
  }
  // A server that starts later starts with the new value.
  entry.spare?.drop();
  if (entry.started === undefined && !session.isStarting) return 'starting';
  const named = profile.credentials.filter(({ name }) => name === credential);
  // What answers to the first request with the new value may contain it.
  const updated = entry.started?.update(named, (values) => session.redact(entry.secrets.add(values)));
  let next: StartedServer | undefined;
  let version = '';
  let outcome: 'moved' | 'kept' = 'kept';
  let reason: string | undefined;
  if (updated !== undefined) {
    try {
      const resolved = await updated;
      version = resolved[0]?.version ?? '';
      outcome = 'moved';
    } catch (error) {
      reason = error instanceof WarderError ? error.message : 'the new value is not available';
    }
  } else {
    ({ outcome, reason } = await session.rotate(async () => {
      next = await startServer(profile, context(), start);
      await entry.trust?.restarted(next.started);
      announceServer(host, next);
      return { server: next.server, redactor: entry.secrets.add(next.credentials) };
    }));
    // A start that failed before it: the next one has the new value.
    if (next === undefined && entry.started === undefined) return 'starting';
    if (next !== undefined) {
      const left = outcome === 'moved' ? entry.started : next;
      if (left !== undefined) leaveServer(entry, left);
      if (outcome === 'moved') entry.started = next;
    }
    version = entry.started?.credentials.find(({ name }) => name === credential)?.version ?? '';
  }
  log.info({ session: id, profile: profile.name, credential, outcome, reason }, 'credential rotated');
  try {
    const use = {
      credential,
      version,
      action: 'rotate',
      outcome,
      session: id,
      profile: profile.name,
    } as const;
    audit.append('credential.use', use, profile.audit.durability);
  } catch {
    // The audit log has reported why. Calls are refused until it can be written again.
  }
  return outcome;
}

// The server of a session that is started when something needs it: from then on all is as if it had started with the session,
// but that no connection of it carries a credential before it was compared with what is accepted, and a request went on to it.
import { isDeepStrictEqual } from 'node:util';
import type { AuditLog } from '../audit/log.ts';
import type { ProfileAnswers } from '../consent/trust.ts';
import { WarderError } from '../errors.ts';
import type { Profile } from '../profile/format.ts';
import { formatDuration } from '../profile/units.ts';
import type { Profiles } from '../profile/watch.ts';
import type { IdleServer, LateServer } from '../relay/late-server.ts';
import { leaveServer, type SessionEntry } from './session-entry.ts';
import { announceServer } from './session-host.ts';
import { startServer } from './start.ts';
import type { BegunServer, SessionContext, StartedServer, StartParts } from './started-server.ts';

export interface LateServerParts {
  readonly profiles: Pick<Profiles, 'get'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly start: StartParts;
}

/** `host`: whom it is answered for; `context` makes that of the start. */
export function lateServer(
  entry: SessionEntry,
  host: string,
  answers: ProfileAnswers,
  context: () => SessionContext,
  parts: LateServerParts,
): LateServer {
  let begun: BegunServer | undefined;
  /** Counts starts, and those that were given up: one that took too long may end when another has begun. */
  let attempts = 0;
  const start = async (): ReturnType<LateServer['start']> => {
    const { profile } = entry.loaded;
    const spare = entry.spare;
    const attempt = ++attempts;
    entry.spare = undefined;
    try {
      assertSame(profile, parts.profiles.get(profile.name).profile);
    } catch (error) {
      spare?.drop();
      throw error;
    }
    const next = (await spare?.take()) ?? (await beginServer(entry, context(), parts));
    const { started } = next;
    try {
      await entry.trust?.restarted(started.started);
      // A revocation during the start found no server to end, and a change of the profile none to refuse.
      parts.start.locks.assertUsable(profile.credentials.map(({ name }) => name));
      assertSame(profile, parts.profiles.get(profile.name).profile);
      if (attempt !== attempts) throw new WarderError('refused', 'the server took too long to start');
    } catch (error) {
      tryRecordStop(entry, 'unused', parts);
      await started.server.stop();
      throw error;
    }
    begun = next;
    entry.started = started;
    entry.isIdle = false;
    entry.output.warder('something needs the server: it has started');
    return { server: started.server, redactor: entry.secrets.add(started.credentials) };
  };
  return {
    host,
    answers: answers.of,
    start,
    acts: () => begun?.admit(),
    failed: (reason, isOther) => {
      attempts++;
      if (entry.started !== undefined) {
        tryRecordStop(entry, 'unused', parts);
        leaveServer(entry, entry.started);
      }
      entry.output.warder(`the server is not used: ${reason}`);
      entry.started = undefined;
      if (isOther) answers.forget();
      else if (begun?.hasWaited() === true) answers.isEager();
    },
  };
}

/** Starts a server of a session, on record. Throws what starting it does. `isSpare`: before anything needs it. */
export async function beginServer(
  entry: SessionEntry,
  context: SessionContext,
  parts: LateServerParts,
  isSpare = false,
): Promise<BegunServer> {
  // Those of a server that is not used wait for ever, and are closed with its gate.
  const admitted = Promise.withResolvers<void>();
  let isAdmitted = false;
  let hasWaited = false;
  const admission = async (): Promise<void> => {
    hasWaited ||= !isAdmitted;
    await admitted.promise;
  };
  const started = await startServer(entry.loaded.profile, { ...context, admission }, parts.start);
  entry.gone = Promise.all([entry.gone, started.gone]);
  try {
    recordStart(entry, started, parts, isSpare);
  } catch (error) {
    await started.server.stop();
    throw error;
  }
  announceServer(entry.host, started);
  return {
    started,
    admit: () => {
      isAdmitted = true;
      admitted.resolve();
    },
    hasWaited: () => hasWaited,
  };
}

/** What becomes of the server of a session once it is not used, if its profile says that it is ended then. */
export function idleServer(
  entry: SessionEntry,
  answers: ProfileAnswers | undefined,
  context: () => SessionContext,
  parts: LateServerParts,
): IdleServer | undefined {
  const { server } = entry.loaded.profile;
  const after = server.kind === 'url' ? undefined : server.idle;
  if (after === undefined || answers === undefined) return undefined;
  return {
    after,
    end: (host) => {
      if (entry.started === undefined || !answers.areKnown || answers.of(host) === undefined)
        return undefined;
      if (!tryRecordStop(entry, 'idle', parts)) return undefined;
      leaveServer(entry, entry.started);
      entry.started = undefined;
      entry.isIdle = true;
      entry.output.warder(`the server is ended: it was not used for ${formatDuration(after)}`);
      return lateServer(entry, host, answers, context, parts);
    },
  };
}

/** Throws `refused` where a profile gives its server other than when the session began: it is not started with what counts no more. */
function assertSame(then: Profile, now: Profile): void {
  const given = ({ server, env, credentials, sandbox }: Profile): object => {
    // When it starts and ends is none of that.
    const { start: _, idle: __, ...runs } = { start: undefined, idle: undefined, ...server };
    return { runs, env, credentials, sandbox };
  };
  if (isDeepStrictEqual(given(then), given(now))) return;
  throw new WarderError('refused', `the profile "${then.name}" has changed since the session began`, {
    hint: 'have the host start the server again: the next session goes by the profile as it is now',
  });
}

/** Whether it is on record that a server of a session that goes on has ended. */
export function tryRecordStop(
  { id, loaded }: SessionEntry,
  reason: 'idle' | 'unused',
  { audit }: LateServerParts,
): boolean {
  const { profile } = loaded;
  try {
    audit.append('session.stop', { session: id, profile: profile.name, reason }, profile.audit.durability);
    return true;
  } catch {
    // The audit log has reported why.
    return false;
  }
}

function recordStart(
  { id, loaded }: SessionEntry,
  started: StartedServer,
  { audit }: LateServerParts,
  isSpare: boolean,
): void {
  const { profile } = loaded;
  const { command, sandbox } = started;
  const fields = {
    session: id,
    profile: profile.name,
    ...(isSpare && { spare: true as const }),
    command,
    credentials: given(started),
    sandbox,
  };
  audit.append('session.start', fields, profile.audit.durability);
}

/** The credentials that a server was started with, as they are logged. */
export function given({ credentials }: Pick<StartedServer, 'credentials'>): {
  readonly variable: string;
  readonly name: string;
  readonly version: string;
  readonly deliver: string;
}[] {
  return credentials.map(({ variable, name, version, deliver }) => ({ variable, name, version, deliver }));
}

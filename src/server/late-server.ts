// The server of a session that is started when something needs it: from then on all is as if it had started with the session,
// but that no connection of it carries a credential before it was compared with what is accepted, and a request went on to it.
import { isDeepStrictEqual } from 'node:util';
import type { AuditLog } from '../audit/log.ts';
import type { ProfileAnswers, Started } from '../consent/trust.ts';
import { WarderError } from '../errors.ts';
import { parseSpec } from '../package/spec.ts';
import { allowedEgress, expandHome, type Profile } from '../profile/format.ts';
import { formatDuration } from '../profile/units.ts';
import type { Profiles } from '../profile/watch.ts';
import type { IdleServer, LateServer } from '../relay/late-server.ts';
import { environment } from './environment.ts';
import { findCommand } from './process.ts';
import type { SessionEntry } from './session-entry.ts';
import { announceServer } from './session-host.ts';
import { startServer } from './start.ts';
import type { SessionContext, StartedServer, StartParts } from './started-server.ts';

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
  let admitted = Promise.withResolvers<void>();
  let hasWaited = false;
  const start = async (): ReturnType<LateServer['start']> => {
    const { profile } = entry.loaded;
    assertSame(profile, parts.profiles.get(profile.name).profile);
    // Those of a server that was not used wait for ever, and are closed with its gate.
    admitted = Promise.withResolvers();
    hasWaited = false;
    const { promise } = admitted;
    let isAdmitted = false;
    void promise.then(() => {
      isAdmitted = true;
    });
    const admission = async (): Promise<void> => {
      hasWaited ||= !isAdmitted;
      await promise;
    };
    const started = await startServer(profile, { ...context(), admission }, parts.start);
    entry.gone = Promise.all([entry.gone, started.gone]);
    try {
      await entry.trust?.restarted(started.started);
      // A revocation during the start found no server to end.
      parts.start.locks.assertUsable(profile.credentials.map(({ name }) => name));
      recordStart(entry, started, parts);
    } catch (error) {
      await started.server.stop();
      throw error;
    }
    announceServer(entry.host, started);
    entry.started = started;
    entry.isIdle = false;
    entry.output.warder('the server has started: something needs it');
    return { server: started.server, redactor: entry.secrets.add(started.credentials) };
  };
  return {
    host,
    answers: () => answers.of(host),
    start,
    acts: () => admitted.resolve(),
    failed: (reason, isOther) => {
      if (entry.started !== undefined) tryRecordStop(entry, 'unused', parts);
      entry.output.warder(`the server is not used: ${reason}`);
      entry.started = undefined;
      if (isOther) answers.forget();
      else if (hasWaited) answers.isEager();
    },
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
function tryRecordStop(
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

function recordStart({ id, loaded }: SessionEntry, started: StartedServer, { audit }: LateServerParts): void {
  const { profile } = loaded;
  const { command, sandbox } = started;
  const fields = { session: id, profile: profile.name, command, credentials: given(started), sandbox };
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

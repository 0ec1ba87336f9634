// The server of a session that is started when something needs it: from then on all is as if it had started with the session,
// but that no connection of it carries a credential before it was compared with what is accepted, and a request went on to it.
import type { AuditLog } from '../audit/log.ts';
import type { ProfileAnswers, Started } from '../consent/trust.ts';
import { parseSpec } from '../package/spec.ts';
import { allowedEgress, expandHome, type Profile } from '../profile/format.ts';
import type { LateServer } from '../relay/late-server.ts';
import type { KnownHost } from '../relay/recorded-answers.ts';
import { environment } from './environment.ts';
import { findCommand } from './process.ts';
import type { SessionEntry } from './session-entry.ts';
import { announceServer } from './session-host.ts';
import { startServer } from './start.ts';
import type { SessionContext, StartedServer, StartParts } from './started-server.ts';

export interface LateServerParts {
  readonly audit: Pick<AuditLog, 'append'>;
  readonly start: StartParts;
}

/** `context` makes that of the start. */
export function lateServer(
  entry: SessionEntry,
  known: KnownHost,
  answers: ProfileAnswers,
  context: () => SessionContext,
  parts: LateServerParts,
): LateServer {
  let admitted = Promise.withResolvers<void>();
  let hasWaited = false;
  const start = async (): ReturnType<LateServer['start']> => {
    const { profile } = entry.loaded;
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
    try {
      // A revocation during the start found no server to end.
      parts.start.locks.assertUsable(profile.credentials.map(({ name }) => name));
      await entry.trust?.restarted(started.started);
      recordStart(entry, started, parts);
    } catch (error) {
      await started.server.stop();
      throw error;
    }
    announceServer(entry.host, started);
    entry.started = started;
    return { server: started.server, redactor: entry.secrets.add(started.credentials) };
  };
  return {
    ...known,
    start,
    acts: () => admitted.resolve(),
    failed: (_reason, isOther) => {
      entry.started = undefined;
      if (isOther) answers.forget();
      else if (hasWaited) answers.isEager();
    },
  };
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

// What is known of an open session, from its request until its server is gone.
import type { SessionConsent } from '../consent/session-consent.ts';
import type { OpenTrust } from '../consent/trust.ts';
import type { Host } from '../control/host.ts';
import type { SessionRequest } from '../control/server.ts';
import type { Confirmations } from '../credential/confirmation.ts';
import type { RefusedHosts } from '../egress/refused-hosts.ts';
import type { ProfilePolicy } from '../profile/format.ts';
import type { LoadedProfile } from '../profile/load.ts';
import type { Session } from '../relay/session.ts';
import type { SessionStatus } from '../wire/control.ts';
import type { ServerLog } from './server-log.ts';
import type { SessionAgreement } from './session-agreement.ts';
import type { SessionSecrets } from './session-secrets.ts';
import type { SpareServer, StartedServer } from './started-server.ts';

export interface SessionEntry {
  readonly id: string;
  readonly loaded: LoadedProfile;
  readonly request: SessionRequest;
  readonly host: Host;
  /** When it was opened: milliseconds since the epoch, and of the monotonic clock. */
  readonly since: number;
  readonly began: number;
  /** How often each sealed credential was used. */
  readonly uses: Map<string, number>;
  /** As the profile says it now. */
  policy: ProfilePolicy;
  /** Undefined while the server starts, or the host has said nothing yet. */
  session: Session | undefined;
  /** Undefined as well while it is not started. */
  started: StartedServer | undefined;
  /** A server that is kept ready for it. */
  spare: SpareServer | undefined;
  /** Servers that do not have the session, or have it no more, until they are gone: they may run for seconds. */
  readonly ending: Set<StartedServer>;
  /** Its server was ended, since it was not used, the last time that it ended. */
  isIdle: boolean;
  /** Settles when all of its servers are gone that were started when something needed them. */
  gone: Promise<unknown>;
  /** The hosts that its servers were refused. */
  readonly refused: RefusedHosts;
  /** How many connections its servers have opened so far. */
  connections: number;
  /** The credential that changed while the server started: the server may have the old value. */
  stale: string | undefined;
  /** Those who confirm uses of its credentials, once its server has started. */
  readonly confirmations: PromiseWithResolvers<Confirmations>;
  readonly secrets: SessionSecrets;
  /** What of a remote server is agreed to. */
  readonly agreement: SessionAgreement;
  /** Undefined while the server starts. */
  consent: SessionConsent | undefined;
  /** Keeps what its servers write to standard error. */
  readonly output: ServerLog;
  /** Undefined while the server starts. */
  trust: OpenTrust | undefined;
}

/** A server does not have its session any more, or did not get it: it is being ended. */
export function leaveServer({ ending }: Pick<SessionEntry, 'ending'>, started: StartedServer): void {
  ending.add(started);
  void started.gone.then(() => ending.delete(started));
}

/**
 * Takes a credential away from all servers of a session: how many connections were cut, and whether the server that has the
 * session has the value itself.
 */
export function revokeFrom(
  { started, ending }: Pick<SessionEntry, 'started' | 'ending'>,
  credential: string,
): { readonly cut: Promise<number>; readonly has: boolean } {
  const revoked = started?.revoke(credential);
  const cuts = [revoked?.cut ?? 0, ...[...ending].map((server) => server.revoke(credential).cut)];
  const cut = Promise.all(cuts).then((counts) => counts.reduce((sum, count) => sum + count, 0));
  return { cut, has: revoked?.has ?? false };
}

/** What `status` shows of it. */
export function statusOf(entry: SessionEntry, redact: (text: string) => string): SessionStatus {
  const { id, loaded, request, since, session, started, spare, isIdle, refused, trust } = entry;
  const [parent] = request.host.chain;
  const { calls = 0, inflight = 0, loop = 0 } = session?.snapshot() ?? {};
  return {
    id,
    profile: loaded.name,
    host: { pid: parent?.pid ?? 0, ...(parent?.exe !== undefined && { exe: parent.exe }) },
    server: {
      ...(started?.process?.pid !== undefined && { pid: started.process.pid }),
      ...(session !== undefined && started === undefined && { started: false as const }),
      ...(started === undefined && isIdle && { idle: true as const }),
      ...(spare?.pid !== undefined && { spare: spare.pid }),
    },
    since: new Date(since).toISOString(),
    calls,
    inflight,
    loop_ms: loop,
    gate_loop_ms: Math.round(started?.longestTurn ?? 0),
    sandbox: (started?.sandbox.off ?? loaded.profile.sandbox?.off) === true ? 'off' : 'on',
    layers: [...(started?.sandbox.layers ?? [])],
    network: [...(started?.sandbox.network ?? [])],
    held: trust?.held ?? 0,
    blocked: trust?.trust.blocked ?? null,
    refused: refused.all.map((one) => ({ ...one, host: redact(one.host) })),
  };
}

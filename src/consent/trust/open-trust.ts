// What one session holds its server to: the record of its profile, what runs as it was identified, and the notices of what is
// held back.
import type { Profile } from '../../profile/format.ts';
import type { OfflineRecord } from '../../relay/offline-record.ts';
import type { Trust } from '../../relay/trust.ts';
import type { FirstUseQuestion } from './first-use-question.ts';
import { HeldNotices } from './held-notices.ts';
import { offlineServer } from './offline.ts';
import { permissionsOf } from './permissions.ts';
import type { ServerIdentity } from './record.ts';
import type { TrustRecords } from './records.ts';
import { SessionTrust } from './session-trust.ts';
import type { Started, TrustedSession } from './trusted-session.ts';

/** The trust of one session, and what it is bound to. */
export interface OpenTrust extends Disposable {
  readonly trust: Trust & { readonly digest: string | undefined };
  /** Names what runs by its digests, and who issues the token that it is used with: another one later. */
  readonly server: string;
  /** How many things are held back. */
  readonly held: number;
  /** The digest of a tool's definition, as it was listed in the session or else accepted. */
  definition(tool: string): string | undefined;
  /** What the server says of a tool, a line each. */
  claims(tool: string): readonly string[];
  /** Another server process of the session was started. */
  restarted(started: Started): Promise<void>;
  /** Of a remote server. */
  readonly remote: RemoteTrust;
}

/** What of a remote server is agreed to before it is asked for anything in the user's name. */
export interface RemoteTrust {
  /** Whether its requests may carry the user's token. */
  readonly isAgreed: boolean;
  /** They carry a token of that issuer from now on: what was agreed to may not cover that. */
  issuedBy(issuer: string): void;
  /** Calls `listener` when `isAgreed` may be other than before. */
  onChange(listener: () => void): void;
  /** What is known of it; undefined: nothing was accepted yet. */
  readonly offline: OfflineRecord | undefined;
}

export interface OpenTrustParts {
  readonly records: TrustRecords;
  readonly firstUse: FirstUseQuestion;
  /** Digests of what runs. */
  readonly identify: (started: Started) => Promise<ServerIdentity>;
  /** A session of the profile has ended. */
  readonly ended: (profile: string) => void;
}

/** Opens the trust of a session, until it is disposed of. */
export async function openTrust(
  about: TrustedSession,
  { records, firstUse, identify, ended }: OpenTrustParts,
): Promise<OpenTrust> {
  const trust = records.of(about.profile.name);
  let server = await identify(about.started);
  let issuer: string | undefined;
  const notices = new HeldNotices(about.profile.name, about.tell);
  const forget = trust.onChange(() => notices.clear());
  const session = new SessionTrust(server, {
    trust,
    permissions: permissionsOf(about.profile),
    isHostKnown: firstUse.hostTest(about),
    isHostFirst: usesToken(about.profile),
    isTaken: () => firstUse.takes(about),
    isStarted: about.isStarted,
    ask: (asking) => firstUse.ask(about, asking),
    record: (held) => {
      records.held.add({ profile: about.profile.name, session: about.session, record: trust.digest }, held);
      notices.add(held);
    },
  });
  return {
    trust: session,
    get server() {
      const files = server.files.map(({ path, digest }) => `${path} ${digest ?? ''}`);
      return [...files, ...(issuer === undefined ? [] : [`issuer ${issuer}`])].join('\n');
    },
    definition: (tool) => session.definition(tool)?.digest,
    claims: (tool) => session.claims(tool),
    get held() {
      return notices.count;
    },
    remote: {
      get isAgreed() {
        return session.isAgreed;
      },
      issuedBy: (next) => {
        if (next === issuer) return;
        issuer = next;
        session.permissions = permissionsOf(about.profile, issuer);
      },
      onChange: (listener) => session.onChange(listener),
      get offline() {
        return session.blocked === undefined && trust.record !== undefined
          ? offlineServer(trust.record, trust.identity)
          : undefined;
      },
    },
    restarted: async (started) => {
      server = await identify(started);
      session.server = server;
    },
    [Symbol.dispose]: () => {
      forget();
      if (about.profile.server.kind === 'url') trust.keepIdentity(session.identity);
      ended(about.profile.name);
      session[Symbol.dispose]();
    },
  };
}

/** Whether a profile's server is asked for anything in the user's name. */
function usesToken({ server }: Profile): boolean {
  return server.kind === 'url' && server.auth.type !== 'none';
}

// A server as a session has it, whether it is a process of this machine or a remote one, and what it is started with.
import type { Fields } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Started } from '../consent/trust.ts';
import type { Confirmations } from '../credential/confirmation.ts';
import type { Credentials, ResolvedCredential } from '../credential/credentials.ts';
import type { Locks } from '../credential/locks.ts';
import type { Egress } from '../egress/egress.ts';
import type { RefusedHosts } from '../egress/refused-hosts.ts';
import type { WarderError } from '../errors.ts';
import type { PackageStore } from '../package/store.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import type { SessionServer } from '../relay/upstream.ts';
import type { Remote, RemoteRequest } from '../remote/remote.ts';
import type { SandboxKind } from '../sandbox/choose.ts';
import type { Machine } from '../sandbox/machine.ts';
import type { NetworkPool } from '../sandbox/network-pool.ts';
import type { PlantedReport } from '../sandbox/planted.ts';
import type { ServerIdentity } from '../wire/hello.ts';
import type { ServerParts } from './process.ts';
import type { RuntimeRoots } from './runtime-folder.ts';
import type { RequestContext } from './sandbox-request.ts';
import type { SessionAgreement } from './session-agreement.ts';
import type { SpareFolders } from './spare-folders.ts';
import type { SpareSandboxes } from './spare-sandboxes.ts';

/** What every start needs. */
export interface StartParts extends RequestContext {
  readonly credentials: Pick<Credentials, 'resolve' | 'watch' | 'asksNobody'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly runtimeRoots: RuntimeRoots;
  /** Private folders to use again; undefined: each server's are new. */
  readonly spareFolders?: SpareFolders | undefined;
  readonly packages: Pick<PackageStore, 'find' | 'verify'>;
  readonly server: ServerParts;
  /** What this machine offers for sandboxes. */
  readonly machine: Machine;
  /** The kind of sandbox that results. */
  readonly sandboxKind: () => Promise<SandboxKind>;
  /** The program file that applies Landlock and then runs the server. */
  readonly landlockStage: string;
  readonly locks: Pick<Locks, 'assertUsable'>;
  readonly networks: Pick<NetworkPool, 'take'>;
  readonly sandboxes: Pick<SpareSandboxes, 'take' | 'want'>;
  /** The room of remote servers, loaded when it is first needed. */
  readonly remote: () => Promise<Pick<Remote, 'open'>>;
  /** The egress room, loaded when it is first needed. */
  readonly egress: () => Promise<Pick<Egress, 'open' | 'ports' | 'prepare'>>;
}

/** The session that a server is started for. */
export interface SessionContext {
  readonly session: string;
  /** When the session began, in milliseconds of the monotonic clock. */
  readonly began: number;
  /** How often the session has used each sealed credential, by its variable. */
  readonly uses: Map<string, number>;
  /** Returns a name for a new connection, unique in the log. */
  readonly connection: () => string;
  /** The ids, as in the log, of the tool calls that are in flight. */
  readonly calls: () => readonly string[];
  /** The request that the relay knows by an id, as in the log. */
  readonly callOf: (id: number) => string | undefined;
  /** What of a remote server is agreed to. */
  readonly agreement: SessionAgreement;
  /** Throws if the session has ended meanwhile. Called before a process is started or a credential delivered. */
  readonly assertNeeded: () => void;
  /** Tells the user a line, beside the protocol. */
  readonly tell: (line: string) => void;
  /** Asks a person whether to sign in. */
  readonly signIn: RemoteRequest['ask'];
  /** Told what the server is given, as soon as its process is there, while that starts up. */
  readonly onGiven: (credentials: readonly ResolvedCredential[]) => void;
  /** Told what the server plants. */
  readonly onPlanted: (report: PlantedReport) => void;
  /** The hosts that it was refused. */
  readonly refused: RefusedHosts;
  /** Those who confirm uses of credentials that want it. */
  readonly confirmations: Confirmations;
  /** What its connections wait for that may carry a credential; undefined: nothing. */
  readonly admission?: () => Promise<void>;
  /** Called if the server takes more than it may: ends the session. */
  readonly onOverrun: (error: WarderError) => void;
  /** Called with a server whose gate a fault has ended: it reaches no host any more. */
  readonly onGateLost: (server: StartedServer) => void;
}

/** A secret value, and the name that stands in its place where it is redacted. */
export type NamedValue = Pick<ResolvedCredential, 'variable' | 'name' | 'value'>;

/** A server that has started. */
export interface StartedServer {
  /** What a session is joined to. */
  readonly server: SessionServer;
  /** Settles when nothing of it is left on this machine; never rejects. */
  readonly gone: Promise<unknown>;
  /** What the launcher has to end if the daemon dies; undefined where nothing runs on this machine. */
  readonly process: ServerIdentity | undefined;
  /** As it is logged: the command with its arguments as in the profile, without values; or the URL. */
  readonly command: readonly string[];
  /** What runs. */
  readonly started: Started;
  /** What confines it, as it is logged. */
  readonly sandbox: Fields['session.open']['sandbox'];
  /** What it was given at its start. */
  readonly credentials: readonly ResolvedCredential[];
  /** Values that change by themselves while it is used. `listener` is called before a new one is. */
  tokens(): readonly NamedValue[];
  onTokens(listener: () => void): void;
  /** A text without the values that must not reach it. */
  redact(text: string): string;
  /**
   * Uses the new values of credentials from the next request on, without another start. Settles with them; throws what
   * resolving them does. `onGiven` is called with them before any request can have them. Undefined: the server itself has a
   * value, and only another one can have the new.
   */
  update(
    credentials: readonly ProfileCredential[],
    onGiven: (values: readonly NamedValue[]) => void,
  ): Promise<readonly ResolvedCredential[]> | undefined;
  /** Uses a revoked credential no more: how many connections were cut, and whether the server itself has the value. */
  revoke(credential: string): { readonly cut: Promise<number>; readonly has: boolean };
  /** The longest time for which what stands before it has held the event loop, in milliseconds. */
  readonly longestTurn: number;
}

/** A server that has started for a session, which has not had it yet. */
export interface BegunServer {
  readonly started: StartedServer;
  /** What it may use is put into its connections from now on. */
  readonly admit: () => void;
  /** Whether a connection has waited for that. */
  readonly hasWaited: () => boolean;
}

/** A server that is kept ready for a session. */
export interface SpareServer {
  /** Its process, once that is there. */
  readonly pid: number | undefined;
  /** Takes it for the session. Settles with undefined where there is none that can be used; never rejects. */
  take(): Promise<BegunServer | undefined>;
  /** It is ended. */
  drop(): void;
}

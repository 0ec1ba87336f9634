// The egress room as the daemon uses it: what all gates share (trusted certificates, name resolution, the proxy of
// the settings), and the opening of a gate for one server. Loaded when the first server needs it.
import * as tls from 'node:tls';
import type { Confirmations } from '../credential/confirmation.ts';
import type { Credentials, ResolvedCredential } from '../credential/credentials.ts';
import { sealingProblem } from '../credential/sealable.ts';
import type { SealedValue } from '../credential/sealed.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import { allowedEgress, type Profile } from '../profile/format.ts';
import type { Settings } from '../profile/settings.ts';
import type { Places } from '../wire/places.ts';
import { Allowlist } from './allowlist.ts';
import { Outbound } from './dial/outbound.ts';
import { type EgressRoute, type GateProgram, Gates } from './gates.ts';
import { type EgressAudit, EgressLedger } from './ledger.ts';
import { RefreshTurns } from './refresh.ts';
import type { RefusedHosts } from './refused-hosts.ts';
import { type OpenedAddresses, RemoteRoute } from './remote-route.ts';
import type { RespondedCredential } from './session-gate.ts';
import type { WatchedLocks } from './thread/gate-thread.ts';
import {
  BROWSER_POLICY_PATHS,
  BUNDLE_PATH,
  browserPolicy,
  KEYSTORE_PATH,
  SESSION_PATH,
  systemBundle,
  trustFiles,
  trustVariables,
  writeTrustFiles,
} from './trust.ts';
import { GateTurns } from './turns.ts';

export interface EgressParts {
  readonly settings: Settings['egress'];
  readonly places: Places;
  readonly home: string;
  readonly credentials: Pick<Credentials, 'resolve' | 'replace' | 'onOpened'>;
  readonly audit: EgressAudit;
  readonly guards: WatchedLocks;
  /** Called when a host has answered a request that carried a credential. */
  readonly onCredentialResponse: (credential: RespondedCredential, status: number, host: string) => void;
  /** Undefined: all gates work in the main thread. */
  readonly thread: GateProgram | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who reaches a remote server. */
export interface RemoteRouteRequest {
  readonly profile: Pick<Profile, 'name' | 'audit'>;
  /** Undefined outside of a session. */
  readonly session: string | undefined;
  readonly opened: OpenedAddresses;
  /** Makes an id for a connection, unique in the log. */
  readonly nextConnectionId: () => string;
  /** The tool calls in flight. */
  readonly calls: () => readonly string[];
}

/** The server that a gate is opened for. */
export interface GateRequest {
  readonly profile: Profile;
  readonly session: string;
  /** When the session began, in milliseconds of the monotonic clock. */
  readonly began: number;
  /** How often each sealed credential was used in the session, by its variable. */
  readonly uses: Map<string, number>;
  /** The server's sealed credentials. */
  readonly sealed: readonly ResolvedCredential[];
  readonly route: EgressRoute;
  /** Makes an id for a connection, unique in the session. */
  readonly nextConnectionId: () => string;
  /** The tool calls in flight. */
  readonly calls: () => readonly string[];
  /** The hosts that the session was refused. */
  readonly refused: RefusedHosts;
  /** Those who confirm uses of credentials that want it. */
  readonly confirmations: Confirmations;
  /** What connections that may carry a credential wait for; undefined: nothing. */
  readonly admission?: (() => Promise<void>) | undefined;
}

/**
 * The gate of one server, and what the server gets instead of its secrets. Disposing it ends all its connections, and settles when that is
 * on record.
 */
export interface OpenGate extends AsyncDisposable {
  /** Variables with placeholders, and those that name the trust files and the proxy. */
  readonly variables: Readonly<Record<string, string>>;
  /** Files for the sandbox; none where the gate is reached through a proxy. */
  readonly files: readonly { readonly path: string; readonly data: Buffer }[];
  /** The gate's port on loopback where it is reached through a proxy. */
  readonly port: number | undefined;
  /**
   * Writes the trust files into a folder, which it creates, for a sandbox without files of its own. Returns the
   * variables that name them.
   */
  writeTrustFiles(folder: string): Readonly<Record<string, string>>;
  /** A text without the values that must not reach the server: those of the sealed credentials, and of tokens issued since. */
  redact(text: string): string;
  /**
   * Replaces the credentials' values; placeholders stay. Settles when requests carry the new ones. Throws `credential-unfit`,
   * and then keeps the old values.
   */
  update(fresh: readonly ResolvedCredential[]): Promise<void>;
  /** Closes the connections that have carried a credential. Returns how many. */
  disconnect(credential: string): Promise<number>;
  /**
   * Rejects with `unsupported` on a Node without what the gate relies on; until it has resolved, no connection is admitted.
   * Takes some 30 ms at the first call: to be called while the server starts.
   */
  checkNode(): Promise<void>;
  /** The longest time for which it has held the event loop, in milliseconds. */
  readonly longestTurn: number;
  /** Settles when a fault has ended it: its server reaches no host any more. */
  readonly lost: Promise<void>;
}

export class Egress {
  readonly #parts: EgressParts;
  readonly #bundle = systemBundle();
  readonly #outbound: Outbound;
  readonly #gates: Gates;

  constructor(parts: EgressParts) {
    this.#parts = parts;
    const refreshes = new RefreshTurns(parts);
    this.#outbound = new Outbound({ ...parts, system: this.#bundle?.data });
    this.#gates = new Gates({ ...parts, refreshes, outbound: this.#outbound });
  }

  /** A gate will be opened soon: begins what takes its time. Never throws. */
  prepare(): void {
    this.#gates.prepare();
  }

  /** The ports that a server of a profile may need. */
  ports(profile: Profile): readonly number[] {
    const { network, sealed } = allowedEgress(profile);
    return new Allowlist(network, sealed).ports;
  }

  /**
   * Opens a gate and the route to it. Throws `credential-unfit`, `config-invalid`, `unsupported`, and the errors of resolving the
   * proxy's login.
   */
  async open({ sealed, refused, admission, ...request }: GateRequest): Promise<OpenGate> {
    const { profile, route } = request;
    const sealable = (resolved: readonly ResolvedCredential[]): ResolvedCredential[] =>
      resolved.map((credential) => requireSealable(profile, credential));
    const credentials = withValues(profile.credentials, sealable(sealed));
    const added = this.#outbound.addedAuthorities();
    const gate = await this.#gates.open({
      ...request,
      credentials,
      reach: allowedEgress(profile),
      admission: admission ?? (() => Promise.resolve()),
      onRefused: (host, port, reason) => refused.add(host, port, reason),
    });
    const { listener, certificate, placeholders } = gate;
    let closing: Promise<void> | undefined;
    const trusted = [...(certificate === undefined ? [] : [certificate]), ...added];
    return {
      variables: {
        ...placeholders,
        ...listener.variables,
        ...(trusted.length > 0 && route !== 'proxy' ? trustVariables() : {}),
      },
      files: trusted.length > 0 && route !== 'proxy' ? this.#files(trusted) : [],
      port: listener.port,
      checkNode: () => gate.checkNode(),
      get longestTurn() {
        return gate.longestTurn;
      },
      lost: gate.lost,
      writeTrustFiles: (folder) =>
        trusted.length > 0 ? trustVariables(writeTrustFiles(folder, this.#trust(trusted))) : {},
      redact: (text) => gate.redact(text),
      update: async (fresh) => await gate.update(sealable(fresh)),
      disconnect: (credential) => gate.disconnect(credential),
      [Symbol.asyncDispose]() {
        closing ??= Promise.resolve(gate[Symbol.asyncDispose]());
        return closing;
      },
    };
  }

  /** Opens the way to a remote server. Throws `config-invalid`, and the errors of resolving the proxy's login. */
  async openRemote({
    profile,
    session,
    opened,
    nextConnectionId,
    calls,
  }: RemoteRouteRequest): Promise<RemoteRoute> {
    const { audit, clock, log } = this.#parts;
    const ledger = new EgressLedger({
      session,
      profile: profile.name,
      durability: profile.audit.durability,
      audit,
      calls,
      nextConnectionId,
      clock,
      log,
    });
    return new RemoteRoute({
      dialler: await this.#outbound.dialler(true),
      ledger,
      turns: new GateTurns({ session: session ?? 'none', profile: profile.name, clock, log }),
      clock,
      opened,
      trust: this.#outbound.trust(),
    });
  }

  /** The trust files: the machine's own authorities, those of the settings, and the session's. */
  #files(trusted: readonly string[]): { path: string; data: Buffer }[] {
    const { bundle, session, keystore } = this.#trust(trusted);
    return [
      { path: BUNDLE_PATH, data: bundle },
      { path: KEYSTORE_PATH, data: keystore },
      { path: SESSION_PATH, data: session },
      ...BROWSER_POLICY_PATHS.map((path) => ({ path, data: browserPolicy(trusted) })),
      // For programs that read no variable.
      ...(this.#bundle === undefined ? [] : [{ path: this.#bundle.path, data: bundle }]),
    ];
  }

  #trust(trusted: readonly string[]): ReturnType<typeof trustFiles> {
    return trustFiles({ system: this.#bundle?.data, roots: tls.rootCertificates, added: trusted });
  }
}

function withValues(
  credentials: readonly ProfileCredential[],
  values: readonly ResolvedCredential[],
): (ProfileCredential & SealedValue)[] {
  return values.flatMap((resolved) => {
    const credential = credentials.find(({ variable }) => variable === resolved.variable);
    return credential === undefined
      ? []
      : [{ ...credential, value: resolved.value, version: resolved.version }];
  });
}

/** Throws `credential-unfit` for a value that the gate could not substitute. */
function requireSealable(profile: Profile, resolved: ResolvedCredential): ResolvedCredential {
  const sign = profile.credentials.find(({ variable }) => variable === resolved.variable)?.sign;
  const problem = sealingProblem(resolved.variable, resolved.value, sign);
  if (problem === undefined) return resolved;
  throw new WarderError(
    'credential-unfit',
    `cannot start "${profile.name}": ${resolved.variable} ${problem.what}`,
    {
      hint: problem.hint,
    },
  );
}

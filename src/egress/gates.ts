// Opens gates: in the thread of the gates, which all sessions share, or in this one where there can be no thread, and for a
// proxy, whose connections are not sockets. The thread is started for the first gate, and ends a while after the last.
import type { Confirmations } from '../credential/confirmation.ts';
import type { SealedValue } from '../credential/sealed.ts';
import { type Clock, processClock } from '../os/clock.ts';
import type { Duplicate } from '../os/duplicate-descriptor.ts';
import type { Log } from '../os/log.ts';
import type { ProfileCredential } from '../profile/credential.ts';
import type { Profile } from '../profile/format.ts';
import type { Network } from '../sandbox/network.ts';
import { Allowlist } from './allowlist.ts';
import type { ProxyData } from './dial/diallers.ts';
import type { Outbound } from './dial/outbound.ts';
import { type EgressAudit, EgressLedger } from './ledger.ts';
import { type Listener, serveNetwork, serveProxy } from './listener.ts';
import { VirtualAddresses } from './names/virtual-addresses.ts';
import { exchangeable, type RefreshTurns } from './refresh.ts';
import type { RespondedCredential } from './session-gate.ts';
import { GateThread, type WatchedLocks } from './thread/gate-thread.ts';
import { GateTurns } from './turns.ts';

/** How a server reaches its gate: through the sandbox's own network, or through a proxy where there is none. */
export type EgressRoute = Network | 'proxy';

export interface GatesParts {
  readonly outbound: Outbound;
  readonly refreshes: RefreshTurns;
  readonly audit: EgressAudit;
  readonly guards: WatchedLocks;
  /** Called when a host has answered a request that carried a credential. */
  readonly onCredentialResponse: (credential: RespondedCredential, status: number, host: string) => void;
  /** Undefined: all gates work in this thread. */
  readonly thread: GateProgram | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the thread of the gates is made of. */
export interface GateProgram {
  /** The file of its program. */
  readonly file: string;
  readonly duplicate: Duplicate;
}

/** A gate for one server. */
export interface WorkingGateRequest {
  readonly profile: Profile;
  readonly session: string;
  /** When the session began, in milliseconds of the monotonic clock. */
  readonly began: number;
  readonly uses: Map<string, number>;
  readonly credentials: readonly (ProfileCredential & SealedValue)[];
  /** The hosts that the profile lists, and those of what is sealed. */
  readonly reach: { readonly network: readonly string[]; readonly sealed: readonly string[] };
  readonly route: EgressRoute;
  readonly nextConnectionId: () => string;
  readonly calls: () => readonly string[];
  readonly onRefused: (host: string, port: number, reason: string) => void;
  readonly confirmations: Confirmations;
  readonly admission: () => Promise<void>;
}

/** A gate that works, in whatever thread. Disposing it ends all its connections, and settles when that is on record. */
export interface WorkingGate extends AsyncDisposable {
  /** By the variable of each sealed credential. */
  readonly placeholders: Readonly<Record<string, string>>;
  /** What the sandbox is to trust, PEM; undefined where nothing is sealed. */
  readonly certificate: string | undefined;
  readonly listener: Listener;
  readonly longestTurn: number;
  /** Settles when a fault has ended it: it takes no connection any more. */
  readonly lost: Promise<void>;
  redact(text: string): string;
  update(fresh: readonly (SealedValue & { readonly name: string })[]): Promise<void>;
  disconnect(credential: string): Promise<number>;
  checkNode(): Promise<void>;
}

/** Milliseconds that the thread stays without a gate. It takes 16 MB, and a start of it 40 ms. */
const IDLE = 60_000;

export class Gates {
  readonly #parts: GatesParts;
  #thread: GateThread | undefined;
  #checked: Promise<void> | undefined;

  constructor(parts: GatesParts) {
    this.#parts = parts;
  }

  /** Starts the thread: a gate will be opened in it. Never throws. */
  prepare(): void {
    const { thread: program } = this.#parts;
    if (program === undefined) return;
    try {
      this.#endIfIdle(this.#threadOf(program));
    } catch {
      // Opening a gate says why.
    }
  }

  /** Throws `config-invalid`, and the errors of resolving the proxy's login. */
  async open(request: WorkingGateRequest): Promise<WorkingGate> {
    const { thread: program, outbound, log } = this.#parts;
    if (program === undefined || request.route === 'proxy') return await this.#openHere(request);
    const proxy = await outbound.proxy();
    const thread = this.#threadOf(program);
    try {
      return await this.#openThere(request, request.route, thread, proxy);
    } catch (error) {
      if (thread.isAlive) throw error;
      log.warn({ error: String(error) }, 'there is no thread for gates: this one works in the main thread');
      return await this.#openHere(request);
    }
  }

  async #openHere(request: WorkingGateRequest): Promise<WorkingGate> {
    const { outbound, guards, refreshes, onCredentialResponse, audit, clock, log } = this.#parts;
    const { profile, reach, route } = request;
    // Its whole program is loaded where it works only.
    const { SessionGate } = await import('./session-gate.ts');
    const session = new SessionGate({
      ...request,
      ...reach,
      profile: profile.name,
      durability: profile.audit.durability,
      dialler: await outbound.dialler(),
      upstreamTrust: () => outbound.trust(),
      ...{ audit, guards, refreshes, onCredentialResponse, clock, log },
      checkNode: () => this.#checkNode(),
    });
    for (const credential of session.sealed.all) refreshes.bringUpToDate(credential);
    const { gate, addresses, ledger, turns, sealed, authority } = session;
    const listener =
      route === 'proxy'
        ? await serveProxy(gate, ledger)
        : serveNetwork(route, gate, addresses, ledger, turns);
    return {
      placeholders: sealed.environment(),
      certificate: authority?.certificate,
      listener,
      get longestTurn() {
        return turns.longest;
      },
      // A fault in this thread ends the daemon.
      lost: new Promise(() => {}),
      redact: (text) => gate.redact(text),
      update: async (fresh) => session.update(fresh),
      disconnect: async (credential) => gate.disconnect(credential),
      checkNode: () => this.#checkNode(),
      async [Symbol.asyncDispose]() {
        listener[Symbol.dispose]();
        await session.close();
      },
    };
  }

  async #openThere(
    request: WorkingGateRequest,
    route: Network,
    thread: GateThread,
    proxy: ProxyData | undefined,
  ): Promise<WorkingGate> {
    const { refreshes, audit, guards, onCredentialResponse, clock, log } = this.#parts;
    const { session, began, uses, reach, calls, nextConnectionId, onRefused } = request;
    const profile = request.profile.name;
    const { durability } = request.profile.audit;
    const current = request.credentials.map((credential) => {
      const stored = exchangeable({ ...credential, source: credential.from });
      refreshes.bringUpToDate(stored);
      return { ...credential, value: stored.value, version: stored.version };
    });
    const ledger = new EgressLedger({
      ...{ session, profile, durability, audit, calls, nextConnectionId, onRefused, clock, log },
    });
    const opened = await thread.open({
      ...request,
      ...{ audit, guards, refreshes, onCredentialResponse },
      data: {
        ...{ session, profile, durability, ...reach },
        began: processClock.monotonic() - (clock.monotonic() - began),
        uses: [...uses],
        credentials: current.map(({ value: _, ...rest }) => rest),
      },
      values: current.map(({ value }) => value),
      proxy,
      ledger,
    });
    const addresses = new VirtualAddresses(new Allowlist(reach.network, reach.sealed));
    const turns = new GateTurns({ session, profile, clock, log });
    const serving = {
      serve: (server: Parameters<typeof opened.serve>[0]) => opened.serve(server, addresses, turns),
    };
    const listener = serveNetwork(route, serving, addresses, ledger, turns);
    const endIfIdle = (): void => this.#endIfIdle(thread);
    return {
      ...opened.facts,
      listener,
      get longestTurn() {
        return Math.max(turns.longest, opened.longestTurn);
      },
      lost: opened.lost,
      redact: (text) => opened.redact(text),
      update: (fresh) => opened.update(fresh),
      disconnect: (credential) => opened.disconnect(credential),
      checkNode: () => thread.checkNode(),
      async [Symbol.asyncDispose]() {
        listener[Symbol.dispose]();
        turns[Symbol.dispose]();
        await opened[Symbol.asyncDispose]();
        endIfIdle();
      },
    };
  }

  #threadOf({ file, duplicate }: GateProgram): GateThread {
    if (this.#thread?.isAlive !== true) {
      const { outbound, log } = this.#parts;
      this.#thread = new GateThread({
        ...{ program: file, duplicate, log },
        data: { outbound: outbound.data() },
      });
    }
    return this.#thread;
  }

  #endIfIdle(thread: GateThread): void {
    if (thread.gates > 0) return;
    setTimeout(() => {
      if (thread.gates === 0) void thread[Symbol.asyncDispose]();
    }, IDLE).unref();
  }

  /** Tests this Node at the first call. */
  #checkNode(): Promise<void> {
    this.#checked ??= import('./node-hooks.ts').then(({ checkNodeHooks }) => checkNodeHooks());
    return this.#checked;
  }
}

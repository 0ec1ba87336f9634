// The open sessions. Each one is one host's connection, one profile, and one server at a time. When a credential
// of a session changes, the session gets a server with the new value, and the host notices nothing.
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type HostIdentity, identifyHost } from '../consent/host-identity.ts';
import { reachOf } from '../consent/reach.ts';
import { serverDigest } from '../consent/server-digest.ts';
import type { ConsentService } from '../consent/service.ts';
import type { OpenTrust, ProfileAnswers, Started, TrustService } from '../consent/trust.ts';
import type { Host } from '../control/host.ts';
import type { SessionRequest } from '../control/server.ts';
import type { RotationResult } from '../credential/credentials.ts';
import { RefusedHosts } from '../egress/refused-hosts.ts';
import { WarderError } from '../errors.ts';
import type { BackgroundDigests } from '../os/background-digest.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { SpareMemory } from '../os/spare-memory.ts';
import { loadConditions, requireConditions } from '../policy/condition.ts';
import type { Settings } from '../profile/settings.ts';
import type { Profiles } from '../profile/watch.ts';
import type { Consent, OpenConsent } from '../relay/consent.ts';
import type { LateServer } from '../relay/late-server.ts';
import { Neighbours } from '../relay/neighbours.ts';
import { knownHost } from '../relay/recorded-answers.ts';
import type { SessionLog } from '../relay/recorder.ts';
import { Session } from '../relay/session.ts';
import type { SessionServer } from '../relay/upstream.ts';
import type { PlantedPath, SessionStatus } from '../wire/control.ts';
import { NO_CONFIRMATIONS, StartingConfirmations } from './confirmations.ts';
import { given, idleServer, lateServer } from './late-server.ts';
import { plannedServer, plannedStart } from './planned-server.ts';
import { PlantedRecords } from './planted-record.ts';
import { Redactors } from './redactors.ts';
import { ServerLog } from './server-log.ts';
import { SessionAgreement } from './session-agreement.ts';
import { revokeFrom, type SessionEntry, statusOf } from './session-entry.ts';
import { announceServer, exitCode, hostEndOf } from './session-host.ts';
import { rotateSession } from './session-rotation.ts';
import { SessionSecrets } from './session-secrets.ts';
import { Spares } from './spare-server.ts';
import { startServer } from './start.ts';
import { StartQueue, turnsOf } from './start-queue.ts';
import type { SessionContext, StartedServer, StartParts } from './started-server.ts';

/** What sessions need. */
export interface SessionsParts {
  readonly profiles: Pick<Profiles, 'get'>;
  readonly audit: SessionLog;
  readonly start: StartParts;
  readonly consent: Pick<ConsentService, 'session'> & {
    readonly trust: Pick<TrustService, 'open' | 'prepare' | 'answers'>;
  };
  readonly settings: Pick<Settings, 'relay' | 'rotation'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of what leaves memory behind, which are long lines, and sessions that are opened and end; undefined: nobody is. */
  readonly memory?: Pick<SpareMemory, 'burst'>;
  /** Digests long answers in another thread; undefined: none can. */
  readonly digests?: BackgroundDigests | undefined;
}

/** What a session begins with: a server, or what answers in its place until it is started. */
interface Begun {
  readonly server: SessionServer | LateServer;
  readonly started: StartedServer | undefined;
  /** What runs, or would. */
  readonly runs: Started;
  /** As it is logged. */
  readonly shown: Pick<StartedServer, 'command' | 'credentials' | 'sandbox'>;
  /** Where what it answers is kept; undefined: nowhere. */
  readonly answers: ProfileAnswers | undefined;
}

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #entries = new Map<string, SessionEntry>();
  readonly #neighbours: Neighbours;
  readonly #planted: PlantedRecords;
  readonly #spares: Spares;
  readonly #redactors = new Redactors();
  readonly #starts: StartQueue;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#neighbours = new Neighbours(parts.clock);
    this.#planted = new PlantedRecords(parts);
    this.#spares = new Spares(parts);
    this.#starts = new StartQueue(parts.clock);
  }

  /** What servers planted lately, of sessions that have ended too. */
  get planted(): readonly PlantedPath[] {
    return this.#planted.recent;
  }

  /** Opens a session; settles when it has ended and its server is gone. Throws the error by which it is refused. */
  async open(request: SessionRequest, host: Host): Promise<void> {
    const { profiles, clock, log, start } = this.#parts;
    const loaded = profiles.get(request.profile);
    const { profile } = loaded;
    const id = randomBytes(8).toString('hex');
    const entry: SessionEntry = {
      id,
      loaded,
      request,
      host,
      since: clock.now(),
      began: clock.monotonic(),
      uses: new Map(),
      policy: profile.policy,
      session: undefined,
      started: undefined,
      ending: new Set(),
      spare: undefined,
      isIdle: false,
      gone: Promise.resolve(),
      refused: new RefusedHosts(profile.name, (line) => this.#tell(host, line)),
      connections: 0,
      stale: undefined,
      confirmations: Promise.withResolvers(),
      secrets: new SessionSecrets(profile.name, log, this.#redactors, () => entry.started?.credentials ?? []),
      trust: undefined,
      agreement: new SessionAgreement(),
      consent: undefined,
      output: new ServerLog({
        profile: profile.name,
        session: id,
        state: start.places.state,
        clock,
        log,
        redact: (text) => this.redact(text),
      }),
    };
    this.#entries.set(id, entry);
    // Taken before the values are fetched, so that no change is missed.
    using _held = this.#parts.start.credentials.watch(profile.credentials);
    try {
      await this.#starts.enter(
        turnsOf(request.host.chain, request.began),
        () => this.#isBeside(request),
        host.gone,
      );
      await requireConditions(profile.policy, profile.name);
      await this.#parts.consent.trust.prepare(profile.name);
      const begun = await this.#server(entry);
      // A host that has gone before it has said anything has used nothing.
      if (begun === undefined) return;
      const { started } = begun;
      entry.started = started;
      try {
        entry.trust = await this.#parts.consent.trust.open({
          session: id,
          profile,
          host: programOf(request),
          reach: reachOf(profile),
          started: begun.runs,
          isStarted: () => entry.started !== undefined,
          tell: (line) => this.#tellOf(entry, line),
        });
      } catch (error) {
        await started?.server.stop();
        throw error;
      }
      using held = entry.trust;
      using consent = this.#parts.consent.session({
        session: id,
        profile: profile.name,
        host: programOf(request),
        get server() {
          return serverDigest(profile, (entry.started ?? begun.shown).command, held.server);
        },
        reach: reachOf(profile),
        definition: (tool) => held.definition(tool),
        claims: (tool) => held.claims(tool),
        hasActed: () => entry.session?.hasActed ?? false,
        calls: () => entry.session?.calls() ?? [],
        redact: (text) => this.redact(text),
      });
      entry.consent = consent;
      entry.agreement.begin(held.remote);
      entry.confirmations.resolve(consent.credentials);
      try {
        entry.session = this.#begin(entry, begun, { consent, held });
      } catch (error) {
        await started?.server.stop();
        throw error;
      }
      this.#parts.memory?.burst();
      if (entry.stale !== undefined) void this.#rotate(entry, entry.stale);
      if (started === undefined && begun.answers !== undefined)
        this.#spares.offer(entry, begun.answers, () => this.#context(entry));
      const { ending, reason } = await entry.session.done;
      this.#spares.withdraw(entry);
      // One that was not used may still be ending.
      await Promise.all([started?.gone, entry.started?.gone, entry.gone]);
      if (reason === 'fault') throw FAULT;
      if (host.gone.reason instanceof WarderError) throw host.gone.reason;
      host.exit(exitCode(ending));
    } catch (error) {
      if (error === GONE) return;
      if (error instanceof WarderError) entry.output.warder(`the session has ended: ${error.message}`);
      throw error;
    } finally {
      entry.confirmations.resolve(NO_CONFIRMATIONS);
      entry.output[Symbol.dispose]();
      this.#entries.delete(id);
      this.#parts.memory?.burst();
    }
  }

  /** Whether sessions of other hosts are at work. Those that have only just been opened do not count: hosts start together. */
  #isBeside(request: SessionRequest): boolean {
    const now = this.#parts.clock.monotonic();
    const key = keyOf(request);
    return [...this.#entries.values()].some(
      ({ session, began, request }) =>
        session !== undefined &&
        now - began > SETTLED &&
        now - session.turnAt < AT_WORK &&
        keyOf(request) !== key,
    );
  }

  /** Records the session and joins its two ends. If it throws, the server is still to be stopped. */
  #begin(
    entry: SessionEntry,
    { server, started, shown, answers }: Begun,
    { consent, held }: { readonly consent: Consent; readonly held: OpenTrust },
  ): Session {
    const { audit, clock, log, settings, start, memory, digests } = this.#parts;
    const { id, host, request, policy } = entry;
    const { profile, digest } = entry.loaded;
    // A revocation during the start found no session to end.
    start.locks.assertUsable(profile.credentials.map(({ name }) => name));
    const { command, sandbox, credentials } = shown;
    entry.secrets.add(credentials);
    const redactor = entry.secrets.replaceTokens(started?.tokens() ?? []);
    // A token is redacted before it is used for the first time.
    started?.onTokens(() => entry.session?.redact(entry.secrets.replaceTokens(started.tokens())));
    audit.append(
      'session.open',
      {
        session: id,
        profile: profile.name,
        digest,
        ...(held.trust.digest !== undefined && { trust: held.trust.digest }),
        host: request.host,
        ...(started === undefined && { start: 'lazy' as const }),
        command,
        credentials: given({ credentials }),
        sandbox,
      },
      profile.audit.durability,
    );
    if (started !== undefined) announceServer(host, started);
    try {
      return new Session({
        consent,
        trust: held.trust,
        id,
        profile: profile.name,
        host: hostEndOf(host, entry.output),
        server,
        idle: idleServer(entry, answers, () => this.#context(entry), this.#parts),
        answers: answers && {
          store: answers.store,
          isUsed: () => [...entry.uses.values()].some((uses) => uses > 0),
        },
        policy,
        audit,
        auditSettings: profile.audit,
        redactor,
        clock,
        neighbours: this.#neighbours,
        log,
        budgets: { line: settings.relay.line, drain: settings.rotation.drain },
        onBulk: memory && (() => memory.burst()),
        digests,
      });
    } catch (error) {
      const ending = { code: null, signal: null, reason: 'fault', calls: 0 };
      audit.append('session.close', { session: id, profile: profile.name, ...ending });
      throw error;
    }
  }

  /**
   * Starts the server of a session, unless its host can be answered without it. Undefined: the host has gone. Throws what
   * starting it does.
   */
  async #server(entry: SessionEntry): Promise<Begun | undefined> {
    const { loaded, host } = entry;
    const { profile, digest } = loaded;
    const { server } = profile;
    const answers =
      server.kind !== 'url' && server.start !== 'eager'
        ? this.#parts.consent.trust.answers(profile.name, digest)
        : undefined;
    const runs = answers?.areKnown === true ? plannedStart(profile, this.#parts.start) : undefined;
    // Another program than the accepted one is started at once: then it can be shown what it is.
    if (answers !== undefined && runs !== undefined && (await answers.isAccepted(runs))) {
      const line = await host.firstLine(MAX_FIRST_LINE);
      if (host.gone.reason instanceof WarderError) throw host.gone.reason;
      // One that says nothing has used nothing either.
      if (host.gone.aborted || line === 'nothing') return undefined;
      const known = line && knownHost(line, answers.of);
      if (known !== undefined) {
        const late = lateServer(entry, known.host, answers, () => this.#context(entry), this.#parts);
        return { server: late, started: undefined, runs, shown: plannedServer(profile, runs), answers };
      }
    }
    if (host.gone.reason instanceof WarderError) throw host.gone.reason;
    if (host.gone.aborted) return undefined;
    const started = await startServer(profile, this.#context(entry), this.#parts.start);
    return { server: started.server, started, runs: started.started, shown: started, answers };
  }

  /**
   * Moves the sessions that use a credential to its new value. Settles when each has either moved or kept the old
   * value.
   */
  async rotate(credential: string): Promise<RotationResult> {
    const outcomes = await Promise.all(
      [...this.#entries.values()]
        .filter(({ loaded }) => loaded.profile.credentials.some(({ name }) => name === credential))
        .map((entry) => this.#rotate(entry, credential)),
    );
    const moved = outcomes.filter((outcome) => outcome === 'moved').length;
    return { moved, kept: outcomes.filter((outcome) => outcome === 'kept').length };
  }

  /**
   * Takes a credential away from all open sessions: cuts the connections that have carried it, and ends each server
   * that received its value. Returns how many of each.
   */
  async revoke(credential: string): Promise<{ cut: number; ended: number }> {
    const entries = [...this.#entries.values()];
    for (const entry of entries)
      if (entry.loaded.profile.credentials.some(({ name }) => name === credential))
        this.#spares.withdraw(entry);
    const outcomes = entries.map((entry) => ({ host: entry.host, ...revokeFrom(entry, credential) }));
    // One that is about to start looks again before it does.
    const affected = outcomes.filter(({ has }) => has);
    for (const { host } of affected) {
      host.end(
        new WarderError(
          'credential-revoked',
          `the credential "${credential}" was revoked during the session`,
          {
            hint: 'its server had the value; start it again once there is another',
          },
        ),
      );
    }
    const cut = await Promise.all(outcomes.map((outcome) => outcome.cut));
    return { cut: cut.reduce((sum, count) => sum + count, 0), ended: affected.length };
  }

  /** All credentials are locked: no server is kept ready that has one. */
  locked(): void {
    for (const entry of this.#entries.values())
      if (entry.loaded.profile.credentials.length > 0) this.#spares.withdraw(entry);
  }

  /** Ends the session whose id is, or begins with, `prefix`. Throws `usage` where that is none or several. */
  end(prefix: string): { session: string; profile: string } {
    const found = [...this.#entries.values()].filter(({ id }) => id.startsWith(prefix));
    const [entry] = found;
    if (entry === undefined || found.length > 1) {
      const what =
        entry === undefined ? 'no session has an id that begins' : 'several sessions have ids that begin';
      throw new WarderError('usage', `${what} with "${prefix}"`, { hint: '"warder status" lists them' });
    }
    const { id, loaded, host } = entry;
    host.end(new WarderError('refused', 'the user ended the session with "warder end"'));
    return { session: id, profile: loaded.name };
  }

  /** A profile has changed: its policy holds for its open sessions from the next request on. */
  updatePolicy(name: string): void {
    const { policy } = this.#parts.profiles.get(name).profile;
    for (const entry of this.#entries.values()) {
      if (entry.loaded.name === name) this.#spares.withdraw(entry);
      if (entry.loaded.name !== name || isDeepStrictEqual(entry.policy, policy)) continue;
      entry.policy = policy;
      // Until they are loaded, conditions allow nothing.
      void loadConditions(policy).then((faults) => {
        for (const fault of faults)
          this.#parts.log.error({ profile: name, ...fault }, 'a condition cannot be used');
      });
      if (entry.session !== undefined) entry.session.policy = policy;
      this.#parts.log.info({ session: entry.id, profile: name }, 'a changed policy holds from now on');
    }
  }

  /** Redacts the secret values of all open sessions from a text. */
  redact(text: string): string {
    return [...this.#entries.values()].reduce(
      (clean, { secrets, started }) => secrets.redact(started?.redact(clean) ?? clean),
      text,
    );
  }

  /** What `status` shows. */
  status(): SessionStatus[] {
    return [...this.#entries.values()].map((entry) => statusOf(entry, (text) => this.redact(text)));
  }

  /** Tells the user a line, beside the protocol. */
  #tell(host: Host, line: string): void {
    host.stderr(Buffer.from(`${this.redact(line)}\n`));
  }

  /** The same, and keeps it beside what the session's server writes. */
  #tellOf({ host, output }: SessionEntry, line: string): void {
    output.warder(line);
    this.#tell(host, line);
  }

  #rotate(entry: SessionEntry, credential: string): Promise<'moved' | 'kept' | 'starting'> {
    return rotateSession(entry, credential, () => this.#context(entry), this.#parts);
  }

  /** The context in which a session's servers are started. */
  #context(entry: SessionEntry): SessionContext {
    const { id, began, uses, refused, loaded, host } = entry;
    return {
      session: id,
      began,
      uses,
      refused,
      connection: () => `${id}-n${++entry.connections}`,
      calls: () => entry.session?.calls() ?? [],
      callOf: (id) => entry.session?.callOf(id),
      agreement: entry.agreement,
      assertNeeded() {
        if (host.gone.aborted) throw host.gone.reason instanceof WarderError ? host.gone.reason : GONE;
      },
      tell: (line) => this.#tellOf(entry, line),
      signIn: (question) =>
        entry.consent?.signIn({
          ...question,
          dialog: question.dialog ?? entry.session?.dialogFor(question.id),
        }) ?? NOT_ASKED,
      confirmations: new StartingConfirmations(entry.confirmations.promise),
      // Before anything comes from the server, and while it starts up.
      onGiven: (credentials) => void entry.secrets.add(credentials),
      onPlanted: (report) => this.#planted.record(id, loaded.profile, report),
      onOverrun: (error) => {
        this.#parts.log.warn({ session: id, profile: loaded.name }, error.message);
        host.end(error);
      },
      onGateLost: (server) => {
        // One that does not have the session is ended, and what waits for it finds out.
        if (entry.started === server) host.end(GATE_LOST);
        else void server.server.stop();
      },
    };
  }
}

/** The longest first line of a host that is looked at, in bytes. */
const MAX_FIRST_LINE = 2 ** 18;

/** A session has been opened for good after so long, and is at work for so long after a turn. Milliseconds. */
const SETTLED = 1000;
const AT_WORK = 2000;

/** The process that has started a launcher: its sessions are those of one host. */
function keyOf({ host }: SessionRequest): string {
  const [starter] = host.chain;
  return `${starter?.pid} ${starter?.started}`;
}

/** The host program of a session. */
function programOf({ host }: SessionRequest): HostIdentity {
  return identifyHost(host.chain);
}

/** Nobody is asked before a session is open. */
const NOT_ASKED: OpenConsent = {
  outcome: Promise.resolve({
    decision: 'deny',
    rule: 'consent.early',
    reason: 'nobody is asked before the session is open',
  }),
  notice: '',
  withdraw: () => {},
};

/** Hosts start all their servers several times over, and throw some away at once: nothing more is done for those. */
const GONE = new WarderError('refused', 'the host has gone before its server was started');

const GATE_LOST = new WarderError('daemon-internal', 'a fault in the gate of the server ended the session', {
  hint: 'start the server again; the log of the daemon says why: "warder doctor" names the file',
});

const FAULT = new WarderError('daemon-internal', 'a fault in Warder ended the session', {
  hint: 'the log of the daemon says why: "warder doctor" names the file',
});

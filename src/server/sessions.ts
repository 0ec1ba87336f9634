// The open sessions: each is one host's connection, one profile, one server at a time. A session whose
// credential changes gets a server with the new value, while the host goes on.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import type { AuditLog } from '../audit/log.ts';
import type { Host } from '../control/host.ts';
import type { SessionRequest } from '../control/server.ts';
import type { ResolvedCredential, RotationResult } from '../credential/credentials.ts';
import { Redactor } from '../credential/redact.ts';
import type { OpenGate } from '../egress/egress.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Ending } from '../os/spawn.ts';
import type { LoadedProfile } from '../profile/load.ts';
import type { Settings } from '../profile/settings.ts';
import type { Profiles } from '../profile/watch.ts';
import type { HostEnd } from '../relay/endpoint.ts';
import { Session } from '../relay/session.ts';
import type { SessionStatus } from '../wire/control.ts';
import { MARKER } from './environment.ts';
import { type SessionContext, type StartedServer, type StartParts, startServer } from './start.ts';

/** What sessions work with. */
export interface SessionsParts {
  readonly profiles: Pick<Profiles, 'get'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly start: StartParts;
  readonly settings: Pick<Settings, 'relay' | 'rotation'>;
  readonly clock: Clock;
  readonly log: Log;
}

interface SessionEntry {
  readonly id: string;
  readonly loaded: LoadedProfile;
  readonly request: SessionRequest;
  readonly host: Host;
  /** Milliseconds since the epoch, and of the monotonic clock. */
  readonly since: number;
  readonly began: number;
  /** How often each sealed credential was used. */
  readonly uses: Map<string, number>;
  /** Undefined while the server starts. */
  session: Session | undefined;
  started: StartedServer | undefined;
  /** Connections of its servers so far. */
  connections: number;
  /** A credential changed while the server started: it may have the old value. */
  stale: string | undefined;
  /** Every value that the session has had: the host sees none of them. */
  secrets: { readonly name: string; readonly value: string }[];
  /** What takes these, and those that its gate has sealed, out of texts; made for so many of them. */
  clean:
    | { readonly count: number; readonly sealed: OpenGate['secrets']; readonly redactor: Redactor }
    | undefined;
}

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #entries = new Map<string, SessionEntry>();

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  /** Opens a session and settles when it is over and its server gone. Throws what refuses it. */
  async open(request: SessionRequest, host: Host): Promise<void> {
    const { profiles, audit, clock, log, settings } = this.#parts;
    const loaded = profiles.get(request.profile);
    const { profile, digest } = loaded;
    const entry: SessionEntry = {
      id: randomBytes(8).toString('hex'),
      loaded,
      request,
      host,
      since: clock.now(),
      began: clock.monotonic(),
      uses: new Map(),
      session: undefined,
      started: undefined,
      connections: 0,
      stale: undefined,
      secrets: [],
      clean: undefined,
    };
    const { id } = entry;
    this.#entries.set(id, entry);
    // From before the values are fetched, so that no change is missed.
    using _held = this.#parts.start.credentials.watch(profile.credentials);
    try {
      const started = await startServer(profile, sessionContext(entry), this.#parts.start);
      entry.started = started;
      try {
        // A revocation may have come while it started, and have found nothing to end.
        this.#parts.start.locks.assertUsable(profile.credentials.map(({ name }) => name));
        audit.append(
          'session.open',
          {
            session: id,
            profile: profile.name,
            digest,
            host: request.host,
            command: started.command,
            credentials: started.credentials.map(({ variable, name, version, deliver }) => ({
              variable,
              name,
              version,
              deliver,
            })),
            sandbox: started.sandbox,
          },
          profile.audit.durability,
        );
      } catch (error) {
        await started.server.stop();
        throw error;
      }
      announceServer(host, started);
      entry.session = new Session({
        id,
        profile: profile.name,
        host: hostEnd(host),
        server: started.server,
        policy: profile.policy,
        audit,
        auditSettings: profile.audit,
        redactor: this.#redactor(entry, started.credentials),
        clock,
        log,
        limits: { line: settings.relay.line, drain: settings.rotation.drain },
      });
      if (entry.stale !== undefined) void this.#rotate(entry, entry.stale);
      const { ending } = await entry.session.done;
      await entry.started.server.gone;
      host.exit(exitCode(ending));
    } finally {
      this.#entries.delete(id);
    }
  }

  /** Gives the sessions that have a credential a server with its new value. Settles when each has, or has not. */
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
   * Takes a credential from all open sessions: connections that have carried it are cut, and a server that holds it
   * itself is ended. How many of each.
   */
  revoke(credential: string): { cut: number; ended: number } {
    const entries = [...this.#entries.values()];
    const cut = entries.reduce((sum, { started }) => sum + (started?.gate?.disconnect(credential) ?? 0), 0);
    const holders = entries.filter(({ loaded }) =>
      loaded.profile.credentials.some(({ name, deliver }) => name === credential && deliver !== 'sealed'),
    );
    for (const { session } of holders) void session?.stop();
    return { cut, ended: holders.length };
  }

  /** The values that open sessions have, for whoever must not write them. */
  redact(text: string): string {
    let clean = text;
    for (const entry of this.#entries.values()) {
      const { secrets, started } = entry;
      const count = secrets.length;
      const sealed = started?.gate?.secrets ?? NO_SECRETS;
      if (count + sealed.length === 0) continue;
      if (entry.clean?.count !== count || entry.clean.sealed !== sealed) {
        const tokens = sealed.map(({ value, encodings }) => ({ name: 'sealed', value, encodings }));
        entry.clean = { count, sealed, redactor: new Redactor([...secrets, ...tokens]) };
      }
      clean = entry.clean.redactor.text(clean);
    }
    return clean;
  }

  /** What `status` shows. */
  status(): SessionStatus[] {
    return [...this.#entries.values()].map(({ id, loaded, request, since, session, started }) => {
      const [starter] = request.host.chain;
      const { calls = 0, inflight = 0 } = session?.snapshot() ?? {};
      return {
        id,
        profile: loaded.name,
        host: { pid: starter?.pid ?? 0, ...(starter?.exe !== undefined && { exe: starter.exe }) },
        server: started === undefined ? {} : { pid: started.server.pid },
        since: new Date(since).toISOString(),
        calls,
        inflight,
        sandbox: started?.sandbox.off === true ? 'off' : 'on',
        layers: [...(started?.sandbox.layers ?? [])],
        network: [...(started?.sandbox.network ?? [])],
      };
    });
  }

  async #rotate(entry: SessionEntry, credential: string): Promise<'moved' | 'kept' | 'starting'> {
    const { audit, log, start } = this.#parts;
    const { id, loaded, host, session } = entry;
    const { profile } = loaded;
    if (session === undefined) {
      entry.stale = credential;
      return 'starting';
    }
    const named = profile.credentials.filter(({ name }) => name === credential);
    const gate = entry.started?.gate;
    let fresh: StartedServer | undefined;
    let version = '';
    let outcome: 'moved' | 'kept' = 'kept';
    let reason: string | undefined;
    if (gate !== undefined && named.every(({ deliver }) => deliver === 'sealed')) {
      // The server has a placeholder, which stays; the next request carries the new value.
      try {
        const resolved = await start.credentials.resolve(profile.name, named);
        gate.update(resolved);
        session.redact(this.#redactor(entry, resolved));
        version = resolved[0]?.version ?? '';
        outcome = 'moved';
      } catch (error) {
        reason = error instanceof WarderError ? error.message : 'the new value cannot be had';
      }
    } else {
      ({ outcome, reason } = await session.rotate(async () => {
        fresh = await startServer(profile, sessionContext(entry), start);
        announceServer(host, fresh);
        return { server: fresh.server, redactor: this.#redactor(entry, fresh.credentials) };
      }));
      if (outcome === 'moved' && fresh !== undefined) entry.started = fresh;
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
      // The log has said why; calls are refused until it can be written again.
    }
    return outcome;
  }

  #redactor(entry: SessionEntry, credentials: readonly ResolvedCredential[]): Redactor {
    for (const { variable, name, value } of credentials) {
      if (value.length < MIN_REDACTED_LENGTH) {
        this.#parts.log.warn(
          { profile: entry.loaded.name, credential: name },
          'a value of less than 8 characters is not taken out of what passes',
        );
      } else if (!entry.secrets.some((secret) => secret.value === value)) {
        entry.secrets.push({ name: variable, value });
      }
    }
    return new Redactor(entry.secrets);
  }
}

const NO_SECRETS: readonly never[] = [];

/** Values that are shorter, in characters, occur by chance. */
const MIN_REDACTED_LENGTH = 8;

/** Whom a session's servers are started for. */
function sessionContext(entry: SessionEntry): SessionContext {
  const { id, began, uses } = entry;
  return {
    session: id,
    began,
    uses,
    connection: () => `${id}-n${++entry.connections}`,
    calls: () => entry.session?.calls() ?? [],
  };
}

/** Tells the launcher which processes to end should the daemon die. */
function announceServer(host: Host, { server: { pid, started, marker } }: StartedServer): void {
  host.announceServer({ pid, ...(started !== undefined && { started }), marker: `${MARKER}=${marker}` });
}

function hostEnd(host: Host): HostEnd {
  return {
    listen: (on) => host.listen(on),
    pause: () => host.pause(),
    resume: () => host.resume(),
    write: (chunks) => host.write(chunks),
    writeStderr: (chunks) => chunks.map((chunk) => host.stderr(chunk as Uint8Array)).every(Boolean),
    onDrain: (listener) => host.onDrain(listener),
    close: () => host.close(),
  };
}

/** The launcher's exit code: the server's, or 128 and the number of the signal that ended it, as shells say. */
function exitCode({ code, signal }: Ending): number {
  if (code !== null) return code;
  return 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}

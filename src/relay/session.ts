// One host and its server. A session joins the two: it stops reading from one side while the other does not keep
// up, ends when either side does, and can give the host another server without the host noticing.
import type { AuditLog } from '../audit/log.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Ending } from '../os/spawn.ts';
import type { Profile, ProfilePolicy } from '../profile/format.ts';
import type { HostEnd, ServerEnd } from './endpoint.ts';
import { Exchange, type Redaction } from './exchange.ts';
import { FromHost } from './from-host.ts';
import { FromServer } from './from-server.ts';
import { LineSplitter } from './json/lines.ts';
import { Ledger } from './ledger.ts';
import { Outbox } from './outbox.ts';
import { type Fresh, type Rotated, Rotation, type RotationLimits } from './rotation.ts';
import { type Holder, NOBODY, Upstream } from './upstream.ts';

/** Bounds of a session. */
export interface Limits extends RotationLimits {
  /** Open requests of either side. */
  readonly open: number;
}

/** Bounds that nobody has set otherwise. */
const LIMITS: Limits = {
  line: 64 * 2 ** 20,
  drain: 30_000,
  greet: 30_000,
  grace: 500,
  held: 4 * 2 ** 20,
  open: 10_000,
};

export interface SessionOptions {
  /** Unique in the audit log. */
  readonly id: string;
  /** The profile's name. */
  readonly profile: string;
  readonly policy: ProfilePolicy;
  readonly host: HostEnd;
  readonly server: ServerEnd;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly auditSettings: Profile['audit'];
  readonly redactor: Redaction;
  readonly clock: Clock;
  readonly log: Log;
  /** Those not given are as in `LIMITS`. */
  readonly limits: Partial<Limits>;
}

/** Why a session ended: which side closed, or that it was stopped. */
export type Reason = 'host' | 'server' | 'stopped';

export interface Ended {
  readonly ending: Ending;
  readonly reason: Reason;
}

/** What a session is like now. */
export interface Snapshot {
  readonly id: string;
  readonly profile: string;
  readonly pid: number | undefined;
  /** Tool calls so far, refused ones included. */
  readonly calls: number;
  /** Requests of the host that wait for their answer. */
  readonly inflight: number;
  readonly rotating: boolean;
}

/**
 * Milliseconds that a server's last words may take to arrive after it has ended, and how often as long again a
 * host may take that does not even read what came before.
 */
const LAST_WORDS = 500;
const PATIENCE = 20;

/** A session. It flows from when it is made. */
export class Session {
  readonly #options: SessionOptions;
  readonly #limits: Limits;
  readonly #ledger: Ledger;
  readonly #exchange: Exchange;
  readonly #fromHost: FromHost;
  readonly #fromServer: FromServer;
  readonly #hostLines: LineSplitter;
  readonly #rotation: Rotation;
  readonly #done = Promise.withResolvers<Ended>();
  /** What of a server's standard error is not out yet, as it may be the beginning of a credential. */
  readonly #stderr = new WeakMap<Upstream, ReturnType<Redaction['stream']>>();
  #hostPaused = false;
  /** Why the session is ending. */
  #reason: Reason | undefined;
  #over = false;
  #lastWords: NodeJS.Timeout | undefined;
  /** A server that has ended, and whose last words are waited for no longer. */
  #silent: Upstream | undefined;

  /** Hears of a server that had the session, or did not get it. */
  readonly #retired: Holder = {
    ...NOBODY,
    stderr: (from, chunk) => this.#say(from, chunk),
    ended: (from) => this.#sayPieces(this.#stderr.get(from)?.flush() ?? []),
  };

  /** What happens to the server that has the session. */
  readonly #holder: Holder = {
    line: (_from, bytes, start, end) => this.#fromServer.line(bytes, start, end),
    oversize: (_from, line) => this.#fromServer.oversize(line),
    stderr: (from, chunk) => this.#say(from, chunk),
    settle: () => this.#settle(),
    drained: () => this.#settle(),
    closed: (from) => this.#serverClosed(from),
    ended: (from) => this.#serverEnded(from),
  };

  constructor(options: SessionOptions) {
    this.#options = options;
    const { id, profile, policy, host, server, audit, auditSettings, redactor, clock, log } = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#ledger = new Ledger({ id, profile, audit, settings: auditSettings, log });
    const upstream = new Upstream(server, this.#limits.line, this.#holder);
    this.#exchange = new Exchange({
      id,
      profile,
      policy,
      ledger: this.#ledger,
      redactor,
      clock,
      log,
      open: this.#limits.open,
      toHost: new Outbox(host, () => this.#settle()),
      upstream,
    });
    this.#fromHost = new FromHost(this.#exchange);
    this.#fromServer = new FromServer(this.#exchange);
    this.#hostLines = new LineSplitter(this.#fromHost, this.#limits.line);
    this.#rotation = new Rotation({
      id,
      exchange: this.#exchange,
      fromHost: this.#fromHost,
      fromServer: this.#fromServer,
      clock,
      log,
      limits: this.#limits,
      holder: this.#holder,
      retired: this.#retired,
      isEnding: () => this.#reason !== undefined,
      settle: () => this.#settle(),
      onOver: () => this.#serverEnded(this.#exchange.upstream),
    });
    upstream.listen();
    host.listen({
      data: (chunk) => {
        if (this.#over) return;
        this.#hostLines.push(chunk);
        this.#settle();
      },
      end: () => {
        if (this.#over) return;
        this.#hostLines.end();
        this.#leave('host');
      },
    });
  }

  /** Settles when both sides are done with; never rejects. */
  get done(): Promise<Ended> {
    return this.#done.promise;
  }

  /** Ends the session, the server first. */
  stop(): Promise<Ended> {
    this.#leave('stopped');
    return this.done;
  }

  /** What the session is like now. */
  snapshot(): Snapshot {
    return {
      id: this.#options.id,
      profile: this.#options.profile,
      pid: this.#exchange.upstream.server.pid,
      calls: this.#ledger.calls,
      inflight: this.#exchange.requests.size,
      rotating: this.#rotation.active,
    };
  }

  /** The tool calls that wait for their answer, by their numbers in the audit log. */
  calls(): string[] {
    return this.#exchange.requests.calls();
  }

  /** From now on other values are taken out of what passes. */
  redact(redactor: Redaction): void {
    this.#exchange.redactor = redactor;
    this.#fromHost.forget();
  }

  /**
   * Gives the session a server with new credentials, which `start` starts; the host goes on as if nothing had
   * happened. While a rotation is under way, another waits for it, and takes the place of one that waits already.
   * Never rejects.
   */
  rotate(start: () => Promise<Fresh>): Promise<Rotated> {
    return this.#rotation.rotate(start);
  }

  /** Something has come and is through: write what it gave rise to, and read on where that is in order. */
  #settle(): void {
    this.#fromHost.settle();
    this.#exchange.flush();
    this.#steer();
    this.#rotation.check();
  }

  #steer(): void {
    const { upstream, toHost } = this.#exchange;
    upstream.hold(toHost.full || upstream.out.crowded);
    const { host } = this.#options;
    const paused = upstream.out.full || toHost.crowded || this.#fromHost.heldBytes > this.#limits.held;
    if (paused === this.#hostPaused) return;
    this.#hostPaused = paused;
    if (paused) host.pause();
    else host.resume();
  }

  /** Standard error passes on, redacted; that of a server which has not the session only while there is room. */
  #say(from: Upstream, chunk: Buffer): void {
    const { toHost, upstream, redactor } = this.#exchange;
    if (toHost.full && from !== upstream) return;
    let stream = this.#stderr.get(from);
    if (stream === undefined) {
      stream = redactor.stream();
      this.#stderr.set(from, stream);
    }
    this.#sayPieces(stream.push(chunk));
  }

  #sayPieces(pieces: Buffer[]): void {
    if (pieces.length === 0 || this.#over) return;
    if (!this.#options.host.writeStderr(pieces)) this.#exchange.toHost.fill();
    this.#steer();
  }

  /** The session begins to end. What waits goes to the server that is there, then the end of its input. */
  #leave(reason: Reason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#fromHost.release();
    this.#settle();
    const { server } = this.#exchange.upstream;
    server.close();
    void server.stop();
  }

  /** A server that says no more has no more to do. */
  #serverClosed(from: Upstream): void {
    if (from.ending !== undefined) this.#serverEnded(from);
    else if (this.#reason === undefined) void from.server.stop();
  }

  /** The server has ended; its last words may still be on their way, or wait for the host to read on. */
  #serverEnded(from: Upstream): void {
    if (from !== this.#exchange.upstream || from.ending === undefined || this.#over) return;
    if (from.closed || this.#silent === from) {
      this.#serverGone(from, from.ending);
      return;
    }
    let patience = PATIENCE;
    this.#lastWords ??= setInterval(() => {
      if (this.#exchange.toHost.full && --patience > 0) return;
      this.#silent = from;
      this.#serverEnded(from);
    }, LAST_WORDS);
  }

  /** The server is gone. A rotation under way may bring another; else the session is over. */
  #serverGone(from: Upstream, ending: Ending): void {
    const { host } = this.#options;
    clearInterval(this.#lastWords);
    this.#lastWords = undefined;
    this.#sayPieces(this.#stderr.get(from)?.flush() ?? []);
    const goesOn = this.#rotation.active && this.#reason === undefined;
    if (!goesOn) this.#fromHost.release();
    // A host that has left knows that its subscriptions have ended.
    this.#exchange.lose(
      `the server ended (${inWords(ending)}) before it answered`,
      this.#reason !== 'host' && !goesOn,
    );
    if (goesOn) {
      this.#fromHost.hold();
      this.#settle();
      return;
    }
    const reason = this.#reason ?? 'server';
    this.#reason = reason;
    this.#exchange.flush();
    host.close();
    this.#over = true;
    this.#ledger.closed(ending, reason);
    this.#exchange.odd.close();
    this.#done.resolve({ ending, reason });
  }
}

function inWords({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : signal;
}

// One host and its server. A session joins the two: it stops reading from one side while the other does not keep
// up, ends when either side does, and can give the host another server without the host noticing.
//
// Rotation, in order: start the new server and greet it, while the old one serves; hold what the host asks
// anew, and let what is open end; give the session over in one step; say what was held; end the old server. What
// fails before the step leaves the old server in place. No request goes to two servers.
import type { AuditLog } from '../audit/log.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile, ProfilePolicy } from '../profile/format.ts';
import type { Ending, HostEnd, ServerEnd } from './endpoint.ts';
import { Exchange, INITIALIZE, type Redaction } from './exchange.ts';
import { FromHost } from './from-host.ts';
import { FromServer } from './from-server.ts';
import { Greeting } from './greeting.ts';
import { Ledger } from './ledger.ts';
import { LineSplitter } from './lines.ts';
import { Outbox } from './outbox.ts';
import { type Holder, NOBODY, Upstream } from './upstream.ts';

/** Bounds of a session. */
export interface Limits {
  /** The longest line, in bytes. */
  readonly line: number;
  /** How long a rotation waits for open requests, in milliseconds. */
  readonly drain: number;
  /** How long it waits for a new server to start, and then to take the handshake, in milliseconds. */
  readonly greet: number;
  /** Bytes of either side that a rotation holds before it reads no further. */
  readonly held: number;
  /** Open requests of either side. */
  readonly open: number;
}

/** Bounds that nobody has set otherwise. */
const LIMITS: Limits = {
  line: 64 * 2 ** 20,
  drain: 30_000,
  greet: 30_000,
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

/** A server with new credentials. `redactor` knows the old values and the new ones. */
export interface Fresh {
  readonly server: ServerEnd;
  readonly redactor: Redaction;
}

/** Why a session ended: which side closed, or that it was stopped. */
export type Reason = 'host' | 'server' | 'stopped';

export interface Ended {
  readonly ending: Ending;
  readonly reason: Reason;
}

/** How a rotation went. `reason` says why the old server was kept. */
export interface Rotated {
  readonly outcome: 'moved' | 'kept';
  readonly reason?: string;
  /** Milliseconds. */
  readonly ms: number;
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

const LEAVING = 'the session is ending';

/** What a rotation says to the requests that it does not wait for. */
const REPLACED = 'the server was replaced before it answered, because a credential has changed';

/** A session. It flows from when it is made. */
export class Session {
  readonly #options: SessionOptions;
  readonly #limits: Limits;
  readonly #ledger: Ledger;
  readonly #exchange: Exchange;
  readonly #fromHost: FromHost;
  readonly #fromServer: FromServer;
  readonly #hostLines: LineSplitter;
  readonly #done = Promise.withResolvers<Ended>();
  /** What of a server's standard error is not out yet, as it may be the beginning of a credential. */
  readonly #stderr = new WeakMap<Upstream, ReturnType<Redaction['stream']>>();
  readonly #waits = new Set<{ readonly test: () => boolean; readonly end: () => void }>();
  #hostPaused = false;
  #rotating = false;
  /** The rotation that follows the one under way. */
  #next: { start: () => Promise<Fresh>; readonly done: PromiseWithResolvers<Rotated> } | undefined;
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
      rotating: this.#rotating,
    };
  }

  /**
   * Gives the session a server with new credentials, which `start` starts. While a rotation is under way, another
   * waits for it, and takes the place of one that waits already. Never rejects.
   */
  rotate(start: () => Promise<Fresh>): Promise<Rotated> {
    if (!this.#rotating) return this.#rotateNow(start);
    if (this.#next === undefined) this.#next = { start, done: Promise.withResolvers() };
    else this.#next.start = start;
    return this.#next.done.promise;
  }

  async #rotateNow(start: () => Promise<Fresh>): Promise<Rotated> {
    const { clock, log, id } = this.#options;
    const began = clock.monotonic();
    this.#rotating = true;
    const reason = await this.#change(start);
    const ms = Math.round(clock.monotonic() - began);
    const rotated: Rotated =
      reason === undefined ? { outcome: 'moved', ms } : { outcome: 'kept', reason, ms };
    log.info({ session: id, ...rotated }, 'rotated');
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) {
      this.#rotating = false;
      this.#serverEnded(this.#exchange.upstream);
    } else {
      next.done.resolve(this.#rotateNow(next.start));
    }
    return rotated;
  }

  /** A rotation. Returns why it was none. */
  async #change(start: () => Promise<Fresh>): Promise<string | undefined> {
    const limits = this.#limits;
    const { requests, handshake } = this.#exchange;
    const leaving = (): boolean => this.#reason !== undefined;
    if (!(await this.#until(() => leaving() || !requests.some(INITIALIZE), limits.greet))) {
      return 'the host has not ended its handshake';
    }
    if (leaving()) return LEAVING;

    const started = await this.#started(start);
    if (typeof started === 'string') return started;
    const greeting = new Greeting({
      handshake,
      held: limits.held,
      onChange: () => this.#check(),
      onStderr: (from, chunk) => this.#say(from, chunk),
    });
    this.#exchange.redactor = started.redactor;
    this.#fromHost.forget();
    const next = new Upstream(started.server, limits.line, greeting);
    greeting.greet(next);
    const failure = (): string | undefined => {
      if (leaving()) return LEAVING;
      if (greeting.state === undefined) return 'the new server did not answer the handshake in time';
      return greeting.state === true ? undefined : greeting.state;
    };
    await this.#until(() => leaving() || greeting.state !== undefined, limits.greet);
    if (failure() === undefined) {
      this.#fromHost.hold();
      await this.#until(() => failure() !== undefined || this.#exchange.isQuiet, limits.drain);
    }
    const reason = failure();
    if (reason === undefined) this.#give(next, greeting);
    else void next.dismiss(this.#retired);
    // What waits for a server that is gone waits on, for the next rotation or for the end.
    if (this.#exchange.upstream.ending === undefined) this.#fromHost.release();
    this.#settle();
    return reason;
  }

  /** Starts a server. Returns why there is none. */
  async #started(start: () => Promise<Fresh>): Promise<Fresh | string> {
    let outcome: Fresh | string | undefined;
    let late = false;
    const begin = async (): Promise<void> => {
      try {
        outcome = await start();
        if (late) await outcome.server.stop();
      } catch (error) {
        outcome = error instanceof WarderError ? error.message : 'the new server cannot be started';
      }
      this.#check();
    };
    void begin();
    await this.#until(() => outcome !== undefined || this.#reason !== undefined, this.#limits.greet);
    late = true;
    if (this.#reason === undefined) return outcome ?? 'the new server did not start in time';
    if (typeof outcome === 'object') void outcome.server.stop();
    return LEAVING;
  }

  /** The one step: before it all is with the old server, after it all is with the new one. */
  #give(next: Upstream, greeting: Greeting): void {
    const old = this.#exchange.upstream;
    this.#exchange.lose(REPLACED, false);
    this.#exchange.move(next, greeting.completed);
    next.give(this.#holder);
    for (const line of greeting.takeLines()) this.#fromServer.line(line, 0, line.length - 1);
    void old.dismiss(this.#retired);
  }

  /** Waits until `test` holds, `ms` at most. Whether it held. */
  #until(test: () => boolean, ms: number): Promise<boolean> {
    if (test()) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = (): void => {
      clearTimeout(timer);
      this.#waits.delete(wait);
      resolve(test());
    };
    const timer = setTimeout(end, ms);
    const wait = { test, end };
    this.#waits.add(wait);
    return promise;
  }

  #check(): void {
    for (const { test, end } of this.#waits) if (test()) end();
  }

  /** Something has come and is through: write what it gave rise to, and read on where that is in order. */
  #settle(): void {
    this.#fromHost.settle();
    this.#exchange.flush();
    this.#steer();
    this.#check();
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
    const goesOn = this.#rotating && this.#reason === undefined;
    if (!goesOn) this.#fromHost.release();
    this.#exchange.lose(`the server ended (${inWords(ending)}) before it answered`, !goesOn);
    if (goesOn) {
      this.#fromHost.hold();
      this.#settle();
      return;
    }
    const reason = this.#reason ?? 'server';
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

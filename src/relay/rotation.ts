// Changes the server of a session, in this order: start the new server and greet it, while the old one serves; hold
// what the host asks anew, and let what is open end; give the session over in one step; say what was held; end the
// old server. What fails before the step leaves the old server in place. No request goes to two servers.
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { ServerEnd } from './endpoint.ts';
import { type Exchange, INITIALIZE, type Redaction } from './exchange.ts';
import type { FromHost } from './from-host.ts';
import type { FromServer } from './from-server.ts';
import { Greeting } from './greeting.ts';
import { type Holder, Upstream } from './upstream.ts';

/** A server with new credentials. `redactor` knows the old values and the new ones. */
export interface Fresh {
  readonly server: ServerEnd;
  readonly redactor: Redaction;
}

/** How a rotation went. `reason` says why the old server was kept. */
export interface Rotated {
  readonly outcome: 'moved' | 'kept';
  readonly reason?: string;
  /** Milliseconds. */
  readonly ms: number;
}

export interface RotationLimits {
  /** The longest line, in bytes. */
  readonly line: number;
  /** How long open requests are waited for, in milliseconds. */
  readonly drain: number;
  /** How long a new server may take to start, and then to answer, in milliseconds. */
  readonly greet: number;
  /** How long a new server must live of which nothing can be asked, in milliseconds. */
  readonly grace: number;
  /** Bytes of either side that are held before it is read no further. */
  readonly held: number;
}

export interface RotationOptions {
  /** The session's id. */
  readonly id: string;
  readonly exchange: Exchange;
  readonly fromHost: FromHost;
  readonly fromServer: FromServer;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: RotationLimits;
  /** Has the server that has the session. */
  readonly holder: Holder;
  /** Hears of a server that has it no more, or did not get it. */
  readonly retired: Holder;
  /** Whether the session is ending. */
  readonly isEnding: () => boolean;
  /** Writes what there is, and reads on. */
  readonly settle: () => void;
  /** No rotation is under way any more. */
  readonly onOver: () => void;
}

const ENDING = 'the session is ending';
const REPLACED = 'the server was replaced before it answered, because a credential has changed';

/** The rotations of a session. */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #waits = new Set<{ readonly test: () => boolean; readonly end: () => void }>();
  #active = false;
  /** The one that follows the one under way. */
  #next: { start: () => Promise<Fresh>; readonly done: PromiseWithResolvers<Rotated> } | undefined;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /** Whether one is under way. */
  get active(): boolean {
    return this.#active;
  }

  /**
   * Gives the session the server that `start` starts. While a rotation is under way, another waits for it, and
   * takes the place of one that waits already. Never rejects.
   */
  rotate(start: () => Promise<Fresh>): Promise<Rotated> {
    if (!this.#active) return this.#run(start);
    if (this.#next === undefined) this.#next = { start, done: Promise.withResolvers() };
    else this.#next.start = start;
    return this.#next.done.promise;
  }

  /** Something has changed that a rotation may be waiting for. */
  check(): void {
    for (const { test, end } of this.#waits) if (test()) end();
  }

  async #run(start: () => Promise<Fresh>): Promise<Rotated> {
    const { clock, log, id, onOver } = this.#options;
    const began = clock.monotonic();
    this.#active = true;
    const reason = await this.#change(start);
    const ms = Math.round(clock.monotonic() - began);
    const rotated: Rotated =
      reason === undefined ? { outcome: 'moved', ms } : { outcome: 'kept', reason, ms };
    log.info({ session: id, ...rotated }, 'rotated');
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) {
      this.#active = false;
      onOver();
    } else {
      next.done.resolve(this.#run(next.start));
    }
    return rotated;
  }

  /** One rotation. Returns why it was none. */
  async #change(start: () => Promise<Fresh>): Promise<string | undefined> {
    const { limits, exchange, fromHost, isEnding, retired, settle } = this.#options;
    const isOpen = (): boolean => !exchange.requests.some(INITIALIZE);
    await this.#until(() => isEnding() || isOpen(), limits.greet);
    if (isEnding()) return ENDING;
    if (!isOpen()) return 'the host has not ended its handshake';

    const fresh = await this.#started(start);
    if (typeof fresh === 'string') return fresh;
    exchange.redactor = fresh.redactor;
    fromHost.forget();
    const greeting = new Greeting({
      handshake: exchange.handshake,
      id: exchange.mint(),
      grace: limits.grace,
      held: limits.held,
      onChange: () => this.check(),
      onStderr: retired.stderr,
    });
    const next = new Upstream(fresh.server, limits.line, greeting);
    greeting.greet(next);
    await this.#until(() => isEnding() || greeting.state !== undefined, limits.greet);
    const failure = (): string | undefined => {
      if (isEnding()) return ENDING;
      if (greeting.state === undefined) return 'the new server did not answer the handshake in time';
      return greeting.state === true ? undefined : greeting.state;
    };
    if (failure() === undefined) {
      fromHost.hold();
      await this.#until(() => failure() !== undefined || exchange.isQuiet, limits.drain);
    }
    const reason = failure();
    if (reason === undefined) this.#give(next, greeting);
    else void next.dismiss(retired);
    // What waits for a server that is gone waits on, for the next rotation or for the end.
    if (exchange.upstream.ending === undefined) fromHost.release();
    settle();
    return reason;
  }

  /** Starts a server. Returns why there is none. */
  async #started(start: () => Promise<Fresh>): Promise<Fresh | string> {
    const { limits, isEnding } = this.#options;
    let outcome: Fresh | string | undefined;
    let late = false;
    const begin = async (): Promise<void> => {
      try {
        outcome = await start();
        if (late) await outcome.server.stop();
      } catch (error) {
        outcome = error instanceof WarderError ? error.message : 'the new server cannot be started';
      }
      this.check();
    };
    void begin();
    await this.#until(() => outcome !== undefined || isEnding(), limits.greet);
    late = true;
    if (!isEnding()) return outcome ?? 'the new server did not start in time';
    if (typeof outcome === 'object') void outcome.server.stop();
    return ENDING;
  }

  /** The one step: before it all is with the old server, after it all is with the new one. */
  #give(next: Upstream, greeting: Greeting): void {
    const { exchange, fromServer, holder, retired } = this.#options;
    const old = exchange.upstream;
    exchange.lose(REPLACED, false);
    exchange.move(next, greeting.completed);
    next.give(holder);
    for (const line of greeting.takeLines()) fromServer.line(line, 0, line.length - 1);
    void old.dismiss(retired);
  }

  /** Waits until `test` holds, `ms` at most. */
  #until(test: () => boolean, ms: number): Promise<void> {
    if (test()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      clearTimeout(timer);
      this.#waits.delete(wait);
      resolve();
    };
    const timer = setTimeout(end, ms);
    const wait = { test, end };
    this.#waits.add(wait);
    return promise;
  }
}

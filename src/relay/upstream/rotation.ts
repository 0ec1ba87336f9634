// Changes the server of a session, in this order: start the new server and greet it, while the old one serves; have
// new requests of the host wait, and let open ones end; hand the session over in one step; let what waited go on; end
// the old server. What fails before the step leaves the old server in place. No request goes to two servers.
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import type { Budgets } from '../budgets.ts';
import type { WaitingRoom } from '../flow/waiting-room.ts';
import type { FromHost } from '../host/from-host.ts';
import type { ServerList } from '../lists/server-list.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import type { CheckedAnswers } from '../trust/checked-answers.ts';
import type { SessionServer } from '../upstream.ts';
import { Candidate } from './candidate.ts';
import type { Redaction } from './current.ts';
import { INITIALIZE } from './replay.ts';
import { Succession, type SuccessionOptions } from './succession.ts';

/** A server with new credentials. `redactor` knows the old values and the new ones. */
export interface NewServer {
  readonly server: SessionServer;
  readonly redactor: Redaction;
}

/** How a rotation went. `reason` says why the old server was kept. */
export interface Rotated {
  readonly outcome: 'moved' | 'kept';
  readonly reason?: string;
  /** Milliseconds. */
  readonly ms: number;
}

/** A server that takes the place of what has answered for it so far: see late-start.ts. */
export interface LateArrival {
  readonly start: () => Promise<NewServer>;
  /** Compares the server, which has the session, with what is accepted. Settles with why that failed; never rejects. */
  readonly compare: () => Promise<string | undefined>;
  /** Makes what answers in its place. */
  readonly recorded: () => SessionServer;
}

/** How the start of such a server went. `isOther`: it is not as its host was told. */
export interface Arrived {
  readonly reason: string | undefined;
  readonly isOther: boolean;
}

export interface RotationOptions extends SuccessionOptions {
  /** The session's id. */
  readonly id: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly budgets: Budgets;
  readonly lists: ServerLists;
  readonly waiting: WaitingRoom;
  readonly fromHost: FromHost;
  /** Whether the session is ending; and whether nothing is waited for any more. */
  readonly isEnding: () => boolean;
  readonly isLeaving: () => boolean;
  readonly answers: Pick<CheckedAnswers, 'introduced' | 'keep'>;
  /** Writes what there is, and reads on. */
  readonly settle: () => void;
  /** No rotation is under way any more. */
  readonly onOver: () => void;
  /** Runs what a promise leads to; never throws. */
  readonly guard: (turn: () => void) => void;
  /** A fault of a rotation itself. */
  readonly onFault: (error: unknown) => void;
}

/** Milliseconds that the start of a server may take that a person may have to unlock something for. */
const LATE = 600_000;
const NEW = /^the new server/;
const ENDING = 'the session is ending';
const NONE: Rotated = { outcome: 'kept', reason: 'the server is not started', ms: 0 };

/** The rotations of a session. */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #succession: Succession;
  readonly #waits = new Set<{ readonly test: () => boolean; readonly end: () => void }>();
  #active = false;
  /** The one that follows the one under way. */
  #next: { start: () => Promise<NewServer>; readonly done: PromiseWithResolvers<Rotated> } | undefined;

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#succession = new Succession(options);
  }

  /** Whether one is under way. */
  get active(): boolean {
    return this.#active;
  }

  /**
   * Gives the session the server that `start` starts. While a rotation is under way, another waits for it, and
   * takes the place of one that waits already. A session whose server is not started has none to change. Never rejects.
   */
  rotate(start: () => Promise<NewServer>): Promise<Rotated> {
    if (!this.#active) return this.#changed(start);
    if (this.#next === undefined) this.#next = { start, done: Promise.withResolvers() };
    else this.#next.start = start;
    return this.#next.done.promise;
  }

  /** Starts the server of a session that has none yet. Never rejects. */
  async startLate(late: LateArrival): Promise<Arrived> {
    if (this.#active) return { reason: 'the server of the session is being replaced', isOther: false };
    let isOther = false;
    const { reason } = await this.#run(late.start, {
      ...late,
      isOther: () => {
        isOther = true;
      },
    });
    // There was none before it.
    return { reason: reason?.replace(NEW, 'the server'), isOther };
  }

  /**
   * Ends a server that has nothing to do. `recorded` makes what answers in its place; undefined: it stays. Whether it was
   * ended.
   */
  rest(recorded: () => SessionServer | undefined): boolean {
    const { current, isEnding, settle } = this.#options;
    const { upstream } = current;
    const isThere = current.isReady && !upstream.closed && upstream.ending === undefined;
    if (this.#active || isEnding() || !isThere || !this.#succession.isIdle) return false;
    const server = recorded();
    if (server === undefined) return false;
    this.#succession.handBack(server);
    settle();
    return true;
  }

  /** Something has changed that a rotation may be waiting for. */
  check(): void {
    if (this.#waits.size === 0) return;
    for (const { test, end } of this.#waits) if (test()) end();
  }

  /** A rotation, if there is a server that it can change. */
  #changed(start: () => Promise<NewServer>): Promise<Rotated> {
    return this.#options.current.isRecorded ? Promise.resolve(NONE) : this.#run(start);
  }

  async #run(start: () => Promise<NewServer>, late?: Late): Promise<Rotated> {
    const { clock, log, id, onOver, onFault, guard } = this.#options;
    const began = clock.monotonic();
    this.#active = true;
    let reason: string | undefined;
    try {
      reason = await this.#change(start, late);
    } catch (error) {
      reason = ENDING;
      onFault(error);
    }
    const ms = Math.round(clock.monotonic() - began);
    const rotated: Rotated =
      reason === undefined ? { outcome: 'moved', ms } : { outcome: 'kept', reason, ms };
    log.info({ session: id, ...rotated }, late === undefined ? 'rotated' : 'started');
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) {
      this.#active = false;
      guard(onOver);
    } else {
      this.#active = false;
      next.done.resolve(this.#changed(next.start));
      if (!this.active) guard(onOver);
    }
    return rotated;
  }

  /** One rotation. Returns why it was none. */
  async #change(start: () => Promise<NewServer>, late: Late | undefined): Promise<string | undefined> {
    const { budgets, current, calls, replay, ownRequests, waiting, retired, answers } = this.#options;
    const { fromHost, settle, upstreamOf, guard } = this.#options;
    const succession = this.#succession;
    // What waits for a server that starts late is answered, also once the host has ended its input.
    const isEnding = late === undefined ? this.#options.isEnding : this.#options.isLeaving;
    const isOpen = (): boolean => !calls.some(INITIALIZE);
    await this.#until(() => isEnding() || isOpen(), budgets.greet);
    if (isEnding()) return ENDING;
    if (!isOpen()) return 'the host has not ended its handshake';

    const started = await this.#started(start, late === undefined ? budgets.greet : LATE, isEnding);
    if (typeof started === 'string') return started;
    current.redactor = started.redactor;
    const upstream = upstreamOf(started.server);
    const candidate = new Candidate({
      upstream,
      replay,
      ownRequests,
      budgets,
      onChange: () => this.check(),
      onStderr: retired(upstream).stderr,
      onIntroduced: (result) =>
        guard(() => {
          answers.introduced(result);
          answers.keep(result);
        }),
    });
    void candidate.greet().catch(this.#options.onFault);
    await this.#until(() => isEnding() || candidate.state !== undefined, budgets.greet + budgets.grace);
    const failure = (): string | undefined => {
      if (isEnding()) return ENDING;
      if (candidate.state === undefined) return 'the new server did not answer in time';
      return candidate.state === true ? undefined : candidate.state;
    };
    if (failure() === undefined) {
      waiting.open('rotation');
      await this.#until(() => failure() !== undefined || succession.isQuiet, budgets.drain);
    }
    const reason = failure();
    if (candidate.isOther) late?.isOther();
    guard(() => {
      if (reason === undefined) this.#handOver(candidate, late);
      else succession.retire(upstream);
      // What waits for a server that is gone waits on, for the next rotation or for the end.
      if (current.upstream.ending === undefined) fromHost.release('rotation');
      settle();
    });
    return reason === undefined && late !== undefined ? await this.#compared(late) : reason;
  }

  /** Waits until a server that has just started is compared. Where that fails, the session is as it was before. */
  async #compared({ recorded }: Late): Promise<string | undefined> {
    const { current, guard, settle, fromHost } = this.#options;
    const reason = await current.comparison;
    guard(() => {
      current.comparison = undefined;
      if (reason === undefined) return;
      this.#succession.handBack(recorded());
      fromHost.release('rotation');
      settle();
    });
    return reason;
  }

  /** Starts a server. Returns why there is none. */
  async #started(
    start: () => Promise<NewServer>,
    patience: number,
    isEnding: () => boolean,
  ): Promise<NewServer | string> {
    let outcome: NewServer | string | undefined;
    let late = false;
    const begin = async (): Promise<void> => {
      try {
        outcome = await start();
        if (late) await outcome.server.stop();
      } catch (error) {
        outcome = error instanceof WarderError ? inWords(error) : 'the new server cannot be started';
      }
      this.check();
    };
    void begin();
    await this.#until(() => outcome !== undefined || isEnding(), patience);
    late = true;
    if (!isEnding()) return outcome ?? 'the new server did not start in time';
    if (typeof outcome === 'object') void outcome.server.stop();
    return ENDING;
  }

  #handOver(candidate: Candidate, late: Late | undefined): void {
    this.#succession.handOver(candidate);
    if (late === undefined) this.#listAgain();
    else this.#options.current.comparison = late.compare();
  }

  /** What the new server lists may be other entries: then the host is told so. */
  #listAgain(): void {
    const { lists, fromServer, guard, settle, onFault } = this.#options;
    const announce = (differ: readonly ServerList[]): void => {
      fromServer.announce(differ);
      settle();
    };
    void lists.replace().then((differ) => guard(() => announce(differ)), onFault);
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

interface Late extends LateArrival {
  readonly isOther: () => void;
}

function inWords({ message, hint }: WarderError): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}

// Changes the server of a session, in this order: start the new server and greet it, while the old one serves; have
// new requests of the host wait, and let open ones end; hand the session over in one step; let what waited go on; end
// the old server. What fails before the step leaves the old server in place. No request goes to two servers.
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import type { Budgets } from '../budgets.ts';
import { LISTEN } from '../call.ts';
import type { Calls } from '../calls.ts';
import type { Outbox } from '../flow/outbox.ts';
import type { WaitingRoom } from '../flow/waiting-room.ts';
import type { FromHost } from '../host/from-host.ts';
import type { ServerList } from '../lists/server-list.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CANCELLED } from '../methods.ts';
import type { FromServer } from '../server/from-server.ts';
import type { Questions } from '../server/questions.ts';
import type { ServerRequests } from '../server/server-requests.ts';
import type { Tasks } from '../server/tasks.ts';
import type { CheckedAnswers } from '../trust/checked-answers.ts';
import type { SessionServer, Upstream, UpstreamListener } from '../upstream.ts';
import { Candidate, sendNotification } from './candidate.ts';
import type { Current, Redaction } from './current.ts';
import { type OwnRequests, sendRequest } from './own-requests.ts';
import { INITIALIZE, type Replay } from './replay.ts';

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

export interface RotationOptions {
  /** The session's id. */
  readonly id: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly calls: Calls;
  readonly serverRequests: ServerRequests;
  readonly questions: Questions;
  readonly ownRequests: OwnRequests;
  readonly replay: Replay;
  readonly lists: ServerLists;
  readonly tasks: Tasks;
  readonly waiting: WaitingRoom;
  readonly fromHost: FromHost;
  readonly fromServer: FromServer;
  readonly toHost: Outbox;
  /** Gives the next id of the relay's own. */
  readonly nextId: () => number;
  readonly upstreamOf: (server: SessionServer) => Upstream;
  /** Whether all that the server has sent is passed on. */
  readonly isRead: () => boolean;
  /** Makes the session the owner of a server. */
  readonly adopt: (upstream: Upstream) => void;
  /** What becomes of a server that has the session no more, or did not get it. */
  readonly retired: (upstream: Upstream) => UpstreamListener;
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

const NOTHING = Buffer.alloc(0);
/** Milliseconds that the start of a server may take that a person may have to unlock something for. */
const LATE = 600_000;
const NEW = /^the new server/;
const ENDING = 'the session is ending';

/** The rotations of a session. */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #waits = new Set<{ readonly test: () => boolean; readonly end: () => void }>();
  #active = false;
  /** The one that follows the one under way. */
  #next: { start: () => Promise<NewServer>; readonly done: PromiseWithResolvers<Rotated> } | undefined;

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
  rotate(start: () => Promise<NewServer>): Promise<Rotated> {
    if (!this.#active) return this.#run(start);
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

  /** Something has changed that a rotation may be waiting for. */
  check(): void {
    if (this.#waits.size === 0) return;
    for (const { test, end } of this.#waits) if (test()) end();
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
      next.done.resolve(this.#run(next.start));
    }
    return rotated;
  }

  /** One rotation. Returns why it was none. */
  async #change(start: () => Promise<NewServer>, late: Late | undefined): Promise<string | undefined> {
    const { budgets, current, calls, replay, ownRequests, waiting, retired, answers } = this.#options;
    const { fromHost, settle, upstreamOf, serverRequests, guard, tasks, isRead, questions } = this.#options;
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
      const isQuiet = (): boolean =>
        calls.pending === 0 &&
        serverRequests.size === 0 &&
        !questions.anyWaiting &&
        !tasks.anyOpen &&
        isRead();
      await this.#until(() => failure() !== undefined || isQuiet(), budgets.drain);
    }
    const reason = failure();
    if (candidate.isOther) late?.isOther();
    guard(() => {
      if (reason === undefined) this.#handOver(candidate, late);
      else this.#retire(upstream);
      // What waits for a server that is gone waits on, for the next rotation or for the end.
      if (current.upstream.ending === undefined) fromHost.release('rotation');
      settle();
    });
    return reason === undefined && late !== undefined ? await this.#compared(late) : reason;
  }

  /** Waits until a server that has just started is compared. Where that fails, the session is as it was before. */
  async #compared({ recorded }: Late): Promise<string | undefined> {
    const { current, guard, settle, upstreamOf, adopt, fromHost } = this.#options;
    const reason = await current.comparison;
    guard(() => {
      current.comparison = undefined;
      if (reason === undefined) return;
      const failed = current.upstream;
      current.upstream = upstreamOf(recorded());
      adopt(current.upstream);
      this.#retire(failed);
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

  /** The one step: before it all is with the old server, after it all is with the new one. */
  #handOver(candidate: Candidate, late: Late | undefined): void {
    const { current, calls, fromServer, ownRequests, adopt, budgets, tasks } = this.#options;
    const old = current.upstream;
    const limit = seconds(budgets.drain);
    const text = `the server was replaced, because a credential has changed; it did not answer within ${limit}`;
    for (const call of calls.open(false)) call.fail('lost', { code: 'lost', text });
    calls.forgetLate();
    tasks.forgetOpen();
    ownRequests.abandon(old);
    this.#cancelServerRequests();
    current.upstream = candidate.upstream;
    this.#reopen(candidate);
    adopt(candidate.upstream);
    for (const line of candidate.takeLines()) fromServer.message(line, 0, line.length);
    this.#retire(old);
    if (late === undefined) this.#listAgain();
    else current.comparison = late.compare();
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

  /** The host need not answer any more what the old server has asked. */
  #cancelServerRequests(): void {
    const { serverRequests, toHost, questions } = this.#options;
    questions.leaveServer();
    for (const request of serverRequests.takeAll()) {
      serverRequests.record(request, 'lost', NOTHING);
      const { ownId } = request;
      const params = `{"requestId":${ownId},"reason":"the server was replaced"}`;
      toHost.message(`{"jsonrpc":"2.0","method":"${CANCELLED}","params":${params}}`);
    }
  }

  /** Tells the new server what the host has told the one before it, and it does not know yet. */
  #reopen({ upstream, initialized }: Candidate): void {
    const { replay, calls, nextId } = this.#options;
    if (replay.initialized !== undefined && !initialized) sendNotification(upstream, replay.initialized);
    // Their answers are for nobody.
    for (const { method, params } of replay.rest()) sendRequest(upstream, nextId(), method, params);
    for (const call of calls.listening()) {
      call.reopened = true;
      sendRequest(upstream, call.send(), LISTEN, call.params);
    }
  }

  #retire(upstream: Upstream): void {
    const { retired } = this.#options;
    upstream.listen(retired(upstream));
    upstream.pause(false);
    void upstream.stop();
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

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`;
}

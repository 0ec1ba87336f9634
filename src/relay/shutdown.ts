// How a session ends: by the end of the host's input, by a host that has gone, by a server that has, by being stopped, or by
// a fault. What is open is answered or waited for first, in this order: lines that are still looked through, requests
// that wait, requests that the server has, and the server's last output.
import type { Log } from '../os/log.ts';
import type { Ending } from '../os/spawn.ts';
import type { Anomalies } from './anomalies.ts';
import type { Budgets } from './budgets.ts';
import type { Calls } from './calls.ts';
import type { HostEnd } from './endpoint.ts';
import type { Refusal } from './error-response.ts';
import type { Inbox } from './flow/inbox.ts';
import type { Outbox } from './flow/outbox.ts';
import type { Stderr } from './flow/stderr.ts';
import type { WaitingRoom } from './flow/waiting-room.ts';
import type { Guard } from './guard.ts';
import type { FromHost } from './host/from-host.ts';
import type { Recorder } from './recorder.ts';
import type { Questions } from './server/questions.ts';
import type { Current } from './upstream/current.ts';
import type { OwnRequests } from './upstream/own-requests.ts';
import type { Rotation } from './upstream/rotation.ts';
import type { Upstream } from './upstream.ts';

/** Why a session ended: which side closed, that it was stopped, or a fault in Warder. */
export type Reason = 'host' | 'server' | 'stopped' | 'fault';

export interface Ended {
  readonly ending: Ending;
  readonly reason: Reason;
}

export interface ShutdownOptions {
  /** The session's id. */
  readonly id: string;
  readonly budgets: Budgets;
  readonly log: Log;
  readonly host: HostEnd;
  readonly guard: Guard;
  readonly current: Current;
  readonly calls: Calls;
  readonly fromHost: FromHost;
  /** Lines that are still looked through. */
  readonly hostInbox: Pick<Inbox<unknown>, 'isIdle' | 'clear'>;
  readonly serverInbox: Pick<Inbox<unknown>, 'isIdle' | 'clear'>;
  readonly waiting: WaitingRoom;
  readonly questions: Questions;
  readonly ownRequests: OwnRequests;
  readonly recorder: Recorder;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
  readonly stderr: Stderr;
  readonly rotation: Pick<Rotation, 'active' | 'check'>;
  /** Writes what there is, and reads on. */
  readonly settle: () => void;
}

/** How often again as long as `lastOutput` a host may take that does not even read what came before. */
const PATIENCE = 20;

const FAULT: Refusal = {
  code: 'internal',
  text: 'a fault in Warder ended the session; whether the server has done anything is not known',
  hint: 'the log of the daemon says why: "warder doctor" names the file',
};
const UNREAD: Refusal = { code: 'lost', text: 'the session was ended before the message was read' };

export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #done = Promise.withResolvers<Ended>();
  /** Why the session is ending. */
  #reason: Reason | undefined;
  /** The host sends no more; and all that it has sent is read, so that what is open is waited for until `#closing`. */
  #hostClosed = false;
  #inputEnded = false;
  #closing: NodeJS.Timeout | undefined;
  #isOver = false;
  #lastOutput: NodeJS.Timeout | undefined;
  /** A server that has ended, and whose last output is waited for no longer. */
  #silent: Upstream | undefined;
  /** The server has ended, and a message of it is still looked through. */
  #isHeld = false;

  constructor(options: ShutdownOptions) {
    this.#options = options;
  }

  /** Settles when both sides are done with; never rejects. */
  get done(): Promise<Ended> {
    return this.#done.promise;
  }

  /** Nothing more is read or written. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nothing new is begun. */
  get isEnding(): boolean {
    return this.#reason !== undefined || this.#inputEnded;
  }

  /** Nothing that is open is waited for any more. */
  get isLeaving(): boolean {
    return this.#reason !== undefined;
  }

  /** Something has changed that the end may be waiting for. */
  check(): void {
    const { hostInbox, serverInbox, calls, current } = this.#options;
    if (this.#hostClosed && !this.#inputEnded && hostInbox.isIdle) this.#endInput();
    if (this.#inputEnded && calls.unanswered === 0) this.leave('host');
    if (!this.#isHeld || !serverInbox.isIdle) return;
    this.#isHeld = false;
    this.serverEnded(current.upstream);
  }

  /** The host asks no more, but may still read. */
  hostClosed(): void {
    this.#hostClosed = true;
    this.#options.settle();
  }

  /** What is open is waited for, up to a limit. */
  #endInput(): void {
    const { fromHost, questions, guard, budgets, settle } = this.#options;
    if (this.#reason !== undefined) return;
    this.#inputEnded = true;
    fromHost.release('rotation');
    questions.endInput();
    this.#closing = setTimeout(() => guard.run(() => this.leave('host')), budgets.close);
    settle();
  }

  /** The session begins to end. What waits goes to the server that is there, then the end of its input. */
  leave(reason: Reason): void {
    const { fromHost, current, settle } = this.#options;
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    clearTimeout(this.#closing);
    fromHost.withdrawConsent();
    fromHost.releaseAll();
    this.#leaveUnread(UNREAD);
    settle();
    const { upstream } = current;
    upstream.close();
    void upstream.stop();
  }

  /** A server that sends no more has no more to do. */
  serverClosed(from: Upstream): void {
    if (from.ending !== undefined) this.serverEnded(from);
    else if (this.#reason === undefined) void from.stop();
  }

  /** The server has ended; its last output may still be on its way, or wait for the host to read on. */
  serverEnded(from: Upstream): void {
    const { current, serverInbox, toHost, guard, budgets } = this.#options;
    if (from !== current.upstream || from.ending === undefined || this.#isOver) return;
    if (from.closed || this.#silent === from) {
      this.#isHeld = this.#reason === undefined && !serverInbox.isIdle;
      if (!this.#isHeld) this.#serverGone(from, from.ending);
      return;
    }
    let patience = PATIENCE;
    this.#lastOutput ??= setInterval(
      () =>
        guard.run(() => {
          if (toHost.full && --patience > 0) return;
          this.#silent = from;
          this.serverEnded(from);
        }),
      budgets.lastOutput,
    );
  }

  /** The server is gone. A rotation under way may bring another; else the session is over. */
  #serverGone(from: Upstream, ending: Ending): void {
    const { ownRequests, stderr, rotation, fromHost, calls, waiting, settle } = this.#options;
    clearInterval(this.#lastOutput);
    this.#lastOutput = undefined;
    ownRequests.abandon(from);
    stderr.end(from);
    const reason = this.#reason ?? (this.#inputEnded ? 'host' : 'server');
    const goesOn = rotation.active && reason === 'server';
    if (!goesOn) fromHost.releaseAll();
    // A host that has left knows that its subscriptions have ended.
    const listening = reason !== 'host' && !goesOn;
    const text =
      reason === 'stopped'
        ? 'the session was ended before the server answered'
        : `the server ended (${inWords(ending)}) before it answered`;
    const refusal: Refusal = {
      code: 'lost',
      text,
      stderr: reason === 'server' ? stderr.lastWords(from) : undefined,
    };
    for (const call of calls.open(listening)) call.fail('lost', refusal);
    if (goesOn) {
      waiting.open('rotation');
      settle();
      return;
    }
    fromHost.refuseWaiting(refusal);
    this.#leaveUnread(refusal);
    this.#close(ending, reason);
  }

  /** The session is over. */
  #close(ending: Ending, reason: Reason): void {
    const { fromHost, questions, toHost, host, recorder, anomalies, serverInbox } = this.#options;
    if (this.#isOver) return;
    this.#reason = reason;
    clearTimeout(this.#closing);
    serverInbox.clear();
    questions.close();
    fromHost.close();
    toHost.finish();
    host.close();
    this.#isOver = true;
    recorder.closed(ending, reason);
    anomalies.close();
    this.#done.resolve({ ending, reason });
  }

  /** Ends the session by a fault in it. Each step stands by itself: the fault may be in any of them. */
  fault(): void {
    const { current, fromHost, calls, toHost, host, rotation, recorder, anomalies } = this.#options;
    this.#reason ??= 'fault';
    const { upstream } = current;
    clearInterval(this.#lastOutput);
    clearTimeout(this.#closing);
    this.#attempt(() => fromHost.refuseWaiting(FAULT));
    for (const call of calls.all()) this.#attempt(() => call.fail('lost', FAULT));
    this.#attempt(() => this.#leaveUnread(FAULT));
    this.#attempt(() => toHost.finish());
    this.#attempt(() => host.close());
    this.#isOver = true;
    this.#attempt(() => rotation.check());
    void upstream.stop().then((ending) => {
      this.#attempt(() => recorder.closed(ending, 'fault'));
      this.#attempt(() => anomalies.close());
      this.#done.resolve({ ending, reason: 'fault' });
    });
  }

  #attempt(step: () => void): void {
    const { log, id } = this.#options;
    try {
      step();
    } catch (error) {
      log.error({ session: id, error: String(error) }, 'a fault while a session was ended');
    }
  }

  /** Lines of the host that are still looked through, or wait behind one. */
  #leaveUnread(refusal: Refusal): void {
    const { hostInbox, fromHost } = this.#options;
    for (const line of hostInbox.clear()) fromHost.leaveUnread(line, refusal);
  }
}

function inWords({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : signal;
}

// One host and its server. A session joins the two: it stops reading from one side while the other does not keep
// up, ends when either side does, and can give the host another server without the host noticing. A fault in it
// ends it, and no other: see guard.ts.
import type { AuditLog } from '../audit/log.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Ending } from '../os/spawn.ts';
import type { Profile, ProfilePolicy } from '../profile/format.ts';
import { Anomalies } from './anomalies.ts';
import { BUDGETS, type Budgets } from './budgets.ts';
import { Calls } from './calls.ts';
import { Current, type Redaction } from './current.ts';
import type { HostEnd, ServerEnd } from './endpoint.ts';
import type { Refusal } from './error-response.ts';
import { FromHost } from './from-host.ts';
import { FromServer } from './from-server.ts';
import { Guard } from './guard.ts';
import { counter } from './ids.ts';
import { LineSplitter } from './json/lines.ts';
import { Outbox } from './outbox.ts';
import { OwnRequests } from './own-requests.ts';
import { Questions } from './questions.ts';
import { Recorder } from './recorder.ts';
import { Replay } from './replay.ts';
import { type NewServer, type Rotated, Rotation } from './rotation.ts';
import { ServerRequests } from './server-requests.ts';
import { Stderr } from './stderr.ts';
import { StdioUpstream } from './stdio-upstream.ts';
import { Tasks } from './tasks.ts';
import { ToolList } from './tool-list.ts';
import type { Upstream, UpstreamListener } from './upstream.ts';
import { WaitingRoom } from './waiting-room.ts';

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
  /** Those not set are as in `BUDGETS`. */
  readonly budgets: Partial<Budgets>;
}

/** Why a session ended: which side closed, that it was stopped, or a fault in Warder. */
export type Reason = 'host' | 'server' | 'stopped' | 'fault';

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
  /** The longest time for which the session has held the event loop, in milliseconds. */
  readonly loop: number;
}

/** How often again as long as `lastOutput` a host may take that does not even read what came before. */
const PATIENCE = 20;

const FAULT: Refusal = {
  code: 'internal',
  text: 'a fault in Warder ended the session; whether the server has done anything is not known',
  hint: 'the log of the daemon says why: "warder doctor" names the file',
};

/** A session. It flows from when it is made. */
export class Session {
  readonly #options: SessionOptions;
  readonly #budgets: Budgets;
  readonly #guard: Guard;
  readonly #anomalies: Anomalies;
  readonly #serverRequests: ServerRequests;
  readonly #recorder: Recorder;
  readonly #toHost: Outbox;
  readonly #current: Current;
  readonly #calls: Calls;
  readonly #ownRequests: OwnRequests;
  readonly #waiting = new WaitingRoom();
  readonly #fromHost: FromHost;
  readonly #fromServer: FromServer;
  readonly #rotation: Rotation;
  readonly #tools: ToolList;
  readonly #done = Promise.withResolvers<Ended>();
  readonly #stderr: Stderr;
  readonly #questions: Questions;
  #hostPaused = false;
  /** Why the session is ending. */
  #reason: Reason | undefined;
  /** The host has ended its input; what is open is waited for until `#closing`. */
  #inputEnded = false;
  #closing: NodeJS.Timeout | undefined;
  #over = false;
  #lastOutput: NodeJS.Timeout | undefined;
  /** A server that has ended, and whose last output is waited for no longer. */
  #silent: Upstream | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { id, profile, policy, host, server, audit, auditSettings, redactor, clock, log } = options;
    const budgets = { ...BUDGETS, ...options.budgets };
    this.#budgets = budgets;
    this.#guard = new Guard({ session: id, profile, clock, log, onFault: () => this.#fault() });
    this.#anomalies = new Anomalies(log, id);
    this.#recorder = new Recorder({ id, profile, audit, settings: auditSettings, log });
    this.#toHost = new Outbox(host, () => this.#guard.run(() => this.#settle()));
    this.#serverRequests = new ServerRequests({ recorder: this.#recorder, clock });
    const nextId = counter();
    const replay = new Replay();
    const upstreamOf = (end: ServerEnd): Upstream => new StdioUpstream(end, budgets.line, this.#guard);
    const upstream = upstreamOf(server);
    this.#current = new Current(upstream, policy, redactor);
    this.#calls = new Calls({
      recorder: this.#recorder,
      turn: this.#guard,
      toHost: this.#toHost,
      nextId,
      late: budgets.late,
    });
    this.#ownRequests = new OwnRequests(nextId, budgets.result);
    const resume = (turn: () => void): void =>
      this.#guard.run(() => {
        if (this.#over) return;
        turn();
        this.#settle();
      });
    this.#tools = new ToolList({
      budgets,
      current: this.#current,
      replay,
      ownRequests: this.#ownRequests,
      resume,
      onFault: (error) => this.#guard.fail(error),
    });
    this.#stderr = new Stderr({ host, toHost: this.#toHost, current: this.#current });
    this.#questions = new Questions({
      profile,
      budgets,
      current: this.#current,
      serverRequests: this.#serverRequests,
      recorder: this.#recorder,
      toHost: this.#toHost,
      anomalies: this.#anomalies,
      clock,
    });
    const shared = {
      questions: this.#questions,
      budgets,
      current: this.#current,
      calls: this.#calls,
      serverRequests: this.#serverRequests,
      ownRequests: this.#ownRequests,
      replay,
      waiting: this.#waiting,
      recorder: this.#recorder,
      toHost: this.#toHost,
      anomalies: this.#anomalies,
      tasks: new Tasks(),
      resume,
      tools: this.#tools,
      profile,
      clock,
    };
    this.#fromHost = new FromHost(shared);
    this.#fromServer = new FromServer(shared);
    this.#rotation = new Rotation({
      id,
      log,
      nextId,
      upstreamOf,
      ...shared,
      fromHost: this.#fromHost,
      fromServer: this.#fromServer,
      adopt: (next) => next.listen(this.#listener(next)),
      retired: (old) => this.#retired(old),
      isEnding: () => this.#reason !== undefined || this.#inputEnded,
      settle: () => this.#settle(),
      onOver: () => this.#serverEnded(this.#current.upstream),
      guard: (turn) => this.#guard.run(turn),
      onFault: (error) => this.#guard.fail(error),
    });
    upstream.listen(this.#listener(upstream));
    const lines = new LineSplitter(this.#fromHost, budgets.line);
    host.listen({
      data: (chunk) =>
        this.#guard.run(() => {
          if (this.#over) return;
          lines.push(chunk);
          this.#settle();
        }),
      end: () =>
        this.#guard.run(() => {
          if (this.#over) return;
          lines.end();
          this.#endInput();
        }),
    });
    const { gone } = host;
    const leave = (): void =>
      this.#guard.run(() => this.#leave(gone.reason instanceof WarderError ? 'stopped' : 'host'));
    if (gone.aborted) leave();
    else gone.addEventListener('abort', leave, { once: true });
  }

  /** Settles when both sides are done with; never rejects. */
  get done(): Promise<Ended> {
    return this.#done.promise;
  }

  /** Ends the session, the server first. */
  stop(): Promise<Ended> {
    this.#guard.run(() => this.#leave('stopped'));
    return this.done;
  }

  /** What the session is like now. */
  snapshot(): Snapshot {
    return {
      id: this.#options.id,
      profile: this.#options.profile,
      pid: this.#current.upstream.process?.pid,
      calls: this.#recorder.calls,
      inflight: this.#calls.size,
      rotating: this.#rotation.active,
      loop: Math.round(this.#guard.longest),
    };
  }

  /** The recorded requests that wait for their answer, by their numbers in the audit log. */
  calls(): string[] {
    return this.#calls.names();
  }

  /** From the next request on another policy decides. The host is told that its list of tools may be another. */
  set policy(policy: ProfilePolicy) {
    this.#guard.run(() => {
      if (this.#over) return;
      this.#current.policy = policy;
      this.#fromServer.announceTools();
      this.#settle();
    });
  }

  /** From now on other values are taken out of what passes. */
  redact(redactor: Redaction): void {
    this.#current.redactor = redactor;
  }

  /**
   * Gives the session a server with new credentials, which `start` starts; the host goes on as if nothing had
   * happened. While a rotation is under way, another waits for it, and takes the place of one that waits already.
   * Never rejects.
   */
  rotate(start: () => Promise<NewServer>): Promise<Rotated> {
    return this.#rotation.rotate(start);
  }

  /** Owns the server that has the session. */
  #listener(from: Upstream): UpstreamListener {
    return {
      message: (bytes, start, end) => {
        if (!this.#over) this.#fromServer.message(bytes, start, end);
      },
      oversize: (line) => this.#fromServer.oversize(line),
      stderr: (chunk) => this.#passStderr(from, chunk),
      settle: () => this.#settle(),
      drained: () => this.#settle(),
      closed: () => this.#serverClosed(from),
      ended: () => this.#serverEnded(from),
    };
  }

  /** Owns a server that had the session, or did not get it: only its standard error passes. */
  #retired(from: Upstream): UpstreamListener {
    return {
      message: () => {},
      oversize: () => {},
      stderr: (chunk) => this.#passStderr(from, chunk),
      settle: () => {},
      drained: () => {},
      closed: () => {},
      ended: () => {
        this.#ownRequests.abandon(from);
        this.#endStderr(from);
      },
    };
  }

  /** Something has come and is through: write what it gave rise to, and read on where that is in order. */
  #settle(): void {
    this.#current.settle();
    this.#toHost.flush();
    this.#current.upstream.flush();
    this.#steer();
    this.#rotation.check();
    if (this.#inputEnded && this.#calls.unanswered === 0) this.#leave('host');
  }

  #steer(): void {
    const { upstream } = this.#current;
    const { host } = this.#options;
    upstream.pause(this.#toHost.full || upstream.crowded || this.#tools.isReading);
    const paused = upstream.full || this.#toHost.crowded || this.#waiting.bytes > this.#budgets.waiting;
    if (paused === this.#hostPaused) return;
    this.#hostPaused = paused;
    if (paused) host.pause();
    else host.resume();
  }

  #passStderr(from: Upstream, chunk: Buffer): void {
    if (this.#over) return;
    this.#stderr.pass(from, chunk);
    this.#steer();
  }

  #endStderr(from: Upstream): void {
    if (this.#over) return;
    this.#stderr.end(from);
    this.#steer();
  }

  /** The host asks no more, but may still read: what is open is waited for, up to a limit. */
  #endInput(): void {
    if (this.#reason !== undefined) return;
    this.#inputEnded = true;
    this.#fromHost.release('rotation');
    this.#questions.endInput();
    this.#closing = setTimeout(() => this.#guard.run(() => this.#leave('host')), this.#budgets.close);
    this.#settle();
  }

  /** The session begins to end. What waits goes to the server that is there, then the end of its input. */
  #leave(reason: Reason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    clearTimeout(this.#closing);
    this.#fromHost.releaseAll();
    this.#settle();
    const { upstream } = this.#current;
    upstream.close();
    void upstream.stop();
  }

  /** A server that sends no more has no more to do. */
  #serverClosed(from: Upstream): void {
    if (from.ending !== undefined) this.#serverEnded(from);
    else if (this.#reason === undefined) void from.stop();
  }

  /** The server has ended; its last output may still be on its way, or wait for the host to read on. */
  #serverEnded(from: Upstream): void {
    if (from !== this.#current.upstream || from.ending === undefined || this.#over) return;
    if (from.closed || this.#silent === from) {
      this.#serverGone(from, from.ending);
      return;
    }
    let patience = PATIENCE;
    this.#lastOutput ??= setInterval(
      () =>
        this.#guard.run(() => {
          if (this.#toHost.full && --patience > 0) return;
          this.#silent = from;
          this.#serverEnded(from);
        }),
      this.#budgets.lastOutput,
    );
  }

  /** The server is gone. A rotation under way may bring another; else the session is over. */
  #serverGone(from: Upstream, ending: Ending): void {
    clearInterval(this.#lastOutput);
    this.#lastOutput = undefined;
    this.#ownRequests.abandon(from);
    this.#endStderr(from);
    const reason = this.#reason ?? (this.#inputEnded ? 'host' : 'server');
    const goesOn = this.#rotation.active && reason === 'server';
    if (!goesOn) this.#fromHost.releaseAll();
    // A host that has left knows that its subscriptions have ended.
    const listening = reason !== 'host' && !goesOn;
    const text =
      reason === 'stopped'
        ? 'the session was ended before the server answered'
        : `the server ended (${inWords(ending)}) before it answered`;
    const stderr = reason === 'server' ? this.#stderr.lastWords(from) : undefined;
    for (const call of this.#calls.open(listening)) call.fail('lost', { code: 'lost', text, stderr });
    if (goesOn) {
      this.#waiting.open('rotation');
      this.#settle();
      return;
    }
    this.#close(ending, reason);
  }

  /** The session is over. */
  #close(ending: Ending, reason: Reason): void {
    if (this.#over) return;
    this.#reason = reason;
    clearTimeout(this.#closing);
    this.#questions.close();
    this.#toHost.flush();
    this.#options.host.close();
    this.#over = true;
    this.#recorder.closed(ending, reason);
    this.#anomalies.close();
    this.#done.resolve({ ending, reason });
  }

  /** Ends the session by a fault in it. Each step stands by itself: the fault may be in any of them. */
  #fault(): void {
    this.#reason ??= 'fault';
    const { upstream } = this.#current;
    const attempt = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        this.#options.log.error(
          { session: this.#options.id, error: String(error) },
          'a fault while a session was ended',
        );
      }
    };
    clearInterval(this.#lastOutput);
    clearTimeout(this.#closing);
    attempt(() => this.#fromHost.refuseWaiting(FAULT));
    for (const call of this.#calls.all()) attempt(() => call.fail('lost', FAULT));
    attempt(() => this.#toHost.flush());
    attempt(() => this.#options.host.close());
    this.#over = true;
    attempt(() => this.#rotation.check());
    void upstream.stop().then((ending) => {
      attempt(() => this.#recorder.closed(ending, 'fault'));
      attempt(() => this.#anomalies.close());
      this.#done.resolve({ ending, reason: 'fault' });
    });
  }
}

function inWords({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : signal;
}

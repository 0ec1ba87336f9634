// One host and its server. A session joins the two: it stops reading from one side while the other does not keep
// up, ends when either side does, and can give the host another server without the host noticing. A fault in it
// ends it, and no other: see guard.ts.
import type { ProfilePolicy } from '../profile/format.ts';
import { Anomalies } from './anomalies.ts';
import { BUDGETS } from './budgets.ts';
import type { Call } from './call.ts';
import { Calls } from './calls.ts';
import { BegunCalls } from './consent/begun-calls.ts';
import type { FormDialog } from './consent/form-dialog.ts';
import type { HostDialog } from './consent.ts';
import type { Refusal } from './error-response.ts';
import { BackPressure } from './flow/back-pressure.ts';
import { openInboxes } from './flow/inboxes.ts';
import { Intake } from './flow/intake.ts';
import { MessageTurns } from './flow/message-turns.ts';
import { type Commit, Outbox } from './flow/outbox.ts';
import { Slices } from './flow/slices.ts';
import { Stderr } from './flow/stderr.ts';
import { WaitingRoom } from './flow/waiting-room.ts';
import { Guard } from './guard.ts';
import { FromHost } from './host/from-host.ts';
import { listenToHost } from './host/host-input.ts';
import { counter } from './ids.ts';
import { AnswerBook } from './lists/answer-book.ts';
import { ServerLists } from './lists/server-lists.ts';
import { Recorder } from './recorder.ts';
import { FromServer } from './server/from-server.ts';
import { ServerInputs } from './server/server-inputs.ts';
import { ServerRequests } from './server/server-requests.ts';
import { openQuestions } from './server/session-questions.ts';
import { Tasks } from './server/tasks.ts';
import type { SessionOptions, Snapshot } from './session-options.ts';
import { type Ended, Shutdown } from './shutdown.ts';
import { CheckedAnswers } from './trust/checked-answers.ts';
import { FirstUse } from './trust/first-use.ts';
import { TrustGate } from './trust/trust-gate.ts';
import { Current, type Redaction } from './upstream/current.ts';
import { idleEndOf } from './upstream/idle-session.ts';
import { LateStart } from './upstream/late-start.ts';
import { OwnRequests } from './upstream/own-requests.ts';
import { Replay } from './upstream/replay.ts';
import { type NewServer, type Rotated, Rotation } from './upstream/rotation.ts';
import { UpstreamListeners } from './upstream/upstream-listeners.ts';
import { UpstreamWaits } from './upstream/upstream-waits.ts';
import type { SessionServer, Upstream } from './upstream.ts';

/** Of a request that was made again too late. */
const GONE: Refusal = {
  code: 'lost',
  text: 'what the server has answered is not there any more',
};

/** A session. It flows from when it is made. */
export class Session {
  readonly #options: SessionOptions;
  readonly #guard: Guard;
  readonly #recorder: Recorder;
  readonly #toHost: Outbox;
  readonly #current: Current;
  readonly #calls: Calls;
  readonly #fromHost: FromHost;
  readonly #fromServer: FromServer;
  readonly #backPressure: BackPressure;
  readonly #listeners: UpstreamListeners;
  readonly #rotation: Rotation;
  readonly #lists: ServerLists;
  readonly #forms: FormDialog;
  readonly #shutdown: Shutdown;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { id, profile, policy, host, server, audit, auditSettings, redactor, clock, log, neighbours } =
      options;
    const budgets = { ...BUDGETS, ...options.budgets };
    this.#guard = new Guard({
      session: id,
      profile,
      clock,
      log,
      neighbours,
      onFault: () => this.#shutdown.fault(),
    });
    const anomalies = new Anomalies(log, id);
    this.#recorder = new Recorder({
      id,
      profile,
      audit,
      settings: auditSettings,
      log,
      resume: (turn) =>
        this.#guard.run(() => {
          turn();
          if (!this.#shutdown.isOver) this.#settle();
        }),
      isAlone: () => neighbours.isAlone(this.#guard, this.#guard.began),
    });
    const commit: Commit = (later) => this.#recorder.commit(later);
    this.#toHost = new Outbox(host, commit, () => this.#guard.run(() => this.#settle()));
    const serverRequests = new ServerRequests({ recorder: this.#recorder, clock });
    const nextId = counter();
    const replay = new Replay();
    const upstreamOf = (opened: SessionServer): Upstream =>
      opened.open({ guard: this.#guard, line: budgets.line, commit });
    const late = 'open' in server ? undefined : server;
    const lateStart = new LateStart(() => ({
      rotation: this.#rotation,
      current: this.#current,
      lists: this.#lists,
      announce: (differ) => this.#guard.run(() => this.#fromServer.announce(differ)),
      started: () => idleEnd?.started(),
    }));
    const upstream = upstreamOf('open' in server ? server : lateStart.recorded(server));
    this.#current = new Current(upstream, policy, redactor);
    const kept = options.answers;
    const book =
      kept && new AnswerBook({ ...kept, current: this.#current, replay, known: late?.answers(late.host) });
    this.#calls = new Calls({
      recorder: this.#recorder,
      turn: this.#guard,
      toHost: this.#toHost,
      nextId,
      late: budgets.late,
    });
    const ownRequests = new OwnRequests(nextId, budgets.result);
    const resume = (turn: () => void): void =>
      this.#guard.run(() => {
        if (this.#shutdown.isOver) return;
        turn();
        this.#settle();
      });
    const slices = new Slices({
      clock,
      budgets,
      isAlone: (now) => neighbours.isAlone(this.#guard, now),
      resume,
    });
    const turns = new MessageTurns({ clock, neighbours, session: this.#guard, resume });
    const intake = new Intake({ budgets, slices, resume, onBulk: options.onBulk ?? (() => {}) });
    const { trust } = options;
    const onFault = (error: unknown): void => this.#guard.fail(error);
    this.#lists = new ServerLists({
      budgets,
      current: this.#current,
      replay,
      ownRequests,
      trust,
      book,
      slices,
      onFault,
    });
    const tasks = new Tasks();
    const gate = new TrustGate({ profile, trust, lists: this.#lists, tasks, replay });
    const stderr = new Stderr({ host, toHost: this.#toHost, current: this.#current });
    const { consent } = options;
    const { forms, asks, formRate, questions } = openQuestions({
      replay,
      serverRequests,
      consent,
      budgets,
      profile,
      current: this.#current,
      recorder: this.#recorder,
      toHost: this.#toHost,
      anomalies,
      clock,
      resume,
    });
    this.#forms = forms;
    const shared = {
      questions,
      budgets,
      current: this.#current,
      calls: this.#calls,
      serverRequests,
      ownRequests,
      replay,
      waiting: new WaitingRoom(),
      recorder: this.#recorder,
      toHost: this.#toHost,
      anomalies,
      tasks,
      resume,
      forms,
      begun: new BegunCalls(clock),
      lists: this.#lists,
      consent,
      trust,
      gate,
      profile,
      clock,
    };
    const adopted = (call: Call, answer: Buffer | 'lost' | undefined): void => {
      if (answer === 'lost') call.fail('lost', GONE);
      else if (answer !== undefined) this.#fromServer.message(answer, 0, answer.length);
    };
    const answers = new CheckedAnswers({ ...shared, book });
    this.#fromHost = new FromHost({
      ...shared,
      adopted,
      firstUse: new FirstUse({ ...shared, answers, onFault }),
    });
    this.#fromServer = new FromServer({
      ...shared,
      answers,
      inputs: new ServerInputs({ ...shared, consent: asks, formRate }),
    });
    const { hostInbox, serverInbox } = openInboxes({
      ...shared,
      slices,
      turns,
      digests: options.digests,
      fromHost: this.#fromHost,
      fromServer: this.#fromServer,
    });
    this.#rotation = new Rotation({
      id,
      log,
      nextId,
      upstreamOf,
      ...shared,
      fromHost: this.#fromHost,
      fromServer: this.#fromServer,
      isRead: () => serverInbox.isIdle,
      adopt: (next) => {
        // What the old server sent last is for nobody.
        serverInbox.clear();
        next.listen(this.#listeners.owner(next));
      },
      retired: (old) => this.#listeners.retired(old),
      answers,
      isEnding: () => this.#shutdown.isEnding,
      isLeaving: () => this.#shutdown.isLeaving,
      settle: () => this.#settle(),
      onOver: () => this.#shutdown.serverEnded(this.#current.upstream),
      guard: (turn) => this.#guard.run(turn),
      onFault,
    });
    this.#shutdown = new Shutdown({
      ...shared,
      id,
      log,
      host,
      guard: this.#guard,
      fromHost: this.#fromHost,
      hostInbox,
      serverInbox,
      stderr,
      rotation: this.#rotation,
      settle: () => this.#settle(),
    });
    this.#backPressure = new BackPressure({
      ...shared,
      host,
      intake,
      hostInbox,
      serverInbox,
    });
    this.#listeners = new UpstreamListeners({
      shutdown: this.#shutdown,
      serverInbox,
      intake,
      stderr,
      ownRequests,
      waits: new UpstreamWaits(shared),
      answers,
      settle: () => this.#settle(),
      steer: () => this.#backPressure.steer(),
    });
    const idleEnd = idleEndOf({
      ...shared,
      idle: options.idle,
      shutdown: this.#shutdown,
      rotation: this.#rotation,
      guard: this.#guard,
      recorded: (next) => lateStart.recorded(next),
    });
    void this.done.then(() => idleEnd?.close());
    trust.onChange(() => this.#trustChanged());
    upstream.listen(this.#listeners.owner(upstream));
    listenToHost({
      host,
      guard: this.#guard,
      shutdown: this.#shutdown,
      inbox: hostInbox,
      intake,
      limit: budgets.line,
      settle: () => this.#settle(),
    });
  }

  /** Settles when both sides are done with; never rejects. */
  get done(): Promise<Ended> {
    return this.#shutdown.done;
  }

  /** Ends the session, the server first. */
  stop(): Promise<Ended> {
    this.#guard.run(() => this.#shutdown.leave('stopped'));
    return this.done;
  }

  /** When its last turn began, in milliseconds of the monotonic clock. */
  get turnAt(): number {
    return this.#guard.began;
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

  /** The number in the audit log of the request that the server has by an id. */
  callOf(id: number): string | undefined {
    return this.#calls.sent(id)?.name;
  }

  /** The dialog of the host, while it has one; from 2026-07-28 for the request that the server has by an id. */
  dialogFor(id: number | undefined): HostDialog | undefined {
    if (this.#forms.isOffered) return this.#forms;
    const call = this.#calls.sent(id);
    return call === undefined ? undefined : this.#fromHost.dialogOf(call);
  }

  /** Whether the server has had a request that acts: before that, nobody is to be asked anything. */
  get hasActed(): boolean {
    return this.#calls.hasActed;
  }

  /** From the next request on another policy decides. The host is told that its list of tools may be another. */
  set policy(policy: ProfilePolicy) {
    this.#guard.run(() => {
      if (this.#shutdown.isOver) return;
      this.#current.policy = policy;
      this.#fromServer.announce([this.#lists.tools]);
      this.#settle();
    });
  }

  /** What is held back may be other than before: then the host is told which lists are others. */
  #trustChanged(): void {
    this.#guard.run(() => {
      if (this.#shutdown.isOver) return;
      this.#fromServer.announce(this.#lists.judgedAnew);
      this.#settle();
    });
  }

  /** Whether a server is about to take the session over. */
  get isStarting(): boolean {
    return this.#rotation.active;
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

  /** Something has come and is through: write what it gave rise to, and read on where that is in order. */
  #settle(): void {
    this.#current.settle();
    this.#toHost.flush();
    this.#current.upstream.flush();
    this.#backPressure.steer();
    this.#rotation.check();
    this.#shutdown.check();
  }
}

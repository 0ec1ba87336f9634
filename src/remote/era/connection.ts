// A host of one era and its remote server, through all that may come between: nobody has signed in yet, a lost session, a
// token that was revoked. While no request may go to the server, the host is answered from what is known of it
// (`offline/introduction.ts`), and what acts waits for a person to sign in (`offline/sign-in-wait.ts`). A server that is opened
// anew is told what the host has told the one before (`replay.ts`), and the host what may have changed.

import { WarderError } from '../../errors.ts';
import { memberIn, whole } from '../../json/read.ts';
import type { HostDialog } from '../../relay/consent.ts';
import type { OfflineRecord } from '../../relay/offline-record.ts';
import { SIGN_IN_TOOL } from '../../wire/sign-in-tool.ts';
import { isAnsweredOffline } from '../offline/answers.ts';
import { Introduction } from '../offline/introduction.ts';
import { signInResult } from '../offline/sign-in-tool.ts';
import { SignInWait } from '../offline/sign-in-wait.ts';
import type { PipeParts, RemoteMessage } from '../pipe.ts';
import { ArbitratedPipe, type PipeOpeners, type Verdicts } from './arbitration.ts';
import { Backoff } from './backoff.ts';
import { ownIdOf } from './ids.ts';
import { type Incoming, incoming, result } from './messages.ts';
import { textOf } from './objects.ts';
import type { OwnAnswer } from './own-requests.ts';
import { LOST, problemIn, refusalBy, UNOPENED, versionProblem } from './problems.ts';
import { Promises } from './promises.ts';
import { CALL, CANCELLED, type Era, INITIALIZE } from './protocol.ts';
import { Replay } from './replay.ts';

export interface ConnectionOwner {
  message(json: Buffer): void;
  drained(): void;
  waiting(id: number, text: string | undefined): void;
  /** The result of a handshake that the host was not given, because it began offline. */
  introduced(result: Buffer): void;
  /** Runs what a promise or a timer leads to. */
  run(turn: () => void): void;
}

export interface ConnectionParts {
  readonly era: Era;
  /** The profile's name. */
  readonly profile: string;
  readonly pipe: Omit<PipeParts, 'listener'>;
  readonly openers: PipeOpeners;
  readonly offline: OfflineRecord | undefined;
  readonly verdicts: Verdicts;
  readonly nextId: () => number;
  readonly owner: ConnectionOwner;
}

export class Connection {
  readonly #parts: ConnectionParts;
  readonly #host: string;
  readonly #promises: Promises;
  readonly #introduction: Introduction;
  readonly #replay: Replay;
  #pipe: ArbitratedPipe | undefined;
  #paused = false;
  /** Requests that the server has, and that can be answered without it. */
  readonly #tracked = new Map<number, RemoteMessage>();
  readonly #waiting: SignInWait;
  /** A person has signed in for those who wait now. */
  #hasSignedIn = false;
  #since = 0;
  readonly #backoff: Backoff;
  #isClosed = false;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    const { era, profile, offline, pipe, nextId, owner } = parts;
    this.#host = pipe.server.host;
    this.#backoff = new Backoff(() => pipe.clock.monotonic());
    this.#promises = new Promises(era);
    this.#introduction = new Introduction({
      era,
      profile,
      host: this.#host,
      record: offline,
      promises: this.#promises,
      tell: (message) => owner.message(message),
    });
    this.#replay = new Replay({
      era,
      promises: this.#promises,
      nextId,
      send: (message) => this.#pipe?.send(message),
    });
    this.#waiting = new SignInWait({
      authorizer: pipe.authorizer,
      waiting: (id, text) => owner.waiting(id, text),
      run: (turn) => owner.run(turn),
    });
  }

  get full(): boolean {
    return this.#pipe?.full === true || this.#waiting.bytes > this.#parts.pipe.budgets.waiting;
  }

  /** Whether the host may have been shown the tool by which to sign in. */
  get showsTool(): boolean {
    return this.#introduction.showsTool;
  }

  /** Whether a request that acts may go to the server. */
  get isReady(): boolean {
    return this.#isAuthorized && !this.#introduction.isProvisional;
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.#pipe?.pause(paused);
  }

  send(message: RemoteMessage): void {
    this.#promises.note(message);
    const { kind, id } = message;
    if (kind === 'request' && id !== undefined) this.#request(id, message);
    else if (message.method === CANCELLED) this.#cancel(message);
    else if (this.#pipe !== undefined && !this.#replay.isUnderWay) this.#pipe.send(message);
  }

  /** What may go to the server has changed. */
  authorizerChanged(): void {
    if (this.#isAuthorized && this.#introduction.hasMissed && !this.#waiting.isSigningIn) this.#greet();
  }

  /** Has the server ready to be asked; a person may have to sign in. Settles with why it is not; never rejects. */
  prepare(
    waits: (text: string) => void,
    signal: AbortSignal,
    dialog?: HostDialog,
  ): Promise<string | undefined> {
    const problem = this.#waiting.wait(waits, signal, dialog);
    if (!signal.aborted) this.#enter();
    return problem;
  }

  /** Aborts all that is under way. Returns how many connections that were. */
  cut(reason: string): number {
    const pipe = this.#pipe;
    this.#replay.stop();
    this.#lose();
    this.#settle(new WarderError('sign-in-needed', reason));
    pipe?.cut(reason);
    return pipe === undefined ? 0 : 1;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#backoff.cancel();
    this.#waiting.close();
    await this.#pipe?.close();
  }

  get #isAuthorized(): boolean {
    return this.#parts.pipe.authorizer.state === 'ready';
  }

  /** Whether the server has to be told what the host has told before, or the host what it has missed. */
  get #isToBeGreeted(): boolean {
    if (this.#introduction.hasMissed) return true;
    return (
      this.#pipe === undefined && this.#parts.era === 'session' && this.#promises.initialize !== undefined
    );
  }

  #request(id: number, message: RemoteMessage): void {
    const { method, name } = message;
    const isOffline = isAnsweredOffline(method);
    if (method === CALL && name === SIGN_IN_TOOL && this.showsTool) this.#signIn(id);
    else if (this.#replay.isUnderWay) this.#waiting.hold(message);
    else if (!this.#isAuthorized && this.#pipe?.isSettled !== true) {
      if (isOffline) this.#answerOffline(id, message);
      else {
        this.#waiting.hold(message);
        this.#enter();
      }
    } else if (this.#isAuthorized && this.#isToBeGreeted && method !== INITIALIZE) {
      this.#waiting.hold(message);
      this.#greet();
    } else this.#forward(id, message);
  }

  #forward(id: number, message: RemoteMessage): void {
    if (isAnsweredOffline(message.method)) this.#tracked.set(id, message);
    this.#pipe ??= this.#openPipe();
    this.#pipe.send(message);
  }

  #openPipe(): ArbitratedPipe {
    const { era, openers, pipe, verdicts, nextId, owner } = this.#parts;
    this.#since = pipe.clock.monotonic();
    const opened: ArbitratedPipe = new ArbitratedPipe({
      era,
      openers,
      pipe,
      verdicts,
      nextId,
      listener: {
        message: (line) => this.#receive(line),
        drained: () => owner.drained(),
        waiting: (id, text) => this.#tellWaiting(id, text),
        oversize: (id) => this.#unreadable(id),
        lost: (reason) => {
          if (this.#pipe === opened) this.#lost(reason);
        },
      },
    });
    if (this.#paused) opened.pause(true);
    return opened;
  }

  #receive(line: Buffer): void {
    const { owner } = this.#parts;
    if (this.#tracked.size === 0 && this.#replay.isIdle) {
      owner.message(line);
      return;
    }
    const message = incoming(line);
    const { kind, idStart, idEnd } = message.envelope;
    const id = kind === 'response' ? ownIdOf(line, idStart, idEnd) : undefined;
    if (this.#replay.takes(id, message)) return;
    const tracked = id === undefined ? undefined : this.#tracked.get(id);
    if (id === undefined || tracked === undefined) owner.message(line);
    else this.#answered(id, tracked, message);
  }

  /** The server has answered what could have been answered without it. */
  #answered(id: number, request: RemoteMessage, message: Incoming): void {
    const { method } = request;
    this.#tracked.delete(id);
    if (message.envelope.failed && !this.#isAuthorized) this.#answerOffline(id, request);
    else {
      this.#promises.ended(id);
      this.#introduction.answered(id, method, message);
    }
    if (method === INITIALIZE) this.#opened(request, message);
  }

  /** The server has answered the handshake of the host itself. */
  #opened(request: RemoteMessage, { json: line, envelope }: Incoming): void {
    if (envelope.failed) {
      this.#leaveUnopened();
      const problem = memberIn(line, whole(line), 'error');
      this.#settle(problem === undefined ? LOST : problemIn(textOf(line, problem), this.#isAuthorized));
      return;
    }
    this.#introduction.begun(request);
    this.#settle(undefined);
  }

  /** A session that was never opened is none: what is open on it is answered with errors. */
  #leaveUnopened(): void {
    const pipe = this.#pipe;
    if (this.#parts.era !== 'session' || pipe === undefined || pipe.isSettled) return;
    this.#pipe = undefined;
    pipe.cut(UNOPENED);
  }

  #answerOffline(id: number, message: RemoteMessage): void {
    this.#introduction.answer(id, message);
    this.#leaveUnopened();
  }

  /** Someone calls the tool by which to sign in. */
  #signIn(id: number): void {
    const { owner, era } = this.#parts;
    if (this.#isAuthorized && !this.#introduction.hasMissed && !this.#replay.isUnderWay) {
      owner.message(result(id, signInResult(era, this.#host, undefined)));
      return;
    }
    this.#waiting.addCall(id, (problem) => owner.message(result(id, signInResult(era, this.#host, problem))));
    this.#enter();
  }

  /** Has a person sign in, if that is needed, and the server opened. */
  #enter(): void {
    if (this.#isAuthorized) this.#open();
    else
      this.#waiting.signIn((outcome) => {
        if (this.#isClosed) return;
        this.#hasSignedIn = outcome === 'ready';
        if (outcome === 'ready') this.#open();
        else this.#settle(outcome);
      });
  }

  #open(): void {
    if (this.#replay.isUnderWay) return;
    if (this.#isToBeGreeted) this.#greet();
    else this.#settle(undefined);
  }

  /** Opens the server anew, and tells it what the host has told before. */
  #greet(): void {
    if (this.#replay.isUnderWay || this.#isClosed) return;
    this.#backoff.cancel();
    if (this.#parts.era === 'session' && this.#pipe !== undefined) {
      // Its own handshake may be under way: see `#opened`.
      if (!this.#pipe.isSettled) return;
      this.#introduction.announce();
      this.#settle(undefined);
      return;
    }
    this.#pipe ??= this.#openPipe();
    this.#replay.begin((answer) => {
      if (answer === undefined) this.#reopened();
      else this.#greeted(answer);
    });
  }

  #greeted(answer: OwnAnswer): void {
    const { owner, era } = this.#parts;
    const problem =
      'error' in answer ? problemIn(answer.error, this.#isAuthorized) : versionProblem(era, answer.result);
    if (problem !== undefined || 'error' in answer) {
      this.#replay.stop();
      if (era === 'session') this.#drop();
      // Only now is it known that the server wants a token: who waits for it has a person sign in, once.
      if (!this.#isAuthorized && !this.#hasSignedIn && this.#waiting.hasWaiters) this.#enter();
      else this.#settle(problem ?? LOST);
      return;
    }
    if (this.#introduction.isProvisional) owner.introduced(answer.result);
    this.#introduction.learnt();
    this.#reopened();
  }

  #reopened(): void {
    if (this.#pipe === undefined) {
      this.#replay.stop();
      return;
    }
    this.#replay.finish();
    if (this.#introduction.hasMissed) this.#introduction.announce();
    this.#settle(undefined);
  }

  /** The server can be asked, or cannot: whoever waits is told, and what is held goes on or is answered. */
  #settle(problem: WarderError | undefined): void {
    this.#hasSignedIn = false;
    const waiters = this.#waiting.takeWaiters();
    if (problem !== undefined) this.#failHeld(problem);
    else
      for (const message of this.#waiting.takeHeld())
        if (message.id !== undefined) this.#forward(message.id, message);
    for (const waiter of waiters) waiter.done(problem);
    this.#parts.owner.drained();
  }

  #failHeld(problem: WarderError): void {
    const { owner, era } = this.#parts;
    for (const message of this.#waiting.takeHeld()) {
      const { id, method } = message;
      if (id === undefined) continue;
      if (isAnsweredOffline(method) && !this.#isAuthorized) this.#answerOffline(id, message);
      else owner.message(refusalBy(problem, era, id, method));
    }
  }

  #cancel(message: RemoteMessage): void {
    const { json: line } = message;
    const { requestIdStart, requestIdEnd } = incoming(line).envelope;
    const id = ownIdOf(line, requestIdStart, requestIdEnd);
    if (id === undefined) return;
    this.#promises.ended(id);
    const tracked = this.#tracked.get(id);
    this.#tracked.delete(id);
    if (!this.#waiting.cancel(id)) this.#pipe?.send(message);
    if (tracked?.method === INITIALIZE) this.#leaveUnopened();
  }

  #tellWaiting(id: number, text: string | undefined): void {
    if (!this.#replay.has(id)) this.#parts.owner.waiting(id, text);
  }

  #unreadable(id: number | undefined): void {
    this.#parts.pipe.log.info({ id }, 'a message of the server is over the limit');
  }

  /** The server has ended the session. */
  #lost(reason: string): void {
    this.#parts.pipe.log.info({ reason }, 'a remote session is lost');
    this.#lose();
    this.#backoff.later(this.#since, () =>
      this.#parts.owner.run(() => {
        if (this.#isAuthorized && this.#isToBeGreeted) this.#greet();
      }),
    );
    if (!this.#replay.isUnderWay) return;
    this.#replay.stop();
    this.#settle(LOST);
  }

  /** There is no server any more: the next message opens one. */
  #lose(): void {
    this.#pipe = undefined;
    this.#introduction.missed();
    this.#replay.forget();
  }

  #drop(): void {
    const pipe = this.#pipe;
    this.#pipe = undefined;
    void pipe?.close();
  }
}

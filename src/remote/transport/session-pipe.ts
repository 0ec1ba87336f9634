// Streamable HTTP with sessions (2025-03-26 to 2025-11-25, "Transports"). Each message is a POST. The id of the session stays
// here: the host never sees it. Where the server has forgotten the session, a new one is opened with what the host has said.
import { setTimeout as delay } from 'node:timers/promises';
import { WarderError } from '../../errors.ts';
import type { Envelope } from '../../json/envelope.ts';
import { CANCELLED } from '../era/protocol.ts';
import type { HttpResponse } from '../http/client.ts';
import { badAnswer, lostAnswer } from '../http/problem.ts';
import type { Pipe, PipeParts, RemoteMessage } from '../pipe.ts';
import { Answers } from './answers.ts';
import { discard, isEventStream, mediaType } from './body.ts';
import { cancelledId } from './cancellation.ts';
import { deniesSessions } from './era-evidence.ts';
import { acts } from './exchange.ts';
import { errorCodeIn, failure, namesSession, refusalFor, statusProblem } from './failure.ts';
import { Flow } from './flow.ts';
import { followStream, StreamGone } from './follow-stream.ts';
import { Handshake, sessionIn, versionIn } from './handshake.ts';
import { type OpenRequest, OpenRequests } from './open-requests.ts';
import { renewedSession } from './renewed-session.ts';
import { exchangeInSession, noSession, type Session } from './session.ts';
import type { SseEvent } from './sse.ts';
import { StandingStream } from './standing-stream.ts';
import { END_TIME, NOTICE_TIME, REQUEST_TIME } from './times.ts';

const INITIALIZE = 'initialize';

/** Milliseconds after a cancellation during which a late answer is still taken. */
const CANCEL_TIME = 5000;
/** Before a cancellation, for the request that it is for to leave. */
const SEND_TIME = 1000;
const RESUME_FAILURES = 5;
/** Statuses of a stream that may be there later: the old one may not have ended for the server, or it is too much. */
const BUSY = new Set([409, 429]);
/** New sessions that a request waits for. */
const MAX_RENEWALS = 2;

export class SessionPipe implements Pipe {
  readonly #parts: PipeParts;
  readonly #requests: OpenRequests;
  readonly #answers: Answers;
  readonly #flow = new Flow();
  readonly #handshake = new Handshake();
  readonly #closing = new AbortController();
  #session = noSession();
  #isOpened = false;
  /** Settles when what came before has arrived: `initialize` has its answer, `notifications/initialized` is taken. */
  #gate: Promise<void> = Promise.resolve();
  readonly #standing: StandingStream;
  /** Notifications and answers of the host, one after the other. */
  #notices: Promise<void> = Promise.resolve();
  #renewal: Promise<boolean> | undefined;

  constructor(parts: PipeParts) {
    this.#parts = parts;
    this.#requests = new OpenRequests(parts);
    this.#answers = new Answers({
      parts,
      requests: this.#requests,
      flow: this.#flow,
      isShared: true,
      seen: (request, json, message) => this.#seen(request, json, message),
    });
    this.#standing = new StandingStream({
      parts,
      flow: this.#flow,
      closing: this.#closing.signal,
      listen: (session, signal, lastEventId) => this.#listen(session, signal, lastEventId),
      take: (event) => this.#take(event, undefined),
    });
  }

  get full(): boolean {
    return this.#requests.full;
  }

  pause(paused: boolean): void {
    this.#flow.pause(paused);
  }

  send(message: RemoteMessage): void {
    if (message.kind === 'request') {
      const request = this.#requests.open(message);
      if (request !== undefined) void this.#run(request);
      return;
    }
    if (this.#closing.signal.aborted) return;
    const left = this.#requests.hold(message.json.length);
    const before = this.#gate;
    const previous = this.#notices;
    this.#notices = (async () => {
      await Promise.all([before, previous]);
      await this.#notify(message).finally(left);
    })();
    if (message.method === 'notifications/initialized') this.#gate = this.#notices;
  }

  cut(reason: string): void {
    this.#closing.abort();
    this.#session.controller.abort();
    this.#requests.cut(new WarderError('remote-unreachable', reason));
    this.#flow.pause(false);
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#requests.clear();
    this.#flow.pause(false);
    const { id, controller } = this.#session;
    controller.abort();
    if (id === undefined) return;
    try {
      const { body } = await exchangeInSession(this.#parts, 'DELETE', this.#session, {
        signal: AbortSignal.timeout(END_TIME),
        headTime: END_TIME,
      });
      discard(body);
    } catch {
      // The server forgets it by itself.
    }
  }

  async #run(request: OpenRequest): Promise<void> {
    const opens = request.method === INITIALIZE;
    const before = this.#gate;
    const opened = Promise.withResolvers<void>();
    if (opens) this.#gate = opened.promise;
    try {
      await before;
      if (this.#closing.signal.aborted) throw new WarderError('remote-unreachable', 'the session has ended');
      if (acts(request.method)) await this.#standing.ready;
      if (opens) this.#session = noSession();
      const response = await this.#post(request);
      if (opens) this.#noteSession(response);
      await this.#read(response, request, true);
    } catch (error) {
      this.#requests.fail(request, error);
    } finally {
      opened.resolve();
    }
  }

  async #post(request: OpenRequest): Promise<HttpResponse> {
    for (let renewals = 0; ; renewals++) {
      const session = this.#session;
      const response = await exchangeInSession(this.#parts, 'POST', session, {
        message: request.message,
        signal: request.signal,
        headTime: REQUEST_TIME,
        onSent: () => request.onSent(),
      });
      const isForgotten =
        response.status === 404 && session.id !== undefined && request.method !== INITIALIZE;
      if (!isForgotten || renewals === MAX_RENEWALS) return response;
      response.body.destroy();
      if (!(await this.#renew(session))) throw badAnswer(this.#parts.server, 'has ended the session');
    }
  }

  /** Reads the response to a request until it is answered. `first`: it was not sent again because the session was unknown. */
  async #read(response: HttpResponse, request: OpenRequest, first: boolean): Promise<void> {
    if (isEventStream(response)) {
      const outcome = await this.#follow(response, request);
      if (outcome === 'lost') throw lostAnswer(this.#parts.server);
      this.#standing.served();
      return;
    }
    if (response.status < 200 || response.status > 299) {
      await this.#fail(response, request, first);
    } else if (mediaType(response) === 'application/json') {
      await this.#answers.takeBody(response, request);
      this.#standing.served();
    } else {
      response.body.destroy();
      throw badAnswer(
        this.#parts.server,
        'does not answer as an MCP server: neither JSON nor an event stream',
      );
    }
  }

  /** A response that is no success: the server's own error, or one that names the status. */
  async #fail(response: HttpResponse, request: OpenRequest, first: boolean): Promise<void> {
    const session = this.#session;
    const problem = await this.#answers.problemIn(response, request.id);
    const isProblem = problem instanceof WarderError;
    const json = isProblem ? failure(request.id, refusalFor(problem)) : problem.json;
    const code = isProblem ? undefined : problem.code;
    const isUnknown = response.status === 400 && session.id !== undefined && !isProblem && namesSession(json);
    if (first && isUnknown && request.method !== INITIALIZE && (await this.#renew(session))) {
      await this.#read(await this.#post(request), request, false);
      return;
    }
    if (this.#opens(request) && deniesSessions(response.status, code)) this.#requests.mismatch(request, json);
    else this.#requests.answer(request, json, request.id);
  }

  /** Whether the answer to a request shows what kind of server this is. */
  #opens(request: OpenRequest): boolean {
    return request.method === INITIALIZE && !this.#isOpened;
  }

  #follow(response: HttpResponse, request: OpenRequest): Promise<'done' | 'lost'> {
    const session = this.#session;
    return followStream(response, {
      flow: this.#flow,
      limit: this.#parts.budgets.line,
      signal: request.signal,
      failures: RESUME_FAILURES,
      endless: false,
      take: async (event) => {
        await this.#take(event, request);
        return request.isDone ? 'done' : 'more';
      },
      again: (lastEventId) => this.#listen(session, request.signal, lastEventId),
    });
  }

  async #take({ type, data, length }: SseEvent, stream: OpenRequest | undefined): Promise<void> {
    if (type !== 'message') return;
    if (data === undefined) this.#answers.oversize(length, stream);
    else if (data.length > 0) await this.#answers.take(data, stream);
  }

  /** Sees the answers to the requests that change the session. */
  #seen(request: OpenRequest, json: Buffer, message: Envelope): Buffer {
    if (message.failed) {
      if (this.#opens(request) && deniesSessions(200, errorCodeIn(json)))
        this.#requests.mismatch(request, json);
    } else {
      if (request.method === INITIALIZE) {
        const result = json.subarray(message.resultStart, message.resultEnd);
        this.#isOpened = true;
        this.#handshake.accepted(request.message, Buffer.from(result));
        this.#session = { ...this.#session, version: versionIn(result) };
      } else {
        this.#handshake.note(request.message);
      }
    }
    return json;
  }

  /** The session that the response to `initialize` names. */
  #noteSession({ status, headers }: HttpResponse): void {
    const id = sessionIn(this.#parts.server, headers);
    if (status >= 200 && status < 300) this.#session = { ...this.#session, id };
  }

  /** A notification or an answer of the host. */
  async #notify(message: RemoteMessage): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const cancelled =
      message.method === CANCELLED ? this.#requests.find(cancelledId(message.json) ?? 0) : undefined;
    if (cancelled !== undefined)
      await Promise.race([cancelled.sent, delay(SEND_TIME, undefined, { ref: false })]);
    try {
      await this.#deliver(message);
      if (message.method === 'notifications/initialized') {
        this.#handshake.initialized = message;
        this.#standing.open(this.#session);
      }
    } catch (error) {
      if (!this.#closing.signal.aborted)
        this.#parts.log.debug(
          { method: message.method, error: String(error) },
          'a notification did not arrive',
        );
    }
    if (cancelled !== undefined) setTimeout(() => this.#requests.forget(cancelled), CANCEL_TIME).unref();
  }

  async #deliver(message: RemoteMessage): Promise<void> {
    for (let renewals = 0; ; renewals++) {
      const session = this.#session;
      const { status, body } = await exchangeInSession(this.#parts, 'POST', session, {
        message,
        signal: this.#closing.signal,
        headTime: NOTICE_TIME,
      });
      discard(body);
      if (
        status === 404 &&
        session.id !== undefined &&
        renewals < MAX_RENEWALS &&
        (await this.#renew(session))
      )
        continue;
      if (status > 299) throw statusProblem(this.#parts.server, status);
      return;
    }
  }

  /** Opens a new session in place of one that the server has forgotten. False: it cannot be. */
  async #renew(forgotten: Session): Promise<boolean> {
    if (this.#session !== forgotten) return true;
    this.#renewal ??= this.#reopen(forgotten).finally(() => {
      this.#renewal = undefined;
    });
    return await this.#renewal;
  }

  async #reopen(forgotten: Session): Promise<boolean> {
    forgotten.controller.abort();
    const session = await renewedSession(this.#parts, this.#handshake, this.#flow, this.#closing.signal);
    if (session === undefined) return false;
    this.#session = session;
    if (this.#handshake.initialized !== undefined) this.#standing.open(session);
    this.#parts.log.info(
      { server: this.#parts.server.host },
      'the server had forgotten the session: a new one is open',
    );
    return true;
  }

  /** Asks for a stream with GET: the standing one, or the rest of one that broke. Throws `StreamGone`. */
  async #listen(session: Session, signal: AbortSignal, lastEventId: string): Promise<HttpResponse> {
    const response = await exchangeInSession(this.#parts, 'GET', session, {
      lastEventId,
      signal,
      headTime: NOTICE_TIME,
    });
    if (isEventStream(response)) return response;
    response.body.destroy();
    if (response.status === 404 && session.id !== undefined) {
      // A new session has a standing stream of its own; what the old one still owed is lost.
      await this.#renew(session);
    }
    if (response.status >= 500 || BUSY.has(response.status))
      throw statusProblem(this.#parts.server, response.status);
    throw new StreamGone();
  }
}

// HTTP with SSE (2024-11-05): one stream for all that the server says, and an endpoint, named on it, for all that the host says.
// The endpoint is of the server's own origin: nothing, and no token, is sent anywhere else because a stream says so.
import { WarderError } from '../../errors.ts';
import type { Envelope } from '../../json/envelope.ts';
import { CANCELLED } from '../era/protocol.ts';
import type { HttpResponse } from '../http/client.ts';
import { badAnswer, lostAnswer } from '../http/problem.ts';
import type { Pipe, PipeParts, RemoteMessage } from '../pipe.ts';
import { Answers } from './answers.ts';
import { discard, isEventStream, readEvents } from './body.ts';
import { cancelledId } from './cancellation.ts';
import { exchange, isRepeatable, purposeOf } from './exchange.ts';
import { failure, refusalFor, statusProblem } from './failure.ts';
import { Flow } from './flow.ts';
import { type OpenRequest, OpenRequests } from './open-requests.ts';
import { type SseEvent, SseParser } from './sse.ts';
import { NOTICE_TIME } from './times.ts';

const INITIALIZE = 'initialize';
/** Milliseconds for the event that names the endpoint. */
const ENDPOINT_TIME = 30_000;
/** The longest URL of an endpoint, in bytes. */
const MAX_ENDPOINT = 8192;

export class SsePipe implements Pipe {
  readonly #parts: PipeParts;
  readonly #requests: OpenRequests;
  readonly #answers: Answers;
  readonly #flow = new Flow();
  readonly #closing = new AbortController();
  #endpoint: Promise<URL> | undefined;
  #isOpened = false;
  /** What the host says arrives in its order. */
  #sending: Promise<void> = Promise.resolve();

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
  }

  get full(): boolean {
    return this.#requests.full;
  }

  pause(paused: boolean): void {
    this.#flow.pause(paused);
  }

  send(message: RemoteMessage): void {
    const request = message.kind === 'request' ? this.#requests.open(message) : undefined;
    if (message.kind === 'request' && request === undefined) return;
    const left = request === undefined ? this.#requests.hold(message.json.length) : () => request.onSent();
    const previous = this.#sending;
    this.#sending = (async () => {
      await previous;
      await this.#deliver(message, request).finally(left);
    })();
  }

  cut(reason: string): void {
    this.#closing.abort();
    this.#requests.cut(new WarderError('remote-unreachable', reason));
    this.#flow.pause(false);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#requests.clear();
    this.#flow.pause(false);
  }

  async #deliver(message: RemoteMessage, request: OpenRequest | undefined): Promise<void> {
    try {
      if (this.#closing.signal.aborted) throw new WarderError('remote-unreachable', 'the session has ended');
      this.#endpoint ??= this.#open(request);
      const url = await this.#endpoint;
      const { status, body } = await exchange(this.#parts, {
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json' },
        body: message.json,
        signal: request?.signal ?? this.#closing.signal,
        headTime: NOTICE_TIME,
        repeatable: isRepeatable(message.method),
        lane: 'requests',
        ...purposeOf(message),
      });
      discard(body);
      if (status > 299) throw statusProblem(this.#parts.server, status);
    } catch (error) {
      if (request === undefined)
        this.#parts.log.debug({ error: String(error) }, 'a notification did not arrive');
      else if (error instanceof WrongEra)
        this.#requests.mismatch(request, failure(request.id, refusalFor(error.why)));
      else this.#requests.fail(request, error instanceof WrongEra ? error.why : error);
    }
    // The stream is everyone's: a cancelled request just gets no answer any more.
    const cancelled = message.method === CANCELLED ? cancelledId(message.json) : undefined;
    const forgotten = cancelled === undefined ? undefined : this.#requests.find(cancelled);
    if (forgotten !== undefined) this.#requests.forget(forgotten);
  }

  /** Opens the stream, and resolves with the endpoint. */
  async #open(request: OpenRequest | undefined): Promise<URL> {
    const signal = this.#closing.signal;
    const response = await exchange(this.#parts, {
      method: 'GET',
      url: this.#parts.server,
      headers: { accept: 'text/event-stream' },
      signal,
      headTime: NOTICE_TIME,
      repeatable: true,
      lane: 'control',
      ...purposeOf(request?.message),
    });
    if (!isEventStream(response)) {
      response.body.destroy();
      const { status } = response;
      const why =
        status > 299
          ? statusProblem(this.#parts.server, status)
          : badAnswer(this.#parts.server, 'does not answer as an MCP server: there is no event stream');
      throw status < 500 ? new WrongEra(why) : why;
    }
    const { promise, resolve, reject } = Promise.withResolvers<URL>();
    const timer = setTimeout(() => {
      reject(new WrongEra(badAnswer(this.#parts.server, 'names no endpoint')));
      response.body.destroy();
    }, ENDPOINT_TIME);
    promise.catch(() => {}).finally(() => clearTimeout(timer));
    void this.#follow(response, resolve, reject);
    return await promise;
  }

  async #follow(
    { body }: HttpResponse,
    resolve: (endpoint: URL) => void,
    reject: (error: unknown) => void,
  ): Promise<void> {
    const { server, budgets, listener } = this.#parts;
    let endpoint: URL | undefined;
    try {
      for await (const event of readEvents(body, new SseParser(budgets.line), this.#flow)) {
        if (endpoint === undefined) {
          endpoint = endpointIn(event, server);
          resolve(endpoint);
        } else if (event.type !== 'message') {
          // Nothing of the protocol.
        } else if (event.data === undefined) {
          this.#answers.oversize(event.length, undefined);
        } else if (event.data.length > 0) {
          await this.#answers.take(event.data, undefined);
        }
      }
    } catch (error) {
      body.destroy();
      reject(error);
    }
    reject(new WrongEra(badAnswer(server, 'names no endpoint')));
    // Who waits for the endpoint hears why there is none.
    if (endpoint === undefined || this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#requests.cut(lostAnswer(server));
    if (this.#isOpened) listener.lost('the server has ended its stream');
  }

  #seen({ method }: OpenRequest, json: Buffer, message: Envelope): Buffer {
    if (method === INITIALIZE && !message.failed) this.#isOpened = true;
    return json;
  }
}

/** The server is not one of this kind. */
class WrongEra extends Error {
  override readonly name = 'WrongEra';
  readonly why: WarderError;

  constructor(why: WarderError) {
    super(why.message);
    this.why = why;
  }
}

/** The endpoint that the first event names. Throws where it is none, or of another origin. */
function endpointIn({ type, data }: SseEvent, server: URL): URL {
  const text = data === undefined || data.length > MAX_ENDPOINT ? '' : data.toString().trim();
  const url = type === 'endpoint' && text !== '' ? URL.parse(text, server.href) : null;
  if (url === null) throw new WrongEra(badAnswer(server, 'names no endpoint'));
  if (url.origin !== server.origin || url.username !== '' || url.password !== '')
    throw new WarderError('remote-refused', `"${server.host}" names an endpoint of another origin`, {
      hint: 'a server that has messages sent elsewhere would get them, and the token, into other hands',
    });
  url.hash = '';
  return url;
}

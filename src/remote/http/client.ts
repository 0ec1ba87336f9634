// HTTP/1.1 to remote servers and to what signs in to them (RFC 9110, RFC 9112). Connections come from the egress room, which
// judges and records each address; they are kept for a while and serve one session alone. Only https is spoken, and http to
// this machine where the profile says so. Redirects are not followed, there are no cookies, and no credentials but those
// in the request.
import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex, Readable } from 'node:stream';
import type { RemoteRoute } from '../../egress/remote-route.ts';
import { WarderError } from '../../errors.ts';
import { isLoopbackHost, withoutBrackets } from '../../profile/host.ts';
import { ACCEPT_ENCODING, decodedBody } from './decoded.ts';
import { type ResponseHeaders, responseHeaders } from './headers.ts';
import { badAnswer, lostAnswer, problemOf } from './problem.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds until the head of the response must be there. */
  readonly headTime: number;
  /**
   * It changes nothing at the server, so that it may be sent again where a kept connection turns out to be closed. RFC 9110
   * 9.2.2.
   */
  readonly repeatable: boolean;
  /** `control` has connections of its own once there are many requests, so that they do not hold it up. */
  readonly lane: 'requests' | 'control';
  /** Called when all of it has been handed to the system. */
  readonly onSent?: () => void;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Decoded. To be read to its end, or destroyed. */
  readonly body: Readable;
}

/** Bounds. Times in milliseconds, sizes in bytes. */
const MAX_HEAD = 64 * 1024;
const MAX_FIELDS = 256;
const MAX_CONNECTIONS = { requests: 128, control: 32 } as const;
/** Requests under way up to which all share their connections. */
const FEW = 64;
/** How long a connection that nobody uses is kept; a server's own `Keep-Alive` may say less. */
const IDLE = 20_000;
const MAX_IDLE_CONNECTIONS = 8;

/** Codes of errors that a connection closed by the other side ends with. */
const CLOSED = new Set(['ECONNRESET', 'EPIPE']);

/** The requests of one session. */
export class RemoteHttp implements Disposable {
  readonly #route: RemoteRoute;
  readonly #agents: Readonly<Record<HttpRequest['lane'], { http: http.Agent; https: http.Agent }>>;
  /** Requests of which the response is not read to its end. */
  readonly #underWay = new Set<http.ClientRequest>();
  #closed: WarderError | undefined;

  constructor(route: RemoteRoute) {
    this.#route = route;
    const agents = (maxSockets: number): { http: http.Agent; https: http.Agent } => ({
      http: guarded(new http.Agent({ ...KEPT, maxSockets }), route, false),
      https: guarded(new https.Agent({ ...KEPT, maxSockets }), route, true),
    });
    this.#agents = { requests: agents(MAX_CONNECTIONS.requests), control: agents(MAX_CONNECTIONS.control) };
  }

  /**
   * Sends a request. Rejects with a WarderError (`remote-refused`, `remote-unreachable`, `audit-unwritable`), or with the
   * signal's reason.
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    const { url, signal } = request;
    signal.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    this.#check(url);
    try {
      return await this.#send(request, undefined);
    } catch (error) {
      signal.throwIfAborted();
      throw problemOf(url, error);
    }
  }

  /** Ends all connections. */
  [Symbol.dispose](): void {
    this.#closed = new WarderError('remote-unreachable', 'the session has ended');
    for (const sent of [...this.#underWay]) sent.destroy(this.#closed);
    for (const { http, https } of Object.values(this.#agents)) {
      http.destroy();
      https.destroy();
    }
  }

  #check(url: URL): void {
    const refuse = (what: string, hint: string): never => {
      throw new WarderError('remote-refused', `"${url.host}" is not asked: ${what}`, { hint });
    };
    if (url.username !== '' || url.password !== '')
      refuse('the URL has a user or password in it', 'take it out, and set "auth"');
    if (url.protocol === 'https:') return;
    if (url.protocol !== 'http:') refuse('the URL is not https', 'use https');
    if (!isLoopbackHost(url.hostname)) refuse('the URL is http, which anyone on the way reads', 'use https');
    if (!this.#route.insecureLoopback)
      refuse('it is on this machine, without TLS', 'if that is meant, set "insecure-loopback: true"');
  }

  /** `since`: when it was sent for the first time, by the monotonic clock, if it was sent before. */
  async #send(request: HttpRequest, since: number | undefined): Promise<HttpResponse> {
    const { method, url, headers, body, repeatable, signal } = request;
    const lane = this.#underWay.size < FEW ? 'requests' : request.lane;
    const began = since ?? performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const secure = url.protocol === 'https:';
    const sent = (secure ? https : http).request({
      hostname: withoutBrackets(url.hostname),
      port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
      path: url.pathname + url.search,
      method,
      agent: this.#agents[lane][secure ? 'https' : 'http'],
      maxHeaderSize: MAX_HEAD,
      headers: {
        'accept-encoding': ACCEPT_ENCODING,
        'user-agent': 'warder',
        ...headers,
        ...(body !== undefined && { 'content-length': String(body.length) }),
      },
    });
    sent.maxHeadersCount = MAX_FIELDS;
    sent.on('response', resolve);
    sent.on('error', reject);
    let hasLeft = false;
    sent.on('finish', () => {
      hasLeft = true;
      request.onSent?.();
    });
    sent.on('upgrade', (_, socket) => {
      socket.destroy();
      reject(badAnswer(url, 'answers with another protocol'));
    });
    sent.end(body);
    this.#underWay.add(sent);
    const abort = (): void => void sent.destroy(new Error('nobody waits for the answer any more'));
    signal.addEventListener('abort', abort, { once: true });
    sent.once('close', () => {
      signal.removeEventListener('abort', abort);
      this.#underWay.delete(sent);
    });
    const left = since === undefined ? request.headTime : request.headTime - (performance.now() - since);
    const late = setTimeout(() => sent.destroy(badAnswer(url, 'does not answer in time')), left);
    try {
      return this.#toResponse(url, await promise);
    } catch (error) {
      const isStale =
        since === undefined &&
        sent.reusedSocket &&
        CLOSED.has(String((error as NodeJS.ErrnoException)?.code ?? ''));
      if (isStale && repeatable && !signal.aborted) return await this.#send(request, began);
      const isLost = hasLeft && !repeatable && !signal.aborted && !(error instanceof WarderError);
      throw isLost ? lostAnswer(url, error) : error;
    } finally {
      clearTimeout(late);
    }
  }

  #toResponse(url: URL, message: http.IncomingMessage): HttpResponse {
    // An error that comes when nobody reads any more must find a listener.
    message.on('error', () => {});
    try {
      const headers = responseHeaders(message.rawHeaders);
      const status = message.statusCode ?? 0;
      if (status < 200 || status > 599) throw badAnswer(url, 'answers with no status of HTTP');
      return { status, headers, body: decodedBody(url, message, headers.get('content-encoding')) };
    } catch (error) {
      message.destroy();
      throw error;
    }
  }
}

const KEPT = { keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS, timeout: IDLE } as const;

/** The agent, with connections that come by the route. */
function guarded<Agent extends http.Agent>(agent: Agent, route: RemoteRoute, secure: boolean): Agent {
  // Nothing else tells its connections apart.
  agent.getName = ({ host, port } = {}) => `${host}:${port}`;
  agent.createConnection = ({ host, port }, done) => {
    route.connect({ secure, host: withoutBrackets(host ?? ''), port: Number(port) }).then(
      (socket) => done?.(null, socket),
      (error: unknown) => done?.(error as Error, undefined as unknown as Duplex),
    );
    return undefined;
  };
  return agent;
}

// Connections of HTTP/2 (RFC 9113) that the gate decrypts, read and written by Node's library. A connection of the
// server has exactly one connection to the host, which speaks HTTP/2 too: nothing is translated from one version to
// the other, so no two readers can disagree on where a request ends. Each stream is one request of the forwarder.
import * as http2 from 'node:http2';
import { type Duplex, Readable } from 'node:stream';
import type { Log } from '../../os/log.ts';
import { BUDGETS } from '../budgets.ts';
import type { EgressLedger } from '../ledger.ts';
import type { GateTurns } from '../turns.ts';
import type { Forwarder, Route } from './forwarder.ts';
import { toDenial } from './gate-response.ts';
import { grpcRefusal } from './grpc.ts';
import {
  Http2Sink,
  type Http2Source,
  prepareStream,
  readRequestHead,
  sendHttp2Denial,
  waitForHttp2Response,
  writeRequestHead,
} from './http2-message.ts';
import { fieldValues, isGrpc } from './request-head.ts';
import type { Denial, Field, Head, RequestContext } from './substitution.ts';

const { NGHTTP2_HTTP_1_1_REQUIRED, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } =
  http2.constants;
/** The codes by which a host says that it has not begun with a request: the client may send it again. */
const UNPROCESSED = [NGHTTP2_REFUSED_STREAM, NGHTTP2_HTTP_1_1_REQUIRED];

export interface Http2GateParts {
  readonly ledger: EgressLedger;
  readonly turns: GateTurns;
  readonly log: Log;
}

interface Http2Connection {
  readonly route: Route;
  readonly client: http2.ServerHttp2Session;
  /** Why there is no connection to the host. */
  readonly host: http2.ClientHttp2Session | Error;
  readonly usedCredentials: Set<string>;
  readonly open: Set<RequestContext>;
  hasRequest: boolean;
}

/** What both sides are told, and hold to. */
const SETTINGS: http2.Settings = {
  enablePush: false,
  initialWindowSize: BUDGETS.window,
  maxConcurrentStreams: BUDGETS.streams,
  maxHeaderListSize: BUDGETS.head,
};
const LIMITS: http2.SessionOptions = {
  settings: SETTINGS,
  maxHeaderListPairs: BUDGETS.headerPairs,
  maxOutstandingPings: 1,
  maxSessionMemory: BUDGETS.sessionMemory,
};
/** What a client may send that is no use. */
const CLIENT_LIMITS: http2.ServerOptions = {
  ...LIMITS,
  maxSessionInvalidFrames: BUDGETS.invalidFrames,
  maxSessionRejectedStreams: BUDGETS.invalidFrames,
  streamResetBurst: BUDGETS.resets.burst,
  streamResetRate: BUDGETS.resets.rate,
};

/** Serves the decrypted connections of HTTP/2 of one gate. */
export class Http2Gate implements Disposable {
  readonly #parts: Http2GateParts;
  readonly #forwarder: Forwarder;
  readonly #connections = new Set<Http2Connection>();
  /** Requests, over all connections. */
  #streams = 0;

  constructor(parts: Http2GateParts, forwarder: Forwarder) {
    this.#parts = parts;
    this.#forwarder = forwarder;
  }

  /**
   * Serves a connection until it ends. `client` and `host` are past their handshakes; where there is no host, each
   * request is answered with the error.
   */
  serve(client: Duplex, route: Route, host: Duplex | Error): void {
    const { turns, ledger } = this.#parts;
    const session = http2.performServerHandshake(client, CLIENT_LIMITS);
    const connection: Http2Connection = {
      route,
      client: session,
      host: host instanceof Error ? host : this.#connect(host, route),
      usedCredentials: new Set(),
      open: new Set(),
      hasRequest: false,
    };
    this.#connections.add(connection);
    session.on('stream', (stream, _headers, _flags, raw) =>
      turns.enter(() => void this.#serveStream(stream, raw as unknown as string[], connection)),
    );
    session.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
      if (!code.startsWith('ERR_HTTP2')) return;
      connection.hasRequest = true;
      ledger.recordRefusal(route.destination, `its HTTP/2 is malformed, or a flood (${code})`);
    });
    session.once('close', () => {
      this.#connections.delete(connection);
      if (!connection.hasRequest) ledger.recordFailure(route.destination, NO_HTTP2_REQUEST);
      client.destroy();
      if (!(connection.host instanceof Error)) connection.host.destroy();
    });
    if (connection.host instanceof Error) return;
    // The client sends what comes next by another connection, as it would without the gate.
    const drain = (): void => {
      if (!session.closed) session.close();
    };
    connection.host.once('goaway', drain);
    connection.host.once('close', drain);
  }

  /** Closes the connections that have carried a credential. Returns how many. */
  disconnect(credential: string): number {
    const cut = [...this.#connections].filter(
      ({ usedCredentials, open }) =>
        usedCredentials.has(credential) ||
        [...open].some((context) =>
          [...context.usedCredentials.keys()].some(({ name }) => name === credential),
        ),
    );
    for (const connection of cut) destroy(connection);
    return cut.length;
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) destroy(connection);
  }

  #connect(socket: Duplex, { destination }: Route): http2.ClientHttp2Session {
    const host = http2.connect(`https://${destination.host}:${destination.port}`, {
      ...LIMITS,
      maxReservedRemoteStreams: 0,
      createConnection: () => socket,
    });
    host.on('error', ({ code }: NodeJS.ErrnoException) =>
      this.#parts.log.debug({ host: destination.host, code }, 'a connection of HTTP/2 broke'),
    );
    host.once('close', () => socket.destroy());
    return host;
  }

  /** Handles one request. Never rejects. */
  async #serveStream(
    stream: http2.ServerHttp2Stream,
    raw: readonly string[],
    connection: Http2Connection,
  ): Promise<void> {
    const { ledger, log } = this.#parts;
    const { destination } = connection.route;
    prepareStream(stream);
    connection.hasRequest = true;
    if (this.#streams >= BUDGETS.allStreams) {
      ledger.recordRefusal(destination, 'too many requests are open');
      stream.close(NGHTTP2_REFUSED_STREAM);
      return;
    }
    this.#streams++;
    try {
      await ledger.pace();
      if (!stream.destroyed) await this.#forward(stream, raw, connection);
    } catch (error) {
      log.error({ host: destination.host, error: String(error) }, 'a request broke');
      stream.close(NGHTTP2_INTERNAL_ERROR);
    } finally {
      this.#streams--;
    }
  }

  async #forward(
    stream: http2.ServerHttp2Stream,
    raw: readonly string[],
    connection: Http2Connection,
  ): Promise<void> {
    const { route } = connection;
    let head: Head;
    try {
      head = readRequestHead(raw);
    } catch (error) {
      const denial = toDenial(error);
      this.#parts.ledger.recordRefusal(route.destination, denial.reason);
      sendHttp2Denial(stream, denial, false);
      return;
    }
    const arrived = head.fields.map(([name, value]): Field => [name, value]);
    if (fieldValues(arrived, 'expect').length > 0) stream.additionalHeaders({ ':status': 100 });
    let context: RequestContext | undefined;
    let outgoing: http2.ClientHttp2Stream | undefined;
    const cancelled = new AbortController();
    const gone = new AbortController();
    stream.once('close', () => gone.abort());
    let source: Http2Source | undefined;
    /** What a gRPC server says of the caller, at the beginning or the end. */
    const readTrailers = (): Field[] => {
      const trailers = source?.trailers ?? [];
      const refusal = grpcRefusal(trailers) ?? grpcRefusal(source?.fields ?? []);
      if (refusal !== undefined && context !== undefined)
        this.#forwarder.reportStatus(context, refusal, route.destination.host);
      return this.#forwarder.sealFields(trailers);
    };
    const request = {
      ...head,
      version: '2' as const,
      // Of its own: a body that is refused must not take the response with it.
      body: Readable.from(stream.iterator({ destroyOnReturn: false }), { objectMode: false }),
      undeclared: !stream.endAfterHeaders && fieldValues(arrived, 'content-length').length === 0,
      webSocket: false,
    };
    await this.#forwarder.forward(request, route, {
      begin: (begun) => {
        context = begun;
        connection.open.add(begun);
      },
      send: (changed, framing) => {
        const sent = openStream(connection, changed, framing, arrived, cancelled.signal);
        outgoing = sent;
        stream.once('close', () => cancelled.abort());
        const response = waitForHttp2Response(sent).then((received) => {
          source = received;
          return received;
        });
        return { to: sent, response };
      },
      to: new Http2Sink(stream, head.method === 'HEAD', () => source?.ended === true, readTrailers),
      refuse: (denial) => {
        const code = outgoing?.rstCode ?? NGHTTP2_NO_ERROR;
        const unsent = outgoing === undefined && denial.status === 502 && !(connection.host instanceof Error);
        // Not by `close`, which would end what was sent so far as if it were whole.
        cancelled.abort();
        refuse(stream, denial, isGrpc(arrived), unsent ? NGHTTP2_REFUSED_STREAM : code);
      },
      delivered: () => waitForClose(stream),
      gone: gone.signal,
    });
    if (context === undefined) return;
    if (source?.ended === true) readTrailers();
    connection.open.delete(context);
    for (const { name } of context.usedCredentials.keys()) connection.usedCredentials.add(name);
  }
}

/** Answers a request that was refused, or breaks off its response, which must not look complete. `code`: of the host. */
function refuse(stream: http2.ServerHttp2Stream, denial: Denial, grpc: boolean, code: number): void {
  if (stream.destroyed) return;
  if (stream.headersSent) stream.close(code || NGHTTP2_INTERNAL_ERROR);
  else if (UNPROCESSED.includes(code)) stream.close(code);
  else sendHttp2Denial(stream, denial, grpc);
}

const NO_HTTP2_REQUEST =
  'it ended without a request: the server may not accept the certificate of the gate (it pins another, or does not read the trust files)';

/** Begins a request to the host. Throws where it has gone. */
function openStream(
  { host }: Http2Connection,
  head: Head,
  framing: readonly Field[],
  arrived: readonly Field[],
  signal: AbortSignal,
): http2.ClientHttp2Stream {
  if (host instanceof Error) throw host;
  if (host.closed || host.destroyed) throw new Error('the host has closed the connection');
  const endStream = framing.every(
    ([name, value]) => name.toLowerCase() === 'content-length' && value === '0',
  );
  const outgoing = host.request(writeRequestHead(head, framing, arrived), { endStream, signal });
  prepareStream(outgoing);
  return outgoing;
}

function destroy({ client, host }: Http2Connection): void {
  client.destroy();
  if (!(host instanceof Error)) host.destroy();
}

/** Settles when the server has received the whole response, or has gone: until then the response is in memory. */
async function waitForClose(stream: http2.ServerHttp2Stream): Promise<void> {
  if (!stream.closed && !stream.destroyed && !stream.writableFinished)
    await new Promise<void>((resolve) => {
      stream.once('finish', resolve);
      stream.once('close', resolve);
    });
}

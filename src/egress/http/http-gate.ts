// A connection that the gate decrypts: HTTP/1.1 (RFC 9112) read by Node's strict parser. Each request is checked,
// changed and written anew, so that no two readers can disagree on where it ends. A connection of the server has
// exactly one connection to the host; when either ends, so does the other.
import * as http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../../os/log.ts';
import { BUDGETS } from '../budgets.ts';
import type { EgressLedger } from '../ledger.ts';
import type { GateTurns } from '../turns.ts';
import { waitForDelivery, waitForResponse } from './awaited-response.ts';
import { coalesce } from './coalesce.ts';
import type { Forwarder, IncomingRequest } from './forwarder.ts';
import { sendDenial, sendRawResponse } from './gate-response.ts';
import { allowHalfOpen } from './half-open.ts';
import type { HttpConnection, Upstream } from './http-connection.ts';
import { toFields } from './response.ts';
import { Denial } from './substitution.ts';
import { openWebSocket } from './websocket-opening.ts';

export interface HttpGateParts {
  readonly ledger: EgressLedger;
  readonly turns: GateTurns;
  readonly log: Log;
}

/** Serves the decrypted connections of one gate. */
export class HttpGate implements Disposable {
  readonly #parts: HttpGateParts;
  readonly #forwarder: Forwarder;
  readonly #server: http.Server;
  readonly #connection = new Map<unknown, HttpConnection>();

  constructor(parts: HttpGateParts, forwarder: Forwarder) {
    this.#parts = parts;
    this.#forwarder = forwarder;
    this.#server = http.createServer({
      maxHeaderSize: BUDGETS.head,
      insecureHTTPParser: false,
      // The first step over a head checks for it.
      requireHostHeader: false,
      keepAliveTimeout: 0,
      requestTimeout: 0,
      noDelay: true,
    });
    allowHalfOpen(this.#server);
    this.#server.on('request', (request, response) =>
      parts.turns.enter(() => void this.#enqueue(request, response)),
    );
    // Handled like any request that cannot be forwarded.
    this.#server.on('checkExpectation', (request, response) => void this.#enqueue(request, response));
    this.#server.on('upgrade', (request, socket, head) =>
      parts.turns.enter(() => void this.#switch(request, socket, head)),
    );
    this.#server.on('connect', (request, socket) =>
      this.#refuseProtocol(request.socket, socket, new Denial(501, NO_CONNECT)),
    );
    this.#server.on('clientError', (error, socket) => this.#rejectMalformed(error, socket));
  }

  /** Serves a connection, its TLS terminated, until it ends. */
  serve(client: Duplex, upstream: Upstream): void {
    const gone = new AbortController();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
    const connection: HttpConnection = {
      upstream,
      agent,
      usedCredentials: new Set(),
      client,
      upstreamSocket: undefined,
      pending: 0,
      lastRequest: Promise.resolve(),
      current: undefined,
      hasRequest: false,
      gone: gone.signal,
    };
    agent.createConnection = (_options, done) => {
      this.#connect(connection).then(
        (socket) => done?.(null, socket),
        (error: Error) => done?.(error, undefined as never),
      );
      return undefined;
    };
    this.#connection.set(client, connection);
    // Programs that give up close both ways. Whoever ends its own side only, which TLS allows, is taken for one.
    client.once('end', () => gone.abort());
    client.once('close', () => {
      gone.abort();
      this.#connection.delete(client);
      // Some clients, Node's among them, check a certificate only after the handshake.
      if (!connection.hasRequest) this.#parts.ledger.recordFailure(upstream.destination, NO_REQUEST);
      connection.current?.outgoing?.destroy();
      agent.destroy();
      connection.upstreamSocket?.destroy();
    });
    client.on('error', () => {});
    this.#server.emit('connection', client);
    client.resume();
  }

  /** Closes the connections that have carried a credential. Returns how many. */
  disconnect(credential: string): number {
    const carries = ({ usedCredentials, current }: HttpConnection): boolean =>
      usedCredentials.has(credential) ||
      (current !== undefined &&
        [...current.context.usedCredentials.keys()].some(({ name }) => name === credential));
    const cut = [...this.#connection.values()].filter(carries);
    for (const { client, upstreamSocket } of cut) {
      upstreamSocket?.destroy();
      client.destroy();
    }
    return cut.length;
  }

  [Symbol.dispose](): void {
    for (const { client, upstreamSocket } of this.#connection.values()) {
      upstreamSocket?.destroy();
      client.destroy();
    }
    this.#server.close();
  }

  async #connect(connection: HttpConnection): Promise<Duplex> {
    const host = await connection.upstream.connect();
    connection.upstreamSocket = host;
    host.once('close', () => {
      if (connection.upstreamSocket === host) connection.upstreamSocket = undefined;
      // As it would be without the gate: the server sees that the host has ended the connection.
      if (connection.pending === 0) connection.client.end();
    });
    if (connection.client.destroyed) host.destroy();
    try {
      connection.current?.context.recheck();
    } catch (error) {
      host.destroy();
      throw error;
    }
    return host;
  }

  /** Handles one request after the other. Never rejects. */
  async #enqueue(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const connection = this.#connection.get(request.socket);
    if (connection === undefined) {
      response.destroy();
      return;
    }
    response.on('error', () => {});
    coalesce(request);
    connection.hasRequest = true;
    if (connection.pending > BUDGETS.pipelined) {
      if (!connection.client.destroyed)
        this.#parts.ledger.recordRefusal(
          connection.upstream.destination,
          'too many requests wait for a response',
        );
      connection.client.destroy();
      return;
    }
    connection.pending++;
    const previous = connection.lastRequest;
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.lastRequest = promise;
    await previous;
    await this.#parts.ledger.pace();
    try {
      // A request behind a refused one would get no response.
      if (!connection.client.destroyed && !connection.client.writableEnded)
        await this.#forward(request, response, connection);
    } catch (error) {
      this.#parts.log.error(
        { host: connection.upstream.destination.host, error: String(error) },
        'a request broke',
      );
      connection.client.destroy();
    } finally {
      for (const { name } of connection.current?.context.usedCredentials.keys() ?? [])
        connection.usedCredentials.add(name);
      connection.current = undefined;
      connection.pending--;
      resolve();
    }
    if (connection.upstreamSocket === undefined && connection.pending === 0 && response.writableFinished)
      connection.client.end();
  }

  async #forward(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    connection: HttpConnection,
  ): Promise<void> {
    const incoming: IncomingRequest = {
      version: '1.1',
      method: request.method ?? '',
      target: request.url ?? '',
      fields: toFields(request.rawHeaders),
      body: request,
      undeclared: request.headers['transfer-encoding'] !== undefined,
      webSocket: false,
    };
    await this.#forwarder.forward(incoming, connection.upstream, {
      begin: (context) => {
        connection.current = { context, outgoing: undefined };
      },
      send: ({ method, target, fields }, framing) => {
        const outgoing = http.request({
          agent: connection.agent,
          method,
          path: target,
          headers: [...fields, ...framing].flat(),
          setHost: false,
          joinDuplicateHeaders: false,
        });
        // Whoever waits gets the error; later, nobody waits.
        outgoing.on('error', () => {});
        if (connection.current !== undefined) connection.current.outgoing = outgoing;
        response.once('close', () => response.writableFinished || outgoing.destroy());
        // A response of the host has the host's date, or none.
        response.sendDate = false;
        return { to: outgoing, response: waitForResponse(outgoing) };
      },
      to: response,
      refuse: (denial) => {
        // A truncated response must not look complete.
        if (response.headersSent) response.destroy();
        else {
          sendDenial(response, denial);
          request.resume();
        }
      },
      delivered: () => waitForDelivery(response, connection.client),
      gone: connection.gone,
    });
  }

  /** Handles a request to switch protocols. Never rejects. */
  async #switch(request: http.IncomingMessage, socket: Duplex, early: Buffer): Promise<void> {
    const connection = this.#connection.get(request.socket);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    try {
      await openWebSocket(request, socket, early, {
        connection,
        forwarder: this.#forwarder,
        ledger: this.#parts.ledger,
        refuse: (denial) => this.#refuseProtocol(request.socket, socket, denial),
      });
    } catch (error) {
      this.#parts.log.error(
        { host: connection.upstream.destination.host, error: String(error) },
        'a request broke',
      );
      connection.client.destroy();
    }
  }

  #refuseProtocol(key: Socket, socket: Duplex, { status, reason }: Denial): void {
    const connection = this.#connection.get(key);
    if (connection !== undefined) {
      connection.hasRequest = true;
      this.#parts.ledger.recordRefusal(connection.upstream.destination, reason);
    }
    sendRawResponse(socket, `${status} ${http.STATUS_CODES[status]}`, reason);
  }

  #rejectMalformed(error: Error, socket: Duplex): void {
    const connection = this.#connection.get(socket);
    const { code = '' } = error as NodeJS.ErrnoException;
    if (connection !== undefined && code.startsWith('HPE_')) {
      connection.hasRequest = true;
      this.#parts.ledger.recordRefusal(connection.upstream.destination, `the request is malformed (${code})`);
    }
    sendRawResponse(socket, '400 Bad Request', 'the request is malformed');
  }
}

const NO_CONNECT = 'there is no proxy here';
const NO_REQUEST =
  'it ended without a request: the server may not accept the certificate of the gate (it pins another, or does not read the trust files)';

// The gate of one server: the only way out of its sandbox. It accepts the server's connections inside the sandbox's
// own network, where the address that was connected to identifies the name that was meant. It decides by the
// profile's allowlist, and then passes the connection through undecrypted, or terminates TLS where a sealed
// credential may be needed. All refusals leave by one exit. A record is written before the first packet goes out:
// without a record there is no connection.
import { STATUS_CODES } from 'node:http';
import { type Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type * as tls from 'node:tls';
import type { Confirmations } from '../credential/confirmation.ts';
import type { SealedCredential, SealedCredentials } from '../credential/sealed.ts';
import type { UsageLocks } from '../credential/usage.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Allowlist } from './allowlist.ts';
import { BUDGETS } from './budgets.ts';
import { type Preface, peek, requirePreface } from './connection/peek.ts';
import { servePlainHttp } from './connection/plain-http.ts';
import { tunnel } from './connection/tunnel.ts';
import type { Routes } from './dial/routes.ts';
import { Forwarder } from './http/forwarder.ts';
import { sendRawResponse } from './http/gate-response.ts';
import { HttpGate } from './http/http-gate.ts';
import { Http2Gate } from './http/http2-gate.ts';
import { type GuardedHead, RequestGuard, SlowStartGuard } from './http/request-guard.ts';
import { checkRequestShape } from './http/request-head.ts';
import { SealedSearch } from './http/sealed-search.ts';
import { Denial, RequestContext } from './http/substitution.ts';
import type { Destination, EgressLedger } from './ledger.ts';
import type { VirtualAddresses } from './names/virtual-addresses.ts';
import type { Refreshes } from './refresh.ts';
import { EgressRefusal } from './refusal.ts';
import type { Authority } from './tls/authority.ts';
import { Handshakes } from './tls/handshakes.ts';
import { TokenSource } from './token-source.ts';
import type { GateTurns } from './turns.ts';

export interface GateParts {
  readonly allowed: Allowlist;
  readonly addresses: VirtualAddresses;
  readonly sealed: SealedCredentials;
  /** Terminates TLS inside; undefined where nothing is sealed. */
  readonly authority: Authority | undefined;
  readonly routes: Routes;
  /** The authorities that hosts are verified against. */
  readonly upstreamTrust: () => tls.SecureContext;
  readonly guards: UsageLocks;
  readonly ledger: EgressLedger;
  readonly refreshes: Refreshes;
  /** Those who confirm uses of credentials that want it. */
  readonly confirmations: Confirmations;
  /** What connections that may carry a credential wait for. */
  readonly admission: () => Promise<void>;
  /** Called when a host has answered a request that carried a credential. */
  readonly onCredentialResponse: (credential: SealedCredential, status: number, host: string) => void;
  readonly turns: GateTurns;
  /** Rejects on a Node without what the gate relies on. */
  readonly checkNode: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const HTTPS = 443;
const HTTP = 80;
/** As TLS names the versions of HTTP (RFC 7301 6, RFC 9113 3.2). */
const HTTP1 = 'http/1.1';
const HTTP2 = 'h2';

/** A connection that the allowlist admits. */
interface AdmittedConnection {
  readonly destination: Destination;
  readonly socket: Duplex;
}

export class Gate implements Disposable {
  readonly #parts: GateParts;
  readonly #http: HttpGate;
  readonly #http2: Http2Gate;
  readonly #sockets = new Set<Duplex>();
  readonly #handshakes: Handshakes;
  readonly #search: SealedSearch;

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#search = new SealedSearch(parts.sealed);
    this.#handshakes = new Handshakes(parts.turns);
    const { sealed, guards, ledger, refreshes, confirmations, turns, clock, onCredentialResponse, log } =
      parts;
    const tokens = new TokenSource({
      connect: (host, port) =>
        this.#connectTls({ connection: ledger.nextConnectionId(), host, port }, [HTTP1]),
      ledger,
      clock,
    });
    const forwarder = new Forwarder({
      tokens,
      sealed,
      guards,
      ledger,
      refreshes,
      confirmations,
      turns,
      clock,
      onCredentialResponse,
      log,
      search: this.#search,
      sealing: () => this.#search.sealing,
    });
    this.#http = new HttpGate({ ledger, turns, log }, forwarder);
    this.#http2 = new Http2Gate({ ledger, turns, log }, forwarder);
  }

  /** A text without the secrets that are sealed here. */
  redact(text: string): string {
    return this.#search.sealing.redact(text);
  }

  /** Accepts a listener's connections, which come paused, in the sandbox's own network. */
  serve(listener: Server): void {
    // The error of a connection that cannot be accepted, for instance for want of a descriptor. The next one may
    // succeed.
    listener.on('error', () => {});
    this.#parts.turns.watch(listener);
    listener.on('connection', (socket: Socket) => {
      const { localAddress = '', localPort = 0 } = socket;
      const name = this.#parts.addresses.nameAt(localAddress);
      if (name === undefined)
        this.#refuse(socket, { host: localAddress, port: localPort }, 'no listed name has this address');
      else void this.admit(socket, name, localPort);
    });
  }

  /**
   * Decides on a connection to a name and port as the server meant them, and handles it to its end. Never rejects.
   */
  async admit(socket: Duplex, host: string, port: number): Promise<void> {
    const { allowed, ledger, turns } = this.#parts;
    socket.on('error', () => {});
    turns.watch(socket);
    // Otherwise the end of a response waits 40 ms for the acknowledgement of its start.
    if (socket instanceof Socket) socket.setNoDelay(true);
    if (!allowed.allows(host, port)) {
      this.#refuse(socket, { host, port }, 'not listed');
      return;
    }
    if (this.#sockets.size >= BUDGETS.connections) {
      this.#refuse(socket, { host, port }, 'too many connections are open');
      return;
    }
    const destination = { connection: ledger.nextConnectionId(), host, port };
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    try {
      await this.#parts.checkNode();
      await this.#route({ destination, socket });
    } catch (error) {
      this.#reject(socket, destination, error);
    }
  }

  /** Closes the connections that have carried a credential. Returns how many. */
  disconnect(credential: string): number {
    return this.#http.disconnect(credential) + this.#http2.disconnect(credential);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
    this.#http2[Symbol.dispose]();
    for (const socket of this.#sockets) socket.destroy();
    this.#parts.turns[Symbol.dispose]();
    this.#parts.ledger.close();
  }

  async #route(connection: AdmittedConnection): Promise<void> {
    const { sealed } = this.#parts;
    const { socket, destination } = connection;
    if (sealed.allowsHost(destination.host, destination.port)) {
      await this.#parts.admission();
      const preface = await peek(socket, BUDGETS.firstBytes);
      requirePreface(preface, destination.host, 'tls');
      await this.#terminateTls(connection, preface.kind === 'tls' ? preface.protocols : []);
    } else if (destination.port === HTTPS) {
      requirePreface(await peek(socket, BUDGETS.firstBytes), destination.host, 'tls');
      await this.#tunnel(connection, await this.#parts.routes.dial(destination));
    } else if (destination.port === HTTP) {
      requirePreface(await peek(socket, BUDGETS.firstBytes), destination.host, 'http');
      await this.#passHttp(connection, 'http', () => this.#parts.routes.dial(destination));
    } else {
      await this.#routeOther(connection);
    }
  }

  /** Any protocol: whichever side speaks first decides. TLS and HTTP must name the host here too. */
  async #routeOther(connection: AdmittedConnection): Promise<void> {
    const { socket, destination } = connection;
    const outside = await this.#parts.routes.dial(destination);
    this.#sockets.add(outside);
    outside.once('close', () => this.#sockets.delete(outside));
    // Also where the server closes before its first request has been read.
    socket.once('close', () => outside.destroy());
    try {
      const preface = await this.#peekClient(socket, outside);
      if (preface.kind === 'http' || preface.kind === 'undecided') {
        await this.#passHttp(connection, preface.kind, async () => outside);
        outside.destroy();
      } else {
        if (preface.kind === 'tls' || preface.kind === 'malformed')
          requirePreface(preface, destination.host, 'tls');
        await this.#tunnel(connection, outside);
      }
    } catch (error) {
      outside.destroy();
      throw error;
    }
  }

  /**
   * What the client sends first, whenever that is: with a timeout it could wait until nobody looks. `silent`: the
   * host spoke first.
   */
  async #peekClient(socket: Duplex, outside: Socket): Promise<Preface> {
    const stop = new AbortController();
    const onServerFirst = (): void => stop.abort();
    outside.once('readable', onServerFirst);
    outside.once('close', onServerFirst);
    try {
      return await peek(socket, undefined, stop.signal);
    } finally {
      outside.off('readable', onServerFirst);
      outside.off('close', onServerFirst);
    }
  }

  async #tunnel({ socket }: AdmittedConnection, outside: Socket): Promise<void> {
    await tunnel(socket, outside);
    socket.destroy();
    outside.destroy();
  }

  /**
   * Passes HTTP without TLS, or what may become it. A request that is refused gets an answer, unless the host is still
   * answering the one before it.
   */
  async #passHttp(
    { socket, destination }: AdmittedConnection,
    kind: 'http' | 'undecided',
    connect: () => Promise<Socket>,
  ): Promise<void> {
    let requests = 0;
    let hasAnswered = true;
    let isAnswering = false;
    const onAnswer = (): void => {
      hasAnswered = true;
    };
    const onRequest = (): void => {
      isAnswering = requests++ > 0 && !hasAnswered;
      hasAnswered = false;
    };
    const guard = kind === 'http' ? this.#requestGuard(destination, onRequest) : new SlowStartGuard();
    try {
      await servePlainHttp(socket, { connect, guard, turns: this.#parts.turns, onAnswer });
    } catch (error) {
      if (!(error instanceof Denial)) throw error;
      this.#parts.ledger.recordRefusal(destination, error.reason);
      if (isAnswering) reset(socket);
      else sendRawResponse(socket, `${error.status} ${STATUS_CODES[error.status]}`, error.reason);
    }
  }

  /** Checks the Host of each request, and that no placeholder leaves in the clear. */
  #requestGuard(destination: Destination, onRequest: () => void): RequestGuard {
    const search = this.#search;
    const contextOf = ({ method, target }: GuardedHead): RequestContext =>
      new RequestContext(
        { ...this.#parts, search },
        destination,
        false,
        method,
        target.split('?', 1)[0] ?? '',
      );
    return new RequestGuard({
      onRequest,
      check: (head) => checkRequestShape(head, { ...destination, secure: false }),
      search: search.all.length > 0 ? search : undefined,
      denyPlaceholder: (head, index) =>
        contextOf(head).denyMisplaced(index, 'it would travel over plain http'),
    });
  }

  /**
   * Terminates TLS with a certificate of the session's own authority. A client that could speak HTTP/2 does so where its
   * host does: the host is connected first, and the client gets the version that the host has chosen.
   */
  async #terminateTls(
    { socket, destination }: AdmittedConnection,
    offered: readonly string[],
  ): Promise<void> {
    const { authority } = this.#parts;
    if (authority === undefined) throw new EgressRefusal('nothing is sealed here');
    const host = offered.includes(HTTP2) ? await this.#connectFirst(destination, offered, socket) : undefined;
    const version = chooseVersion(host, offered);
    const context = authority.contextFor(destination.host);
    const client = await this.#handshakes.accept(socket, context, version);
    const route = { destination };
    if (version === HTTP2) {
      this.#http2.serve(client, route, host ?? new EgressRefusal('it is not connected'));
      return;
    }
    let first = host;
    const connect = async (): Promise<Duplex> => {
      const connected = first;
      first = undefined;
      if (connected instanceof Error) throw connected;
      const usable = connected !== undefined && !connected.destroyed;
      return usable ? connected : await this.#connectTls(destination, [HTTP1]);
    };
    this.#http.serve(client, { ...route, connect });
  }

  /** The connection to a host whose version the client is to speak; the error where there is none. */
  async #connectFirst(
    destination: Destination,
    offered: readonly string[],
    socket: Duplex,
  ): Promise<tls.TLSSocket | Error> {
    try {
      const versions = [HTTP2, HTTP1].filter((version) => offered.includes(version));
      const host = await this.#connectTls(destination, versions);
      socket.once('close', () => host.destroy());
      if (socket.destroyed) host.destroy();
      if (host.alpnProtocol === HTTP2 || offered.includes(HTTP1)) return host;
      host.destroy();
      return new Error('the host does not speak HTTP/2');
    } catch (error) {
      return error as Error;
    }
  }

  /** A connection to the host, with its certificate verified. */
  async #connectTls(destination: Destination, versions: readonly string[]): Promise<tls.TLSSocket> {
    const raw = await this.#parts.routes.dial(destination, true);
    return this.#handshakes.connect(raw, destination.host, this.#parts.upstreamTrust(), versions);
  }

  /** The one exit for a connection that was refused, or failed before it was passed on. */
  #reject(socket: Duplex, destination: Destination, error: unknown): void {
    const { ledger, log } = this.#parts;
    if (error instanceof EgressRefusal) ledger.recordRefusal(destination, error.reason);
    else {
      const { code, message } = error as NodeJS.ErrnoException;
      ledger.recordFailure(destination, `cannot be reached (${code ?? message})`);
      log.info({ host: destination.host, port: destination.port, code }, 'a host cannot be reached');
    }
    reset(socket);
  }

  #refuse(socket: Duplex, where: { host: string; port: number }, reason: string): void {
    socket.on('error', () => {});
    this.#parts.ledger.recordRefusal(where, reason);
    reset(socket);
  }
}

/** Resets the connection, as a closed port does. */
function reset(socket: Duplex): void {
  if (socket instanceof Socket) socket.resetAndDestroy();
  else socket.destroy();
}

/** The version that a client gets: that of its host; where that cannot be asked, the older. */
function chooseVersion(host: tls.TLSSocket | Error | undefined, offered: readonly string[]): string {
  if (host === undefined) return HTTP1;
  if (host instanceof Error) return offered.includes(HTTP1) ? HTTP1 : HTTP2;
  return host.alpnProtocol === HTTP2 ? HTTP2 : HTTP1;
}

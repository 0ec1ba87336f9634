// The gate's other listener, for systems without network namespaces (macOS): an HTTP proxy on loopback, which is all
// that the sandbox lets its server reach, and which the proxy variables name. It resolves nothing and decides nothing:
// whoever shows the session's token is passed on to the gate, with the name that was requested.
//
// Weaker than the sandbox's own network, and users must be told so: any process of the machine can connect here, so the
// token alone keeps others out. It is the session's own secret, of no use elsewhere or later; it is in the server's
// environment, which other processes of the same user can read. A program that ignores proxy variables reaches nothing.
// A refused host shows as a connection that breaks after it was granted: the gate decides afterwards.
//
// Tested on Linux. Not yet run on a Mac.
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BUDGETS } from '../budgets.ts';
import { coalesce } from '../http/coalesce.ts';
import { allowHalfOpen } from '../http/half-open.ts';
import { toFields } from '../http/response.ts';
import {
  NO_TARGET,
  ProxyRefusal,
  type ProxyRequestHead,
  type ProxyTarget,
  readConnect,
  readForward,
} from './proxy-request.ts';

export interface ProxyParts {
  /** Decides on a connection, which comes paused, and handles it to its end. Never rejects. */
  readonly admit: (connection: Duplex, host: string, port: number) => Promise<void>;
  /** Called with what does not reach the gate; the reason contains no secret. Must not throw. */
  readonly onRefused: (target: ProxyTarget, reason: string) => void;
  /** The session's own, and unguessable; letters, digits, `-` and `_`, at most 255. */
  readonly token: string;
  /** Milliseconds in which a connection must have sent the head of its request. */
  readonly headTimeout?: number;
}

/** A proxy that listens. Disposing it ends all its connections. */
export interface OpenProxy extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Variables by which programs find it; they contain the token. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A connection that has not shown the token yet. */
interface PendingConnection {
  /** Why it is closed, if it is. */
  reason: string;
  readonly timer: NodeJS.Timeout;
}

const LOOPBACK = '127.0.0.1';
const USER = 'warder';
/** Milliseconds for a program to read why it is refused. */
const LINGER = 1000;
/** Fields of one connection (RFC 9110 7.6.1): Node frames the response anew, and ends the connection. */
const CONNECTION_FIELDS = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/** Listens on its own port. Throws the system's error where it cannot. */
export async function openProxy({
  admit,
  onRefused,
  token,
  headTimeout = BUDGETS.proxyHeadTime,
}: ProxyParts): Promise<OpenProxy> {
  const expected = digest(`${USER}:${token}`);
  const isAuthorized = (login: string): boolean => timingSafeEqual(digest(login), expected);
  const open = new Set<Duplex>();
  const pending = new Map<Duplex, PendingConnection>();

  const server = http.createServer({
    maxHeaderSize: BUDGETS.proxyHead,
    insecureHTTPParser: false,
    // The gate checks it.
    requireHostHeader: false,
    headersTimeout: 0,
    requestTimeout: 0,
    noDelay: true,
  });
  allowHalfOpen(server);
  server.maxConnections = BUDGETS.proxyConnections;

  const close = (socket: Duplex, reason: string): void => {
    const connection = pending.get(socket);
    if (connection !== undefined) connection.reason = reason;
    socket.destroy();
  };
  /** A request's head is complete: its connection no longer counts as pending. False for all but the first request. */
  const settle = (socket: Duplex): boolean => {
    clearTimeout(pending.get(socket)?.timer);
    return pending.delete(socket);
  };

  /** A connection serves one request: the next one may be for another host, and needs its own. */
  const refuseAnother = (socket: Duplex): void => {
    onRefused(NO_TARGET, 'it sent another request on the same connection');
    socket.destroy();
  };

  server.on('connection', (socket: Socket) => {
    open.add(socket);
    const [oldest] = pending.keys();
    if (oldest !== undefined && pending.size >= BUDGETS.proxyPending) {
      close(oldest, 'too many connections wait without a token');
    }
    const timer = setTimeout(() => close(socket, 'it does not ask for a host in time'), headTimeout);
    pending.set(socket, { reason: 'it ended before it had asked for a host', timer });
    socket.once('close', () => {
      open.delete(socket);
      const reason = pending.get(socket)?.reason;
      if (settle(socket)) onRefused(NO_TARGET, reason ?? '');
    });
  });

  server.on('connect', (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    if (!settle(socket)) {
      refuseAnother(socket);
      return;
    }
    try {
      const { host, port } = readConnect(headOf(request), isAuthorized);
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
      // Not awaited: from here on the connection is the gate's.
      void admit(socket, host, port);
    } catch (error) {
      const refusal = asRefusal(error);
      onRefused(refusal.target, refusal.message);
      sendRaw(socket, refusal);
    }
  });

  /** A connection to the gate, for one request. */
  const connect = (host: string, port: number): Duplex => {
    const [near, far] = duplexPair();
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
    open.add(far);
    far.once('close', () => open.delete(far));
    void admit(far, host, port);
    return near;
  };

  const forward = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    coalesce(request);
    response.on('error', () => {});
    if (!settle(request.socket)) {
      refuseAnother(request.socket);
      return;
    }
    try {
      const { host, port, path, fields } = readForward(headOf(request), isAuthorized);
      const outgoing = http.request({
        createConnection: () => connect(host, port),
        method: request.method,
        path,
        headers: fields.flat(),
        setHost: false,
      });
      if (request.headers.expect !== undefined) response.writeContinue();
      void exchange(request, outgoing, response);
    } catch (error) {
      const refusal = asRefusal(error);
      onRefused(refusal.target, refusal.message);
      const { status, body, fields } = answerTo(refusal);
      response.sendDate = false;
      response.writeHead(status, fields).end(body);
      request.resume();
    }
  };
  server.on('request', forward);
  server.on('checkContinue', forward);

  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const { code = '' } = error;
    const refusal =
      code === 'HPE_HEADER_OVERFLOW'
        ? new ProxyRefusal(431, `the head of the request does not end within ${BUDGETS.proxyHead} bytes`)
        : new ProxyRefusal(400, 'the request is malformed');
    // An end inside a head has no reader for an answer; after a request, the answer is the host's.
    if (!code.startsWith('HPE_') || code === 'HPE_INVALID_EOF_STATE' || !settle(socket)) {
      socket.destroy();
      return;
    }
    onRefused(refusal.target, refusal.message);
    sendRaw(socket, refusal);
  });
  server.on('drop', () => onRefused(NO_TARGET, 'too many connections are open'));
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  // The error of a connection that cannot be accepted, for instance for want of a descriptor. The next one may succeed.
  server.on('error', () => {});
  const { port } = server.address() as AddressInfo;
  return {
    port,
    variables: proxyVariables(port, token),
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const connection of open) connection.destroy();
      await closed;
    },
  };
}

/**
 * The variables that programs read, in upper and lower case as they differ in that. What goes to 127.0.0.1 is the proxy
 * itself, for programs that put its address into their requests; Node would else ask the proxy for the proxy.
 */
function proxyVariables(port: number, token: string): Record<string, string> {
  const url = `http://${USER}:${token}@${LOOPBACK}:${port}`;
  const named = { HTTP_PROXY: url, HTTPS_PROXY: url, ALL_PROXY: url, NO_PROXY: LOOPBACK };
  const lower = Object.entries(named).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...named, ...Object.fromEntries(lower), NODE_USE_ENV_PROXY: '1' };
}

/** Sends a request to the gate, and its response to the program. Where either breaks, so does the connection. */
async function exchange(
  request: http.IncomingMessage,
  outgoing: http.ClientRequest,
  response: http.ServerResponse,
): Promise<void> {
  const broken = (): void => void response.destroy();
  outgoing.on('error', broken);
  response.once('close', () => outgoing.destroy());
  outgoing.once('response', (incoming) => {
    coalesce(incoming);
    const kept = toFields(incoming.rawHeaders).filter(([name]) => !CONNECTION_FIELDS.has(name.toLowerCase()));
    response.sendDate = false;
    response.writeHead(
      incoming.statusCode ?? 502,
      incoming.statusMessage,
      [...kept, ['Connection', 'close']].flat(),
    );
    pipeline(incoming, response).catch(broken);
  });
  // A host may respond before it has read everything: then only the response counts.
  await pipeline(request, outgoing).catch(() => {});
}

function headOf({ method = '', url = '', httpVersion, rawHeaders }: http.IncomingMessage): ProxyRequestHead {
  return { method, target: url, httpVersion, fields: toFields(rawHeaders) };
}

/** Node refuses to write a head that its parser let pass: nobody else shall read it either. */
function asRefusal(error: unknown): ProxyRefusal {
  return error instanceof ProxyRefusal ? error : new ProxyRefusal(400, 'the request is malformed');
}

/** The proxy's own response to what it refuses. */
function answerTo({ status, message }: ProxyRefusal) {
  const body = `${JSON.stringify({ error: `warder: ${message}`, message })}\n`;
  return {
    status,
    body,
    fields: {
      ...(status === 407 && { 'Proxy-Authenticate': 'Basic realm="warder"' }),
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      Connection: 'close',
    },
  };
}

/** Sends the refusal and ends the connection, with or without the other side. */
function sendRaw(socket: Duplex, refusal: ProxyRefusal): void {
  const { status, body, fields } = answerTo(refusal);
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  const head = [`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, ...lines, '', ''].join('\r\n');
  socket.end(head + body);
  // What it still sends must be read, or the system discards the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => clearTimeout(timer));
}

/** Digests are of one length, so that they can be compared in constant time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

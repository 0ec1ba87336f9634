// The gate's other front, for systems without network namespaces (macOS): a proxy on loopback, which the sandbox lets
// its server reach and nothing else, and which the proxy variables name. It looks nothing up and decides nothing: who
// shows the session's token is handed on to the gate, with the name that was asked for.
//
// Weaker than a network of the sandbox' own, and to be told so: any process of the machine can connect here, so the
// token alone keeps others out. It is the session's own secret, of no use elsewhere or later; it stands in the server's
// environment, which other processes of the same user can read. A program that takes no notice of proxy variables
// reaches nothing. A refused host shows as a connection that breaks after it was granted: the gate decides behind.
//
// Tested on Linux. Not yet run on a Mac.
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Intake, readAsked, Unasked, type Where } from './proxy-request.ts';

export interface ProxyParts {
  /** Decides on a connection, paused, and sees it through. Never rejects. */
  readonly admit: (socket: Socket, host: string, port: number) => Promise<void>;
  /** What does not reach the gate; the reason holds no secret. Must not throw. */
  readonly refused: (where: Where, reason: string) => void;
  /** Of this session alone, and not to be guessed; letters, digits, `-` and `_`, at most 255. */
  readonly token: string;
  /** Milliseconds in which a connection must have asked for its host. */
  readonly patience?: number;
}

/** A proxy that listens. Disposed of, all its connections end. */
export interface OpenProxy extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
  /** By which programs find it; the token is in them. */
  readonly variables: Readonly<Record<string, string>>;
}

const LOOPBACK = '127.0.0.1';
const USER = 'warder';
/** Connections at once: more are refused. */
const MOST = 512;
/** Those of them that have not shown the token: of more the oldest goes, as anybody on the machine can make them. */
const MOST_WAITING = 64;
const PATIENCE = 10_000;
/** Milliseconds for a program to read why it is turned away. */
const LINGER = 1000;

/** Listens on a port of its own. Throws the system's error where none is to be had. */
export async function openProxy({
  admit,
  refused,
  token,
  patience = PATIENCE,
}: ProxyParts): Promise<OpenProxy> {
  const expected = digest(`${USER}:${token}`);
  const knows = (login: string): boolean => timingSafeEqual(digest(login), expected);
  const open = new Set<Socket>();
  const waiting = new Set<Intake>();

  const receive = async (socket: Socket): Promise<void> => {
    socket.on('error', () => {});
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const intake = new Intake(socket);
    const [oldest] = waiting;
    if (oldest !== undefined && waiting.size >= MOST_WAITING) {
      waiting.delete(oldest);
      oldest.drop('too many connections wait without a token');
    }
    waiting.add(intake);
    const timer = setTimeout(() => intake.drop('it does not ask for a host in time'), patience);
    try {
      const { host, port, answer, head } = await readAsked(intake, knows);
      intake.release(head);
      if (answer.length > 0) socket.write(answer);
      // Not waited for: from here on it is the gate's.
      void admit(socket, host, port);
    } catch (error) {
      const { where, message, answer } = error instanceof Unasked ? error : BROKEN;
      refused(where, message);
      turnAway(socket, answer);
    } finally {
      clearTimeout(timer);
      waiting.delete(intake);
    }
  };

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  server.maxConnections = MOST;
  server.on('drop', () => refused(BROKEN.where, 'too many connections are open'));
  server.on('connection', (socket: Socket) => void receive(socket));
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  // Of a connection that cannot be taken, as where no descriptor is left. The next may be.
  server.on('error', () => {});
  const { port } = server.address() as AddressInfo;
  return {
    port,
    variables: proxyVariables(port, token),
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/**
 * The variables that programs read, in upper and lower case as they differ in that. `ALL_PROXY` is no SOCKS proxy, as
 * Python's httpx then fails at its first use where the package `socksio` is not there. What goes to 127.0.0.1 is the
 * proxy itself, for programs that put its address into their requests; Node would else ask the proxy for the proxy.
 */
function proxyVariables(port: number, token: string): Record<string, string> {
  const at = `${USER}:${token}@${LOOPBACK}:${port}`;
  const named = {
    HTTP_PROXY: `http://${at}`,
    HTTPS_PROXY: `http://${at}`,
    ALL_PROXY: `http://${at}`,
    SOCKS_PROXY: `socks5h://${at}`,
    NO_PROXY: LOOPBACK,
  };
  const lower = Object.entries(named).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...named, ...Object.fromEntries(lower), NODE_USE_ENV_PROXY: '1' };
}

const BROKEN = new Unasked({ host: '', port: 0 }, 'it broke before it had asked for a host');

/** Says why, if anything, and ends the connection, with or without the other side. */
function turnAway(socket: Socket, answer: Buffer): void {
  if (answer.length === 0) {
    socket.destroy();
    return;
  }
  socket.end(answer);
  // What it still sends must be read, or the system throws the answer away.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => clearTimeout(timer));
}

/** Digests are of one length, so that they can be compared in constant time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

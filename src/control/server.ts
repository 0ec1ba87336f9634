// Serves connections. A client is checked in a fixed order: its user as the kernel reports it, a HELLO in time and of
// bounded length, the HELLO's shape, and only then the request. A connection that breaks the protocol is closed; no
// other is affected. Everything that a client sends is validated; none of it is a command line. Connections that are not
// a session's are bounded in number (`budgets.ts`), so that no session is refused because of them.
import type { Socket } from 'node:net';
import { WarderError } from '../errors.ts';
import type { DescriptorInbox } from '../os/descriptor-inbox.ts';
import { HostStreams } from '../os/host-streams.ts';
import type { PeerCheck } from '../os/libc.ts';
import type { Log } from '../os/log.ts';
import { lineageOf } from '../os/proc.ts';
import { answerRefusal } from '../relay/refused-start.ts';
import { control, type Handlers, type Verb } from '../wire/control.ts';
import { Frame, FrameDecoder, type FrameListener, writeFrame, writeJson } from '../wire/frame.ts';
import type {
  HandOver,
  HandOverAnswer,
  Hello,
  HostProcess,
  Refusal,
  RunHello,
  SessionBus,
} from '../wire/hello.ts';
import { BUDGETS } from './budgets.ts';
import { ConnectionQueue } from './connection-queue.ts';
import { ControlConnection } from './control-connection.ts';
import { isRun, parseHandOver, parseHello } from './hello.ts';
import { type Host, SocketHost } from './host.ts';

/** The profile that a launcher asks for, and the processes that started it. */
export interface SessionRequest {
  readonly profile: string;
  readonly host: { readonly chain: readonly HostProcess[]; readonly cwd: string };
  /** When the launcher began, as `HostProcess.started`; undefined where the system does not tell. */
  readonly began?: number;
}

/** What a server needs. */
export interface ServerParts {
  readonly uid: number;
  readonly peer: PeerCheck;
  /** What launchers hand over, where they can. */
  readonly descriptors?: Pick<DescriptorInbox, 'take' | 'release'> | undefined;
  readonly log: Log;
  readonly handlers: Handlers;
  /**
   * Opens a session; settles when it has ended and its server is gone. An error is sent to the launcher: a
   * `WarderError` as it is, anything else as `daemon-internal`.
   */
  openSession(request: SessionRequest, host: Host): Promise<void>;
  /** Answers a HAND_OVER. */
  handOver(request: HandOver): Promise<HandOverAnswer>;
  /** Called with the session bus that a client names. */
  onBus?(bus: SessionBus): void;
  /** Called when the last connection and the last session have ended. */
  onIdle(): void;
  /** Called when somebody connects to an idle daemon. */
  onBusy(): void;
  /** How long a client has to send its HELLO, in milliseconds. */
  readonly helloTimeout?: number;
  /** How long a client has to read an answer, in milliseconds. */
  readonly readTimeout?: number;
}

/** Serves launchers and the command line. */
export class Server {
  readonly #parts: ServerParts;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Map<SocketHost, Promise<void>>();
  readonly #unknown = new ConnectionQueue(BUDGETS.unknown);
  readonly #control = new ConnectionQueue(BUDGETS.control);
  readonly #ended = new ConnectionQueue(BUDGETS.ended);
  /** Of connections whose session has ended: their hosts have read everything. */
  readonly #leaving = new Map<Socket, Promise<void>>();
  #stopping = false;
  #doctor: Promise<unknown> | undefined;

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /** How many sessions are open or being opened. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Whether anybody is connected, or a session has not ended yet. */
  get busy(): boolean {
    return this.#sockets.size > 0 || this.#sessions.size > 0;
  }

  /** Serves a connection until it ends. */
  accept(socket: Socket): void {
    const { uid, peer, log, helloTimeout = BUDGETS.helloTime } = this.#parts;
    socket.on('error', (error) => log.debug({ error: error.message }, 'connection failed'));
    const from = peer.identify(socket);
    if (from !== undefined && from.uid !== uid) {
      log.warn({ uid: from.uid }, 'connection of another user dropped');
      socket.destroy();
      return;
    }
    if (!this.busy) this.#parts.onBusy();
    this.#sockets.add(socket);
    this.#unknown.add(socket);
    const timer = setTimeout(() => {
      log.warn({}, 'connection without a HELLO dropped');
      socket.destroy();
    }, helloTimeout);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#parts.descriptors?.release(from?.pid);
      this.#sockets.delete(socket);
      this.#notifyIfIdle();
    });

    let listener: FrameListener = {
      bytes: (type) => {
        throw new WarderError('wire-malformed', `frame of type ${type} before the HELLO`);
      },
      frame: (type, payload) => {
        if (type === Frame.HAND_OVER) {
          clearTimeout(timer);
          this.#answerHandOver(socket, parseHandOver(payload));
          listener = NOTHING_MORE;
          return;
        }
        if (type !== Frame.HELLO)
          throw new WarderError('wire-malformed', `frame of type ${type} before the HELLO`);
        clearTimeout(timer);
        listener = this.#acceptHello(socket, from?.pid, payload);
        decoder.limit = listener instanceof SocketHost ? 0 : BUDGETS.request;
      },
    };
    const decoder = new FrameDecoder(
      {
        bytes: (type, slice) => listener.bytes(type, slice),
        frame: (type, payload) => listener.frame(type, payload),
      },
      BUDGETS.hello,
    );
    socket.on('data', (chunk: Buffer) => {
      try {
        decoder.push(chunk);
      } catch (error) {
        if (!(error instanceof WarderError)) log.error(describe(error), 'connection closed by a fault');
        else if (error.code === 'wire-malformed')
          log.warn({ reason: error.message }, 'malformed connection closed');
        else {
          refuse(socket, error);
          // The client closes when it has read the reason. What it still sends is ignored.
          socket.removeAllListeners('data').resume();
          setTimeout(() => socket.destroy(), helloTimeout).unref();
          return;
        }
        socket.destroy();
      }
    });
  }

  /** Ends all sessions, as if their hosts had gone, and refuses new ones. Settles when the servers are gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const host of this.#sessions.keys()) host.end(STOPPED);
    await Promise.all(this.#sessions.values());
  }

  /** Closes every connection once its client has read what was written, or after a short timeout. */
  async close(): Promise<void> {
    const closed = [...this.#sockets].map(async (socket) => {
      const gone = new Promise((resolve) => socket.once('close', resolve));
      await this.#leaving.get(socket);
      socket.end();
      await gone;
    });
    await Promise.race([Promise.all(closed), new Promise((resolve) => setTimeout(resolve, BUDGETS.close))]);
    for (const socket of this.#sockets) socket.destroy();
  }

  #answerHandOver(socket: Socket, request: HandOver): void {
    const time = request.ask === 'answer' ? BUDGETS.answer : BUDGETS.handOver;
    setTimeout(() => socket.destroy(), time).unref();
    this.#parts.handOver(request).then(
      (answer) => {
        writeJson(socket, Frame.HAND_OVER, answer);
        socket.end();
      },
      (error) => refuse(socket, this.#clientError(error, 'hand-over failed')),
    );
  }

  /** Accepts a HELLO. Returns the listener for the frames that follow. */
  #acceptHello(socket: Socket, pid: number | undefined, payload: Buffer): FrameListener {
    let hello: Hello;
    try {
      hello = parseHello(payload);
    } catch (error) {
      if (!(error instanceof WarderError) || error.code === 'wire-malformed' || !isRun(payload)) throw error;
      return this.#refuseRun(socket, error);
    }
    if (hello.bus !== undefined) this.#parts.onBus?.(hello.bus);
    if (hello.kind === 'control') return this.#serveControl(socket);
    if (this.#stopping) {
      // Without an answer, as those that connect a little later: a launcher then starts the next daemon.
      socket.destroy();
      return UNHEARD;
    }
    this.#unknown.delete(socket);
    const { profile, cwd } = hello;
    const streams = this.#streams(hello, pid);
    const host = new SocketHost(socket, streams);
    const { chain, ...launcher } = lineageOf(pid ?? hello.pid);
    const request: SessionRequest = { profile, host: { chain, cwd }, ...launcher };
    // Not earlier: where /proc hides others' processes, it hides those that cannot be traced too, as a launcher then is.
    if (streams === undefined) confirm(socket);
    else writeFrame(socket, Frame.TAKEN, []);
    this.#sessions.set(host, this.#runSession(request, host, socket));
    return host;
  }

  /** The host's own descriptors, where its launcher has handed them over and they may be used. */
  #streams({ descriptors: number }: RunHello, pid: number | undefined): HostStreams | undefined {
    const { descriptors, log } = this.#parts;
    if (number === undefined) return undefined;
    const taken = descriptors?.take(number, pid);
    const streams = taken && HostStreams.open(taken);
    if (streams === undefined) log.debug({}, "a host's descriptors are not used");
    return streams;
  }

  /** A launcher gets no session, and its host an answer to what it asks. */
  #refuseRun(socket: Socket, error: WarderError): FrameListener {
    const { helloTimeout = BUDGETS.helloTime } = this.#parts;
    const host = new SocketHost(socket);
    confirm(socket);
    void answerRefusal(host, error).then(() => {
      host.refuse(error);
      setTimeout(() => socket.destroy(), helloTimeout).unref();
    });
    return host;
  }

  async #runSession(request: SessionRequest, host: SocketHost, socket: Socket): Promise<void> {
    const { log } = this.#parts;
    // The session must be in the map before anything can end it.
    await Promise.resolve();
    try {
      await this.#parts.openSession(request, host);
      if (!host.finished) host.exit(0);
    } catch (error) {
      const refusal = this.#clientError(error, 'session failed');
      log.info({ profile: request.profile, code: refusal.code, reason: refusal.message }, 'session refused');
      if (host.rewind() || !host.listening) await answerRefusal(host, refusal);
      host.refuse(refusal);
    } finally {
      this.#sessions.delete(host);
      if (!socket.destroyed) {
        this.#ended.add(socket);
        this.#leaving.set(socket, host.sent);
        socket.once('close', () => this.#leaving.delete(socket));
      }
      this.#notifyIfIdle();
    }
  }

  /** Serves the command line. */
  #serveControl(socket: Socket): ControlConnection {
    const { log, readTimeout = BUDGETS.read } = this.#parts;
    const add = (): void => this.#control.add(socket, () => connection.idle);
    const connection = new ControlConnection(socket, {
      answer: (verb, params) => this.#answer(verb, params),
      onIdle: add,
      onCut: (reason) => log.warn({}, reason),
      readTimeout,
    });
    this.#unknown.delete(socket);
    add();
    return connection;
  }

  async #answer(verb: string, params: unknown): Promise<{ result: unknown } | { error: object }> {
    try {
      return { result: await this.#handle(verb, params) };
    } catch (error) {
      const { code, message, hint } = this.#clientError(error, `request "${verb.slice(0, 40)}" failed`);
      return { error: { code, message, ...(hint !== undefined && { hint }) } };
    }
  }

  async #handle(verb: string, params: unknown): Promise<unknown> {
    if (!Object.hasOwn(control, verb)) {
      throw new WarderError('daemon-version', `the daemon does not know the request "${verb.slice(0, 40)}"`, {
        hint: 'it may be older than this program: run "warder stop" and try again',
      });
    }
    const name = verb as Verb;
    const parsed = control[name].params.safeParse(params);
    if (!parsed.success) {
      // Paths and kinds only: a value may be a secret.
      const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      throw new WarderError('usage', `the request "${name}" is malformed: ${issues.join('; ')}`);
    }
    const handler = this.#parts.handlers[name] as (params: unknown) => unknown;
    if (name !== 'doctor') return await handler(parsed.data);
    // It starts many processes: whoever asks meanwhile gets the same answer.
    this.#doctor ??= (async () => handler(parsed.data))().finally(() => {
      this.#doctor = undefined;
    });
    return await this.#doctor;
  }

  /** The error as the client may see it. One that is not a `WarderError` is logged, and reported in general terms. */
  #clientError(error: unknown, what: string): WarderError {
    if (error instanceof WarderError) return error;
    this.#parts.log.error(describe(error), what);
    return new WarderError('daemon-internal', 'the daemon failed', {
      hint: 'its log says why; "warder doctor" names the file',
    });
  }

  #notifyIfIdle(): void {
    if (!this.busy) this.#parts.onIdle();
  }
}

const STOPPED = new WarderError('daemon-unreachable', 'the daemon was stopped during the session', {
  hint: 'start the server again from the host',
});

/** Tells a launcher that its HELLO has arrived: from now on it reads what its host sends. */
function confirm(socket: Socket): void {
  writeFrame(socket, Frame.DATA, []);
}

/** For a connection that is closed while its client may have sent more. */
const UNHEARD: FrameListener = { bytes: () => {}, frame: () => {} };

/** For a connection whose client has nothing more to send. */
const NOTHING_MORE: FrameListener = {
  bytes: (type) => NOTHING_MORE.frame(type, Buffer.alloc(0)),
  frame(type) {
    throw new WarderError('wire-malformed', `frame of type ${type} after a HAND_OVER`);
  },
};

function refuse(socket: Socket, { code, message, hint, exit }: WarderError): void {
  const refusal: Refusal = { code, message, exit, ...(hint !== undefined && { hint }) };
  writeJson(socket, Frame.REFUSE, refusal);
  socket.end();
}

function describe(error: unknown): { error: string } {
  return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

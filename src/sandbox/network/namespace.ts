// Creates the network of a sandbox. An outer bubblewrap makes the network namespace, and a user namespace that owns it.
// Inside, a stage (`namespace-stage.ts`) opens the listeners, passes the sockets to the daemon, and becomes the *pause
// process*: a `cat` that waits for the end of its stdin. It keeps the namespace alive, and a server's sandbox joins the
// namespace through its pid. None of the sockets is on the host, so only processes in the namespace can reach them.
//
// The pause process is in the machine's pid namespace, and servers are not: no server can see it, signal it, or gain its
// rights. It ends with the daemon for two reasons: its stdin closes, and its parent ends.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket as UdpSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { WarderError } from '../../errors.ts';
import { executableOf, identify, namespaceOf, sendSignal } from '../linux/process.ts';
import { findProgram, type Machine } from '../machine.ts';
import type { Network } from '../network.ts';
import { findMissing } from '../probe.ts';
import { readAttempts } from './attempts.ts';
import type { StageMessage } from './namespace-stage.ts';

/** Milliseconds for a network to come up, also on a busy machine. */
const TIMEOUT = 15_000;

/** Milliseconds for a holder to end by itself. */
const EXIT_TIMEOUT = 1000;

const HINT = 'see "warder doctor"';

/** What is needed to create a network. */
export interface NetworkParts {
  readonly machine: Machine;
  /** The Node that runs the stage. */
  readonly node: string;
  /** The stage's program file: `namespace-stage.ts`, built. */
  readonly stage: string;
}

/** The sockets that the stage has passed so far. */
interface Sockets {
  readonly listeners: ReadonlyMap<number, Server>;
  udp?: UdpSocket;
  tcp?: Server;
}

interface ReceivedSockets extends Sockets {
  readonly listeners: Map<number, Server>;
}

/**
 * Creates a network with listeners on these ports. Throws `sandbox-unavailable` if bubblewrap or nsenter is missing, if
 * namespaces are forbidden, and if the stage fails.
 */
export async function createNetwork(
  ports: readonly number[],
  { machine, node, stage }: NetworkParts,
): Promise<Network> {
  const { bubblewrap } = machine;
  const pauseProgram = findProgram('cat');
  if (bubblewrap === undefined || machine.nsenter === undefined || pauseProgram === undefined) {
    throw await missingPart(machine);
  }
  const options = [
    // As uid 0 of the namespace: for any other uid bubblewrap makes a second one, which does not own the network.
    ...['--unshare-user', '--unshare-net', '--uid', '0', '--gid', '0'],
    ...['--cap-drop', 'ALL', '--cap-add', 'CAP_NET_BIND_SERVICE'],
    ...['--cap-add', 'CAP_NET_RAW', '--cap-add', 'CAP_NET_ADMIN'],
    ...['--die-with-parent', '--ro-bind', '/', '/', '--dev', '/dev', '--'],
  ];
  const outer = spawn(
    bubblewrap.file,
    [...options, node, stage, pauseProgram, ports.join(), machine.ip ?? ''],
    {
      stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
      env: {},
      cwd: '/',
      // A terminal's signal to the daemon's process group must not reach them.
      detached: true,
    },
  );
  const ended = new Promise<void>((resolve) => {
    outer.once('exit', () => resolve());
    outer.once('error', () => resolve());
  });
  const received: ReceivedSockets = { listeners: new Map() };
  try {
    const { pid, attemptSocket } = await receiveSockets(outer, received);
    const descriptor = attemptSocket < 0 ? -1 : (machine.copyDescriptor?.(pid, attemptSocket) ?? -1);
    const { udp, tcp, listeners } = received;
    const disconnected = new Promise((resolve) => outer.once('disconnect', resolve));
    outer.send('copied', () => {});
    await settlesWithin(TIMEOUT, disconnected);
    const pauseProcess = identify(pid);
    const namespace = pauseProcess === undefined ? undefined : namespaceOf(pid, 'net');
    const isComplete = udp !== undefined && tcp !== undefined && ports.every((port) => listeners.has(port));
    // The channel closes when the stage has become the pause process, or has failed to.
    const isPaused = executableOf(pid) !== undefined && executableOf(pid) !== executableOf(process.pid);
    if (!isComplete || !isPaused || pauseProcess === undefined || namespace === undefined) {
      if (descriptor >= 0) closeSync(descriptor);
      throw unavailable('its stage failed', HINT);
    }
    return networkOf({ outer, ended, pauseProcess, namespace, listeners, dns: { udp, tcp }, descriptor });
  } catch (error) {
    outer.kill('SIGKILL');
    closeAll(received);
    if (error instanceof WarderError) throw error;
    throw await missingPart(machine, error);
  }
}

/** Receives the stage's sockets until it has sent all. Rejects if the stage ends, fails, or takes too long. */
async function receiveSockets(
  outer: ChildProcess,
  received: ReceivedSockets,
): Promise<{ pid: number; attemptSocket: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ pid: number; attemptSocket: number }>();
  const timer = setTimeout(() => reject(new Error('it takes too long')), TIMEOUT);
  outer.once('error', reject);
  outer.once('exit', () => reject(new Error('it ended')));
  outer.on('message', (message, socket) => {
    const sent = message as StageMessage;
    if ('error' in sent) reject(unavailable(`its ports cannot be listened on: ${sent.error}`, HINT));
    else if ('pid' in sent) resolve(sent);
    else if ('port' in sent) received.listeners.set(sent.port, serverOn(socket));
    else if (sent.dns === 'tcp') received.tcp = serverOn(socket);
    else received.udp = socket as UdpSocket;
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** A server on the socket of a received server, with the options that a received server lacks. */
function serverOn(received: unknown): Server {
  return createServer({ allowHalfOpen: true, pauseOnConnect: true })
    .listen(received as Server)
    .unref();
}

function networkOf({
  outer,
  ended,
  descriptor,
  ...network
}: Pick<Network, 'pauseProcess' | 'namespace' | 'listeners' | 'dns'> & {
  readonly outer: ChildProcess;
  readonly ended: Promise<void>;
  readonly descriptor: number;
}): Network {
  const { pauseProcess, listeners, dns } = network;
  const stdin = outer.stdin as Socket;
  stdin.on('error', () => {});
  outer.unref();
  stdin.unref();
  dns.udp.unref();
  let attemptSocket = descriptor;
  const end = async (): Promise<void> => {
    closeAll({ listeners, ...dns });
    if (attemptSocket >= 0) closeSync(attemptSocket);
    attemptSocket = -1;
    stdin.end();
    if (await settlesWithin(EXIT_TIMEOUT, ended)) return;
    sendSignal(pauseProcess, 'SIGKILL');
    outer.kill('SIGKILL');
    await settlesWithin(EXIT_TIMEOUT, ended);
  };
  let ending: Promise<void> | undefined;
  return {
    ...network,
    recordsAttempts: descriptor >= 0,
    takeAttempts: () => (attemptSocket < 0 ? [] : readAttempts(attemptSocket)),
    [Symbol.asyncDispose]: () => {
      ending ??= end();
      return ending;
    },
  };
}

/** Closes sockets; some may be closed already. */
function closeAll({ listeners, tcp, udp }: Sockets): void {
  for (const server of listeners.values()) server.close();
  tcp?.close();
  try {
    udp?.close();
  } catch {
    // Its user has closed it already.
  }
}

/** Waits for an event, at most `timeout` milliseconds. Resolves to whether it happened. */
async function settlesWithin(timeout: number, event: Promise<unknown>): Promise<boolean> {
  const expired = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => expired.resolve(false), timeout);
  const happened = await Promise.race([event.then(() => true), expired.promise]);
  clearTimeout(timer);
  return happened;
}

async function missingPart(machine: Machine, cause?: unknown): Promise<WarderError> {
  const { what, hint } = await findMissing(machine);
  return unavailable(what, hint, cause);
}

/** The error for a network that cannot be created. */
export function unavailable(what: string, hint: string, cause?: unknown): WarderError {
  return new WarderError('sandbox-unavailable', `cannot create the sandbox's network: ${what}`, {
    hint,
    cause,
  });
}

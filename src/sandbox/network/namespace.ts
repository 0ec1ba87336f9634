// The making of a network for a sandbox. An outer bubblewrap makes the namespace, with a user namespace that owns it; in
// there a stage (`listen`) listens, hands the sockets over, and becomes the *pauseProcess*, a `cat` that waits for the end
// of its stdin and by which a server's sandbox enters the namespace. Nothing of this is a socket on the host, and
// nobody but who runs in the namespace can reach it.
//
// The pauseProcess is in the machine's pid namespace and no server is: none sees it, signals it, or has its rights. It ends
// with the daemon, twice over: with its stdin, and with its parent.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { WarderError } from '../../errors.ts';
import { executableOf, identify, namespaceOf, sendSignal } from '../linux/process.ts';
import { findProgram, type Machine } from '../machine.ts';
import type { Network } from '../network.ts';
import { findMissing } from '../probe.ts';
import { close, readAttempts } from './attempts.ts';
import type { StageMessage } from './namespace-stage.ts';

/** Milliseconds for a network to be made, on a machine that has much else to do. */
const TIMEOUT = 15_000;

/** Milliseconds for a holder to end by itself. */
const EXIT_TIMEOUT = 1000;

const HINT = 'see "warder doctor"';

/** What a network is made with. */
export interface NetworkParts {
  readonly machine: Machine;
  /** The node that runs the stage. */
  readonly node: string;
  /** The stage's program file: `namespace-stage.ts`, built. */
  readonly stage: string;
}

/** The stage's sockets, as they come. */
interface Sockets {
  readonly listeners: ReadonlyMap<number, Server>;
  udp?: UdpSocket;
  tcp?: Server;
}

interface ReceivedSockets extends Sockets {
  readonly listeners: Map<number, Server>;
}

/**
 * Makes a network with listeners at these ports. Throws `sandbox-unavailable`: where bubblewrap or nsenter is
 * missing, where namespaces are forbidden, where the stage fails.
 */
export async function createNetwork(
  ports: readonly number[],
  { machine, node, stage }: NetworkParts,
): Promise<Network> {
  const { bubblewrap } = machine;
  const waiting = findProgram('cat');
  if (bubblewrap === undefined || machine.nsenter === undefined || waiting === undefined) {
    throw await missingPart(machine);
  }
  const options = [
    // As uid 0 of its namespace: as another one bubblewrap makes a second, which owns no network.
    ...['--unshare-user', '--unshare-net', '--uid', '0', '--gid', '0'],
    ...['--cap-drop', 'ALL', '--cap-add', 'CAP_NET_BIND_SERVICE'],
    ...['--cap-add', 'CAP_NET_RAW', '--cap-add', 'CAP_NET_ADMIN'],
    ...['--die-with-parent', '--ro-bind', '/', '/', '--dev', '/dev', '--'],
  ];
  const outer = spawn(bubblewrap.file, [...options, node, stage, waiting, ports.join()], {
    stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
    env: {},
    cwd: '/',
    // A signal to the daemon's group, from a terminal, is not theirs.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => {
    outer.once('exit', () => resolve());
    outer.once('error', () => resolve());
  });
  const received: ReceivedSockets = { listeners: new Map() };
  try {
    const { pid, watch } = await receiveSockets(outer, received);
    const descriptor = watch < 0 ? -1 : (machine.copyDescriptor?.(pid, watch) ?? -1);
    const { udp, tcp, listeners } = received;
    const left = new Promise((resolve) => outer.once('disconnect', resolve));
    outer.send('copied', () => {});
    await settlesWithin(TIMEOUT, left);
    const pauseProcess = identify(pid);
    const namespace = pauseProcess === undefined ? undefined : namespaceOf(pid, 'net');
    const whole = udp !== undefined && tcp !== undefined && ports.every((port) => listeners.has(port));
    // The channel ends when the stage has become the pauseProcess, or has not.
    const became = executableOf(pid) !== undefined && executableOf(pid) !== executableOf(process.pid);
    if (!whole || !became || pauseProcess === undefined || namespace === undefined) {
      if (descriptor >= 0) close(descriptor);
      throw unavailable('its stage did not hold', HINT);
    }
    return networkOf({ outer, ended, pauseProcess, namespace, listeners, dns: { udp, tcp }, descriptor });
  } catch (error) {
    outer.kill('SIGKILL');
    closeAll(received);
    if (error instanceof WarderError) throw error;
    throw await missingPart(machine, error);
  }
}

/** Takes what the stage sends, until it has sent all. Rejects where it ends, fails, or takes too long. */
async function receiveSockets(
  outer: ChildProcess,
  received: ReceivedSockets,
): Promise<{ pid: number; watch: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ pid: number; watch: number }>();
  const late = setTimeout(() => reject(new Error('it takes too long')), TIMEOUT);
  outer.once('error', reject);
  outer.once('exit', () => reject(new Error('it ended')));
  outer.on('message', (message, socket) => {
    const told = message as StageMessage;
    if ('error' in told) reject(unavailable(`its ports cannot be listened on: ${told.error}`, HINT));
    else if ('pid' in told) resolve(told);
    else if ('listens' in told) received.listeners.set(told.listens, serverOn(socket));
    else if (told.names === 'tcp') received.tcp = serverOn(socket);
    else received.udp = socket as UdpSocket;
  });
  try {
    return await promise;
  } finally {
    clearTimeout(late);
  }
}

/** A server at a received one's socket: with settings that a received one has not. */
function serverOn(received: unknown): Server {
  return createServer({ allowHalfOpen: true, pauseOnConnect: true })
    .listen(received as Server)
    .unref();
}

function networkOf({
  outer,
  ended,
  descriptor,
  ...known
}: Pick<Network, 'pauseProcess' | 'namespace' | 'listeners' | 'dns'> & {
  readonly outer: ChildProcess;
  readonly ended: Promise<void>;
  readonly descriptor: number;
}): Network {
  const { pauseProcess, listeners, dns } = known;
  const stdin = outer.stdin as Socket;
  stdin.on('error', () => {});
  outer.unref();
  stdin.unref();
  dns.udp.unref();
  let watched = descriptor;
  const end = async (): Promise<void> => {
    closeAll({ listeners, ...dns });
    if (watched >= 0) close(watched);
    watched = -1;
    stdin.end();
    if (await settlesWithin(EXIT_TIMEOUT, ended)) return;
    sendSignal(pauseProcess, 'SIGKILL');
    outer.kill('SIGKILL');
    await settlesWithin(EXIT_TIMEOUT, ended);
  };
  let ending: Promise<void> | undefined;
  return {
    ...known,
    recordsAttempts: descriptor >= 0,
    takeAttempts: () => (watched < 0 ? [] : readAttempts(watched)),
    [Symbol.asyncDispose]: () => {
      ending ??= end();
      return ending;
    },
  };
}

/** Closes sockets, those that were closed already too. */
function closeAll({ listeners, tcp, udp }: Sockets): void {
  for (const server of listeners.values()) server.close();
  tcp?.close();
  try {
    udp?.close();
  } catch {
    // It was closed by whoever used it.
  }
}

/** Waits for something, but not longer than so many milliseconds. `false`: it has not come. */
async function settlesWithin(patience: number, event: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), patience);
  const came = await Promise.race([event.then(() => true), late.promise]);
  clearTimeout(timer);
  return came;
}

async function missingPart(machine: Machine, cause?: unknown): Promise<WarderError> {
  const { what, hint } = await findMissing(machine);
  return unavailable(what, hint, cause);
}

/** Why there is no network. */
export function unavailable(what: string, hint: string, cause?: unknown): WarderError {
  return new WarderError('sandbox-unavailable', `cannot make a sandbox' network: ${what}`, { hint, cause });
}

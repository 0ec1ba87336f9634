// The program that opens a sandbox's listeners, in a new network namespace and before any server runs:
// `node namespace-stage.js PAUSE PORTS IP`. It listens, makes every IPv4 address local with the program IP, passes the sockets to the daemon over Node's IPC channel, and becomes
// PAUSE, a program that does nothing until its stdin ends. As long as that runs, others can join the namespace. The
// stage is told only port numbers and system programs. If anything fails, it reports the error and exits.
import { type SendHandle, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { openKernel } from '../linux/kernel.ts';
import { attemptFilter } from './attempts.ts';

/** What the stage sends to the daemon. The first two come with a socket. */
export type StageMessage =
  /** A listener for a port. */
  | { readonly port: number }
  | { readonly dns: 'udp' | 'tcp' }
  /** All sockets were sent. `attemptSocket`: a descriptor of this process to copy; -1 if there is none. */
  | { readonly pid: number; readonly attemptSocket: number }
  | { readonly error: string };

/** How many connections may wait to be accepted: Node's default. */
const BACKLOG = 511;

/** Milliseconds between two checks whether the daemon is still connected. */
const POLL_INTERVAL = 50;

/** Milliseconds for `ip` to add a route. */
const ROUTE_TIMEOUT = 5000;

/** The address of the sandbox's name server. */
const NAME_SERVER = { host: '127.0.0.1', port: 53 };

const [pauseProgram = '', list = '', ip = ''] = process.argv.slice(2);
const ports = list.split(',').filter(Boolean).map(Number);

/** Resolves when the daemon has the socket. */
function send(message: StageMessage, socket?: SendHandle): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, socket, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function listenTcp(at: { host: string; port: number }, message: StageMessage): Promise<void> {
  const server = createServer().listen({ ...at, backlog: BACKLOG });
  await once(server, 'listening');
  await send(message, server);
}

async function listenUdp(): Promise<void> {
  const socket = createSocket('udp4').bind({
    address: NAME_SERVER.host,
    port: NAME_SERVER.port,
    exclusive: true,
  });
  await once(socket, 'listening');
  await send({ dns: 'udp' }, socket);
}

/**
 * Makes every IPv4 address local to this network namespace, so that connections to any address reach the listeners.
 * Resolves to whether it worked: not where `ip` is missing, and then only 127.0.0.0/8 is local. The table and the scope
 * are iproute2's defaults for a local route, but BusyBox's `ip` needs them.
 */
async function addLocalRoute(): Promise<boolean> {
  if (ip === '') return false;
  const route = ['-4', 'route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo', 'table', 'local', 'scope', 'host'];
  const added = spawn(ip, route, { stdio: 'ignore', env: {}, timeout: ROUTE_TIMEOUT });
  try {
    const [code] = await once(added, 'exit');
    return code === 0;
  } catch {
    return false;
  }
}

/**
 * Opens the socket that sees refused connections; -1 where the C library cannot be called. It needs the local route:
 * otherwise the kernel refuses connections to other addresses before this socket sees them.
 */
async function openAttemptSocket(): Promise<number> {
  const [routed, kernel] = await Promise.all([
    addLocalRoute(),
    openKernel(process.arch === 'x64' || process.arch === 'arm64' ? process.arch : undefined),
  ]);
  return routed && kernel !== undefined ? kernel.openSegmentSocket(attemptFilter(ports)) : -1;
}

// Polled, because Node 24 delays the `disconnect` event until every socket that was sent is acknowledged.
setInterval(() => {
  if (!process.connected) process.exit(1);
}, POLL_INTERVAL);
try {
  const [attemptSocket] = await Promise.all([
    openAttemptSocket(),
    ...ports.map((port) => listenTcp({ host: '0.0.0.0', port }, { port })),
    listenTcp(NAME_SERVER, { dns: 'tcp' }),
    listenUdp(),
  ]);
  const copied = once(process, 'message');
  await send({ pid: process.pid, attemptSocket });
  await copied;
  process.execve?.(pauseProgram, [pauseProgram], {});
  throw new Error('this Node cannot replace itself with another program');
} catch (error) {
  await send({ error: (error as Error).message }).catch(() => {});
  process.exit(1);
}

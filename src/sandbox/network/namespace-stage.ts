// The program that makes a sandbox' listeners, in a network namespace of its own and before any server is there:
// `node namespace-stage.js HOLDER PORTS`. It listens, hands the sockets to the daemon over Node's channel, and becomes
// HOLDER, a program that does nothing until its stdin ends: as long as it runs the namespace can be entered. It knows
// numbers of ports and nothing else. Whatever fails, it says so and ends.
import type { SendHandle } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { openKernel } from '../linux/kernel.ts';
import { attemptFilter } from './attempts.ts';

/** What the daemon hears. A socket comes with the first two. */
export type StageMessage =
  | { readonly listens: number }
  | { readonly names: 'udp' | 'tcp' }
  /** All sockets were sent. `watch`: a descriptor of this process to be copied; -1 where there is none. */
  | { readonly pid: number; readonly watch: number }
  | { readonly error: string };

/** Connections that wait to be accepted, as Node has it. */
const BACKLOG = 511;

/** Milliseconds between looks whether the daemon is still there. */
const POLL_INTERVAL = 50;

/** Where a sandbox asks for names. */
const NAME_SERVER = { host: '127.0.0.1', port: 53 };

const [holder = '', list = ''] = process.argv.slice(2);
const ports = list.split(',').filter(Boolean).map(Number);

/** Settles when the daemon has the socket. */
function send(told: StageMessage, socket?: SendHandle): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(told, socket, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function listenTcp(at: { host: string; port: number }, told: StageMessage): Promise<void> {
  const server = createServer().listen({ ...at, backlog: BACKLOG });
  await once(server, 'listening');
  await send(told, server);
}

async function listenUdp(): Promise<void> {
  const socket = createSocket('udp4').bind({
    address: NAME_SERVER.host,
    port: NAME_SERVER.port,
    exclusive: true,
  });
  await once(socket, 'listening');
  await send({ names: 'udp' }, socket);
}

/**
 * A look at what is refused, where the C library can be called. What leads nowhere then ends here, or the kernel would
 * refuse it before anybody sees it.
 */
async function openAttemptSocket(): Promise<number> {
  const kernel = await openKernel(
    process.arch === 'x64' || process.arch === 'arm64' ? process.arch : undefined,
  );
  return kernel?.ownAllAddresses() ? kernel.openSegmentSocket(attemptFilter(ports)) : -1;
}

// Looked at, since Node 24 holds the event back as long as a socket that was sent is not acknowledged.
setInterval(() => {
  if (!process.connected) process.exit(1);
}, POLL_INTERVAL);
try {
  const [descriptor] = await Promise.all([
    openAttemptSocket(),
    ...ports.map((port) => listenTcp({ host: '0.0.0.0', port }, { listens: port })),
    listenTcp(NAME_SERVER, { names: 'tcp' }),
    listenUdp(),
  ]);
  const copied = once(process, 'message');
  await send({ pid: process.pid, watch: descriptor });
  await copied;
  process.execve?.(holder, [holder], {});
  throw new Error('this Node cannot become another program');
} catch (error) {
  await send({ error: (error as Error).message }).catch(() => {});
  process.exit(1);
}

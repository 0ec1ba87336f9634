// A sandbox's network: what its users see of it.
import type { Socket as UdpSocket } from 'node:dgram';
import type { Server } from 'node:net';
import type { ProcessIdentity } from './linux/process.ts';
import type { ConnectionAttempt } from './network/attempts.ts';

/**
 * A network for one sandbox. It is empty until a sandbox is started in it: attach event listeners before, and no
 * connection is lost. It does not keep this process running. Disposing closes its sockets and ends its pause process;
 * the caller ends accepted connections and the processes that are still in it.
 */
export interface Network extends AsyncDisposable {
  /** The process that keeps the namespace alive. Others join the namespace through its pid. */
  readonly pauseProcess: ProcessIdentity;
  /** The kernel's name of the namespace: `net:[4026532008]`. */
  readonly namespace: string;
  /**
   * By port. They listen on every IPv4 address of the network: on all addresses there are, or only on 127.0.0.0/8 where
   * no route could be added. Half-open connections are allowed, and each connection arrives paused. Its `localAddress`
   * is the address that the server connected to.
   */
  readonly listeners: ReadonlyMap<number, Server>;
  /** The name server's sockets, on 127.0.0.1 port 53. */
  readonly dns: { readonly udp: UdpSocket; readonly tcp: Server };
  /**
   * Whether refused connections are recorded. This needs the route, the C library, Linux 5.6, and permission to copy a
   * descriptor of another process.
   */
  readonly recordsAttempts: boolean;
  /** TCP connections that the kernel refused since the last call: to ports without a listener, except on 127.0.0.1. */
  takeAttempts(): ConnectionAttempt[];
}

/** What a sandbox needs to join a network. */
export type NetworkNamespace = Pick<Network, 'pauseProcess' | 'namespace'>;

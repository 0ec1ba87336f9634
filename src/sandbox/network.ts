// A sandbox's network, as those see it who use it.
import type { Socket as UdpSocket } from 'node:dgram';
import type { Server } from 'node:net';
import type { ProcessIdentity } from './linux/process.ts';
import type { ConnectionAttempt } from './network/attempts.ts';

/**
 * A network for one sandbox. Nobody is in it before a sandbox is started with it: attach listeners first, and no
 * connection is lost. It does not keep this process running. Disposed of, its sockets are closed and its holder is
 * gone; connections that were accepted, and processes still in it, are the caller's to end.
 */
export interface Network extends AsyncDisposable {
  /** The process by which it is entered. */
  readonly pauseProcess: ProcessIdentity;
  /** The kernel's name of the namespace: `net:[4026532008]`. */
  readonly namespace: string;
  /**
   * By port, at every IPv4 address: all are the network's own, or only 127.0.0.0/8 where nothing watches. They listen, half-open connections are
   * allowed, and each comes paused. `localAddress` is the address that was meant.
   */
  readonly listeners: ReadonlyMap<number, Server>;
  /** At 127.0.0.1, port 53. */
  readonly dns: { readonly udp: UdpSocket; readonly tcp: Server };
  /** Whether `attempts` tells anything: it takes the C library, Linux 5.6, and leave to copy a descriptor. */
  readonly recordsAttempts: boolean;
  /** TCP connections that were refused since the last call: at ports without a listener, but for 127.0.0.1. */
  takeAttempts(): ConnectionAttempt[];
}

/** What a sandbox needs to know of a network that it is started in. */
export type NetworkNamespace = Pick<Network, 'pauseProcess' | 'namespace'>;

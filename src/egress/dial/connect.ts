// Connections to addresses: nothing is resolved here, and nothing is dialled before it was reported.
import * as net from 'node:net';
import { abortable, waitForEvent } from '../connection/wait.ts';

/** An established connection, paused and half-open, and the address that was dialled. */
export interface Dialled {
  readonly socket: net.Socket;
  readonly address: string;
}

/** What a proxy is asked for: an address, or by the name, so that nobody has judged an address. */
export interface ProxiedTarget {
  readonly target: string | undefined;
}

/**
 * One dial. `onAddress` is called with each address before the first packet goes to it, and may throw; `proxied` where
 * it is a proxy's.
 */
export interface DialAttempt {
  readonly onAddress: (address: string, proxied?: ProxiedTarget) => void;
  readonly signal: AbortSignal;
}

/** Milliseconds for an address while there is another to try. */
const ADDRESS_TIMEOUT = 1000;

/** Connects to the first of the addresses that answers. Throws the error of the last one. */
export async function connectAny(
  addresses: readonly string[],
  port: number,
  { onAddress, signal }: DialAttempt,
  proxied?: ProxiedTarget,
): Promise<Dialled> {
  let failure: unknown;
  for (const [index, address] of addresses.entries()) {
    signal.throwIfAborted();
    onAddress(address, proxied);
    try {
      const last = index === addresses.length - 1;
      return { socket: await connect(address, port, last ? undefined : ADDRESS_TIMEOUT, signal), address };
    } catch (error) {
      failure = error;
    }
  }
  signal.throwIfAborted();
  throw failure;
}

/** Connects to one address; nothing is resolved. `timeout`: milliseconds after which it is given up. */
async function connect(
  address: string,
  port: number,
  timeout: number | undefined,
  signal: AbortSignal,
): Promise<net.Socket> {
  const socket = net.connect({
    host: address,
    port,
    family: net.isIP(address),
    autoSelectFamily: false,
    allowHalfOpen: true,
    noDelay: true,
  });
  // An error that arrives when nobody waits any more must find a listener.
  socket.on('error', () => {});
  const late = (): void => void socket.destroy(new Error('does not answer in time'));
  const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
  try {
    await abortable(signal, waitForEvent(socket, 'connect'));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

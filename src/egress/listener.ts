// How a sandbox's server reaches its gate: through the sandbox's own network, which needs nothing of the server; or,
// where the system has no such networks, through a proxy that the proxy variables name.
import { randomBytes } from 'node:crypto';
import type { Network } from '../sandbox/network.ts';
import type { Gate } from './gate.ts';
import type { EgressLedger } from './ledger.ts';
import { serveDns } from './names/dns-server.ts';
import type { VirtualAddresses } from './names/virtual-addresses.ts';
import { openProxy } from './proxy/proxy.ts';
import type { GateTurns } from './turns.ts';

/** Leads to a gate. Once disposed, nothing does. */
export interface Listener extends Disposable {
  /** The proxy's port on loopback; undefined where there is a network. */
  readonly port: number | undefined;
  /** Variables by which programs find the proxy. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Milliseconds between two readings of the connections that the kernel refused. */
const POLL_INTERVAL = 1000;

/** Serves a network's DNS and connections. */
export function serveNetwork(
  network: Network,
  gate: Pick<Gate, 'serve'>,
  addresses: VirtualAddresses,
  ledger: EgressLedger,
  turns: GateTurns,
): Listener {
  const refused = (name: string): void => ledger.recordRefusal({ host: name, port: 53 }, 'not listed');
  const dns = serveDns(network.dns, addresses, turns, refused);
  for (const listener of network.listeners.values()) gate.serve(listener);
  const recordAttempts = (): void => {
    for (const { address, port } of network.takeAttempts()) {
      ledger.recordRefusal({ host: addresses.nameAt(address) ?? address, port }, 'not listed');
    }
  };
  const timer = setInterval(() => turns.enter(recordAttempts), POLL_INTERVAL).unref();
  return {
    port: undefined,
    variables: {},
    [Symbol.dispose]() {
      clearInterval(timer);
      recordAttempts();
      dns[Symbol.dispose]();
    },
  };
}

/** Opens a proxy with its own token. Throws the system's error where it cannot listen. */
export async function serveProxy(gate: Gate, ledger: EgressLedger): Promise<Listener> {
  const proxy = await openProxy({
    token: randomBytes(32).toString('base64url'),
    admit: (socket, host, port) => gate.admit(socket, host, port),
    onRefused: (target, reason) => ledger.recordRefusal(target, reason),
  });
  return {
    port: proxy.port,
    variables: proxy.variables,
    // All sockets are closed at once; only the system's confirmation is awaited.
    [Symbol.dispose]: () => void proxy[Symbol.asyncDispose](),
  };
}

// How a sandbox' server comes to its gate: through a network of the sandbox' own, which needs nothing of the server;
// or, where the system has no such networks, through a proxy that the proxy variables name.
import { randomBytes } from 'node:crypto';
import type { Network } from '../sandbox/network.ts';
import type { Gate } from './gate.ts';
import type { EgressLedger } from './ledger.ts';
import { serveNames } from './names/dns-server.ts';
import type { Names } from './names/virtual-addresses.ts';
import { openProxy } from './proxy/proxy.ts';

/** What leads to a gate. Disposed of, nothing does. */
export interface Front extends Disposable {
  /** The proxy's port on loopback; none where there is a network. */
  readonly port: number | undefined;
  /** By which programs find it. */
  readonly variables: Readonly<Record<string, string>>;
}

/** How often the kernel is asked what it refused, in milliseconds. */
const LOOK = 1000;

/** Serves a network's names and connections. */
export function serveNetwork(network: Network, gate: Gate, names: Names, ledger: EgressLedger): Front {
  const naming = serveNames(network.dns, names, (asked) =>
    ledger.refused({ host: asked, port: 53 }, 'not listed'),
  );
  for (const listener of network.listeners.values()) gate.serve(listener);
  const look = (): void => {
    for (const { address, port } of network.takeAttempts()) {
      ledger.refused({ host: names.nameAt(address) ?? address, port }, 'not listed');
    }
  };
  const looking = setInterval(look, LOOK).unref();
  return {
    port: undefined,
    variables: {},
    [Symbol.dispose]() {
      clearInterval(looking);
      look();
      naming[Symbol.dispose]();
    },
  };
}

/** Opens a proxy with a token of its own. Throws the system's error where it cannot listen. */
export async function serveProxy(gate: Gate, ledger: EgressLedger): Promise<Front> {
  const proxy = await openProxy({
    token: randomBytes(32).toString('base64url'),
    admit: (socket, host, port) => gate.admit(socket, host, port),
    refused: (where, reason) => ledger.refused(where, reason),
  });
  return {
    port: proxy.port,
    variables: proxy.variables,
    // All is closed at once; what is waited for is only the system's word.
    [Symbol.dispose]: () => void proxy[Symbol.asyncDispose](),
  };
}

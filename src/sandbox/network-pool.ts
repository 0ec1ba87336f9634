// Networks for sandboxes: one network namespace for each, with listeners that the daemon owns. Creating a network
// includes a start of Node, so the pool keeps a spare and the next server does not wait.
import type { Log } from '../os/log.ts';
import { isAlive } from './linux/process.ts';
import { createNetwork, type NetworkParts, unavailable } from './network/namespace.ts';
import type { Network } from './network.ts';

/** What the pool needs to create networks. */
export interface NetworkPoolParts extends NetworkParts {
  readonly log: Log;
}

/** Milliseconds until a spare is created, so that it does not slow down the start that took the last network. */
const SPARE_DELAY = 300;

/** The port of each sandbox's name server. */
const DNS_PORT = 53;

/** Creates networks, and keeps a spare one for the ports that were requested last. */
export class NetworkPool implements AsyncDisposable {
  readonly #parts: NetworkPoolParts;
  #spare: { readonly key: string; readonly creation: Promise<Network | undefined> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: NetworkPoolParts) {
    this.#parts = parts;
  }

  /**
   * Returns a network with TCP listeners on exactly these ports. The caller disposes of it. Throws
   * `sandbox-unavailable` if bubblewrap or nsenter is missing, for port 53, and if the network cannot be created.
   */
  async take(ports: readonly number[]): Promise<Network> {
    const distinct = [...new Set(ports)].sort((a, b) => a - b);
    if (distinct.includes(DNS_PORT)) {
      throw unavailable(
        `port ${DNS_PORT} belongs to its own name server`,
        'take it out of "sandbox.network"',
      );
    }
    const key = distinct.join();
    clearTimeout(this.#timer);
    const spare = this.#spare;
    this.#spare = undefined;
    const ready = spare?.key === key ? await spare.creation : undefined;
    if (ready === undefined || !isAlive(ready.pauseProcess)) void disposeOf(spare?.creation);
    const network =
      ready !== undefined && isAlive(ready.pauseProcess) ? ready : await createNetwork(distinct, this.#parts);
    this.#createSpare(key, distinct);
    return network;
  }

  /** Disposes of the spare. Networks that were taken are not affected. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await disposeOf(this.#spare?.creation);
    this.#spare = undefined;
  }

  #createSpare(key: string, ports: readonly number[]): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#spare?.key === key) return;
      void disposeOf(this.#spare?.creation);
      const creation = createNetwork(ports, this.#parts).catch((error: unknown) => {
        this.#parts.log.warn({ err: error }, 'cannot make a network in advance');
        return undefined;
      });
      this.#spare = { key, creation };
    }, SPARE_DELAY).unref();
  }
}

async function disposeOf(creation: Promise<Network | undefined> | undefined): Promise<void> {
  await (await creation)?.[Symbol.asyncDispose]();
}

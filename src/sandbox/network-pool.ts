// Networks for sandboxes: a network namespace of its own each, whose listeners the daemon holds. Making one takes a
// start of Node, which the next server need not wait for: a spare is kept.
import type { Log } from '../os/log.ts';
import { isAlive } from './linux/process.ts';
import { createNetwork, type NetworkParts, unavailable } from './network/namespace.ts';
import type { Network } from './network.ts';

/** What networks are made with. */
export interface NetworkPoolParts extends NetworkParts {
  readonly log: Log;
}

/** Milliseconds until a spare is made: the start that took the last one comes first. */
const SPARE_DELAY = 300;

/** The name server of each sandbox. */
const DNS_PORT = 53;

/** Makes networks, and keeps one ready for the ports that were asked for last. */
export class NetworkPool implements AsyncDisposable {
  readonly #parts: NetworkPoolParts;
  #spare: { readonly key: string; readonly made: Promise<Network | undefined> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: NetworkPoolParts) {
    this.#parts = parts;
  }

  /**
   * Gives a network with TCP listeners for exactly these ports. Throws `sandbox-unavailable` where bubblewrap or
   * nsenter is missing, for port 53, and where the network cannot be made.
   */
  async take(ports: readonly number[]): Promise<Network> {
    const wanted = [...new Set(ports)].sort((one, other) => one - other);
    if (wanted.includes(DNS_PORT)) {
      throw unavailable(`port ${DNS_PORT} is its own name server's`, 'take it out of "sandbox.network"');
    }
    const key = wanted.join();
    clearTimeout(this.#timer);
    const spare = this.#spare;
    this.#spare = undefined;
    const ready = spare?.key === key ? await spare.made : undefined;
    if (ready === undefined || !isAlive(ready.pauseProcess)) void discard(spare?.made);
    const network =
      ready !== undefined && isAlive(ready.pauseProcess) ? ready : await createNetwork(wanted, this.#parts);
    this.#prepare(key, wanted);
    return network;
  }

  /** Gives up the spare. What was taken stays with its taker. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await discard(this.#spare?.made);
    this.#spare = undefined;
  }

  #prepare(key: string, ports: readonly number[]): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#spare?.key === key) return;
      void discard(this.#spare?.made);
      const made = createNetwork(ports, this.#parts).catch((error: unknown) => {
        this.#parts.log.warn({ err: error }, 'cannot make a network in advance');
        return undefined;
      });
      this.#spare = { key, made };
    }, SPARE_DELAY).unref();
  }
}

async function discard(made: Promise<Network | undefined> | undefined): Promise<void> {
  await (await made)?.[Symbol.asyncDispose]();
}

// The look-ups of one session. So many wait for name servers at a time, and a name that is looked up already is waited
// for together: names that nobody answers hold up their own session alone. A look-up that has failed is not made again
// for some seconds. An answer is not kept: a name may move, and is looked at for each connection.
import type { Clock } from '../../os/clock.ts';
import { BUDGETS } from '../budgets.ts';
import { Places } from '../turns.ts';
import { localAddressesOf, type Resolve } from './resolver.ts';

/** A look-up that gave no address, and until when it counts, in milliseconds of the monotonic clock. */
interface Failure {
  readonly until: number;
  readonly outcome: Promise<string[]>;
}

export class Lookups {
  readonly #resolve: Resolve;
  readonly #clock: Clock;
  readonly #places = new Places(BUDGETS.lookups);
  readonly #pending = new Map<string, Promise<string[]>>();
  readonly #failures = new Map<string, Failure>();

  constructor(resolve: Resolve, clock: Clock) {
    this.#resolve = resolve;
    this.#clock = clock;
  }

  /** Resolves a name as `Resolve` does. Rejects with `too many names are looked up` where too many wait. */
  resolve(name: string): Promise<string[]> {
    // It waits for nobody.
    const local = localAddressesOf(name);
    if (local !== undefined) return Promise.resolve([...local]);
    const failure = this.#failures.get(name);
    if (failure !== undefined && this.#clock.monotonic() < failure.until) return failure.outcome;
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= BUDGETS.waitingLookups)
      return Promise.reject(new Error('too many names are looked up'));
    const outcome = this.#lookUp(name);
    this.#pending.set(name, outcome);
    const forget = (addresses: readonly string[]): void => {
      this.#pending.delete(name);
      if (addresses.length === 0) this.#remember(name, outcome);
    };
    outcome.then(forget, () => forget([]));
    return outcome;
  }

  async #lookUp(name: string): Promise<string[]> {
    using _place = await this.#places.take();
    return await this.#resolve(name);
  }

  #remember(name: string, outcome: Promise<string[]>): void {
    this.#failures.delete(name);
    const [oldest] = this.#failures.keys();
    if (oldest !== undefined && this.#failures.size >= BUDGETS.rememberedFailures)
      this.#failures.delete(oldest);
    this.#failures.set(name, { until: this.#clock.monotonic() + BUDGETS.failureMemory, outcome });
  }
}

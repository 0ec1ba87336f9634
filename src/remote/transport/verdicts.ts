// Which era servers are of, as it was found out: kept for a day at most, so that a server that changes is noticed.
import type { Clock } from '../../os/clock.ts';
import type { Wire } from '../era/protocol.ts';

const DAY = 86_400_000;
const MAX_KEPT = 1000;

export class EraVerdicts {
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly wire: Wire; readonly until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `key` names the profile and its server. */
  get(key: string): Wire | undefined {
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#clock.monotonic() < kept.until) return kept.wire;
    this.#kept.delete(key);
    return undefined;
  }

  set(key: string, wire: Wire): void {
    this.#kept.delete(key);
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size >= MAX_KEPT) this.#kept.delete(oldest);
    this.#kept.set(key, { wire, until: this.#clock.monotonic() + DAY });
  }
}

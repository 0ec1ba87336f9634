// Which era servers are of, as it was found out: kept for a day at most, so that a server that changes is noticed.
import type { Clock } from '../../os/clock.ts';

/** `sse`: HTTP with SSE of 2024-11-05. */
export type Era = 'stateless' | 'session' | 'sse';

const DAY = 86_400_000;
const MAX_KEPT = 1000;

export class EraVerdicts {
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly era: Era; readonly until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `key` names the profile and its server. */
  get(key: string): Era | undefined {
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#clock.monotonic() < kept.until) return kept.era;
    this.#kept.delete(key);
    return undefined;
  }

  set(key: string, era: Era): void {
    this.#kept.delete(key);
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size >= MAX_KEPT) this.#kept.delete(oldest);
    this.#kept.set(key, { era, until: this.#clock.monotonic() + DAY });
  }
}

// When a token is renewed: ahead of its end, so that no request is sent with one that ends on the way. A token's end is
// reckoned from when it came, by this machine's clock; a server's clock does not matter.
import type { Clock } from '../../os/clock.ts';

/** Milliseconds before its end at most, and the part of its life: a token of 1 s lives 800 ms here. */
const MARGIN = 60_000;
const PART = 5;

/** Tokens, as far as their time is concerned. */
export interface Timed {
  /** Milliseconds since the epoch. */
  readonly obtained: number;
  /** Undefined: nobody said; a refusal shows it. */
  readonly expiresAt: number | undefined;
}

/** When tokens came, by the clock that nobody sets; known of those that came to this process. */
export type Arrival = number | undefined;

/** `due`: it is to be renewed, and may still be sent if that fails. `over`: it has ended. */
export function freshness(
  { obtained, expiresAt }: Timed,
  arrival: Arrival,
  clock: Clock,
): 'fresh' | 'due' | 'over' {
  if (expiresAt === undefined) return 'fresh';
  const life = Math.max(0, expiresAt - obtained);
  const age = Math.max(
    clock.now() - obtained,
    // The clock was set back: the time that has passed since then counts.
    arrival === undefined ? 0 : clock.monotonic() - arrival,
  );
  // It came in the future: the clock was set back, and nothing is known of its age.
  if (clock.now() < obtained && arrival === undefined) return 'due';
  if (age >= life) return 'over';
  return age >= life - Math.min(MARGIN, life / PART) ? 'due' : 'fresh';
}

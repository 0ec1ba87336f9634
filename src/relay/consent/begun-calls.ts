// Calls that a person has agreed to once, and that the server has answered by asking for input (2026-07-28): the host makes
// such a call again, with what was asked for, and it is still the one that the person has agreed to. It counts once, and only
// for the same request.
import type { Clock } from '../../os/clock.ts';
import type { Call } from '../call.ts';
import type { ConsentOutcome, ConsentSubject } from '../consent.ts';
import { forgetOldest } from '../oldest.ts';

interface Begun {
  readonly outcome: ConsentOutcome;
  /** In milliseconds of the monotonic clock. */
  readonly since: number;
}

/** Calls that are remembered; of more, the oldest are forgotten. */
const MAX_BEGUN = 256;
/** Milliseconds after which a call is another one. */
const KEPT = 600_000;

export class BegunCalls {
  readonly #clock: Clock;
  readonly #begun = new Map<string, Begun>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The server has answered a call by asking for input. `state`: the digest of its state, if it gave one. */
  note({ consent }: Call, state: string | undefined): void {
    if (consent?.outcome.decision !== 'allow') return;
    const key = keyOf(state, consent.about);
    this.#begun.delete(key);
    this.#begun.set(key, { outcome: consent.outcome, since: this.#clock.monotonic() });
    forgetOldest(this.#begun, MAX_BEGUN);
  }

  /** What was said of the call that goes on with this request, if one does. */
  take(state: string | undefined, about: ConsentSubject): ConsentOutcome | undefined {
    const key = keyOf(state, about);
    const begun = this.#begun.get(key);
    this.#begun.delete(key);
    const isOver = begun === undefined || this.#clock.monotonic() - begun.since > KEPT;
    return isOver ? undefined : begun.outcome;
  }
}

function keyOf(state: string | undefined, about: ConsentSubject): string {
  const { method, kind, name, digest, definition } = about;
  return JSON.stringify([state, method, kind, name, digest, definition]);
}

/** Whether two requests ask the same. */
export function isSameRequest(a: ConsentSubject, b: ConsentSubject): boolean {
  return a.method === b.method && a.kind === b.kind && a.name === b.name && a.digest === b.digest;
}

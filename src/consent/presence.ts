// The proof that a person is there, one that a program of the same user cannot give: for answers that hold for good, and
// for credentials that ask.
import type { GrantKind } from './grants.ts';
import type { Pin } from './pin.ts';

/** Proves presence. */
export class Presence {
  readonly #pin: Pin;

  constructor(pin: Pin) {
    this.#pin = pin;
  }

  /** Throws the store's errors. */
  isPinSet(): Promise<boolean> {
    return this.#pin.isSet();
  }

  /** Throws `refused` unless it is the PIN. */
  checkPin(pin: string): Promise<void> {
    return this.#pin.check(pin);
  }

  /** As `Pin.set`. */
  setPin(pin: string, old: string | undefined): Promise<void> {
    return this.#pin.set(pin, old);
  }
}

/** Whether an answer must not be one that a program of the same user could give. */
export function needsPresence(
  { decision, scope }: { readonly decision: 'allow' | 'deny'; readonly scope: unknown },
  kind: GrantKind,
): boolean {
  // What a first use allows, such a program could write into the profile itself.
  return decision === 'allow' && kind !== 'profile' && (scope === 'always' || kind === 'credential');
}

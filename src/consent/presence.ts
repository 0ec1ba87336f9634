// The proof that a person is there, one that a program of the same user cannot give: for answers that hold for good, and
// for credentials that ask.
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Polkit } from '../os/polkit.ts';
import { MAX_UNPROVED } from '../wire/control.ts';
import type { Pin } from './pin.ts';
import type { GrantKind } from './store/grants.ts';

/** For so many milliseconds it is remembered whether polkit would ask. */
const REMEMBERED = 60_000;

/** Proves presence: by polkit, where it asks for the user's password, or by the PIN. */
export class Presence {
  readonly #pin: Pin;
  readonly #polkit: Polkit;
  readonly #clock: Clock;
  #asks: { readonly at: number; readonly answer: Promise<boolean> } | undefined;

  constructor(pin: Pin, polkit: Polkit, clock: Clock) {
    this.#pin = pin;
    this.#polkit = polkit;
    this.#clock = clock;
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

  /** Whether polkit would ask. Never rejects. */
  polkitAsks(): Promise<boolean> {
    const now = this.#clock.monotonic();
    if (this.#asks === undefined || now - this.#asks.at > REMEMBERED)
      this.#asks = { at: now, answer: this.#polkit.asks() };
    return this.#asks.answer;
  }

  /** Asks by polkit. False: nobody has said who they are, or `signal` came first. Never rejects. */
  authenticate(signal: AbortSignal): Promise<boolean> {
    return this.#polkit.authenticate(signal);
  }

  /** Throws `refused` unless a person proves to be there: with the PIN, if one is given, or else by polkit. */
  async prove(pin: string | undefined, signal: AbortSignal): Promise<void> {
    if (pin !== undefined) return await this.checkPin(pin);
    if (await this.authenticate(signal)) return;
    const orPassword = (await this.polkitAsks()) ? ', or your password where polkit asks for it' : '';
    throw new WarderError('refused', `this answer needs your PIN${orPassword}`, {
      hint: (await this.isPinSet().catch(() => false))
        ? 'it is asked for in a terminal'
        : 'set one with "warder pin"',
    });
  }
}

/** Whether an answer must not be one that a program of the same user could give. */
export function needsPresence(
  {
    decision,
    scope,
  }: { readonly decision: 'allow' | 'deny'; readonly scope: string | { readonly ms: number } },
  kind: GrantKind,
): boolean {
  const isLasting = scope === 'always' || (typeof scope === 'object' && scope.ms > MAX_UNPROVED);
  // What a first use allows, such a program could write into the profile itself; and who signs in shows it to the server.
  return (
    decision === 'allow' && kind !== 'profile' && kind !== 'sign-in' && (isLasting || kind === 'credential')
  );
}

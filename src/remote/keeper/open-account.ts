// An account as the daemon has it open: its tokens, the client that it is used as, and the one sign-in that may be under way.

import { asWarderError, WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import { accountName, authCredentials } from '../../profile/auth.ts';
import type { Challenge } from '../oauth/challenge.ts';
import type { SignInWish } from '../sign-in/plan.ts';
import { FAULT, SignIn, type SignInParts } from '../sign-in/sign-in.ts';
import type { Waiting } from '../sign-in/waiting.ts';
import type { Account } from './account.ts';
import type { EndReason } from './account-record.ts';
import { BackOff } from './back-off.ts';
import type { ProfileClient } from './profile-client.ts';
import { RecentValues } from './recent-values.ts';

export interface OpenAccountParts {
  readonly account: Account;
  readonly client: ProfileClient;
  readonly assertUsable: (names: readonly string[]) => void;
  readonly signIn: Omit<SignInParts, 'account' | 'client'>;
  readonly clock: Clock;
}

/** Milliseconds for which a person's no holds for all sessions. */
const DENIED = 60_000;

export class OpenAccount {
  readonly account: Account;
  readonly client: ProfileClient;
  readonly #parts: OpenAccountParts;
  readonly #values: RecentValues;
  readonly #listeners = new Set<() => void>();
  readonly #backOff: BackOff;
  #isNeeded = false;
  #challenge: Challenge | undefined;
  #signIn: SignIn | undefined;
  #deniedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: OpenAccountParts) {
    this.#parts = parts;
    this.account = parts.account;
    this.client = parts.client;
    this.#values = new RecentValues(parts.clock);
    this.#backOff = new BackOff(parts.clock);
    this.#values.onChange(() => this.#changed());
    this.client.secrets.onChange(() => this.#changed());
    this.account.onChange(() => {
      this.#values.set(...secretsOf(this.account));
      this.#changed();
    });
  }

  /** Whether the server has asked for an account, or there was one. */
  get isNeeded(): boolean {
    return this.#isNeeded || this.account.record !== undefined;
  }

  /** Whether requests may go. */
  get isReady(): boolean {
    return this.account.isSignedIn || !this.isNeeded;
  }

  /** Why a person has to sign in. */
  get why(): string {
    const ended = this.account.record?.ended;
    return ended === undefined ? 'nobody has signed in' : ENDED[ended];
  }

  /** The sign-in that is under way, or was last. */
  get lastSignIn(): SignIn | undefined {
    return this.#signIn;
  }

  values(): readonly string[] {
    return [...this.#values.all(), ...this.client.secrets.all()];
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Throws `locked` or `credential-revoked`: of the account, or of a credential by which its tokens are got. */
  assertUsable(): void {
    const { profile, auth } = this.client;
    this.#parts.assertUsable([accountName(profile), ...authCredentials(auth).map(({ name }) => name)]);
  }

  /** The server has refused a request that carried no token, or none that is left. */
  needed(challenge: Challenge | undefined): void {
    const isNew = !this.#isNeeded;
    this.#isNeeded = true;
    this.#challenge = challenge ?? this.#challenge;
    if (isNew) this.#changed();
  }

  /**
   * The sign-in that is under way, or a new one. `isPerson`: a person at the command line wants it, whose new tokens are
   * others than those that were revoked. Throws `locked`, `credential-revoked`.
   */
  begin(wish: Partial<SignInWish> = {}, isPerson = false): SignIn {
    try {
      this.assertUsable();
    } catch (error) {
      if (!isPerson || !(error instanceof WarderError && error.code === 'credential-revoked')) throw error;
    }
    const running = this.#signIn;
    if (running !== undefined && !running.isOver) return running;
    const { account, client } = this;
    const signIn = new SignIn(
      { ...this.#parts.signIn, account, client },
      { challenge: this.#challenge, isStepUp: false, ...wish },
    );
    this.#signIn = signIn;
    void signIn.ended.then(() => {
      if (signIn.isDenied) this.#deniedAt = this.#parts.clock.monotonic();
      this.#changed();
    });
    return signIn;
  }

  /** Has a person sign in, for a session. `stepUp`: for more scopes. Never rejects. */
  async signIn(waiting: Waiting, stepUp?: Challenge): Promise<'ready' | WarderError> {
    try {
      if (this.#parts.clock.monotonic() - this.#deniedAt < DENIED && this.#signIn?.isOver !== false) {
        return new WarderError(
          'sign-in-denied',
          `cannot use "${this.client.profile}": the user said no to the sign-in`,
          {
            hint: `run: warder login ${this.client.profile}`,
          },
        );
      }
      if (stepUp === undefined) {
        // Another daemon may have done so.
        await this.account.reload();
        if (this.isReady) return 'ready';
      }
      const wish = stepUp === undefined ? {} : { challenge: stepUp, isStepUp: true };
      return await this.begin(wish).join(waiting);
    } catch (error) {
      return asWarderError(error, FAULT);
    }
  }

  /**
   * Signs in where no person is needed: a client of its own, at an authorization server that the profile names or that was
   * agreed to. False: a person is needed. Throws why it failed.
   */
  async signInAlone(
    challenge: Challenge | undefined,
    signal: AbortSignal,
    isStepUp = false,
  ): Promise<boolean> {
    if (this.client.auth.type === 'oauth') return false;
    const { pending } = this.#backOff;
    if (pending !== undefined) throw pending;
    const wish = { ...(challenge !== undefined && { challenge }), isStepUp };
    const signIn = this.begin(wish);
    const { promise: left, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted) resolve();
    while (signIn.phase === 'planning') await Promise.race([signIn.changed('planning', 60_000), left]);
    signal.throwIfAborted();
    if (signIn.phase === 'asking' || signIn.page !== undefined) {
      // It was begun for this alone: who needs a person joins, or begins another.
      if (!signIn.isJoined) signIn.cancel();
      return false;
    }
    await Promise.race([signIn.ended, left]);
    signal.throwIfAborted();
    if (signIn.error === undefined) {
      this.#backOff.reset();
      return true;
    }
    this.#backOff.failed(signIn.error);
    throw signIn.error;
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Why an account has to be signed in to again, in words. */
export const ENDED: Readonly<Record<EndReason, string>> = {
  'signed-out': 'the user has signed out',
  refused: 'the authorization server does not take the refresh token any more',
  interrupted:
    'Warder was ended, or lost its connection, while it refreshed the token, and the authorization server does not take the old one any more',
  client: 'the authorization server does not know the client any more',
  expired: 'the token has expired, and there is none to refresh it with',
};

/** Everything secret of an account. */
function secretsOf({ record }: Account): string[] {
  if (record === undefined) return [];
  const { tokens, identity, registration } = record;
  return [tokens, identity?.tokens]
    .flatMap((set) => [set?.accessToken, set?.refreshToken, set?.idToken, set?.dpopKey?.d])
    .concat(registration.clientSecret)
    .filter((value) => value !== undefined);
}

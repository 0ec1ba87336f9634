// Authorizers that need no sign-in: none at all, and a credential that the user has stored. A header that the user
// configured wins over what a server's challenge offers: a refusal is an error that names the credential, not a sign-in.
import type { Credentials, ResolvedCredential } from '../../credential/credentials.ts';
import type { Locks } from '../../credential/locks.ts';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { ProfileCredential } from '../../profile/credential.ts';
import type { Authorized, Authorizer, TokenMark } from '../authorizer.ts';
import { tokenDigest } from '../oauth/token-check.ts';
import { RecentValues } from './recent-values.ts';

/** The authorizer of `auth: {type: none}`. */
export function unauthorized(): Authorizer {
  return {
    state: 'ready',
    onChange: () => {},
    authorize: async () => ({ headers: {}, mark: undefined }),
    refused: async ({ status, url }) =>
      new WarderError('sign-in-failed', `${url.host} answers ${status} without a credential`, {
        hint: 'the profile says "auth: {type: none}": set another type, or remove "auth" to sign in',
      }),
    signIn: async () => 'ready',
    answered: () => {},
    values: () => [],
    [Symbol.dispose]: () => {},
  };
}

export interface StoredCredentialParts {
  readonly profile: string;
  readonly credential: ProfileCredential;
  /** The header that carries it, and what stands before the value: `Authorization` and `Bearer `. */
  readonly header: string;
  readonly prefix: string;
  readonly credentials: Pick<Credentials, 'resolve' | 'watch' | 'onRotation'>;
  readonly locks: Pick<Locks, 'assertUsable'>;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** The authorizer of `auth: {type: bearer}` and `auth: {type: header}`. A new value is sent from the next request on. */
export class StoredCredential implements Authorizer {
  readonly state = 'ready';
  readonly #parts: StoredCredentialParts;
  readonly #values: RecentValues;
  readonly #held: Disposable[] = [];
  #resolving: Promise<ResolvedCredential> | undefined;

  constructor(parts: StoredCredentialParts) {
    this.#parts = parts;
    const { credential, credentials, clock } = parts;
    this.#values = new RecentValues(clock);
    this.#held.push(
      credentials.watch([credential]),
      credentials.onRotation(async (name) => {
        if (name !== credential.name) return { moved: 0, kept: 0 };
        this.#resolving = undefined;
        // The session is counted where sessions are.
        return { moved: 0, kept: 0 };
      }),
    );
  }

  onChange(listener: () => void): void {
    this.#values.onChange(listener);
  }

  async authorize(): Promise<Authorized> {
    const { credential, locks, header, prefix } = this.#parts;
    locks.assertUsable([credential.name]);
    const { value, version } = await this.#resolve();
    // It may have been revoked while the store was read.
    locks.assertUsable([credential.name]);
    if (!/^[\t\x20-\x7e]+$/.test(value)) {
      throw new WarderError('credential-unfit', `the value of "${credential.name}" cannot be in a header`, {
        hint: 'a header holds ASCII on one line: set the value again',
      });
    }
    this.#values.set(value);
    const mark: TokenMark = { credential: credential.name, version, token: tokenDigest(value) };
    return { headers: { [header]: `${prefix}${value}` }, mark };
  }

  async refused({ status, url }: { readonly status: number; readonly url: URL }): Promise<WarderError> {
    const { name } = this.#parts.credential;
    // The next request reads it again: it may have been changed where no change is told.
    this.#resolving = undefined;
    return new WarderError(
      'sign-in-failed',
      `${url.host} answers ${status} to a request with the credential "${name}"`,
      { hint: `set a value that it accepts: "warder credential rotate --name ${name}"` },
    );
  }

  async signIn(): Promise<'ready'> {
    return 'ready';
  }

  answered(): void {}

  values(): readonly string[] {
    return this.#values.all();
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.splice(0)) held[Symbol.dispose]();
  }

  #resolve(): Promise<ResolvedCredential> {
    if (this.#resolving !== undefined) return this.#resolving;
    const { profile, credential, credentials } = this.#parts;
    const resolving = credentials.resolve(profile, [credential]).then(([resolved]) => {
      if (resolved === undefined) throw new WarderError('daemon-internal', 'a credential did not resolve');
      return resolved;
    });
    this.#resolving = resolving;
    // A failure is not kept: the store may be unlocked by then.
    resolving.catch(() => {
      if (this.#resolving === resolving) this.#resolving = undefined;
    });
    return resolving;
  }
}

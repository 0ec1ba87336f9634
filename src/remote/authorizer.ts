// How requests to a remote server are authorized: one authorizer for each session.
import { WarderError } from '../errors.ts';
import type { HostDialog } from '../relay/consent.ts';

/** What a token is, for the log: never a value. */
export interface TokenMark {
  /** `oauth/<profile>`, or the name of the stored credential. */
  readonly credential: string;
  readonly version: string;
  readonly issuer?: string;
  readonly scopes?: string;
  /** `sha256:<hex>` of the token's id, else of the token. */
  readonly token: string;
}

/** What a request carries. */
export interface Authorized {
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined where it carries no credential. */
  readonly mark: TokenMark | undefined;
}

/** A response that says 401 or 403. */
export interface RefusedAnswer {
  readonly status: number;
  /** `WWW-Authenticate`. */
  readonly challenge: string | null;
  readonly headers: Pick<Headers, 'get'>;
  readonly sent: Authorized;
  /** Counts from 1. */
  readonly attempt: number;
  /** The relay's id of the message; undefined: there is none. */
  readonly id?: number | undefined;
  /** A request of the host that acts: a person may be asked for it. */
  readonly acts: boolean;
  readonly method: string;
  readonly url: URL;
  readonly signal: AbortSignal;
  /** The request waits for a person. */
  readonly waits: (text: string) => void;
}

/** A request that waits for a sign-in. */
export interface SignInRequest {
  /** Its number in the log; empty: none. */
  readonly call: string;
  readonly signal: AbortSignal;
  readonly waits: (text: string) => void;
  /** The dialog that its host has for it. */
  readonly dialog?: HostDialog | undefined;
}

export interface Authorizer extends Disposable {
  /**
   * `ready`: requests may go. `signed-out`: nobody has signed in. `unasked`: this host program may not use the user's token
   * yet.
   */
  readonly state: 'ready' | 'signed-out' | 'unasked';
  /** Called when `state` or `values` changes. */
  onChange(listener: () => void): void;
  /** What the next request carries; waits for a refresh under way, refreshes ahead of expiry. Throws `sign-in-needed`. */
  authorize(request: { method: string; url: URL; signal: AbortSignal }): Promise<Authorized>;
  /** Refreshes, signs in, or steps up. `again`: send once more. */
  refused(answer: RefusedAnswer): Promise<'again' | WarderError>;
  /**
   * Has a person sign in, for a request that acts and waits for it; the sign-in is one for all who wait. Never rejects.
   */
  signIn(request: SignInRequest): Promise<'ready' | WarderError>;
  /** The headers of each response (`DPoP-Nonce`). */
  answered(headers: Pick<Headers, 'get'>): void;
  /** The values to be redacted from all that passes. */
  values(): readonly string[];
}

/** Nobody has signed in, or the sign-in holds no more; `why` says which. */
export function signInNeeded(profile: string, why = 'nobody has signed in'): WarderError {
  return new WarderError('sign-in-needed', `cannot use "${profile}": ${why}`, {
    hint: `run: warder login ${profile}`,
  });
}

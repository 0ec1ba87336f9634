// What authorizes the requests of one session where tokens are got by OAuth. A refusal is answered in this order: the newest
// token, a refresh, a sign-in; a request that needs more scopes steps up, a few times.

import { WarderError } from '../../errors.ts';
import { accountName } from '../../profile/auth.ts';
import { type Authorized, type Authorizer, type RefusedAnswer, signInNeeded } from '../authorizer.ts';
import { type Challenge, parseChallenge } from '../oauth/challenge.ts';
import { StepUps } from '../oauth/scopes.ts';
import type { Waiting } from '../sign-in/waiting.ts';
import type { AccountRecord } from './account-record.ts';
import type { OpenAccount } from './open-account.ts';
import { markOf } from './token-mark.ts';

/** A session's side of questions. */
export type Asking = Pick<Waiting, 'ask'>;

type RequestToSend = Parameters<Authorizer['authorize']>[0];

/** Refusals of one request that are answered by another try. */
const MAX_ATTEMPTS = 6;

export class OAuthAuthorizer implements Authorizer {
  readonly #account: OpenAccount;
  readonly #asking: Asking;
  readonly #listeners = new Set<() => void>();
  readonly #stepUps = new StepUps();
  /** What was sent, by what carried it. */
  readonly #sent = new WeakMap<Authorized, AccountRecord>();
  #last: Authorized | undefined;
  readonly #held: Disposable;

  constructor(account: OpenAccount, asking: Asking) {
    this.#account = account;
    this.#asking = asking;
    this.#held = account.onChange(() => {
      for (const listener of [...this.#listeners]) listener();
    });
  }

  get state(): 'ready' | 'signed-out' {
    return this.#account.isReady ? 'ready' : 'signed-out';
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  values(): readonly string[] {
    return this.#account.values();
  }

  async authorize({ method, url, signal }: RequestToSend): Promise<Authorized> {
    const { account, client } = this.#account;
    this.#account.assertUsable();
    const record = await account.current(signal);
    // It may have been locked or revoked while the store was read.
    this.#account.assertUsable();
    if (record?.tokens === undefined) {
      if (!this.#account.isNeeded) return { headers: {}, mark: undefined };
      if (await this.#account.signInAlone(undefined, signal)) return this.authorize({ method, url, signal });
      throw signInNeeded(client.profile, this.#account.why);
    }
    if (url.origin !== client.origin) {
      throw new WarderError(
        'sign-in-failed',
        `the token of ${client.server.host} is not sent to ${url.host}`,
        {
          hint: 'the server names an endpoint on another host; tell whoever runs it',
        },
      );
    }
    const { accessToken, tokenType, dpopKey } = record.tokens;
    const dpop = client.dpop(dpopKey);
    if (dpop === undefined && this.#last !== undefined && this.#sent.get(this.#last) === record)
      return this.#last;
    const proof = await dpop?.proof({ method, url, accessToken });
    const headers = {
      Authorization: `${tokenType} ${accessToken}`,
      ...(proof !== undefined && { DPoP: proof }),
    };
    const authorized: Authorized = { headers, mark: markOf(client.profile, record) };
    this.#sent.set(authorized, record);
    this.#last = authorized;
    return authorized;
  }

  async refused(answer: RefusedAnswer): Promise<'again' | WarderError> {
    try {
      return await this.#refused(answer);
    } catch (error) {
      if (error instanceof WarderError) return error;
      if (answer.signal.aborted)
        return signInNeeded(this.#account.client.profile, 'the request was cancelled');
      return new WarderError('daemon-internal', 'a fault in Warder ended an authorization', { cause: error });
    }
  }

  answered(headers: Pick<Headers, 'get'>): void {
    const { account, client } = this.#account;
    client.dpop(account.record?.tokens?.dpopKey)?.remember(client.server, headers);
  }

  async signIn(request: Omit<Waiting, 'ask'>): Promise<'ready' | WarderError> {
    if (this.#account.isReady) return 'ready';
    return await this.#account.signIn({ ...request, ask: this.#asking.ask });
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
    this.#listeners.clear();
  }

  async #refused(answer: RefusedAnswer): Promise<'again' | WarderError> {
    const { status, attempt, headers, sent, signal } = answer;
    const { account, client } = this.#account;
    const challenge = parseChallenge(answer.challenge);
    if (attempt > MAX_ATTEMPTS) return this.#given(answer);
    const record = this.#sent.get(sent);
    if (challenge?.error === 'use_dpop_nonce' && record?.tokens?.dpopKey !== undefined && attempt < 3) {
      client.dpop(record.tokens.dpopKey)?.remember(client.server, headers);
      return 'again';
    }
    if (status === 403) return await this.#stepUp(answer, challenge, record);
    const accessToken = record?.tokens?.accessToken;
    if (accessToken === undefined) {
      this.#account.needed(challenge);
      // Another session has signed in meanwhile.
      if (account.isSignedIn) return 'again';
    } else if (attempt <= 1) {
      if (await account.refused(accessToken, signal)) return 'again';
      this.#account.needed(challenge);
    } else {
      account.rejectNew(accessToken);
      if (account.isSignedIn) return 'again';
      this.#account.needed(challenge);
    }
    return await this.#signInFor(answer);
  }

  /** The request needs scopes that the token does not have (RFC 6750 section 3.1; MCP, "Step-Up Authorization Flow"). */
  async #stepUp(
    answer: RefusedAnswer,
    challenge: Challenge | undefined,
    record: AccountRecord | undefined,
  ): Promise<'again' | WarderError> {
    const { account } = this.#account;
    if (challenge?.error !== 'insufficient_scope') return this.#given(answer);
    const wanted = challenge.scopes ?? [];
    const held = account.record?.tokens?.scopes ?? [];
    const isOlder = record?.tokens?.accessToken !== account.record?.tokens?.accessToken;
    // Another session has stepped up meanwhile.
    if (isOlder && account.isSignedIn && wanted.every((scope) => held.includes(scope))) return 'again';
    const operation = `${answer.method} ${answer.url.pathname} ${[...wanted].sort().join(' ')}`;
    if (!this.#stepUps.mayStepUp(operation)) return this.#given(answer);
    if (await this.#account.signInAlone(challenge, answer.signal, true)) return 'again';
    if (!answer.acts) return this.#given(answer);
    const ended = await this.#account.signIn({ ...waitingOf(answer), ask: this.#asking.ask }, challenge);
    return ended === 'ready' ? 'again' : ended;
  }

  async #signInFor(answer: RefusedAnswer): Promise<'again' | WarderError> {
    const { client } = this.#account;
    if (await this.#account.signInAlone(undefined, answer.signal)) return 'again';
    if (!answer.acts) return signInNeeded(client.profile, this.#account.why);
    const ended = await this.#account.signIn({ ...waitingOf(answer), ask: this.#asking.ask });
    return ended === 'ready' ? 'again' : ended;
  }

  #given({ status, url, challenge }: RefusedAnswer): WarderError {
    const scopes = parseChallenge(challenge)?.scopes;
    const what =
      scopes === undefined
        ? `${url.host} answers ${status} to a request with the account "${accountName(this.#account.client.profile)}"`
        : `${url.host} wants the scopes ${scopes.join(' ')}, and does not take the token that was given for them`;
    return new WarderError('sign-in-failed', what, {
      hint: 'the account may lack the right for this; another account may have it',
    });
  }
}

function waitingOf({ id, signal, waits }: RefusedAnswer): Omit<Waiting, 'ask'> {
  return { call: '', id, signal, waits };
}

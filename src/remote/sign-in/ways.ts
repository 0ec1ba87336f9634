// The ways to sign in: by a browser on this machine, with a code on any other machine, and as a client without a person.
import { setTimeout as delay } from 'node:timers/promises';
import { WarderError } from '../../errors.ts';
import { pageUrl } from '../../os/browser.ts';
import type { IdentityRecord } from '../keeper/account-record.ts';
import {
  type AuthorizationAttempt,
  readAuthorizationResponse,
  startAuthorization,
} from '../oauth/authorization.ts';
import { pollDevice, startDevice } from '../oauth/device.ts';
import { makeDpopKey } from '../oauth/dpop.ts';
import { refusalOf } from '../oauth/refusal.ts';
import type { ClientRegistration } from '../oauth/registration.ts';
import { redeemCode } from '../oauth/token-request.ts';
import type { TokenSet } from '../oauth/token-set.ts';
import { PAGES, type Page } from './page.ts';
import type { Plan } from './plan.ts';
import { isSame, listenForRedirect, type RedirectServer } from './redirect-server.ts';
import { type ClientParts, prepareClient, prepareRedirect } from './registration.ts';

/** What a sign-in gives. */
export interface SignedIn {
  readonly tokens: TokenSet;
  readonly registration: ClientRegistration;
  readonly identity: IdentityRecord | undefined;
}

export interface WayContext extends ClientParts {
  readonly plan: Plan;
  /** A sign-in at the identity provider that is known already. */
  readonly identity: IdentityRecord | undefined;
  readonly signal: AbortSignal;
  /** The page is to be opened, and the person who cannot open it here may paste where it ended. */
  readonly page: (page: { readonly url: string; readonly redirect: string; readonly paste: Paste }) => void;
  readonly device: (shown: DeviceShown) => void;
}

/** Takes the URL at which a browser elsewhere has ended. Throws `usage` where it is none of this sign-in. */
export type Paste = (url: string) => void;

export interface DeviceShown {
  readonly code: string;
  readonly url: string;
  readonly complete: string | undefined;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Signs in as planned. Throws `sign-in-failed`, `sign-in-denied`, and what the network and the store say. */
export async function signInAsPlanned(context: WayContext): Promise<SignedIn> {
  const { client, plan, identity } = context;
  if (plan.way === 'device') return await signInByDevice(context);
  if (plan.way === 'browser' && client.auth.type === 'oauth') return await signInByBrowser(context);
  const known = plan.way === 'browser' ? await signInAtProvider(context) : identity;
  const { server, resource } = plan.discovery;
  const registration = await prepareClient(context, plan, context.signal);
  const dpopKey = plan.dpop ? await makeDpopKey() : undefined;
  const target = { resource, scopes: plan.scopes };
  const obtained = await client.obtain(server, registration, target, { dpopKey, identity: known });
  return { tokens: obtained.tokens, registration, identity: obtained.identity };
}

async function signInByBrowser(context: WayContext): Promise<SignedIn> {
  const { client, plan, signal } = context;
  const { server, resource } = plan.discovery;
  const arrival = new Arrival();
  const { redirect, registration } = await prepareRedirect(context, plan, arrival.listening, signal);
  await using _redirect = redirect;
  const request = { redirectUri: redirect.uri, resource, scopes: plan.scopes };
  const { attempt, url } = await startAuthorization(client.oauth(signal), server, registration, request);
  const dpop = client.dpop(plan.dpop ? await makeDpopKey() : undefined);
  const tokens = await arrival.exchange(context, { attempt, url, redirect }, (code) =>
    redeemCode(client.oauth(signal), server, registration, attempt, code, dpop),
  );
  return { tokens, registration, identity: undefined };
}

/** Signs in to the company's identity provider, which the profile names with a client of its own. */
async function signInAtProvider(context: WayContext): Promise<IdentityRecord> {
  const { client, signal } = context;
  const { auth } = client;
  if (auth.type !== 'enterprise') throw new TypeError('there is no identity provider');
  const provider = await client.provider();
  const registration = await client.identityClient(provider);
  const arrival = new Arrival();
  await using redirect = await listenForRedirect({ ...arrival.listening, port: 0, path: '/callback' });
  const offline = provider.scopesSupported?.includes('offline_access') ? ['offline_access'] : [];
  const scopes = [...new Set(['openid', ...(auth.identity.scopes ?? offline)])];
  const request = { redirectUri: redirect.uri, resource: undefined, scopes };
  const { attempt, url } = await startAuthorization(client.oauth(signal), provider, registration, request);
  const tokens = await arrival.exchange(context, { attempt, url, redirect }, (code) =>
    redeemCode(client.oauth(signal), provider, registration, attempt, code),
  );
  const kept = { ...registration, clientSecret: undefined, key: undefined };
  return { authorizationServer: provider, registration: kept, tokens };
}

/** The browser's coming back: the answer goes on only after it was used, so that the page can say how that ended. */
class Arrival {
  #state: string | undefined;
  readonly #url = Promise.withResolvers<string>();
  readonly #page = Promise.withResolvers<Page>();
  #isOver = false;

  readonly listening = {
    isState: (state: string): boolean => this.#state !== undefined && isSame(state, this.#state),
    arrived: (url: string): Promise<Page> => {
      this.#take(url);
      return this.#page.promise;
    },
  };

  #take(url: string): void {
    this.#isOver = true;
    this.#url.resolve(url);
  }

  async exchange(
    { client, page, signal }: WayContext,
    about: {
      readonly attempt: AuthorizationAttempt;
      readonly url: string;
      readonly redirect: RedirectServer;
    },
    redeem: (code: string) => Promise<TokenSet>,
  ): Promise<TokenSet> {
    const { attempt, url, redirect } = about;
    this.#state = attempt.state;
    const { insecureLoopback: loopback } = client.oauth();
    const abort = (): void => this.#url.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      page({
        url: pageUrl(url, { loopback }),
        redirect: redirect.uri,
        paste: (text) => this.#pasted(text, attempt),
      });
      const code = readAuthorizationResponse(attempt, await this.#url.promise);
      const tokens = await redeem(code);
      this.#page.resolve(PAGES.signedIn);
      return tokens;
    } catch (error) {
      this.#page.resolve(
        error instanceof WarderError && error.code === 'sign-in-denied' ? PAGES.denied : PAGES.failed,
      );
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#page.resolve(PAGES.failed);
    }
  }

  #pasted(text: string, attempt: AuthorizationAttempt): void {
    const url = text.trim();
    const state = URL.parse(url)?.searchParams.getAll('state') ?? [];
    const isOurs =
      url.startsWith(`${attempt.redirectUri}?`) &&
      state.length === 1 &&
      isSame(state[0] ?? '', attempt.state);
    if (!isOurs || this.#isOver) {
      throw new WarderError('usage', 'this is not where the browser of this sign-in ends', {
        hint: `paste the whole address from the browser: it begins with ${attempt.redirectUri}`,
      });
    }
    this.#take(url);
  }
}

async function signInByDevice(context: WayContext): Promise<SignedIn> {
  const { client, plan, signal, device } = context;
  const { server, resource } = plan.discovery;
  const registration = await prepareClient(context, plan, signal);
  const dpop = client.dpop(plan.dpop ? await makeDpopKey() : undefined);
  const parts = client.oauth(signal);
  const { insecureLoopback: loopback } = parts;
  let attempt = await startDevice(parts, server, registration, { resource, scopes: plan.scopes });
  device({
    code: attempt.userCode,
    url: pageUrl(attempt.verificationUri, { loopback }),
    complete:
      attempt.verificationUriComplete === undefined
        ? undefined
        : pageUrl(attempt.verificationUriComplete, { loopback }),
    until: attempt.expiresAt,
  });
  for (;;) {
    await delay(attempt.interval, undefined, { signal });
    const answer = await pollDevice(parts, server, registration, attempt, dpop);
    if ('accessToken' in answer) return { tokens: answer, registration, identity: undefined };
    attempt = answer;
  }
}

/** Whether an error says that the authorization server does not know the client. */
export function isUnknownClient(error: unknown): boolean {
  const refusal = refusalOf(error)?.error;
  return refusal === 'invalid_client' || refusal === 'unauthorized_client';
}

// Which client a sign-in is made with, and where the browser comes back to. A registration is made for one redirect URI,
// port, path and all; it is kept for its issuer, and used again where the same port is free.

import { WarderError } from '../../errors.ts';
import type { Log } from '../../os/log.ts';
import type { AccountStore } from '../keeper/account-store.ts';
import type { ProfileClient } from '../keeper/profile-client.ts';
import { registerClient } from '../oauth/dynamic-registration.ts';
import { randomText } from '../oauth/parts.ts';
import { type ClientRegistration, fromMetadataDocument, registrationFits } from '../oauth/registration.ts';
import type { Plan } from './plan.ts';
import { listenForRedirect, type RedirectServer, type RedirectServerParts } from './redirect-server.ts';

export interface ClientParts {
  readonly client: ProfileClient;
  readonly store: Pick<AccountStore, 'readClient' | 'writeClient'>;
  readonly now: () => number;
  readonly log: Log;
}

/** Where the browser comes back to where the path must be one that was agreed on beforehand. */
const FIXED_PATH = '/callback';

type Listening = Pick<RedirectServerParts, 'isState' | 'arrived'>;

/** Listens for the browser, and finds or makes the client for that. The caller closes the server. */
export async function prepareRedirect(
  parts: ClientParts,
  plan: Plan,
  listening: Listening,
  signal: AbortSignal,
): Promise<{ readonly redirect: RedirectServer; readonly registration: ClientRegistration }> {
  const { client } = parts;
  const { auth } = client;
  const port = auth.type === 'oauth' ? (auth.callbackPort ?? 0) : 0;
  const { server } = plan.discovery;
  if (plan.kind !== 'dynamic') {
    const redirect = await listenForRedirect({ ...listening, port, path: FIXED_PATH });
    try {
      const registration =
        plan.kind === 'metadata-document'
          ? fromMetadataDocument(server, plan.document ?? '', [redirect.uri])
          : await client.configured(server);
      return { redirect, registration };
    } catch (error) {
      await redirect[Symbol.asyncDispose]();
      throw error;
    }
  }
  const known = await knownClient(parts, plan);
  const again = known && (await listenAgain(known, { ...listening, port }, parts.now()));
  if (known !== undefined && again !== undefined) return { redirect: again, registration: known };
  const path = `${FIXED_PATH}/${randomText({ random: client.oauth().random }, 16)}`;
  const redirect = await listenForRedirect({ ...listening, port, path });
  try {
    const request = { redirectUri: redirect.uri, scopes: plan.scopes, dpop: plan.dpop };
    const registration = await registerClient(client.oauth(signal), server, request);
    await keepClient(parts, plan, registration);
    return { redirect, registration };
  } catch (error) {
    await redirect[Symbol.asyncDispose]();
    throw error;
  }
}

/** The client of a sign-in that needs no browser here. */
export async function prepareClient(
  parts: ClientParts,
  plan: Plan,
  signal: AbortSignal,
): Promise<ClientRegistration> {
  const { client } = parts;
  const { server } = plan.discovery;
  if (plan.kind === 'pre-registered') return await client.configured(server);
  if (plan.kind === 'metadata-document') return fromMetadataDocument(server, plan.document ?? '', []);
  const known = await knownClient(parts, plan);
  const use = { issuer: server.issuer, redirectUri: undefined, now: parts.now() };
  // One that was registered for a browser may not use the device flow.
  if (known?.redirectUris.length === 0 && registrationFits(known, use)) return known;
  const request = { redirectUri: undefined, scopes: plan.scopes, dpop: plan.dpop };
  const registration = await registerClient(client.oauth(signal), server, request);
  await keepClient(parts, plan, registration);
  return registration;
}

/** The registration that is kept for the issuer, if it was made for the scopes that are asked for now. */
async function knownClient(
  { store }: ClientParts,
  { discovery, scopes = [] }: Plan,
): Promise<ClientRegistration | undefined> {
  const known = await store.readClient(discovery.server.issuer);
  if (known?.scopes === undefined) return known?.registration;
  return scopes.every((scope) => known.scopes?.includes(scope)) ? known.registration : undefined;
}

/** Listens where a registration says, if it is still good and its port is free; undefined: it cannot be used. */
async function listenAgain(
  known: ClientRegistration,
  listening: Listening & { readonly port: number },
  now: number,
): Promise<RedirectServer | undefined> {
  const [uri] = known.redirectUris;
  const url = uri === undefined ? null : URL.parse(uri);
  if (url === null || url.hostname !== '127.0.0.1' || url.port === '' || url.search !== '') return undefined;
  const port = Number(url.port);
  const isWanted = listening.port === 0 || listening.port === port;
  if (!isWanted || !registrationFits(known, { issuer: known.issuer, redirectUri: uri, now }))
    return undefined;
  try {
    const redirect = await listenForRedirect({ ...listening, port, path: url.pathname });
    if (redirect.uri === uri) return redirect;
    await redirect[Symbol.asyncDispose]();
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
  }
  return undefined;
}

/** A registration that cannot be kept is made again the next time. */
async function keepClient(
  { store, log }: ClientParts,
  { scopes }: Plan,
  registration: ClientRegistration,
): Promise<void> {
  try {
    await store.writeClient({ registration, scopes });
  } catch (error) {
    log.warn({ issuer: registration.issuer, error: String(error) }, 'a registration is not kept');
  }
}

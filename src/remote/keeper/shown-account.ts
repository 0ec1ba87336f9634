// An account as people see it: what is known without contacting anybody, and no token.
import { WarderError } from '../../errors.ts';
import type { Profile } from '../../profile/format.ts';
import type { ShownAccount } from '../../wire/control.ts';
import type { AccountRecord } from './account-record.ts';
import type { AccountStore } from './account-store.ts';
import { ENDED } from './open-account.ts';

const CLIENTS = {
  'pre-registered': 'configured',
  'metadata-document': 'metadata document',
  dynamic: 'registered',
} as const;

/** Asks nobody to unlock the store: where it is locked nothing is known. */
export async function shownAccount(
  { name, server }: Profile,
  store: Pick<AccountStore, 'read'>,
): Promise<ShownAccount> {
  if (server.kind !== 'url') throw new TypeError('the server is no URL');
  const { auth, url } = server;
  const shown: ShownAccount = {
    profile: name,
    server: url,
    auth: auth.type,
    state: 'signed-out',
    issuer: null,
    scopes: [],
    expires: null,
    since: null,
    refreshed: null,
    renewable: false,
    client: null,
    detail: null,
  };
  if (auth.type === 'none' || auth.type === 'bearer' || auth.type === 'header')
    return { ...shown, state: 'ready' };
  try {
    const record = await store.read(name, false);
    return record === undefined || record.server !== url ? shown : { ...shown, ...known(record, auth.type) };
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    const state = error.code === 'credential-unfit' || error.code === 'store-unset' ? 'signed-out' : 'locked';
    return { ...shown, state, detail: error.message };
  }
}

function known(record: AccountRecord, type: string): Partial<ShownAccount> {
  const { tokens, trust, registration, signedIn, obtained, ended } = record;
  const named = { issuer: trust.issuer, client: CLIENTS[registration.kind] };
  const detail = ended === undefined ? null : ENDED[ended];
  if (tokens === undefined) return { ...named, state: 'signed-out', detail };
  const renewable = type !== 'oauth' || tokens.refreshToken !== undefined;
  const isOver = tokens.expiresAt !== undefined && tokens.expiresAt <= Date.now();
  return {
    ...named,
    state: isOver && !renewable ? 'expired' : 'signed-in',
    scopes: [...(tokens.scopes ?? [])],
    expires: tokens.expiresAt === undefined ? null : new Date(tokens.expiresAt).toISOString(),
    since: new Date(signedIn).toISOString(),
    refreshed: obtained === signedIn ? null : new Date(obtained).toISOString(),
    renewable,
    detail,
  };
}

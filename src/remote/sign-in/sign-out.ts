// Revoking tokens at the authorization server that issued them (RFC 7009). They are forgotten here whatever it says.
import { WarderError } from '../../errors.ts';
import type { AccountRecord } from '../keeper/account-record.ts';
import type { ProfileClient } from '../keeper/profile-client.ts';
import { revokeTokens } from '../oauth/revocation.ts';

/** What became of tokens at the authorization server, and why. */
export interface Revoked {
  readonly outcome: 'revoked' | 'unsupported' | 'failed' | 'none';
  readonly detail: string | null;
}

export const NOT_REVOKED: Revoked = { outcome: 'none', detail: null };

/** Milliseconds that it may take. */
const TIME = 15_000;

/** Never rejects. */
export async function revokeAt(client: ProfileClient, record: AccountRecord): Promise<Revoked> {
  const { tokens, authorizationServer } = record;
  if (tokens === undefined) return NOT_REVOKED;
  const host = new URL(authorizationServer.issuer).host;
  try {
    const registration = await client.complete(record);
    const parts = client.oauth(AbortSignal.timeout(TIME));
    const outcome = await revokeTokens(parts, authorizationServer, registration, tokens);
    const detail = outcome === 'revoked' ? null : `${host} lets nobody do that, and they end by themselves`;
    return { outcome, detail };
  } catch (error) {
    const why = error instanceof WarderError ? error.message : `${host} did not answer in time`;
    return { outcome: 'failed', detail: why };
  }
}

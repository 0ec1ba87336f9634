// What the tokens of an account are in the log.
import { accountName } from '../../profile/auth.ts';
import type { TokenMark } from '../authorizer.ts';
import { tokenDigest } from '../oauth/token-check.ts';
import type { AccountRecord } from './account-record.ts';

/** The mark of an account's access token, for the log. */
export function markOf(profile: string, { tokens, serial }: AccountRecord): TokenMark | undefined {
  if (tokens === undefined) return undefined;
  return {
    credential: accountName(profile),
    version: String(serial),
    issuer: tokens.issuer,
    ...(tokens.scopes !== undefined && { scopes: tokens.scopes.join(' ') }),
    token: tokenDigest(tokens.accessToken),
  };
}

// How the tokens of a profile become new ones without a person: by a refresh token, or by what they were got with.
import type { Clock } from '../../os/clock.ts';
import type { AccountStore } from './account-store.ts';
import type { Renewal } from './one-renewal.ts';
import type { ProfileClient } from './profile-client.ts';

export function renewalOf(
  client: ProfileClient,
  store: Pick<AccountStore, 'removeClient'>,
  clock: Pick<Clock, 'now'>,
): Renewal {
  const forgetClient: Renewal['forgetClient'] = async ({ registration }) => {
    if (registration.kind === 'dynamic') await store.removeClient(registration);
  };
  const { auth } = client;
  if (auth.type === 'oauth') {
    return {
      isPossible: ({ tokens }) => tokens?.refreshToken !== undefined,
      spends: ({ tokens }) => tokens?.refreshToken,
      renew: async (record) => ({ tokens: await client.refresh(record), obtained: clock.now() }),
      forgetClient,
    };
  }
  const hasPerson = auth.type === 'enterprise' && auth.identity.idToken === undefined;
  return {
    isPossible: ({ identity, ended }) => ended !== 'signed-out' && (!hasPerson || identity !== undefined),
    spends: ({ identity }) => identity?.tokens.refreshToken,
    async renew(record) {
      const { authorizationServer, resource, wanted, tokens, identity } = record;
      const registration = await client.complete(record);
      const obtained = await client.obtain(
        authorizationServer,
        registration,
        { resource, scopes: wanted.length === 0 ? undefined : wanted },
        { dpopKey: tokens?.dpopKey, identity },
      );
      return { tokens: obtained.tokens, identity: obtained.identity, obtained: clock.now() };
    },
    forgetClient,
  };
}

// Taking tokens back.
import { expect, test } from 'vitest';
import { revokeTokens } from '../../../../src/remote/oauth/revocation.ts';
import type { TokenSet } from '../../../../src/remote/oauth/token-set.ts';
import { clientOf, failing, RESOURCE, scripted, serverOf } from '../../../fixtures/remote/oauth.ts';

const PLACE = 'https://auth.example.com/revoke';
const tokens: TokenSet = {
  accessToken: 'access',
  tokenType: 'Bearer',
  refreshToken: 'refresh',
  expiresAt: undefined,
  scopes: undefined,
  idToken: undefined,
  issuer: 'https://auth.example.com',
  resource: RESOURCE,
  clientId: 'client-1',
  dpopKey: undefined,
};
const ok = () => new Response(null, { status: 200 });

test('both tokens go, the refresh token first', async () => {
  const parts = scripted({ [PLACE]: [ok(), ok()] });
  expect(await revokeTokens(parts, serverOf(), clientOf(), tokens)).toBe('revoked');
  expect(parts.asked.map(({ form }) => Object.fromEntries(form))).toEqual([
    { token: 'refresh', token_type_hint: 'refresh_token', client_id: 'client-1' },
    { token: 'access', token_type_hint: 'access_token', client_id: 'client-1' },
  ]);
});

test('a server that cannot take back an access token, or has no place for it', async () => {
  const jwts = scripted({ [PLACE]: [ok(), failing(400, { error: 'unsupported_token_type' })] });
  expect(await revokeTokens(jwts, serverOf(), clientOf(), tokens)).toBe('revoked');
  const none = scripted({});
  const server = serverOf({ revocationEndpoint: undefined });
  expect(await revokeTokens(none, server, clientOf(), tokens)).toBe('unsupported');
  expect(none.asked).toEqual([]);
});

test('W-AUTH-7 a failure is told, and nothing goes to another issuer', async () => {
  for (const answers of [[failing(503, {})], [ok(), failing(400, { error: 'invalid_client' })]]) {
    const parts = scripted({ [PLACE]: answers });
    await expect(revokeTokens(parts, serverOf(), clientOf(), tokens)).rejects.toMatchObject({
      code: 'sign-in-failed',
    });
  }
  const only = { ...tokens, refreshToken: undefined };
  const parts = scripted({ [PLACE]: [failing(400, { error: 'unsupported_token_type' })] });
  await expect(revokeTokens(parts, serverOf(), clientOf(), only)).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
  const foreign = scripted({});
  await expect(
    revokeTokens(foreign, serverOf(), clientOf(), { ...tokens, issuer: 'https://evil.example' }),
  ).rejects.toBeDefined();
  expect(foreign.asked).toEqual([]);
});

// Grants without a browser: token exchange, identity assertions, assertions of workloads.
import { expect, test } from 'vitest';
import { exchangeToken, redeemAssertion, requestIdJag } from '../../../../src/remote/oauth/assertion.ts';
import {
  clientOf,
  failing,
  RESOURCE,
  scripted,
  serverOf,
  unsignedJwt,
} from '../../../fixtures/remote/oauth.ts';

const ISSUER = 'https://auth.example.com';
const PLACE = `${ISSUER}/token`;
const target = { resource: RESOURCE, scopes: ['read'] };
const NOW = Date.UTC(2026, 10, 29) / 1000;
const good = { access_token: 'opaque', token_type: 'Bearer' };

test('a token for another', async () => {
  const parts = scripted({
    [PLACE]: { ...good, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
  });
  const request = { ...target, subjectToken: 'mine', subjectTokenType: 'id_token' as const, audience: 'api' };
  expect(await exchangeToken(parts, serverOf(), clientOf(), request)).toMatchObject({
    accessToken: 'opaque',
  });
  expect(Object.fromEntries(parts.asked[0]?.form ?? [])).toEqual({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: 'mine',
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'api',
    resource: RESOURCE,
    scope: 'read',
    client_id: 'client-1',
  });
  const other = scripted({
    [PLACE]: { ...good, issued_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
  });
  await expect(exchangeToken(other, serverOf(), clientOf(), request)).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
});

const IDP = 'https://idp.example';
const provider = serverOf({ issuer: IDP });
const idJag = (claims: object = {}, typ = 'oauth-id-jag+jwt') =>
  unsignedJwt(
    {
      iss: IDP,
      aud: ISSUER,
      resource: RESOURCE,
      client_id: 'client-1',
      sub: 'alice',
      exp: NOW + 300,
      ...claims,
    },
    { alg: 'ES256', typ },
  );
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const ask = (answer: object) => {
  const parts = scripted({
    [`${IDP}/token`]: { access_token: idJag(), issued_token_type: ID_JAG, token_type: 'N_A', ...answer },
  });
  const request = { ...target, audience: ISSUER, idToken: 'the-id-token' };
  return {
    parts,
    asked: requestIdJag(parts, provider, clientOf({ issuer: IDP, clientId: 'at-idp' }), request),
  };
};

test('a grant of the identity provider', async () => {
  const { parts, asked } = ask({});
  expect(await asked).toBe(idJag());
  expect(Object.fromEntries(parts.asked[0]?.form ?? [])).toEqual({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    requested_token_type: ID_JAG,
    audience: ISSUER,
    resource: RESOURCE,
    scope: 'read',
    subject_token: 'the-id-token',
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    client_id: 'at-idp',
  });
});

test.each([
  ['no grant', { access_token: undefined }],
  ['a bearer token', { token_type: 'Bearer' }],
  ['another kind of token', { issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' }],
  ['no JWT', { access_token: 'opaque' }],
  ['another type of JWT', { access_token: idJag({}, 'at+jwt') }],
  ['another issuer', { access_token: idJag({ iss: ISSUER }) }],
  ['another audience', { access_token: idJag({ aud: 'https://evil.example' }) }],
  ['no audience', { access_token: idJag({ aud: undefined }) }],
  ['another resource', { access_token: idJag({ resource: 'https://evil.example/mcp' }) }],
])('W-AUTH-19 an answer with %s is refused', async (_, answer) => {
  await expect(ask(answer).asked).rejects.toMatchObject({ code: 'sign-in-failed' });
});

test('an assertion is redeemed for the resource', async () => {
  const parts = scripted({ [PLACE]: { ...good, refresh_token: 'r' } });
  await redeemAssertion(parts, serverOf(), clientOf(), idJag(), target);
  expect(Object.fromEntries(parts.asked[0]?.form ?? [])).toEqual({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: idJag(),
    resource: RESOURCE,
    scope: 'read',
    client_id: 'client-1',
  });
});

test.each([
  ['for another server', unsignedJwt({ aud: 'https://honest.example', exp: NOW + 300 })],
  ['for nobody', unsignedJwt({ exp: NOW + 300 })],
  ['expired', unsignedJwt({ aud: ISSUER, exp: NOW })],
  ['without an end', unsignedJwt({ aud: ISSUER })],
  ['no JWT', 'opaque'],
])('W-AUTH-18 an assertion that is %s is not sent', async (_, assertion) => {
  const parts = scripted({ [PLACE]: good });
  const error = await redeemAssertion(parts, serverOf(), clientOf(), assertion, target).catch(
    (error: unknown) => error,
  );
  expect(error).toMatchObject({ code: 'sign-in-failed' });
  expect(String(error)).not.toContain(assertion);
  expect(parts.asked).toEqual([]);
});

test('W-AUTH-18 what the server refuses is not sent again, and no other grant instead', async () => {
  for (const error of ['invalid_grant', 'invalid_scope', 'unauthorized_client', 'unsupported_grant_type']) {
    const parts = scripted({ [PLACE]: [failing(400, { error }), good] });
    const assertion = unsignedJwt({ aud: [`${ISSUER}/`], exp: NOW + 300 });
    await expect(redeemAssertion(parts, serverOf(), clientOf(), assertion, target)).rejects.toMatchObject({
      code: 'sign-in-failed',
    });
    expect(parts.asked).toHaveLength(1);
  }
});

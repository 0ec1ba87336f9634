// The examples that the RFCs print.
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { startAuthorization } from '../../../../src/remote/oauth/authorization.ts';
import { serverPlaces } from '../../../../src/remote/oauth/authorization-server.ts';
import { parseChallenge } from '../../../../src/remote/oauth/challenge.ts';
import { Dpop, makeDpopKey } from '../../../../src/remote/oauth/dpop.ts';
import { requestClientCredentials } from '../../../../src/remote/oauth/token-request.ts';
import { clientOf, REDIRECT, RESOURCE, scripted, serverOf } from '../../../fixtures/remote/oauth.ts';

test('RFC 7636 appendix B: a verifier and its challenge', async () => {
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
  const parts = scripted({}, { random: () => Buffer.from(verifier, 'base64url') });
  const request = { redirectUri: REDIRECT, resource: RESOURCE, scopes: undefined };
  const { attempt, url } = await startAuthorization(parts, serverOf(), clientOf(), request);
  expect(attempt.codeVerifier).toBe(verifier);
  expect(new URL(url).searchParams.get('code_challenge')).toBe('E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM');
});

test('RFC 9449 section 7.1: the hash of a token', async () => {
  const dpop = new Dpop(scripted({}), await makeDpopKey());
  const proof = await dpop.proof({
    method: 'GET',
    url: new URL('https://resource.example.org/protectedresource'),
    accessToken: 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU',
  });
  expect(decodeJwt(proof)).toMatchObject({
    htm: 'GET',
    htu: 'https://resource.example.org/protectedresource',
    ath: 'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo',
  });
});

test('RFC 6749 section 4.4.2: a client by Basic', async () => {
  const parts = scripted({ 'https://auth.example.com/token': { access_token: 'a', token_type: 'example' } });
  const client = clientOf({
    clientId: 's6BhdRkqt3',
    clientSecret: 'gX1fBat3bV',
    authMethod: 'client_secret_basic',
  });
  // The type of the RFC's example is one that nobody has defined.
  await expect(
    requestClientCredentials(parts, serverOf(), client, { resource: RESOURCE, scopes: undefined }),
  ).rejects.toMatchObject({ code: 'sign-in-failed' });
  expect(parts.asked[0]?.headers.get('authorization')).toBe('Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW');
});

test('RFC 9110, 6750, 9449 and 9728: challenges', () => {
  expect(
    parseChallenge('Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'),
  ).toBeUndefined();
  expect(
    parseChallenge(
      'Bearer realm="example", error="invalid_token", error_description="The access token expired"',
    ),
  ).toMatchObject({ scheme: 'bearer', error: 'invalid_token' });
  expect(parseChallenge('DPoP realm="WallyWorld", algs="ES256 PS256"')).toMatchObject({
    scheme: 'dpop',
    dpopAlgorithms: ['ES256', 'PS256'],
  });
  expect(
    parseChallenge(
      'Bearer resource_metadata="https://resource.example.com/.well-known/oauth-protected-resource"',
    )?.resourceMetadata,
  ).toBe('https://resource.example.com/.well-known/oauth-protected-resource');
});

test('RFC 8414 sections 3.1 and 5: the places of an issuer with a path', () => {
  expect(serverPlaces(new URL('https://example.com/issuer1')).map(({ url }) => url)).toEqual([
    'https://example.com/.well-known/oauth-authorization-server/issuer1',
    'https://example.com/.well-known/openid-configuration/issuer1',
    'https://example.com/issuer1/.well-known/openid-configuration',
  ]);
});

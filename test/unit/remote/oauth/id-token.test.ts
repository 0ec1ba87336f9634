// ID tokens, good and forged.
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { checkIdToken } from '../../../../src/remote/oauth/id-token.ts';
import { failing, scripted, serverOf } from '../../../fixtures/remote/oauth.ts';

const ISSUER = 'https://auth.example.com';
const NOW = Date.UTC(2026, 10, 29) / 1000;
const use = { clientId: 'client-1', expected: { nonce: 'the-nonce' } };
const claims = { iss: ISSUER, aud: 'client-1', sub: 'alice', nonce: 'the-nonce', iat: NOW, exp: NOW + 300 };

const pair = await generateKeyPair('RS256', { extractable: true });
const other = await generateKeyPair('RS256', { extractable: true });
const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'RS256' };

const sign = (more: object = {}, header: object = {}, key = pair.privateKey) =>
  new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key);
const check = (idToken: string, keys: unknown = { keys: [jwk] }, server = serverOf()) =>
  checkIdToken(scripted({ [`${ISSUER}/jwks`]: keys }), server, { ...use, idToken });

test('a good one', async () => {
  await expect(check(await sign())).resolves.toBeUndefined();
  await expect(check(await sign({ aud: ['client-1', 'other'], azp: 'client-1' }))).resolves.toBeUndefined();
});

test.each([
  ['another issuer', { iss: `${ISSUER}/` }],
  ['another client', { aud: 'other' }],
  ['several clients without azp', { aud: ['client-1', 'other'] }],
  ['another authorized party', { azp: 'other' }],
  ['another nonce', { nonce: 'other' }],
  ['no nonce', { nonce: undefined }],
  ['no subject', { sub: undefined }],
  ['an end that is past', { exp: NOW - 61 }],
  ['a start to come', { nbf: NOW + 3600 }],
])('W-AUTH-17 one with %s is refused', async (_, more) => {
  await expect(check(await sign(more))).rejects.toMatchObject({ code: 'sign-in-failed' });
});

test('W-AUTH-17 a signature of another key, by a shared secret, of nobody, and no JWT', async () => {
  const forged = await sign({}, {}, other.privateKey);
  const secret = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode('x'.repeat(32)));
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${forged.split('.')[1]}.`;
  for (const token of [forged, secret, none, 'no-jwt', 'a.b.c', await sign({}, { kid: 'two' })]) {
    const error = await check(token).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'sign-in-failed' });
    expect(String(error)).not.toContain(token);
  }
  const algorithms = serverOf({ idTokenAlgorithms: ['HS256', 'none'] });
  await expect(check(secret, undefined, algorithms)).rejects.toMatchObject({ code: 'sign-in-failed' });
  // A key that is embedded in the token proves nothing.
  const embedded = await sign(
    {},
    { kid: undefined, jwk: await exportJWK(other.publicKey) },
    other.privateKey,
  );
  await expect(check(embedded)).rejects.toMatchObject({ code: 'sign-in-failed' });
});

test('W-AUTH-17 without keys nothing is believed', async () => {
  const token = await sign();
  for (const keys of [null, failing(404, {}), { keys: [] }, { keys: 'x' }, {}, { keys: [null] }]) {
    await expect(check(token, keys)).rejects.toMatchObject({
      code: expect.stringMatching(/sign-in-failed|server-metadata/),
    });
  }
  await expect(check(token, { keys: [jwk] }, serverOf({ jwksUri: undefined }))).rejects.toMatchObject({
    code: 'server-metadata',
  });
});

test('W-AUTH-17 a renewed one is of the same person, and of the same sign-in if it says so', async () => {
  const before = await sign({ exp: NOW - 3600, iat: NOW - 7200 });
  const renew = async (more: object) =>
    checkIdToken(scripted({ [`${ISSUER}/jwks`]: { keys: [jwk] } }), serverOf(), {
      clientId: 'client-1',
      idToken: await sign(more),
      expected: { before },
    });
  await expect(renew({ nonce: undefined })).resolves.toBeUndefined();
  await expect(renew({})).resolves.toBeUndefined();
  await expect(renew({ sub: 'mallory' })).rejects.toMatchObject({ code: 'sign-in-failed' });
  await expect(renew({ nonce: 'other' })).rejects.toMatchObject({ code: 'sign-in-failed' });
  await expect(renew({ exp: NOW - 61 })).rejects.toMatchObject({ code: 'sign-in-failed' });
});

// Requests to the token endpoint, and what is made of their answers.
import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import type { AuthorizationAttempt } from '../../../../src/remote/oauth/authorization.ts';
import { Dpop, makeDpopKey } from '../../../../src/remote/oauth/dpop.ts';
import { refusalOf } from '../../../../src/remote/oauth/refusal.ts';
import {
  redeemCode,
  refreshTokens,
  requestClientCredentials,
} from '../../../../src/remote/oauth/token-request.ts';
import type { TokenSet } from '../../../../src/remote/oauth/token-set.ts';
import {
  clientOf,
  failing,
  REDIRECT,
  RESOURCE,
  scripted,
  serverOf,
  unsignedJwt,
} from '../../../fixtures/remote/oauth.ts';

const PLACE = 'https://auth.example.com/token';
const ISSUER = 'https://auth.example.com';
const attempt: AuthorizationAttempt = {
  issuer: ISSUER,
  issInResponse: true,
  clientId: 'client-1',
  redirectUri: REDIRECT,
  resource: RESOURCE,
  scopes: ['read'],
  state: 'the-state',
  codeVerifier: 'the-verifier-of-this-attempt',
  nonce: undefined,
  startedAt: 0,
};
const good = { access_token: 'opaque', token_type: 'bearer', expires_in: 300, refresh_token: 'fresh' };
const tokensOf = (more: Partial<TokenSet> = {}): TokenSet => ({
  accessToken: 'old',
  tokenType: 'Bearer',
  refreshToken: 'spent',
  expiresAt: 0,
  scopes: ['read', 'write'],
  idToken: undefined,
  issuer: ISSUER,
  resource: RESOURCE,
  clientId: 'client-1',
  dpopKey: undefined,
  ...more,
});

test('W-AUTH-13 a code is redeemed with its own redirect URI, verifier and resource', async () => {
  const parts = scripted({ [PLACE]: good });
  const tokens = await redeemCode(parts, serverOf(), clientOf(), attempt, 'the-code');
  expect(Object.fromEntries(parts.asked[0]?.form ?? [])).toEqual({
    grant_type: 'authorization_code',
    code: 'the-code',
    redirect_uri: REDIRECT,
    code_verifier: attempt.codeVerifier,
    resource: RESOURCE,
    client_id: 'client-1',
  });
  expect(tokens).toEqual({
    ...tokensOf(),
    accessToken: 'opaque',
    refreshToken: 'fresh',
    expiresAt: parts.time + 300_000,
    scopes: ['read'],
  });
});

test('W-AUTH-13 a refresh names the resource and no scopes, and keeps what the answer does not have', async () => {
  const parts = scripted({
    [PLACE]: [
      { access_token: 'a', token_type: 'Bearer' },
      { ...good, scope: 'read' },
    ],
  });
  const kept = await refreshTokens(parts, serverOf(), clientOf(), tokensOf());
  expect(Object.fromEntries(parts.asked[0]?.form ?? [])).toEqual({
    grant_type: 'refresh_token',
    refresh_token: 'spent',
    resource: RESOURCE,
    client_id: 'client-1',
  });
  expect(kept).toMatchObject({ refreshToken: 'spent', scopes: ['read', 'write'], expiresAt: undefined });
  const rotated = await refreshTokens(parts, serverOf(), clientOf(), kept);
  expect(rotated).toMatchObject({ refreshToken: 'fresh', scopes: ['read'] });
});

test('W-AUTH-7 nothing of one issuer or client is sent for another', async () => {
  const parts = scripted({ [PLACE]: good });
  const server = serverOf();
  const foreign = { issuer: 'https://evil.example' };
  for (const attack of [
    () => redeemCode(parts, server, clientOf(foreign), attempt, 'c'),
    () => redeemCode(parts, server, clientOf(), { ...attempt, ...foreign }, 'c'),
    () => redeemCode(parts, server, clientOf({ clientId: 'other' }), attempt, 'c'),
    () => refreshTokens(parts, server, clientOf(), tokensOf(foreign)),
    () => refreshTokens(parts, server, clientOf({ clientId: 'other' }), tokensOf()),
    () => refreshTokens(parts, server, clientOf(foreign), tokensOf()),
    () => refreshTokens(parts, server, clientOf(), tokensOf({ refreshToken: undefined })),
    () =>
      requestClientCredentials(parts, server, clientOf(foreign), { resource: RESOURCE, scopes: undefined }),
  ]) {
    await expect(attack()).rejects.toMatchObject({ code: 'sign-in-failed' });
  }
  expect(parts.asked).toEqual([]);
});

test('W-AUTH-14 a token endpoint that redirects gets nothing again', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const parts = scripted({
      [PLACE]: new Response(null, { status, headers: { location: 'https://evil.example/token' } }),
      'https://evil.example/token': good,
    });
    await expect(redeemCode(parts, serverOf(), clientOf(), attempt, 'c')).rejects.toMatchObject({
      code: 'sign-in-failed',
    });
    expect(parts.asked).toHaveLength(1);
  }
});

test.each([
  ['no JSON', new Response('access_token=x')],
  ['a list', [[good]]],
  ['no token', { ...good, access_token: undefined }],
  ['a token that is none', { ...good, access_token: { a: 1 } }],
  ['no type', { ...good, token_type: undefined }],
  ['another type', { ...good, token_type: 'mac' }],
  ['a token with a line break', { ...good, access_token: 'a\r\nX-Evil: 1' }],
  ['a token with a space', { ...good, access_token: 'a b' }],
  ['a token that fits no header', { ...good, access_token: 'a'.repeat(20_000) }],
  ['a refresh token with a control character', { ...good, refresh_token: 'a\u0007' }],
  ['a token bound to no key of ours', { ...good, token_type: 'DPoP' }],
])('W-AUTH-15 an answer with %s is refused', async (_, answer) => {
  const parts = scripted({ [PLACE]: answer });
  await expect(redeemCode(parts, serverOf(), clientOf(), attempt, 'c')).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
});

test('the time that a token is good for, as servers say it', async () => {
  const expiry = async (expires_in: unknown) => {
    const parts = scripted({ [PLACE]: { ...good, expires_in } });
    const { expiresAt } = await redeemCode(parts, serverOf(), clientOf(), attempt, 'c');
    return expiresAt === undefined ? undefined : (expiresAt - parts.time) / 1000;
  };
  expect(await expiry(300)).toBe(300);
  expect(await expiry('3600')).toBe(3600);
  expect(await expiry(0)).toBe(0);
  for (const odd of [-1, 'soon', null, undefined, {}, '-5']) expect(await expiry(odd)).toBeUndefined();
  expect(await expiry(1e300)).toBe(366 * 86_400);
});

test.each([
  [{ iss: 'https://evil.example' }, 'another issuer'],
  [{ iss: ISSUER, aud: 'https://other.example/mcp' }, 'another server'],
  [{ aud: ['https://other.example', 'https://third.example'] }, 'other servers'],
  [{ aud: 'https://mcp.example.com/other' }, 'another path of the server'],
  [{ aud: 'https://mcp.example.com:8443/mcp' }, 'another port'],
  [{ aud: RESOURCE, cnf: { jkt: 'x' } }, 'a key that is not ours'],
])('W-AUTH-15 a token whose claims %j are of %s is refused', async (claims, _whose) => {
  const parts = scripted({ [PLACE]: { ...good, access_token: unsignedJwt(claims) } });
  const error = await redeemCode(parts, serverOf(), clientOf(), attempt, 'c').catch(
    (error: unknown) => error,
  );
  expect(error).toMatchObject({ code: 'sign-in-failed' });
  expect(String(error)).not.toContain(unsignedJwt(claims));
});

test.each([
  [{ iss: ISSUER, aud: RESOURCE }],
  [{ iss: `${ISSUER}/`, aud: [`${RESOURCE}/`, 'https://auth.example.com/userinfo'] }],
  [{ aud: 'https://mcp.example.com' }],
  [{ aud: 'client-1' }],
  [{ aud: 'b3c1a9e0-api' }],
  [{ aud: ISSUER }],
  [{ scope: 'read' }],
])('a token whose claims are %j says nothing against it', async (claims) => {
  const accessToken = unsignedJwt(claims);
  const parts = scripted({ [PLACE]: { ...good, access_token: accessToken } });
  expect((await redeemCode(parts, serverOf(), clientOf(), attempt, 'c')).accessToken).toBe(accessToken);
});

test('W-AUTH-16 an error has its code, bounded words that steer nothing, and no secret', async () => {
  const words = `\u001b[31mwrong "\u202e${'x'.repeat(10_000)}`;
  const parts = scripted({
    [PLACE]: [
      failing(400, { error: 'invalid_grant', error_description: words }),
      failing(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
      failing(403, { error: '<script>' }),
      failing(500, {}),
      failing(400, { error: 'access_denied' }),
    ],
  });
  const client = clientOf({ authMethod: 'client_secret_post', clientSecret: 'the-client-secret' });
  const fail = async () =>
    (await refreshTokens(parts, serverOf(), client, tokensOf()).catch((error: unknown) => error)) as Error;
  const grant = await fail();
  expect(refusalOf(grant)).toMatchObject({ error: 'invalid_grant', status: 400 });
  expect(grant.message).toMatch(/auth\.example\.com says "invalid_grant": "\\u001b\[31mwrong '\\u202e…"$/);
  expect(grant.message.length).toBeLessThan(400);
  expect(refusalOf(await fail())).toMatchObject({ error: 'invalid_client', status: 401 });
  const odd = await fail();
  expect(refusalOf(odd)).toMatchObject({ error: 'other', status: 403 });
  expect(odd.message).not.toContain('script');
  expect(refusalOf(await fail())).toMatchObject({ error: 'other', status: 500 });
  expect(await fail()).toMatchObject({ code: 'sign-in-denied' });
  const all = [grant, odd].map((error) => JSON.stringify(error, Object.getOwnPropertyNames(error))).join();
  for (const secret of ['the-client-secret', 'spent']) expect(all).not.toContain(secret);
});

test('W-AUTH-16 an error that repeats what was sent shows nothing of it', async () => {
  const long = 'kL9-vN3_qR8sT2uW6xY0zA4bC5dE7fG1';
  const client = clientOf({ authMethod: 'client_secret_basic', clientSecret: 'hunter2' });
  const repeated = `bad hunter2 and spent in ${Buffer.from(long).toString('base64')}, ${long}, the-code-1`;
  const parts = scripted({
    [PLACE]: [1, 2].map(() => failing(400, { error: 'invalid_request', error_description: repeated })),
  });
  const fail = (run: Promise<unknown>) => run.catch((error: unknown) => String(error));
  expect(await fail(refreshTokens(parts, serverOf(), client, tokensOf()))).toMatch(
    /: "bad … and … in …, …, the-code-1"$/,
  );
  expect(await fail(redeemCode(parts, serverOf(), client, attempt, 'the-code-1'))).toMatch(
    /: "bad … and spent in …, …, …"$/,
  );
});

test('W-AUTH-16 an error that repeats the head of the request shows no part of the secret in it', async () => {
  // Its base64 has slashes, between which little enough stands to look like words.
  const secret = '?~?>?~o?~?>?~o?~?>?~o?';
  const client = clientOf({ authMethod: 'client_secret_basic', clientSecret: secret });
  const basic = Buffer.from(`client-1:${secret}`).toString('base64');
  expect(basic.split('/').every((part) => part.length < 25)).toBe(true);
  const parts = scripted({
    [PLACE]: failing(401, { error: 'invalid_client', error_description: `bad Basic ${basic}` }),
  });
  const said = await refreshTokens(parts, serverOf(), client, tokensOf()).catch((error: unknown) =>
    String(error),
  );
  for (const part of basic.split('/').slice(2)) expect(said).not.toContain(part);
});

test('an error that comes as 200, with names of its own, is one', async () => {
  const codes = ['bad_refresh_token', 'incorrect_client_credentials', 'invalid_grant', 'constructor', 'odd'];
  const parts = scripted({
    [PLACE]: codes.map((error) => ({ error, access_token: 'a', token_type: 'bearer' })),
  });
  const errors: unknown[] = [];
  for (const _ of codes) {
    errors.push(
      await refreshTokens(parts, serverOf(), clientOf(), tokensOf()).catch((error: unknown) => error),
    );
  }
  expect(errors.map((error) => refusalOf(error)?.error)).toEqual([
    'invalid_grant',
    'invalid_client',
    'invalid_grant',
    'other',
    'other',
  ]);
});

test('what the client shows of itself: the encoding of Basic, and a secret in the form', async () => {
  const parts = scripted({ [PLACE]: [good, good] });
  const target = { resource: RESOURCE, scopes: ['read', 'write'] };
  const client = clientOf({
    authMethod: 'client_secret_basic',
    clientId: 'a-b_c.d~e:f g',
    clientSecret: "s+'%/ü",
  });
  await requestClientCredentials(parts, serverOf(), client, target);
  const sent = Buffer.from(parts.asked[0]?.headers.get('authorization')?.slice(6) ?? '', 'base64').toString();
  expect(sent).toBe('a-b_c.d~e%3Af+g:s%2B%27%25%2F%C3%BC');
  expect(Object.fromEntries(parts.asked[0]?.form ?? [])).toEqual({
    grant_type: 'client_credentials',
    resource: RESOURCE,
    scope: 'read write',
  });
  await requestClientCredentials(parts, serverOf(), { ...client, authMethod: 'client_secret_post' }, target);
  expect(parts.asked[1]?.headers.get('authorization')).toBeNull();
  expect(parts.asked[1]?.form.get('client_secret')).toBe("s+'%/ü");
});

test('W-AUTH-22 a private key signs for the issuer alone, for a minute, once, and is never sent', async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const jwk = JSON.stringify(pair.privateKey.export({ format: 'jwk' }));
  const parts = scripted({ [PLACE]: [good, good] });
  const ids = new Set<unknown>();
  for (const [at, key] of [pem, jwk].entries()) {
    const client = clientOf({ authMethod: 'private_key_jwt', key: { key, id: 'one', algorithm: undefined } });
    await requestClientCredentials(parts, serverOf(), client, { resource: RESOURCE, scopes: undefined });
    const assertion = parts.asked[at]?.form.get('client_assertion') ?? '';
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'ES256', typ: 'JWT', kid: 'one' });
    const { iss, sub, aud, iat = 0, exp = 0, jti } = decodeJwt(assertion);
    expect([iss, sub, aud, exp - iat]).toEqual(['client-1', 'client-1', ISSUER, 60]);
    expect(iat).toBe(parts.time / 1000);
    ids.add(jti);
    expect(parts.asked[at]?.body).not.toContain(pair.privateKey.export({ format: 'jwk' }).d ?? '?');
  }
  expect(ids.size).toBe(2);
});

test('a key of several algorithms signs with one that the server lists', async () => {
  const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const signed = async (tokenAuthAlgorithms: readonly string[] | undefined, algorithm?: string) => {
    const parts = scripted({ [PLACE]: good });
    const key = { key: pem.toString(), id: undefined, algorithm };
    const client = clientOf({ authMethod: 'private_key_jwt', key });
    const target = { resource: RESOURCE, scopes: undefined };
    await requestClientCredentials(parts, serverOf({ tokenAuthAlgorithms }), client, target);
    return decodeProtectedHeader(parts.asked[0]?.form.get('client_assertion') ?? '').alg;
  };
  expect(await signed(undefined)).toBe('RS256');
  expect(await signed(['ES256', 'PS256'])).toBe('PS256');
  expect(await signed(['ES256'])).toBe('RS256');
  expect(await signed(['PS256'], 'RS512')).toBe('RS512');
});

test('W-AUTH-22 a key that is none, or does not fit, is not quoted', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  for (const [key, algorithm] of [
    ['-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----', undefined],
    ['{"kty":"oct","k":"c2VjcmV0"}', undefined],
    ['{broken c2VjcmV0', undefined],
    [rsa.toString(), undefined],
    [ec.toString(), 'RS256'],
    [ec.toString(), 'none'],
  ] as const) {
    const client = clientOf({ authMethod: 'private_key_jwt', key: { key, id: undefined, algorithm } });
    const parts = scripted({ [PLACE]: good });
    const error = await requestClientCredentials(parts, serverOf(), client, {
      resource: RESOURCE,
      scopes: undefined,
    }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'sign-in-failed' });
    expect((error as Error).cause).toBeUndefined();
    expect(String(error)).not.toContain('c2VjcmV0');
    expect(parts.asked).toEqual([]);
  }
});

test('W-AUTH-20 a token endpoint that wants a nonce gets one more request with it, and no third', async () => {
  const wanting = (nonce: string) => failing(400, { error: 'use_dpop_nonce' }, { 'dpop-nonce': nonce });
  const key = await makeDpopKey();
  const bound = { ...good, token_type: 'DPoP' };
  const parts = scripted({ [PLACE]: [wanting('one'), bound] });
  const tokens = await redeemCode(parts, serverOf(), clientOf(), attempt, 'c', new Dpop(parts, key));
  expect(tokens).toMatchObject({ tokenType: 'DPoP', dpopKey: key });
  const proofs = parts.asked.map(({ headers }) => decodeJwt(headers.get('dpop') ?? ''));
  expect(proofs.map(({ nonce }) => nonce)).toEqual([undefined, 'one']);
  expect(proofs[0]?.jti).not.toBe(proofs[1]?.jti);
  const stubborn = scripted({ [PLACE]: [wanting('one'), wanting('two'), bound] });
  await expect(
    redeemCode(stubborn, serverOf(), clientOf(), attempt, 'c', new Dpop(stubborn, key)),
  ).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
  expect(stubborn.asked).toHaveLength(2);
  const same = scripted({ [PLACE]: [failing(400, { error: 'use_dpop_nonce' }), bound] });
  await expect(
    redeemCode(same, serverOf(), clientOf(), attempt, 'c', new Dpop(same, key)),
  ).rejects.toBeDefined();
  expect(same.asked).toHaveLength(1);
});

test('W-AUTH-15 a token that was to be bound and is not is refused', async () => {
  const parts = scripted({ [PLACE]: good });
  const dpop = new Dpop(parts, await makeDpopKey());
  await expect(redeemCode(parts, serverOf(), clientOf(), attempt, 'c', dpop)).rejects.toMatchObject({
    message: expect.stringContaining('not bound'),
  });
});

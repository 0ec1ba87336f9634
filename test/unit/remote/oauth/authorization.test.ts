// The URL that the browser opens, and the response that comes back.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  type AuthorizationAttempt,
  readAuthorizationResponse,
  startAuthorization,
} from '../../../../src/remote/oauth/authorization.ts';
import { refusalOf } from '../../../../src/remote/oauth/refusal.ts';
import { clientOf, REDIRECT, RESOURCE, scripted, serverOf } from '../../../fixtures/remote/oauth.ts';

const request = { redirectUri: REDIRECT, resource: RESOURCE, scopes: ['read', 'write'] };
const start = (server = serverOf(), client = clientOf(), more: Partial<typeof request> = {}) =>
  startAuthorization(scripted({}), server, client, { ...request, ...more });

test('W-AUTH-10 W-AUTH-13 the request has PKCE, a state, and the resource byte for byte', async () => {
  const resource = 'https://MCP.example.com/mcp/?a=%2f+b';
  const { attempt, url } = await start(undefined, undefined, { resource });
  const query = new URL(url).searchParams;
  expect(Object.fromEntries(query)).toEqual({
    response_type: 'code',
    client_id: 'client-1',
    redirect_uri: REDIRECT,
    state: attempt.state,
    code_challenge: createHash('sha256').update(attempt.codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
    resource,
    scope: 'read write',
  });
  expect(attempt.codeVerifier).toMatch(/^[\w-]{43}$/);
  expect(attempt.state).toMatch(/^[\w-]{43}$/);
  expect(attempt.state).not.toBe(attempt.codeVerifier);
  expect(url).not.toContain(attempt.codeVerifier);
});

test('consent is asked for with offline_access, a nonce with openid, and no scope where there is none', async () => {
  const offline = new URL((await start(undefined, undefined, { scopes: ['openid', 'offline_access'] })).url)
    .searchParams;
  expect(offline.get('prompt')).toBe('consent');
  expect(offline.get('nonce')).toMatch(/^[\w-]{43}$/);
  const bare = await startAuthorization(scripted({}), serverOf(), clientOf(), {
    ...request,
    scopes: undefined,
    resource: undefined,
  });
  const query = new URL(bare.url).searchParams;
  expect([...query.keys()]).not.toContain('scope');
  expect([...query.keys()]).not.toContain('resource');
});

test('an endpoint keeps its own query, and may not set what Warder sets', async () => {
  const at = async (query: string) =>
    (await start(serverOf({ authorizationEndpoint: `https://auth.example.com/authorize${query}` }))).url;
  expect(await at('?tenant=a&b=%20')).toMatch(/authorize\?tenant=a&b=%20&response_type=code&/);
  expect(await at('?')).toMatch(/authorize\?response_type=code&/);
  for (const name of ['state', 'client_id', 'redirect_uri', 'code_challenge', 'resource']) {
    await expect(at(`?${name}=x`)).rejects.toMatchObject({ code: 'server-metadata' });
  }
});

test('W-AUTH-10 without PKCE by S256 nobody signs in', async () => {
  for (const codeChallengeMethods of [undefined, [], ['plain'], ['s256']]) {
    await expect(start(serverOf({ codeChallengeMethods }))).rejects.toMatchObject({
      code: 'server-metadata',
    });
  }
  await expect(start(serverOf({ authorizationEndpoint: undefined }))).rejects.toMatchObject({
    code: 'server-metadata',
  });
});

test('W-AUTH-7 a client of another issuer is not used', async () => {
  await expect(start(serverOf(), clientOf({ issuer: 'https://auth.example.com/' }))).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
});

test.each([
  'http://127.0.0.1:43210/other',
  'http://127.0.0.1:43211/callback',
  'http://localhost:43210/callback',
  'http://127.0.0.1:43210/callback/',
])('W-AUTH-12 the redirect URI %s is not the registered one', async (redirectUri) => {
  await expect(start(undefined, undefined, { redirectUri })).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
});

test.each([
  'https://evil.example/callback',
  'http://192.0.2.1/callback',
  'myapp://callback',
  'http://127.0.0.1/?x',
  'x',
])('W-AUTH-12 the redirect URI %s is not on this machine', async (redirectUri) => {
  const client = clientOf({ redirectUris: [] });
  await expect(start(undefined, client, { redirectUri })).rejects.toMatchObject({ code: 'sign-in-failed' });
});

const attemptOf = (more: Partial<AuthorizationAttempt> = {}): AuthorizationAttempt => ({
  issuer: 'https://auth.example.com',
  issInResponse: true,
  clientId: 'client-1',
  redirectUri: REDIRECT,
  resource: RESOURCE,
  scopes: undefined,
  state: 'the-state',
  codeVerifier: 'the-verifier',
  nonce: undefined,
  startedAt: 0,
  ...more,
});
const ISS = encodeURIComponent('https://auth.example.com');
const read = (query: string, more: Partial<AuthorizationAttempt> = {}) =>
  readAuthorizationResponse(attemptOf(more), `${REDIRECT}?${query}`);
const failure = (read: () => string): unknown => {
  try {
    return read();
  } catch (error) {
    return error;
  }
};

test('a good response gives its code', () => {
  expect(read(`code=abc%2Fd&state=the-state&iss=${ISS}`)).toBe('abc/d');
  expect(read('code=abc&state=the-state', { issInResponse: false })).toBe('abc');
  expect(read(`code=abc&state=the-state&iss=${ISS}`, { issInResponse: false })).toBe('abc');
});

test.each([
  ['code=abc&state=the-state', 'no issuer'],
  ['code=abc&state=the-state&iss=', 'an empty issuer'],
  [`code=abc&state=the-state&iss=${ISS}%2F`, 'an issuer that is only equal when normalised'],
  [
    `code=abc&state=the-state&iss=${encodeURIComponent('https://AUTH.example.com')}`,
    'an issuer in upper case',
  ],
  ['code=abc&state=the-state&iss=https%3A%2F%2Fevil.example', 'another issuer'],
  [`code=abc&state=the-state&iss=${ISS}&iss=${ISS}`, 'the issuer twice'],
  [`code=abc&iss=${ISS}`, 'no state'],
  [`code=abc&state=&iss=${ISS}`, 'an empty state'],
  [`code=abc&state=other&iss=${ISS}`, 'another state'],
  [`code=abc&state=the-state&state=other&iss=${ISS}`, 'two states'],
  [`code=abc&code=def&state=the-state&iss=${ISS}`, 'two codes'],
  [`state=the-state&iss=${ISS}`, 'no code'],
  [`code=&state=the-state&iss=${ISS}`, 'an empty code'],
  [`code=a%00b&state=the-state&iss=${ISS}`, 'a control character in the code'],
])('W-AUTH-11 the response %s is refused: %s', (query) => {
  expect(failure(() => read(query))).toMatchObject({ code: 'sign-in-failed' });
});

test('W-AUTH-11 an issuer that was not announced counts all the same', () => {
  const wrong = failure(() =>
    read('code=abc&state=the-state&iss=https%3A%2F%2Fevil.example', { issInResponse: false }),
  );
  expect(wrong).toMatchObject({ code: 'sign-in-failed' });
  expect(failure(() => read('code=abc&state=the-state&iss=', { issInResponse: false }))).toMatchObject({
    code: 'sign-in-failed',
  });
});

test('W-AUTH-11 what another server says went wrong is neither believed nor shown', () => {
  const words = 'error=access_denied&error_description=call+555-0100';
  for (const query of [
    `${words}&state=the-state&iss=https%3A%2F%2Fevil.example`,
    `${words}&iss=${ISS}`,
    `${words}&state=other&iss=${ISS}`,
  ]) {
    const error = failure(() => read(query));
    expect(error).toMatchObject({ code: 'sign-in-failed' });
    expect(String(error)).not.toContain('555');
    expect(refusalOf(error)).toBeUndefined();
  }
  const denied = failure(() => read(`${words}&state=the-state&iss=${ISS}`));
  expect(denied).toMatchObject({ code: 'sign-in-denied', message: expect.stringContaining('call 555-0100') });
  expect(refusalOf(denied)?.error).toBe('access_denied');
});

test.each([
  `http://127.0.0.1:43211/callback?code=abc&state=the-state&iss=${ISS}`,
  `http://localhost:43210/callback?code=abc&state=the-state&iss=${ISS}`,
  `http://127.0.0.1:43210/callback/?code=abc&state=the-state&iss=${ISS}`,
  `http://127.0.0.1:43210/callback#code=abc&state=the-state&iss=${ISS}`,
  `http://127.0.0.1:43210/callback?code=abc&state=the-state&iss=${ISS}#x`,
  'http://127.0.0.1:43210/callback',
  '',
])('W-AUTH-11 a response at another place is refused: %s', (url) => {
  expect(failure(() => readAuthorizationResponse(attemptOf(), url))).toMatchObject({
    code: 'sign-in-failed',
  });
});

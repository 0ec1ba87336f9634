// How Warder becomes a client of an authorization server.
import { expect, test } from 'vitest';
import { registerClient } from '../../../../src/remote/oauth/dynamic-registration.ts';
import { refusalOf } from '../../../../src/remote/oauth/refusal.ts';
import {
  chooseRegistration,
  fromMetadataDocument,
  isDocumentUrl,
  preRegistered,
  registrationFits,
} from '../../../../src/remote/oauth/registration.ts';
import { clientOf, failing, REDIRECT, scripted, serverOf } from '../../../fixtures/remote/oauth.ts';

const DOCUMENT = 'https://warder.example/client.json';
const PLACE = 'https://auth.example.com/register';

test('W-AUTH-9 the order of ways, and when a metadata document is none', () => {
  const server = serverOf({ clientIdMetadataDocuments: true, tokenAuthMethods: ['none'] });
  const wish = { metadataDocument: DOCUMENT, customRedirect: false };
  expect(chooseRegistration(server, { ...wish, clientId: 'mine' })).toBe('pre-registered');
  expect(chooseRegistration(server, wish)).toBe('metadata-document');
  expect(chooseRegistration(server, { ...wish, customRedirect: true })).toBe('dynamic');
  expect(chooseRegistration({ ...server, clientIdMetadataDocuments: false }, wish)).toBe('dynamic');
  expect(chooseRegistration({ ...server, tokenAuthMethods: ['client_secret_basic'] }, wish)).toBe('dynamic');
  expect(chooseRegistration({ ...server, tokenAuthMethods: undefined }, wish)).toBe('dynamic');
  expect(chooseRegistration(serverOf({ registrationEndpoint: undefined }), wish)).toBe('none');
  expect(chooseRegistration(server, { customRedirect: false })).toBe('dynamic');
  for (const url of [
    'https://warder.example',
    'https://warder.example/',
    'http://warder.example/c',
    'https://a@b.example/c',
    'https://warder.example/a/../c',
    'https://WARDER.example/c',
    'https://warder.example/c#x',
  ]) {
    expect(isDocumentUrl(url)).toBe(false);
  }
  expect(fromMetadataDocument(server, DOCUMENT, [REDIRECT])).toMatchObject({
    clientId: DOCUMENT,
    authMethod: 'none',
  });
});

test('a native client registers with exactly its redirect URI, as public as the server allows', async () => {
  const parts = scripted({ [PLACE]: failing(201, { client_id: 'c', redirect_uris: [REDIRECT] }) });
  const registration = await registerClient(parts, serverOf(), {
    redirectUri: REDIRECT,
    scopes: ['read'],
    dpop: true,
  });
  expect(JSON.parse(parts.asked[0]?.body ?? '')).toEqual({
    client_name: 'Warder',
    application_type: 'native',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: 'read',
    dpop_bound_access_tokens: true,
  });
  expect(registration).toMatchObject({
    issuer: 'https://auth.example.com',
    clientId: 'c',
    authMethod: 'none',
    clientSecret: undefined,
  });
});

test('a client for the device flow, and one of a server that gives no refresh tokens', async () => {
  const asked = async (redirectUri: string | undefined, grantTypes?: readonly string[]) => {
    const parts = scripted({ [PLACE]: { client_id: 'c' } });
    await registerClient(parts, serverOf({ grantTypes }), { redirectUri, scopes: undefined, dpop: false });
    return JSON.parse(parts.asked[0]?.body ?? '');
  };
  expect(await asked(undefined)).toMatchObject({
    redirect_uris: [],
    response_types: [],
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  });
  expect((await asked(REDIRECT, ['authorization_code'])).grant_types).toEqual(['authorization_code']);
});

const register = (answer: unknown, tokenAuthMethods?: readonly string[]) =>
  registerClient(scripted({ [PLACE]: answer }), serverOf({ tokenAuthMethods }), {
    redirectUri: REDIRECT,
    scopes: undefined,
    dpop: false,
  });

test('a secret, its method and its expiry', async () => {
  const secret = { client_id: 'c', client_secret: 's', client_secret_expires_at: 1_800_000_000 };
  expect(await register(secret)).toMatchObject({
    authMethod: 'client_secret_basic',
    clientSecret: 's',
    secretExpiresAt: 1_800_000_000_000,
  });
  expect(await register({ ...secret, client_secret_expires_at: 0 }, ['client_secret_post'])).toMatchObject({
    authMethod: 'client_secret_post',
    secretExpiresAt: undefined,
  });
  // A server that gives a secret to a public client: nobody needs it.
  expect(await register(secret, ['none'])).toMatchObject({ authMethod: 'none', clientSecret: undefined });
  expect(
    await register({ ...secret, token_endpoint_auth_method: 'client_secret_post' }, [
      'none',
      'client_secret_post',
    ]),
  ).toMatchObject({ authMethod: 'client_secret_post', clientSecret: 's' });
});

test.each([
  [{}, 'no id'],
  [{ client_id: 'a\u0000b' }, 'an id with a control character'],
  [{ client_id: 'c', redirect_uris: ['https://evil.example/'] }, 'another redirect URI'],
  [{ client_id: 'c', token_endpoint_auth_method: 'client_secret_basic' }, 'no secret for a method with one'],
  [{ client_id: 'c', token_endpoint_auth_method: 'tls_client_auth' }, 'a method that Warder has not'],
  [
    { client_id: 'c', client_secret: 's', token_endpoint_auth_method: 'client_secret_post' },
    'a method that the server does not list',
  ],
])('W-AUTH-8 the registration %j is refused: %s', async (answer, _reason) => {
  await expect(register(answer, ['none', 'client_secret_basic'])).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
});

test('a server that refuses, and one that takes no client of these kinds', async () => {
  const refused = await register(
    failing(400, { error: 'invalid_redirect_uri', error_description: 'no loopback' }),
  ).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'sign-in-failed', message: expect.stringContaining('no loopback') });
  expect(refusalOf(refused)?.error).toBe('invalid_redirect_uri');
  await expect(register({ client_id: 'c' }, ['private_key_jwt'])).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
});

test('W-AUTH-7 W-AUTH-8 a registration fits its issuer, its redirect URI, and its time alone', () => {
  const use = { issuer: 'https://auth.example.com', redirectUri: REDIRECT, now: 1_000_000 };
  expect(registrationFits(clientOf(), use)).toBe(true);
  expect(registrationFits(clientOf(), { ...use, issuer: 'https://auth.example.com/' })).toBe(false);
  expect(registrationFits(clientOf(), { ...use, redirectUri: `${REDIRECT}/` })).toBe(false);
  expect(registrationFits(clientOf(), { ...use, redirectUri: undefined })).toBe(true);
  expect(registrationFits(clientOf({ secretExpiresAt: 1_000_000 }), use)).toBe(false);
  expect(registrationFits(clientOf({ secretExpiresAt: 2_000_000 }), use)).toBe(true);
});

test('the method of a client that was registered beforehand', () => {
  const method = (
    has: { clientSecret?: string; key?: { key: string; id: undefined; algorithm: undefined } },
    list?: readonly string[],
  ) => preRegistered(serverOf({ tokenAuthMethods: list }), { clientId: 'c', ...has }).authMethod;
  const key = { key: 'k', id: undefined, algorithm: undefined };
  expect(method({})).toBe('none');
  expect(method({ clientSecret: 's' })).toBe('client_secret_basic');
  expect(method({ clientSecret: 's' }, ['client_secret_post', 'none'])).toBe('client_secret_post');
  expect(method({ clientSecret: 's', key })).toBe('private_key_jwt');
});

// Which metadata of an authorization server counts.
import { expect, test } from 'vitest';
import {
  findAuthorizationServer,
  findLegacyServer,
} from '../../../../src/remote/oauth/authorization-server.ts';
import { discover } from '../../../../src/remote/oauth/discovery.ts';
import { failing, RESOURCE, type Routes, scripted, serverMetadata } from '../../../fixtures/remote/oauth.ts';

const ISSUER = 'https://auth.example.com';
const OAUTH = `${ISSUER}/.well-known/oauth-authorization-server`;
const OPENID = `${ISSUER}/.well-known/openid-configuration`;

const find = (issuer: string, routes: Routes) => {
  const parts = scripted(routes);
  return { parts, found: findAuthorizationServer(parts, issuer) };
};

test('the places of an issuer without and with a path, in the order of the specification', async () => {
  const bare = find(ISSUER, { [OPENID]: serverMetadata() });
  expect((await bare.found).source).toBe('openid');
  expect(bare.parts.asked.map(({ url }) => url)).toEqual([OAUTH, OPENID]);
  const tenant = `${ISSUER}/tenant1`;
  const deep = find(tenant, { [`${tenant}/.well-known/openid-configuration`]: serverMetadata(tenant) });
  expect((await deep.found).issuer).toBe(tenant);
  expect(deep.parts.asked.map(({ url }) => url)).toEqual([
    `${OAUTH}/tenant1`,
    `${OPENID}/tenant1`,
    `${tenant}/.well-known/openid-configuration`,
  ]);
  await expect(find(ISSUER, {}).found).rejects.toMatchObject({ code: 'server-metadata' });
});

test.each([
  'https://auth.example.com/',
  'https://AUTH.example.com',
  'https://auth.example.com:443',
  'https://auth.example.com/a/..',
  'https://evil.example',
  'http://auth.example.com',
  'https://auth.example.com ',
  '',
])('W-AUTH-3 the issuer "%s" is not https://auth.example.com', async (issuer) => {
  const { parts, found } = find(ISSUER, {
    [OAUTH]: serverMetadata(ISSUER, { issuer }),
    [OPENID]: serverMetadata(),
  });
  await expect(found).rejects.toMatchObject({ code: 'server-metadata' });
  // And no other place is asked until one suits.
  expect(parts.asked).toHaveLength(1);
});

test.each([
  'authorization_endpoint',
  'token_endpoint',
  'registration_endpoint',
  'revocation_endpoint',
  'device_authorization_endpoint',
  'jwks_uri',
])('W-AUTH-4 metadata whose "%s" may not be used is refused whole', async (name) => {
  for (const url of [
    'http://auth.example.com/x',
    'javascript:alert(1)',
    'https://a@auth.example.com/',
    7,
    '',
    {},
  ]) {
    const { found } = find(ISSUER, { [OAUTH]: serverMetadata(ISSUER, { [name]: url }) });
    await expect(found).rejects.toMatchObject({
      code: 'server-metadata',
      message: expect.stringContaining(name),
    });
  }
});

test('an issuer that may not be one', async () => {
  for (const issuer of [
    'http://auth.example.com',
    `${ISSUER}?x=1`,
    `${ISSUER}#`,
    'https://u@auth.example.com',
  ]) {
    await expect(find(issuer, {}).found).rejects.toMatchObject({ code: 'server-metadata' });
  }
});

test('members of the wrong kind are as if they were not there; the token endpoint has to be', async () => {
  const server = await find(ISSUER, {
    [OAUTH]: serverMetadata(ISSUER, {
      code_challenge_methods_supported: 'S256',
      scopes_supported: { read: true },
      client_id_metadata_document_supported: 'true',
      authorization_response_iss_parameter_supported: 1,
      device_authorization_endpoint: null,
      __proto__: { token_endpoint: 'https://evil.example' },
    }),
  }).found;
  expect(server).toMatchObject({
    codeChallengeMethods: undefined,
    scopesSupported: undefined,
    clientIdMetadataDocuments: false,
    issInResponse: false,
    deviceAuthorizationEndpoint: undefined,
    tokenEndpoint: `${ISSUER}/token`,
  });
  const none = find(ISSUER, { [OAUTH]: serverMetadata(ISSUER, { token_endpoint: undefined }) });
  await expect(none.found).rejects.toMatchObject({ code: 'server-metadata' });
});

test('a server of 2025-03-26 is its own authorization server', async () => {
  const server = new URL(RESOURCE);
  const { origin } = server;
  const place = `${origin}/.well-known/oauth-authorization-server`;
  const fallback = await findLegacyServer(scripted({}), server);
  expect(fallback).toMatchObject({
    issuer: origin,
    source: 'default',
    authorizationEndpoint: `${origin}/authorize`,
    tokenEndpoint: `${origin}/token`,
    registrationEndpoint: `${origin}/register`,
  });
  // Both spellings of its origin lead to the same place.
  for (const issuer of [origin, `${origin}/`]) {
    const own = await findLegacyServer(scripted({ [place]: serverMetadata(origin, { issuer }) }), server);
    expect(own.issuer).toBe(issuer);
  }
  const foreign = scripted({ [place]: serverMetadata('https://evil.example') });
  await expect(findLegacyServer(foreign, server)).rejects.toMatchObject({ code: 'server-metadata' });
});

test('of several authorization servers the one that was used before, while the server names it', async () => {
  const other = 'https://other.example';
  const routes = () => ({
    'https://mcp.example.com/.well-known/oauth-protected-resource/mcp': {
      resource: RESOURCE,
      authorization_servers: [ISSUER, other],
    },
    [OAUTH]: serverMetadata(),
    [`${other}/.well-known/oauth-authorization-server`]: serverMetadata(other),
  });
  const issuer = async (preferred?: string) =>
    (await discover(scripted(routes()), new URL(RESOURCE), undefined, preferred)).server.issuer;
  expect(await issuer()).toBe(ISSUER);
  expect(await issuer(other)).toBe(other);
  expect(await issuer('https://gone.example')).toBe(ISSUER);
});

test('what cannot be reached is no answer', async () => {
  const away = new Error('away');
  await expect(find(ISSUER, { [OAUTH]: away, [OPENID]: serverMetadata() }).found).rejects.toBe(away);
  await expect(find(ISSUER, { [OAUTH]: failing(500, {}) }).found).rejects.toMatchObject({
    code: 'server-metadata',
  });
});

test('W-AUTH-6 an authorization server with a host that looks like another is refused', async () => {
  const find = (issuer: string, more: Record<string, unknown> = {}, server = RESOURCE) => {
    const url = new URL(server);
    const parts = scripted({
      [`${url.origin}/.well-known/oauth-protected-resource/mcp`]: {
        resource: server,
        authorization_servers: [issuer],
      },
      [`${issuer}/.well-known/oauth-authorization-server`]: serverMetadata(issuer, more),
    });
    return discover(parts, url);
  };
  for (const found of [
    find('https://auth.examp1e.com'),
    find('https://login.example', { token_endpoint: 'https://l0gin.example/token' }),
    find('https://login.example', { authorization_endpoint: 'https://mcp.exampIe.com/authorize' }),
  ]) {
    await expect(found).rejects.toMatchObject({
      code: 'server-metadata',
      message: expect.stringContaining('looks like'),
    });
  }
  const other = await find('https://login.example', { token_endpoint: 'https://tokens.example/token' });
  expect(other.server.issuer).toBe('https://login.example');
});

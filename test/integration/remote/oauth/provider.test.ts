// The functions of OAuth against a real authorization server: oidc-provider with strict rotation.
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  readAuthorizationResponse,
  startAuthorization as start,
} from '../../../../src/remote/oauth/authorization.ts';
import { parseChallenge } from '../../../../src/remote/oauth/challenge.ts';
import { pollDevice, startDevice } from '../../../../src/remote/oauth/device.ts';
import { discover } from '../../../../src/remote/oauth/discovery.ts';
import { Dpop, makeDpopKey } from '../../../../src/remote/oauth/dpop.ts';
import { registerClient } from '../../../../src/remote/oauth/dynamic-registration.ts';
import { refusalOf } from '../../../../src/remote/oauth/refusal.ts';
import {
  type ClientRegistration,
  chooseRegistration,
  fromMetadataDocument,
  preRegistered,
} from '../../../../src/remote/oauth/registration.ts';
import { revokeTokens } from '../../../../src/remote/oauth/revocation.ts';
import { chooseScopes } from '../../../../src/remote/oauth/scope-choice.ts';
import { readClaims } from '../../../../src/remote/oauth/token-check.ts';
import {
  redeemCode,
  refreshTokens,
  requestClientCredentials,
} from '../../../../src/remote/oauth/token-request.ts';
import type { TokenSet } from '../../../../src/remote/oauth/token-set.ts';
import { type Authorization, startAuthorization } from '../../../fixtures/remote/authorization.ts';
import { startMcp } from '../../../fixtures/remote/mcp.ts';
import { REDIRECT, realParts } from '../../../fixtures/remote/oauth.ts';
import { Person } from '../../../fixtures/remote/person.ts';

const parts = realParts();

/** All that precedes a sign-in: the challenge of the remote server, its metadata, and that of its authorization server. */
async function find(url: string) {
  const answer = await fetch(url, { method: 'POST', body: '{}' });
  expect(answer.status).toBe(401);
  const challenge = parseChallenge(answer.headers.get('www-authenticate'));
  const found = await discover(parts, new URL(url), challenge);
  const { metadata, server } = found;
  return { ...found, challenge, scopes: chooseScopes({ challenge, metadata, server, refresh: true }) };
}

type Found = Awaited<ReturnType<typeof find>>;

async function signIn(
  { server, resource, scopes }: Found,
  registration: ClientRegistration,
  options: { dpop?: Dpop; person?: Person; consents?: boolean } = {},
): Promise<TokenSet> {
  const { attempt, url } = await start(parts, server, registration, {
    redirectUri: REDIRECT,
    resource,
    scopes,
  });
  const person = options.person ?? new Person();
  const visited = await person.visit(url, {
    consents: options.consents ?? true,
    until: (one) => one.href.startsWith(REDIRECT),
  });
  const code = readAuthorizationResponse(attempt, visited.url);
  return redeemCode(parts, server, registration, attempt, code, options.dpop);
}

const guardOf = (authorization: Authorization) => ({ guard: (url: string) => authorization.guard(url) });

test('a sign-in with a client that registers itself: tokens for the resource, rotated and revoked', async () => {
  await using authorization = await startAuthorization();
  await using remote = await startMcp({ ...guardOf(authorization) });
  const found = await find(remote.url);
  const { server, resource } = found;
  expect(resource).toBe(remote.url);
  expect(server.issInResponse).toBe(true);
  expect(chooseRegistration(server, { customRedirect: false })).toBe('dynamic');
  const registration = await registerClient(parts, server, {
    redirectUri: REDIRECT,
    scopes: found.scopes,
    dpop: false,
  });
  expect(registration).toMatchObject({ kind: 'dynamic', issuer: authorization.issuer, authMethod: 'none' });
  const tokens = await signIn(found, registration);
  expect(tokens).toMatchObject({
    tokenType: 'Bearer',
    resource: remote.url,
    scopes: ['read', 'write'],
  });
  expect(readClaims(tokens.accessToken)?.claims.aud).toBe(remote.url);

  const next = await refreshTokens(parts, server, registration, tokens);
  expect(next.refreshToken).not.toBe(tokens.refreshToken);
  expect(next.accessToken).not.toBe(tokens.accessToken);
  // The spent one ends the family: the keeper has to know that from anything else.
  const spent = await refreshTokens(parts, server, registration, tokens).catch((error: unknown) => error);
  expect(refusalOf(spent)?.error).toBe('invalid_grant');
  const again = await signIn(found, registration);
  expect(await revokeTokens(parts, server, registration, again)).toBe('revoked');
  const revoked = await refreshTokens(parts, server, registration, again).catch((error: unknown) => error);
  expect(refusalOf(revoked)?.error).toBe('invalid_grant');
});

test('a person who says no', async () => {
  await using authorization = await startAuthorization();
  await using remote = await startMcp({ ...guardOf(authorization) });
  const found = await find(remote.url);
  const registration = await registerClient(parts, found.server, {
    redirectUri: REDIRECT,
    scopes: found.scopes,
    dpop: false,
  });
  await expect(signIn(found, registration, { consents: false })).rejects.toMatchObject({
    code: 'sign-in-denied',
  });
});

test('tokens that are bound to a key, in the sign-in and after', async () => {
  await using authorization = await startAuthorization();
  await using remote = await startMcp({ ...guardOf(authorization) });
  const found = await find(remote.url);
  const { server, scopes } = found;
  const registration = await registerClient(parts, server, { redirectUri: REDIRECT, scopes, dpop: true });
  const dpop = new Dpop(parts, await makeDpopKey());
  const tokens = await signIn(found, registration, { dpop });
  expect(tokens.tokenType).toBe('DPoP');
  expect(readClaims(tokens.accessToken)?.claims.cnf).toBeDefined();
  const next = await refreshTokens(parts, server, registration, tokens, dpop);
  expect(next.tokenType).toBe('DPoP');
  // Whoever has stolen the refresh token alone has nothing.
  const thief = new Dpop(parts, await makeDpopKey());
  const stolen = await refreshTokens(parts, server, registration, next, thief).catch(
    (error: unknown) => error,
  );
  expect(refusalOf(stolen)).toBeDefined();
});

test('a client by its metadata document', async () => {
  const url = 'https://warder.example/client.json';
  await using authorization = await startAuthorization({
    documents: {
      [url]: {
        client_id: url,
        client_name: 'Warder',
        redirect_uris: [REDIRECT],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        scope: 'read write offline_access',
      },
    },
  });
  await using remote = await startMcp({ ...guardOf(authorization) });
  const found = await find(remote.url);
  const wish = { metadataDocument: url, customRedirect: false };
  expect(chooseRegistration(found.server, wish)).toBe('metadata-document');
  const tokens = await signIn(found, fromMetadataDocument(found.server, url, [REDIRECT]));
  expect(tokens.clientId).toBe(url);
});

test('clients with a secret or a key, for an account of their own', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const secret = 'a secret of the tests: with / + and & in it';
  const clients = (['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const).map(
    (method) => ({
      client_id: `id of-${method}`,
      token_endpoint_auth_method: method,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      ...(method === 'private_key_jwt'
        ? { jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256' }] } }
        : { client_secret: secret }),
    }),
  );
  await using authorization = await startAuthorization({ clients });
  await using remote = await startMcp({ ...guardOf(authorization) });
  const { server, resource } = await find(remote.url);
  for (const { client_id: clientId, token_endpoint_auth_method: method } of clients) {
    const key = { key: pem, id: 'one', algorithm: undefined };
    const own = method === 'private_key_jwt' ? { key } : { clientSecret: secret };
    const registration = { ...preRegistered(server, { clientId, ...own }), authMethod: method };
    const tokens = await requestClientCredentials(parts, server, registration, {
      resource,
      scopes: ['read'],
    });
    expect(tokens, method).toMatchObject({ scopes: ['read'], refreshToken: undefined, resource });
  }
  const wrong = preRegistered(server, { clientId: 'id of-client_secret_basic', clientSecret: 'another' });
  const refused = await requestClientCredentials(parts, server, wrong, { resource, scopes: ['read'] }).catch(
    (error: unknown) => error,
  );
  expect(refusalOf(refused)?.error).toBe('invalid_client');
  expect(String(refused)).not.toContain('another');
});

test('a person who signs in on another device', async () => {
  await using authorization = await startAuthorization();
  await using remote = await startMcp({ ...guardOf(authorization) });
  const { server, resource } = await find(remote.url);
  const registration = await registerClient(parts, server, {
    redirectUri: undefined,
    scopes: ['read'],
    dpop: false,
  });
  const attempt = await startDevice(parts, server, registration, { resource, scopes: ['read'] });
  const waiting = await pollDevice(parts, server, registration, attempt);
  expect(waiting).toBe(attempt);
  await new Person().visit(attempt.verificationUriComplete ?? attempt.verificationUri);
  const tokens = await pollDevice(parts, server, registration, attempt);
  expect(tokens).toMatchObject({ tokenType: 'Bearer', resource });
});

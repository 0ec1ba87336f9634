// Accounts whose tokens are got without a person, or with what a person has signed in to elsewhere; and accounts in a real
// keychain.
import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { keychainOn } from '../../fixtures/keychain.ts';
import { type Authorization, startAuthorization } from '../../fixtures/remote/authorization.ts';
import { type HostileAuthorization, startHostile, startProtected } from '../../fixtures/remote/hostile.ts';
import { Keeping, remoteProfile } from '../../fixtures/remote/keeping.ts';
import { startMcp } from '../../fixtures/remote/mcp.ts';
import { unsignedJwt } from '../../fixtures/remote/oauth.ts';
import { Person } from '../../fixtures/remote/person.ts';
import { answerJson, textOf } from '../../fixtures/remote/place.ts';
import { SecretService } from '../../fixtures/secret-service.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const LATER = 4_102_444_800;

/** An authorization server that gives tokens for a grant of these types, each another. */
async function granting(...types: string[]): Promise<HostileAuthorization> {
  const authorization = await startHostile();
  authorization.script.metadata = {
    grant_types_supported: types,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt', 'none'],
  };
  authorization.script.token = (form) => {
    if (!types.includes(form.get('grant_type') ?? ''))
      return { json: { error: 'unsupported_grant_type' }, status: 400 };
    const token = `at-${authorization.exchanges.length}`;
    authorization.tokens.add(token);
    return {
      json: {
        access_token: token,
        token_type: 'Bearer',
        expires_in: 300,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      },
    };
  };
  return authorization;
}

test('a client with a key signs in by itself; the key is in the store of credentials, and never sent', async () => {
  await using authorization = await granting('client_credentials');
  await using mcp = await startProtected(authorization);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await using keeping = new Keeping({ values: { 'notes/key': pem } });
  const auth = {
    type: 'client-credentials',
    'client-id': 'me',
    'private-key': 'notes/key',
    issuer: authorization.issuer,
  };
  const profile = remoteProfile(mcp.url, auth);
  const session = await keeping.session(profile);
  expect((await session.send(mcp.url, { acts: false })).sent.headers.Authorization).toBe('Bearer at-1');
  expect(session.authorizer.values()).toContain(pem);
  const assertion = authorization.exchanges[0]?.get('client_assertion') ?? '';
  expect(decodeJwt(assertion)).toMatchObject({ iss: 'me', sub: 'me', aud: authorization.issuer });
  const stored = [...(keeping.blobs as unknown as { map: Map<string, Buffer> }).map.values()].join('\n');
  const secret = pem.split('\n')[1] ?? '';
  for (const text of [stored, textOf(authorization)]) expect(text).not.toContain(secret);
  expect([keeping.asked.length, keeping.opened.length]).toEqual([0, 0]);
});

test('W-REM-41 the secret of a client is taken out of what passes, also after it was replaced', async () => {
  await using authorization = await granting('client_credentials');
  await using mcp = await startProtected(authorization);
  const values = { 'notes/secret': 'the first secret' };
  await using keeping = new Keeping({ values });
  const auth = { type: 'client-credentials', 'client-id': 'me', 'client-secret': 'notes/secret' };
  const session = await keeping.session(remoteProfile(mcp.url, { ...auth, issuer: authorization.issuer }));
  const known: (readonly string[])[] = [];
  const { token } = authorization.script;
  authorization.script.token = (form, index) => {
    known.push(session.authorizer.values());
    return token?.(form, index) ?? { status: 500, json: {} };
  };
  await session.send(mcp.url, { acts: false });
  expect(known[0]).toContain('the first secret');
  values['notes/secret'] = 'the second secret';
  authorization.tokens.clear();
  await session.send(mcp.url, { acts: false });
  expect(known[1]).toEqual(expect.arrayContaining(['the first secret', 'the second secret']));
});

test('W-AUTH-51 one request for all that need a token, and a refusal is not repeated at once', async () => {
  await using authorization = await granting('client_credentials');
  await using mcp = await startProtected(authorization);
  await using keeping = new Keeping({ values: { 'notes/secret': 'the secret' } });
  const auth = {
    type: 'client-credentials',
    'client-id': 'me',
    'client-secret': 'notes/secret',
    issuer: authorization.issuer,
  };
  const profile = remoteProfile(mcp.url, auth);
  const sessions = await Promise.all(Array.from({ length: 7 }, () => keeping.session(profile)));
  await Promise.all(sessions.map((session) => session.send(mcp.url, { acts: false })));
  expect(authorization.exchanges).toHaveLength(1);
  authorization.tokens.clear();
  await Promise.all(sessions.map((session) => session.send(mcp.url, { acts: false })));
  expect(authorization.exchanges).toHaveLength(2);
  authorization.tokens.clear();
  authorization.script.token = () => ({ json: { error: 'invalid_client' }, status: 401 });
  for (let call = 0; call < 5; call++)
    await expect(sessions[call]?.send(mcp.url, { acts: false })).rejects.toMatchObject({
      code: 'sign-in-failed',
    });
  expect(authorization.exchanges.length).toBeLessThanOrEqual(4);
});

test('a token from elsewhere is exchanged, or is itself the grant', async () => {
  await using authorization = await granting(EXCHANGE, JWT_BEARER);
  await using mcp = await startProtected(authorization);
  const assertion = unsignedJwt({ iss: 'https://ci.example', aud: authorization.issuer, exp: LATER });
  await using keeping = new Keeping({ values: { 'ci/token': assertion } });
  const auth = { assertion: 'ci/token', issuer: authorization.issuer, 'client-id': 'me' };
  for (const type of ['token-exchange', 'jwt-bearer']) {
    const session = await keeping.session(remoteProfile(mcp.url, { ...auth, type }, type));
    expect((await session.send(mcp.url, { acts: false })).sent.headers.Authorization).toMatch(/^Bearer at-/);
  }
  const [exchange, bearer] = authorization.exchanges;
  expect(exchange?.get('subject_token')).toBe(assertion);
  expect(bearer?.get('assertion')).toBe(assertion);
});

/** A company's identity provider, which gives grants for one authorization server. */
async function provider(audience: () => string): Promise<Authorization> {
  const made: Authorization = await startAuthorization({
    clients: [
      {
        client_id: 'warder-at-idp',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['http://127.0.0.1/callback'],
        response_types: ['code'],
        application_type: 'native',
      },
    ],
    before: (request, response, body) => {
      const form = new URLSearchParams(body);
      if (request.url !== '/token' || form.get('requested_token_type') !== ID_JAG) return false;
      const claims = {
        iss: made.issuer,
        aud: audience(),
        resource: form.get('resource'),
        exp: LATER,
        jti: 'x',
      };
      answerJson(response, 200, {
        access_token: unsignedJwt(claims, { alg: 'RS256', typ: 'oauth-id-jag+jwt' }),
        issued_token_type: ID_JAG,
        token_type: 'N_A',
      });
      return true;
    },
  });
  return made;
}

test('W-AUTH-52 an enterprise: a person signs in to the identity provider once, and its grants get the tokens', async () => {
  await using authorization = await granting(JWT_BEARER);
  await using idp = await provider(() => authorization.issuer);
  await using mcp = await startProtected(authorization);
  await using keeping = new Keeping();
  const profile = remoteProfile(mcp.url, {
    type: 'enterprise',
    'client-id': 'warder-at-as',
    issuer: authorization.issuer,
    identity: { issuer: idp.issuer, 'client-id': 'warder-at-idp' },
  });
  const session = await keeping.session(profile);
  const page = keeping.page();
  const sending = session.send(mcp.url);
  await new Person().visit(await Promise.race([page, sending.then(() => '')]));
  expect((await sending).sent.mark?.issuer).toBe(authorization.issuer);
  // The person is asked about both.
  expect(keeping.asked[0]?.details.join('\n')).toContain(idp.host);
  authorization.tokens.clear();
  await session.send(mcp.url, { acts: false });
  expect([keeping.opened.length, keeping.asked.length]).toEqual([1, 1]);
  // What the provider gave for its own use is never seen by the other.
  const { identity } = keeping.accounts.accountOf(profile).account.record ?? {};
  for (const token of [identity?.tokens.idToken, identity?.tokens.accessToken]) {
    expect(token).toBeDefined();
    expect(textOf(authorization)).not.toContain(token);
    expect(session.authorizer.values()).toContain(token);
  }
});

test('an enterprise with a stored ID token needs no person', async () => {
  await using authorization = await granting(JWT_BEARER);
  await using idp = await provider(() => authorization.issuer);
  await using mcp = await startProtected(authorization);
  await using keeping = new Keeping({ values: { 'notes/id': unsignedJwt({ iss: idp.issuer, exp: LATER }) } });
  const session = await keeping.session(
    remoteProfile(mcp.url, {
      type: 'enterprise',
      'client-id': 'warder-at-as',
      issuer: authorization.issuer,
      identity: { issuer: idp.issuer, 'client-id': 'warder-at-idp', 'id-token': 'notes/id' },
    }),
  );
  expect((await session.send(mcp.url, { acts: false })).sent.headers.Authorization).toBe('Bearer at-1');
  expect(keeping.asked).toEqual([]);
});

test('W-AUTH-34 in a keychain that is locked and unlocked: an error that says so, and nothing is lost', async () => {
  await using authorization = await startAuthorization();
  await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
  await using bus = await SecretService.open({});
  await using keychain = keychainOn(bus);
  await using keeping = new Keeping({ blobs: keychain.blobs });
  const profile = remoteProfile(mcp.url);
  const session = await keeping.session(profile);
  const page = keeping.page();
  const sending = session.send(mcp.url);
  await new Person().visit(await page);
  await sending;
  authorization.expire();
  await bus.lock();
  const before = authorization.count('POST /token');
  const error = await session.send(mcp.url).catch((cause: unknown) => cause);
  expect(['keychain-locked', 'keychain-dismissed', 'keychain-timeout']).toContain(
    (error as { code: string }).code,
  );
  expect(authorization.count('POST /token')).toBe(before);
  await bus.unlock();
  await session.send(mcp.url);
  // Another daemon finds it.
  await using other = new Keeping({ blobs: keychain.blobs, state: keeping.state });
  expect((await (await other.session(profile)).send(mcp.url)).sent.mark?.version).toBeDefined();
  expect(authorization.log.filter(({ event }) => event !== 'granted')).toEqual([]);
});

// Proofs of possession.
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, importJWK, type JWK, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { parseChallenge } from '../../../../src/remote/oauth/challenge.ts';
import { Dpop, makeDpopKey, wantsDpop } from '../../../../src/remote/oauth/dpop.ts';
import type { ResourceMetadata } from '../../../../src/remote/oauth/resource-metadata.ts';
import { checkAccessToken } from '../../../../src/remote/oauth/token-check.ts';
import { RESOURCE, scripted, serverOf, unsignedJwt } from '../../../fixtures/remote/oauth.ts';

const url = new URL('https://mcp.example.com/mcp?session=1#x');

test('W-AUTH-20 a proof is for one request: its method, its URL, its token, and once', async () => {
  const parts = scripted({});
  const key = await makeDpopKey();
  const dpop = new Dpop(parts, key);
  const proofs = [
    await dpop.proof({ method: 'post', url, accessToken: 'the-token' }),
    await dpop.proof({ method: 'POST', url, accessToken: 'the-token' }),
  ];
  const { jwk, ...header } = decodeProtectedHeader(proofs[0] ?? '') as { jwk: JWK };
  expect(header).toEqual({ alg: 'ES256', typ: 'dpop+jwt' });
  expect(jwk).toEqual({ kty: 'EC', crv: 'P-256', x: key.x, y: key.y });
  const publicKey = await importJWK(jwk, 'ES256');
  const ids = new Set<unknown>();
  for (const proof of proofs) {
    const { payload } = await jwtVerify(proof, publicKey, { currentDate: new Date(parts.time) });
    expect(payload).toEqual({
      htm: 'POST',
      htu: 'https://mcp.example.com/mcp',
      ath: createHash('sha256').update('the-token').digest('base64url'),
      iat: parts.time / 1000,
      jti: payload.jti,
    });
    expect(proof).not.toContain(key.d);
    ids.add(payload.jti);
  }
  expect(ids.size).toBe(2);
});

test('W-AUTH-20 a nonce is for the origin that gave it', async () => {
  const parts = scripted({});
  const dpop = new Dpop(parts, await makeDpopKey());
  const nonce = async (at: URL) => {
    const proof = await dpop.proof({ method: 'POST', url: at });
    return JSON.parse(Buffer.from(proof.split('.')[1] ?? '', 'base64url').toString()).nonce;
  };
  const say = (at: URL, value: string) => dpop.remember(at, new Headers({ 'dpop-nonce': value }));
  const other = new URL('https://auth.example.com/token');
  expect(say(url, 'one')).toBe(true);
  expect(say(url, 'one')).toBe(false);
  expect([await nonce(url), await nonce(other)]).toEqual(['one', undefined]);
  expect(say(url, 'two')).toBe(true);
  expect(await nonce(url)).toBe('two');
  for (const hostile of ['a b', 'a"b', 'x'.repeat(2000), '']) expect(say(url, hostile)).toBe(false);
  expect(dpop.remember(url, new Headers())).toBe(false);
  for (let at = 0; at < 200; at += 1) say(new URL(`https://h${at}.example/`), 'n');
  expect(await nonce(url)).toBeUndefined();
  expect(await nonce(new URL('https://h199.example/'))).toBe('n');
});

test('tokens are bound where both servers can, and the remote server takes it', () => {
  const able = serverOf({ dpopAlgorithms: ['RS256', 'ES256'] });
  const metadataOf = (more: Partial<ResourceMetadata>): ResourceMetadata => ({
    resource: RESOURCE,
    authorizationServers: [able.issuer],
    scopesSupported: undefined,
    dpopAlgorithms: undefined,
    dpopRequired: false,
    name: undefined,
    url: RESOURCE,
    ...more,
  });
  const bearer = parseChallenge('Bearer');
  expect(wantsDpop(able, undefined, parseChallenge('DPoP'))).toBe(true);
  expect(wantsDpop(able, undefined, parseChallenge('DPoP algs="RS256"'))).toBe(false);
  expect(wantsDpop(able, metadataOf({ dpopAlgorithms: ['ES256'] }), bearer)).toBe(true);
  expect(wantsDpop(able, metadataOf({ dpopRequired: true }), undefined)).toBe(true);
  expect(wantsDpop(able, metadataOf({ dpopAlgorithms: ['PS256'] }), parseChallenge('DPoP'))).toBe(false);
  expect(wantsDpop(able, metadataOf({}), bearer)).toBe(false);
  expect(wantsDpop(serverOf(), metadataOf({ dpopRequired: true }), parseChallenge('DPoP'))).toBe(false);
});

test('W-AUTH-15 a token that says its key is ours is ours', async () => {
  const key = await makeDpopKey();
  const { kty, crv, x, y } = key;
  const jkt = await calculateJwkThumbprint({ kty, crv, x, y });
  const use = { issuer: 'https://auth.example.com', clientId: 'c', resource: RESOURCE, dpopKey: key };
  await expect(checkAccessToken(unsignedJwt({ cnf: { jkt } }), use)).resolves.toBeUndefined();
  await expect(
    checkAccessToken(unsignedJwt({ cnf: { jkt } }), { ...use, dpopKey: undefined }),
  ).rejects.toBeDefined();
  await expect(checkAccessToken(unsignedJwt({ cnf: { jkt: `${jkt}x` } }), use)).rejects.toBeDefined();
});

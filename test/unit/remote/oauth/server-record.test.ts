// Which hosts of an authorization server belong to its issuer, and what has changed.
import { expect, test } from 'vitest';
import {
  foreignHosts,
  lookAlike,
  ownerOf,
  recordChanges,
  recordServer,
} from '../../../../src/remote/oauth/server-record.ts';
import { serverOf } from '../../../fixtures/remote/oauth.ts';

const recordOf = (issuer: string, tokenEndpoint: string) =>
  recordServer(serverOf({ issuer, tokenEndpoint }), 'dynamic');

test.each([
  ['https://login.example.com', 'https://token.example.com/t'],
  ['https://example.co.uk', 'https://auth.example.co.uk/t'],
  ['https://auth.example.com:8443', 'https://auth.example.com/t'],
  ['https://a.xn--mnchen-3ya.de', 'https://b.xn--mnchen-3ya.de/t'],
  ['http://127.0.0.1:9000', 'http://127.0.0.1:9000/t'],
])('an issuer %s may have its tokens at %s', (issuer, endpoint) => {
  expect(foreignHosts(recordOf(issuer, endpoint))).toEqual([]);
});

test.each([
  ['https://accounts.google.com', 'https://accounts.google.evil.example/t'],
  ['https://login.example.com', 'https://login.example.net/t'],
  ['https://a.co.uk', 'https://b.co.uk/t'],
  // Strangers below one provider's name (the private part of the list).
  ['https://mine.github.io', 'https://yours.github.io/t'],
  ['https://a.vercel.app', 'https://b.vercel.app/t'],
  ['https://xn--mnchen-3ya.de', 'https://munchen.de/t'],
  ['https://example.com', 'https://192.0.2.7/t'],
  ['https://192.0.2.7', 'https://192.0.2.8/t'],
  ['https://[2001:db8::1]', 'https://[2001:db8::2]/t'],
  ['http://127.0.0.1:9000', 'http://127.0.0.1:9001/t'],
  ['http://localhost:9000', 'http://127.0.0.1:9000/t'],
])('W-AUTH-6 tokens of the issuer %s at %s are asked about', (issuer, endpoint) => {
  expect(foreignHosts(recordOf(issuer, endpoint))).toEqual([{ use: 'token', host: new URL(endpoint).host }]);
});

test('W-AUTH-6 every endpoint counts', () => {
  const foreign = 'https://evil.example/x';
  for (const [member, use] of [
    ['authorizationEndpoint', 'authorization'],
    ['registrationEndpoint', 'registration'],
    ['revocationEndpoint', 'revocation'],
    ['deviceAuthorizationEndpoint', 'device'],
    ['jwksUri', 'keys'],
  ] as const) {
    const record = recordServer(serverOf({ [member]: foreign }), 'dynamic');
    expect(foreignHosts(record)).toEqual([{ use, host: 'evil.example' }]);
  }
});

test('owners', () => {
  expect(ownerOf('a.b.example.com:8443')).toBe('example.com');
  expect(ownerOf('github.io')).toBe('github.io');
  expect(ownerOf('intranet:80')).toBe('intranet:80');
  expect(ownerOf('[::1]:3000')).toBe('[::1]:3000');
});

test('W-AUTH-6 a host that only looks like another is found', () => {
  expect(lookAlike(['github.com', 'api.g1thub.com'])).toEqual({ host: 'api.g1thub.com', like: 'github.com' });
  expect(lookAlike(['paypal.example', 'paypal.com'])).toBeUndefined();
  expect(lookAlike(['paypal.com', 'www.xn--pypal-4ve.com'])).toMatchObject({ like: 'paypal.com' });
  expect(lookAlike(['github.com', 'api.github.com', 'example.com'])).toBeUndefined();
  expect(lookAlike(['127.0.0.1:1', '127.0.0.1:2', 'localhost:1'])).toBeUndefined();
});

test('what differs from the accepted record, and what does not count', () => {
  const record = recordServer(serverOf(), 'dynamic');
  expect(recordChanges(record, record)).toEqual([]);
  const changed = recordServer(
    serverOf({ issuer: 'https://other.example', jwksUri: 'https://auth.example.com/keys' }),
    'metadata-document',
  );
  expect(recordChanges(record, changed)).toEqual([
    'the issuer was https://auth.example.com, and is https://other.example',
    ...['authorization', 'token', 'registration', 'revocation', 'device'].map(
      (use) => `${use} was at auth.example.com, and is at other.example`,
    ),
    'its keys were at https://auth.example.com/jwks, and are at https://auth.example.com/keys',
    'registration was dynamic, and is metadata-document',
  ]);
  const without = recordServer(serverOf({ revocationEndpoint: undefined }), 'dynamic');
  expect(recordChanges(without, record)).toEqual([]);
  const elsewhere = recordServer(serverOf({ revocationEndpoint: 'https://evil.example/x' }), 'dynamic');
  expect(recordChanges(without, elsewhere)).toEqual(['new: revocation at evil.example']);
});

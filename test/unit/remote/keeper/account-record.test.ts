// What is stored of an account reads back as it was.
import { expect, test } from 'vitest';
import {
  type AccountRecord,
  parseRecord,
  renderRecord,
} from '../../../../src/remote/keeper/account-record.ts';
import { recordServer } from '../../../../src/remote/oauth/server-record.ts';
import type { TokenSet } from '../../../../src/remote/oauth/token-set.ts';
import { clientOf, RESOURCE, serverOf } from '../../../fixtures/remote/oauth.ts';

const tokens: TokenSet = {
  accessToken: 'a',
  tokenType: 'Bearer',
  refreshToken: 'r',
  expiresAt: 1,
  scopes: ['read'],
  idToken: undefined,
  issuer: 'https://auth.example.com',
  resource: RESOURCE,
  clientId: 'client-1',
  dpopKey: undefined,
};
const provider = serverOf({ issuer: 'https://idp.example' });
const record: AccountRecord = {
  serial: 1,
  server: RESOURCE,
  configuration: 'x',
  resource: RESOURCE,
  authorizationServer: serverOf(),
  trust: recordServer(serverOf(), 'dynamic'),
  registration: clientOf(),
  tokens,
  // A sign-in at an identity provider is for no resource.
  identity: {
    authorizationServer: provider,
    registration: clientOf({ issuer: provider.issuer }),
    tokens: { ...tokens, issuer: provider.issuer, resource: undefined, idToken: 'i' },
  },
  obtained: 1,
  signedIn: 1,
  wanted: [],
  sent: undefined,
  ended: undefined,
};

test('an account with an identity provider', () => {
  expect(parseRecord(renderRecord(record), 'github')).toEqual(JSON.parse(JSON.stringify(record)));
});

test('W-AUTH-7 parts of different authorization servers are no account', () => {
  for (const other of [
    { registration: clientOf({ issuer: 'https://evil.example' }) },
    { tokens: { ...tokens, issuer: 'https://evil.example' } },
    { authorizationServer: serverOf({ issuer: 'https://evil.example' }) },
  ]) {
    expect(() => parseRecord(renderRecord({ ...record, ...other }), 'github')).toThrow(
      expect.objectContaining({ code: 'credential-unfit' }),
    );
  }
});

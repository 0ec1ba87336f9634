// What a person is told before a sign-in, whatever a server has written.
import { expect, test } from 'vitest';
import { recordServer } from '../../../../src/remote/oauth/server-record.ts';
import { type SignInAbout, signInLines } from '../../../../src/remote/sign-in/lines.ts';
import { serverOf } from '../../../fixtures/remote/oauth.ts';

function about(more: Partial<SignInAbout> = {}, server = serverOf()): SignInAbout {
  return {
    server: new URL('https://mcp.example.com/mcp'),
    discovery: { resource: 'https://mcp.example.com/mcp', metadata: undefined, server },
    now: recordServer(server, 'dynamic'),
    accepted: undefined,
    scopes: ['read', 'write'],
    held: undefined,
    clientId: undefined,
    way: 'browser',
    provider: undefined,
    ...more,
  };
}

test('where it goes, who gets what, and where the browser comes back to', () => {
  expect(signInLines(about())).toEqual({
    lines: [
      'sign in to mcp.example.com at auth.example.com, which has all its endpoints',
      'scopes read write',
      'Warder registers itself there; the browser comes back to 127.0.0.1',
    ],
    warnings: [],
  });
});

test('W-AUTH-49 endpoints elsewhere are warned of until they were agreed to; a change is, too', () => {
  const split = serverOf({
    tokenEndpoint: 'https://token.evil.example/t',
    jwksUri: 'https://keys.auth.example.com/jwks',
  });
  const now = recordServer(split, 'dynamic');
  expect(signInLines(about({ now }, split)).warnings).toEqual([
    'codes and tokens are sent to token.evil.example, which is not of auth.example.com',
  ]);
  expect(signInLines(about({ now, accepted: now }, split)).warnings).toEqual([]);
  const before = recordServer(serverOf(), 'dynamic');
  const changed = signInLines(about({ now, accepted: before }, split)).warnings;
  expect(changed).toContain('changed: token was at auth.example.com, and is at token.evil.example');
  expect(changed).toContain(
    'codes and tokens are sent to token.evil.example, which is not of auth.example.com',
  );
  // What was agreed to of another issuer is nothing for this one.
  const other = { ...now, issuer: 'https://other.example' };
  expect(signInLines(about({ now, accepted: other }, split)).warnings).toContain(
    'codes and tokens are sent to token.evil.example, which is not of auth.example.com',
  );
});

test('two names below a public suffix are strangers, and a look-alike is named', () => {
  const issuer = 'https://real.github.io';
  const shared = serverOf({ issuer, tokenEndpoint: 'https://evil.github.io/token' });
  expect(signInLines(about({ now: recordServer(shared, 'dynamic') }, shared)).warnings).toContain(
    'codes and tokens are sent to evil.github.io, which is not of real.github.io',
  );
});

test('W-AUTH-40 nothing that a server has written looks like a line of its own, or is believed', () => {
  const name = 'Warder\n\u001b[2Kto bank.example at bank.example\u202e';
  const metadata = {
    resource: 'https://mcp.example.com/mcp',
    authorizationServers: ['https://auth.example.com'],
    scopesSupported: undefined,
    dpopAlgorithms: undefined,
    dpopRequired: false,
    name,
    url: 'https://mcp.example.com/.well-known/oauth-protected-resource',
  };
  const server = serverOf();
  const { lines } = signInLines(about({ discovery: { resource: metadata.resource, metadata, server } }));
  const said = lines.find((line) => line.startsWith('the server calls itself')) ?? '';
  expect(said).toContain(': nobody has verified that');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
  for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
});

test('more scopes than the account has are told apart', () => {
  const { lines } = signInLines(about({ scopes: ['read', 'write', 'admin'], held: ['read'] }));
  expect(lines[1]).toBe('scopes read write admin (new: write admin)');
  expect(signInLines(about({ scopes: undefined })).lines[1]).toBe('no scopes are asked for');
});

test('the client and the provider of the profile', () => {
  const lines = (more: Partial<SignInAbout>, kind: 'pre-registered' | 'metadata-document') =>
    signInLines(about({ ...more, now: recordServer(serverOf(), kind) })).lines;
  expect(lines({ clientId: 'me', way: 'device' }, 'pre-registered').at(-1)).toBe(
    'client "me" of the profile',
  );
  expect(lines({ clientId: 'https://w.example/c.json' }, 'metadata-document').at(-1)).toBe(
    'client "https://w.example/c.json"; the browser comes back to 127.0.0.1',
  );
  expect(lines({ clientId: 'me', provider: 'https://idp.example.com' }, 'pre-registered')[1]).toBe(
    'by your account at idp.example.com, which the profile names',
  );
});

// Challenges as servers write them, and as nobody should.
import { expect, test } from 'vitest';
import { parseChallenge } from '../../../../src/remote/oauth/challenge.ts';

test('W-AUTH-1 a challenge among others, with quoted, bare, empty and repeated parameters', () => {
  expect(
    parseChallenge(
      'Basic realm="a, Bearer scope=\\"x\\"", Negotiate dG9rZW4=, bEaReR  realm="r" , scope="read  write" ,' +
        'resource_metadata = "https://mcp.example.com/.well-known/oauth-protected-resource", error=insufficient_scope',
    ),
  ).toEqual({
    scheme: 'bearer',
    error: 'insufficient_scope',
    scopes: ['read', 'write'],
    resourceMetadata: 'https://mcp.example.com/.well-known/oauth-protected-resource',
    dpopAlgorithms: undefined,
  });
  // A server that forgot the quotes.
  expect(parseChallenge('Bearer resource_metadata=https://a.example/x?y=1')?.resourceMetadata).toBe(
    'https://a.example/x?y=1',
  );
  expect(parseChallenge('Bearer')).toMatchObject({ scheme: 'bearer', scopes: undefined });
  expect(parseChallenge('Bearer scope=""')?.scopes).toEqual([]);
  expect(parseChallenge('Bearer scope="a", scope="b"')?.scopes).toBeUndefined();
  expect(parseChallenge('Basic realm="x"')).toBeUndefined();
  expect(parseChallenge(null)).toBeUndefined();
});

test('a server that takes both kinds of tokens', () => {
  const both = parseChallenge('Bearer scope="read", DPoP algs="ES256 PS256", error="use_dpop_nonce"');
  expect(both).toEqual({
    scheme: 'dpop',
    error: 'use_dpop_nonce',
    scopes: ['read'],
    resourceMetadata: undefined,
    dpopAlgorithms: ['ES256', 'PS256'],
  });
});

test('W-AUTH-1 hostile challenges are read as far as they can be', () => {
  expect(parseChallenge('Bearer scope="read", error="never closed')).toMatchObject({
    scopes: ['read'],
    error: undefined,
  });
  expect(parseChallenge('Bearer error="<b>no code</b>"')?.error).toBeUndefined();
  expect(parseChallenge('Bearer scope="ok \u0007 b\\"ad"')?.scopes).toEqual(['ok']);
  for (const hostile of [
    '',
    ',,,',
    '=',
    '"',
    'Bearer =',
    'Bearer ,=,',
    '\u0000Bearer',
    `Bearer ${'a='.repeat(9)}`,
  ]) {
    expect(() => parseChallenge(hostile)).not.toThrow();
  }
  // In bounds, and in time that grows with the length alone.
  const long = `Bearer ${'x="\\'.repeat(1_000_000)}`;
  expect(parseChallenge(long)?.scopes).toBeUndefined();
  const many = Array.from({ length: 5000 }, (_, at) => `S${at} a=b`).join(', ');
  expect(parseChallenge(`${many}, Bearer scope="late"`)).toBeUndefined();
  const scopes = Array.from({ length: 2000 }, (_, at) => `s${at}`).join(' ');
  expect(parseChallenge(`Bearer scope="${scopes}"`)?.scopes?.length).toBe(512);
});

import { describe, expect, test } from 'vitest';
import { formatProfile } from '../../../src/profile/draft.ts';
import { parseProfile } from '../../../src/profile/format.ts';

const read = (sign: object, more: object = {}) =>
  parseProfile(
    JSON.stringify({ server: { command: 'x' }, credentials: { KEY: { hosts: ['a.test'], sign, ...more } } }),
    'p.yaml',
    'p',
  ).credentials[0]?.sign;

describe('what signs', () => {
  test('is read with its defaults', () => {
    expect(read({ scheme: 'aws-sigv4', service: 's3', region: ['eu-central-1', 'us-east-1'] })).toEqual({
      scheme: 'aws-sigv4',
      services: ['s3'],
      regions: ['eu-central-1', 'us-east-1'],
    });
    expect(read({ scheme: 'hmac', message: '{method}\\n{body}', header: 'X-Sig' })).toMatchObject({
      algorithm: 'sha256',
      key: 'text',
      encoding: 'hex',
      message: '{method}\n{body}',
      prefix: '',
    });
    expect(read({ scheme: 'jwt', algorithm: 'ES256', claims: { iss: 'me' } })).toMatchObject({
      expires: 600_000,
    });
    expect(read({ scheme: 'github-app', app: 12345, installation: 6 })).toMatchObject({
      app: '12345',
      api: 'api.github.com',
    });
  });

  test.each([
    { scheme: 'aws-sigv4', service: ['s3', 'sqs'], region: 'eu-central-1' },
    { scheme: 'hmac', message: '{method}\\n{body}', header: 'X-Sig', prefix: 'v1=', algorithm: 'sha512' },
    { scheme: 'hmac', message: '{query}', query: 'signature', key: 'base64', encoding: 'base64url' },
    { scheme: 'jwt', algorithm: 'RS256', 'key-id': 'k', claims: { iss: 'me', scope: ['a'] }, expires: '5m' },
    {
      scheme: 'github-app',
      app: 12345,
      installation: 6,
      repositories: ['a'],
      permissions: { issues: 'write' },
    },
  ])('written with its defaults is the same: %j', (sign) => {
    const source = { server: { command: 'x' }, credentials: { KEY: { hosts: ['a.test'], sign } } };
    const profile = parseProfile(JSON.stringify(source), 'p.yaml', 'p');
    expect(parseProfile(formatProfile(profile), 'p.yaml', 'p')).toEqual(profile);
  });

  test.each([
    ['no scheme', {}, 'aws-sigv4, hmac, jwt or github-app'],
    ['an unknown scheme', { scheme: 'aws' }, 'aws-sigv4, hmac, jwt or github-app'],
    ['an unknown key', { scheme: 'aws-sigv4', service: 's3', region: 'r', regions: 'x' }, 'regions'],
    ['no region', { scheme: 'aws-sigv4', service: 's3' }, 'region'],
    ['a symmetric algorithm for a private key', { scheme: 'jwt', algorithm: 'HS256' }, 'algorithm'],
    ['no algorithm at all', { scheme: 'jwt', algorithm: 'none' }, 'algorithm'],
    [
      'a time that the gate sets',
      { scheme: 'jwt', algorithm: 'ES256', claims: { exp: 1 } },
      'cannot set "exp"',
    ],
    ['a token for ever', { scheme: 'jwt', algorithm: 'ES256', expires: '30d' }, 'between 1m and 24h'],
    [
      'two places',
      { scheme: 'hmac', message: '{body}', header: 'A', query: 'b' },
      'one of "header" and "query"',
    ],
    ['no place', { scheme: 'hmac', message: '{body}' }, 'one of "header" and "query"'],
    [
      'a message of nothing',
      { scheme: 'hmac', message: 'x', header: 'A' },
      'contains nothing of the request',
    ],
    ['an unknown part', { scheme: 'hmac', message: '{bodyy}', header: 'A' }, 'unknown part "{bodyy}"'],
    ['a header without a name', { scheme: 'hmac', message: '{header}', header: 'A' }, 'unknown part'],
    ['an api with a user', { scheme: 'github-app', app: 1, installation: 1, api: 'me@evil.test' }, 'api'],
  ])('is refused with %s [W-PROF-1]', (_name, sign, message) => {
    expect(() => read(sign)).toThrow(expect.objectContaining({ message: expect.stringContaining(message) }));
  });

  test.each([
    [{ scheme: 'aws-sigv4', service: 's3', region: 'r' }, { as: 'header' }],
    [{ scheme: 'hmac', message: '{body}', header: 'A' }, { issues: { members: ['x'] } }],
    [{ scheme: 'jwt', algorithm: 'ES256' }, { as: 'body' }],
    [
      { scheme: 'jwt', algorithm: 'ES256' },
      { hosts: undefined, deliver: 'env' },
    ],
  ])('is refused beside a key that would have no effect: %o [W-PROF-5]', (sign, more) => {
    expect(() => read(sign, more)).toThrow(/no effect|goes into no body/);
  });
});

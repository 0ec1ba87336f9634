import { expect, test } from 'vitest';
import { responseHeaders } from '../../../../src/remote/http/headers.ts';

test('fields are found whatever their case, and values of one name are joined; cookies are in none', () => {
  const headers = responseHeaders([
    'WWW-Authenticate',
    'Bearer',
    'X-A',
    '',
    'www-authenticate',
    'DPoP',
    'Set-Cookie',
    'a=b',
  ]);
  expect(headers.get('Www-Authenticate')).toBe('Bearer, DPoP');
  expect([headers.get('x-a'), headers.get('set-cookie'), headers.get('__proto__')]).toEqual(['', null, null]);
  expect([...headers]).toEqual([
    ['www-authenticate', 'Bearer, DPoP'],
    ['x-a', ''],
  ]);
});

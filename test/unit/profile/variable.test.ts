import { expect, test } from 'vitest';
import { detectSecret, isLoaderVariable } from '../../../src/profile/variable.ts';

test('ordinary variables are not loader variables', () => {
  for (const name of [
    'PATH',
    'HOME',
    'LOG_LEVEL',
    'NODE_ENV',
    'PYTHONUNBUFFERED',
    'ENVIRONMENT',
    'GIT_AUTHOR_NAME',
    'LDAP_HOST',
  ]) {
    expect(isLoaderVariable(name), name).toBe(false);
  }
});

test.each([
  ['ghp_0123456789abcdefghij0123', 'a GitHub token'],
  ['github_pat_0123456789abcdefghij', 'a GitHub token'],
  ['glpat-0123456789abcdefghij', 'a GitLab token'],
  ['sk-proj-0123456789abcdefghij', 'an API key'],
  ['AKIAIOSFODNN7EXAMPLE', 'an AWS key'],
  ['xoxb-1234567890-abcdef', 'a Slack token'],
  ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc', 'a JSON Web Token'],
  ['-----BEGIN OPENSSH PRIVATE KEY-----', 'a private key'],
  ['postgres://me:hunter2@db/x', 'a password in a URL'],
])('%s looks like a secret', (text, kind) => {
  expect(detectSecret(text)).toBe(kind);
  expect(detectSecret(`--token=${text}`)).toBe(kind);
});

test.each([
  'info',
  '/home/me/src',
  'https://api.github.com/x',
  'postgres://db/x',
  'sk-short',
  '-----BEGIN CERTIFICATE-----',
  'task-manager-of-mine-x',
])('%s does not look like a secret', (text) => {
  expect(detectSecret(text)).toBeUndefined();
});

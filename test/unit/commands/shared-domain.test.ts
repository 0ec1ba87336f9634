import { expect, test } from 'vitest';
import { sharedDomain } from '../../../src/commands/profile/shared-domain.ts';

test.each([
  ['*.co.uk', 'co.uk'],
  ['*.uk:8443', 'uk'],
  ['*.com', 'com'],
  ['*.github.io', 'github.io'],
  ['*.amazonaws.com', 's3.amazonaws.com'],
  ['*.windows.net', 'blob.core.windows.net'],
  ['*.s3.amazonaws.com', 's3.amazonaws.com'],
  ['*.run.app', 'run.app'],
  ['*.a.run.app', 'a.run.app'],
  ['*.vercel.app', 'vercel.app'],
  ['*.intranet', 'intranet'],
])('below %s anybody can have a name (%s)', (entry, domain) => {
  expect(sharedDomain(entry)).toBe(domain);
});

test.each([
  '*.github.com',
  '*.example.co.uk',
  '*.acme.github.io',
  'co.uk',
  'github.io:443',
  '10.0.0.0/8',
  '*.corp.intranet',
])('below %s only its owner can', (entry) => {
  expect(sharedDomain(entry)).toBe(undefined);
});

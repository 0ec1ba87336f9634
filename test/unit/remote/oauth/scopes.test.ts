// Which scopes are asked for, and how they grow.
import { expect, test } from 'vitest';
import { parseChallenge } from '../../../../src/remote/oauth/challenge.ts';
import type { ResourceMetadata } from '../../../../src/remote/oauth/resource-metadata.ts';
import { chooseScopes } from '../../../../src/remote/oauth/scope-choice.ts';
import { onlyScopes, StepUps, unionScopes } from '../../../../src/remote/oauth/scopes.ts';
import { RESOURCE, serverOf } from '../../../fixtures/remote/oauth.ts';

const metadata = { resource: RESOURCE, scopesSupported: ['a', 'b'] } as unknown as ResourceMetadata;
const challenge = parseChallenge('Bearer scope="c d"');
const server = serverOf();
const offline = serverOf({ scopesSupported: ['a', 'offline_access'] });

test('W-AUTH-23 the profile, else the challenge, else all of the resource, else none', () => {
  const all = { metadata, challenge, server, refresh: false };
  expect(chooseScopes({ ...all, configured: ['x'] })).toEqual(['x']);
  expect(chooseScopes(all)).toEqual(['c', 'd']);
  expect(chooseScopes({ ...all, challenge: undefined })).toEqual(['a', 'b']);
  expect(chooseScopes({ ...all, challenge: undefined, metadata: undefined })).toBeUndefined();
  expect(chooseScopes({ ...all, challenge: parseChallenge('Bearer scope=""') })).toBeUndefined();
});

test('W-AUTH-23 offline_access only where the authorization server offers it and a refresh token is wanted', () => {
  expect(chooseScopes({ challenge, server: offline, refresh: true })).toEqual(['c', 'd', 'offline_access']);
  expect(chooseScopes({ challenge, server: offline, refresh: false })).toEqual(['c', 'd']);
  expect(chooseScopes({ challenge, server, refresh: true })).toEqual(['c', 'd']);
  // Alone it would replace what the server gives by itself; what the profile says stays as it is.
  expect(chooseScopes({ server: offline, refresh: true })).toBeUndefined();
  expect(chooseScopes({ configured: ['x'], server: offline, refresh: true })).toEqual(['x']);
});

test('unions keep what there was, each once', () => {
  expect(unionScopes(['a', 'b'], ['b', 'c'])).toEqual(['a', 'b', 'c']);
  expect(unionScopes(undefined, ['c'])).toEqual(['c']);
  expect(unionScopes(undefined, undefined)).toBeUndefined();
  expect(onlyScopes(['a b', 'a"', '', 'ü', 'ok', 'x'.repeat(600)])).toEqual(['ok']);
});

test('W-AUTH-23 an operation steps up a few times, and others are not held up', () => {
  const steps = new StepUps();
  expect([
    steps.mayStepUp('tools/call a'),
    steps.mayStepUp('tools/call a'),
    steps.mayStepUp('tools/call a'),
  ]).toEqual([true, true, false]);
  expect(steps.mayStepUp('tools/call b')).toBe(true);
  for (let at = 0; at < 3000; at += 1) steps.mayStepUp(`tools/call ${at}`);
  expect(steps.mayStepUp('tools/call 2999')).toBe(true);
  expect(steps.mayStepUp('tools/call 2999')).toBe(false);
});

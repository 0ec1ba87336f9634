// The device flow, and how often it asks.
import { expect, test } from 'vitest';
import { WarderError } from '../../../../src/errors.ts';
import { type DeviceAttempt, pollDevice, startDevice } from '../../../../src/remote/oauth/device.ts';
import {
  clientOf,
  failing,
  RESOURCE,
  type Routes,
  scripted,
  serverOf,
} from '../../../fixtures/remote/oauth.ts';

const PLACE = 'https://auth.example.com/device';
const TOKEN = 'https://auth.example.com/token';
const target = { resource: RESOURCE, scopes: ['read'] };
const good = {
  device_code: 'the-device-code',
  user_code: 'WDJB-MJHT',
  verification_uri: 'https://auth.example.com/activate',
  verification_uri_complete: 'https://auth.example.com/activate?user_code=WDJB-MJHT',
  expires_in: 600,
  interval: 2,
};
const start = (answer: unknown) => startDevice(scripted({ [PLACE]: answer }), serverOf(), clientOf(), target);

test('what the person is shown', async () => {
  const parts = scripted({ [PLACE]: good });
  const attempt = await startDevice(parts, serverOf(), clientOf(), target);
  expect(attempt).toMatchObject({
    userCode: 'WDJB-MJHT',
    verificationUri: good.verification_uri,
    verificationUriComplete: good.verification_uri_complete,
    expiresAt: parts.time + 600_000,
    interval: 2000,
  });
  expect(Object.fromEntries(parts.asked[0]?.form ?? [])).toEqual({
    client_id: 'client-1',
    resource: RESOURCE,
    scope: 'read',
  });
  expect(await start({ ...good, interval: undefined, verification_uri_complete: undefined })).toMatchObject({
    interval: 5000,
    verificationUriComplete: undefined,
  });
  expect((await start({ ...good, interval: 1e9 })).interval).toBe(60_000);
  expect((await start({ ...good, expires_in: 1e9 })).expiresAt).toBe(parts.time + 1_800_000);
});

test.each([
  [{ verification_uri: 'http://auth.example.com/activate' }],
  [{ verification_uri: 'javascript:alert(1)' }],
  [{ verification_uri: undefined }],
  [{ verification_uri_complete: 'https://user@auth.example.com/' }],
  [{ user_code: '\u001b[2J' }],
  [{ user_code: ' A' }],
  [{ user_code: 'A'.repeat(65) }],
  [{ user_code: undefined }],
  [{ device_code: undefined }],
  [{ expires_in: undefined }],
])('W-AUTH-21 an answer with %j is refused', async (more) => {
  await expect(start({ ...good, ...more })).rejects.toMatchObject({ code: 'sign-in-failed' });
});

test('a server without the flow', async () => {
  const server = serverOf({ deviceAuthorizationEndpoint: undefined });
  await expect(startDevice(scripted({}), server, clientOf(), target)).rejects.toMatchObject({
    code: 'server-metadata',
  });
  await expect(start(failing(400, { error: 'invalid_scope' }))).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
});

const attemptOf = (more: Partial<DeviceAttempt> = {}): DeviceAttempt => ({
  issuer: 'https://auth.example.com',
  deviceCode: 'the-device-code',
  userCode: 'WDJB-MJHT',
  verificationUri: good.verification_uri,
  verificationUriComplete: undefined,
  expiresAt: Number.MAX_SAFE_INTEGER,
  interval: 5000,
  target,
  ...more,
});
const poll = (answer: unknown, more: Partial<DeviceAttempt> = {}, routes: Routes = { [TOKEN]: answer }) =>
  pollDevice(scripted(routes), serverOf(), clientOf(), attemptOf(more));

test("W-AUTH-21 the pace is the server's: it only slows down", async () => {
  expect(await poll(failing(400, { error: 'authorization_pending' }))).toMatchObject({ interval: 5000 });
  expect(await poll({ error: 'authorization_pending' })).toMatchObject({ interval: 5000 });
  expect(await poll(failing(400, { error: 'slow_down' }))).toMatchObject({ interval: 10_000 });
  expect(await poll(failing(503, {}))).toMatchObject({ interval: 10_000 });
  expect(await poll(failing(429, {}))).toMatchObject({ interval: 10_000 });
  expect(await poll(new WarderError('remote-unreachable', 'away'))).toMatchObject({ interval: 10_000 });
  expect(await poll(failing(400, { error: 'slow_down' }), { interval: 60_000 })).toMatchObject({
    interval: 60_000,
  });
});

test('the ends of an attempt', async () => {
  const tokens = await poll({ access_token: 'a', token_type: 'Bearer', scope: 'read' });
  expect(tokens).toMatchObject({ accessToken: 'a', resource: RESOURCE, scopes: ['read'] });
  await expect(poll(failing(400, { error: 'access_denied' }))).rejects.toMatchObject({
    code: 'sign-in-denied',
  });
  await expect(poll(failing(400, { error: 'expired_token' }))).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
  await expect(poll(new WarderError('remote-refused', 'no'))).rejects.toMatchObject({
    code: 'remote-refused',
  });
  await expect(poll(undefined, { issuer: 'https://evil.example' })).rejects.toMatchObject({
    code: 'sign-in-failed',
  });
  const parts = scripted({});
  await expect(
    pollDevice(parts, serverOf(), clientOf(), attemptOf({ expiresAt: parts.time })),
  ).rejects.toMatchObject({
    message: expect.stringContaining('expired'),
  });
  expect(parts.asked).toEqual([]);
});

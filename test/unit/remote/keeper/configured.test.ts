import { expect, test, vi } from 'vitest';
import type { ResolvedCredential, RotationListener } from '../../../../src/credential/credentials.ts';
import { WarderError } from '../../../../src/errors.ts';
import { UNLIMITED } from '../../../../src/profile/credential.ts';
import { StoredCredential, unauthorized } from '../../../../src/remote/keeper/configured.ts';
import { tokenDigest } from '../../../../src/remote/oauth/token-check.ts';

const CREDENTIAL = {
  variable: 'token',
  deliver: 'sealed',
  hosts: [],
  ...UNLIMITED,
} as const;
const KEY = 'key-4f1e9c0a77';

function stored({ value = KEY, header = 'Authorization', prefix = 'Bearer ' } = {}) {
  const state = { value, version: 'v1', error: undefined as WarderError | undefined, usable: true, reads: 0 };
  let listener: RotationListener | undefined;
  let watched = 0;
  const clock = { time: 0, monotonic: () => clock.time };
  const authorizer = new StoredCredential({
    profile: 'notes',
    credential: { ...CREDENTIAL, name: 'notes/token', from: 'store' },
    header,
    prefix,
    credentials: {
      async resolve(_profile, [credential]) {
        state.reads++;
        if (state.error !== undefined) throw state.error;
        const { name, variable } = credential!;
        return [
          { name, variable, deliver: 'sealed', value: state.value, version: state.version },
        ] as ResolvedCredential[];
      },
      watch() {
        watched++;
        return { [Symbol.dispose]: () => void watched-- };
      },
      onRotation(added) {
        listener = added;
        return {
          [Symbol.dispose]() {
            listener = undefined;
          },
        };
      },
    },
    locks: {
      assertUsable(names) {
        expect(names).toEqual(['notes/token']);
        if (!state.usable) throw new WarderError('locked', 'all credentials are locked');
      },
    },
    clock,
  });
  return {
    authorizer,
    state,
    clock,
    rotate: () => listener?.('notes/token'),
    listens: () => listener !== undefined,
    watched: () => watched,
  };
}

const request = {
  method: 'POST',
  url: new URL('https://notes.example/mcp'),
  signal: new AbortController().signal,
};

test('a stored credential is in the header, is read once, and its mark has nothing of it', async () => {
  const { authorizer, state } = stored();
  const { headers, mark } = await authorizer.authorize();
  expect(headers).toEqual({ Authorization: `Bearer ${KEY}` });
  expect(mark).toEqual({ credential: 'notes/token', version: 'v1', token: tokenDigest(KEY) });
  expect(JSON.stringify(mark)).not.toContain(KEY);
  await authorizer.authorize();
  expect(state.reads).toBe(1);
  expect(authorizer.values()).toEqual([KEY]);
});

test('a new value is sent from the next request on; the old one is still redacted for an hour', async () => {
  const { authorizer, state, clock, rotate } = stored({ header: 'X-API-Key', prefix: '' });
  const heard = vi.fn();
  authorizer.onChange(heard);
  await authorizer.authorize();
  Object.assign(state, { value: 'key-2', version: 'v2' });
  expect(await rotate()).toEqual({ moved: 0, kept: 0 });
  expect((await authorizer.authorize()).headers).toEqual({ 'X-API-Key': 'key-2' });
  expect(authorizer.values()).toEqual(['key-2', KEY]);
  expect(heard).toHaveBeenCalledTimes(2);
  clock.time = 3_600_001;
  Object.assign(state, { value: 'key-3' });
  await rotate();
  await authorizer.authorize();
  expect(authorizer.values()).toEqual(['key-3', 'key-2']);
});

test('a credential that is locked or revoked is not sent; a store that failed is read again', async () => {
  const { authorizer, state } = stored();
  state.usable = false;
  await expect(authorizer.authorize()).rejects.toMatchObject({ code: 'locked' });
  expect(state.reads).toBe(0);
  state.usable = true;
  state.error = new WarderError('vault-locked', 'the vault is locked');
  await expect(authorizer.authorize()).rejects.toMatchObject({ code: 'vault-locked' });
  state.error = undefined;
  expect((await authorizer.authorize()).headers).toEqual({ Authorization: `Bearer ${KEY}` });
});

test('a value with a line break, NUL or another alphabet is no header', async () => {
  for (const value of ['a\r\nX-Evil: 1', 'a\0', 'schlüssel', '\u{1f511}']) {
    await expect(stored({ value }).authorizer.authorize()).rejects.toMatchObject({
      code: 'credential-unfit',
    });
  }
});

test('a refusal is an error that names the credential, and no sign-in', async () => {
  const { authorizer } = stored();
  const error = await authorizer.refused({ status: 401, url: request.url });
  expect(error).toMatchObject({ code: 'sign-in-failed' });
  expect(`${error.message} ${error.hint}`).toContain('notes/token');
  expect(`${error.message} ${error.hint}`).not.toContain(KEY);
});

test('a disposed authorizer watches and listens no more', () => {
  const { authorizer, watched, listens } = stored();
  expect([watched(), listens()]).toEqual([1, true]);
  authorizer[Symbol.dispose]();
  expect([watched(), listens()]).toEqual([0, false]);
});

test('without authorization nothing is sent, and a refusal says what to set', async () => {
  const authorizer = unauthorized();
  expect(await authorizer.authorize(request)).toEqual({ headers: {}, mark: undefined });
  const refusal = {
    ...request,
    status: 401,
    challenge: null,
    headers: new Headers(),
    sent: { headers: {}, mark: undefined },
    attempt: 1,
    acts: true,
    waits: () => {},
  };
  expect(await authorizer.refused(refusal)).toMatchObject({ code: 'sign-in-failed' });
});

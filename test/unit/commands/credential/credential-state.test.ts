import { expect, test } from 'vitest';
import type { Context } from '../../../../src/commands/command.ts';
import { fetchCredentialStates } from '../../../../src/commands/credential/credential-state.ts';
import { WarderError } from '../../../../src/errors.ts';
import type { ProfileCredential } from '../../../../src/profile/credential.ts';
import { parseProfile } from '../../../../src/profile/format.ts';

const { credentials } = parseProfile(
  `server: {command: cat}
credentials:
  A: {deliver: env}
  B: {deliver: env, from: vault}
  C: {deliver: env, name: shared/c}
  D: {deliver: env, from: {command: [op]}}
  E: {deliver: env}`,
  'f',
  'p',
);

/** A daemon that keeps these, or that says why it cannot tell. */
function context(
  kept: readonly object[] | WarderError,
  { locked = false, revoked = [] as string[] } = {},
): Context {
  const control = {
    request: async (verb: string) => {
      if (verb === 'status') return { credentials: { locked, revoked, doubted: [] } };
      if (kept instanceof WarderError) throw kept;
      return { credentials: kept, missing: [] };
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return { control: async () => control } as unknown as Context;
}

test('the state depends on name and store, and a damaged value is unusable', async () => {
  const known = await fetchCredentialStates(
    context([
      { name: 'p/A', store: 'keychain' },
      { name: 'p/B', store: 'keychain' },
      { name: 'shared/c', store: 'keychain' },
      { name: 'p/E', store: 'keychain', problem: 'it is bound to another name' },
    ]),
  );
  const states = credentials.map((credential: ProfileCredential) => known.state(credential));
  expect(states).toEqual(['set', 'missing', 'set', 'command', 'unusable']);
  expect(known.error).toBeUndefined();
});

test('W-SEAL-5 a lock and revocations are known, also if the store is not available', async () => {
  const revoked = ['p/A', 'p/D'];
  const known = await fetchCredentialStates(
    context([{ name: 'p/A', store: 'keychain' }], { locked: true, revoked }),
  );
  expect(credentials.slice(0, 4).map((credential) => known.state(credential))).toEqual([
    ...['revoked', 'missing', 'missing', 'revoked'],
  ]);
  expect(known.locked).toBe(true);
  const blind = await fetchCredentialStates(context(new WarderError('store-unset', 'none'), { revoked }));
  expect(credentials.slice(0, 2).map((credential) => blind.state(credential))).toEqual([
    'revoked',
    'unknown',
  ]);
});

test('without a daemon the states are unknown, and the error is kept', async () => {
  const problem = new WarderError('store-unset', 'no store is chosen');
  const known = await fetchCredentialStates(context(problem));
  expect(credentials.map((credential) => known.state(credential))).toEqual([
    ...['unknown', 'unknown', 'unknown', 'command', 'unknown'],
  ]);
  expect(known.error).toBe(problem);
});

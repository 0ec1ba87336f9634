// The program that calls the keychain: bounded, and gone when it is no longer needed.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Keyring, KeyringError } from '../../../src/os/keyring.ts';
import { program } from '../../fixtures/keychain.ts';

const hangs = join(import.meta.dirname, '../../fixtures/keyring-hangs.ts');
const pidOf = (text = ''): number => Number(text.split(' ').at(-1));

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('W-CRED-7 a call that hangs ends in time; its process is left, then killed; others go on', async () => {
  await using keyring = new Keyring({ program: hangs, idle: 30_000 });
  const first = pidOf(await keyring.get('warder', 'a', {}, 10_000));
  const stuck = keyring.get('warder', 'hang', {}, 300);
  expect(pidOf(await keyring.get('warder', 'b', {}, 10_000))).toBe(first);
  await expect(stuck).rejects.toMatchObject({ code: 'keychain-timeout' });
  const second = pidOf(await keyring.get('warder', 'c', {}, 10_000));
  expect(second).not.toBe(first);
  while (runs(first)) await new Promise((resolve) => setTimeout(resolve, 10));
});

test('a process that dies fails its calls, and the next call has a new one', async () => {
  await using keyring = new Keyring({ program: hangs, idle: 30_000 });
  await expect(keyring.get('warder', 'die', {}, 10_000)).rejects.toBeInstanceOf(KeyringError);
  expect(await keyring.get('warder', 'a', {}, 10_000)).toMatch(/^a from \d+$/);
});

test('the process goes when it has been idle, and with its owner', async () => {
  await using keyring = new Keyring({ program: hangs, idle: 1 });
  const pid = pidOf(await keyring.get('warder', 'a', {}, 10_000));
  while (runs(pid)) await new Promise((resolve) => setTimeout(resolve, 10));

  const owner = new Keyring({ program: hangs, idle: 30_000 });
  const owned = pidOf(await owner.get('warder', 'a', {}, 10_000));
  const stuck = owner.get('warder', 'hang', {}, 10_000);
  await owner[Symbol.asyncDispose]();
  expect(runs(owned)).toBe(false);
  await expect(stuck).rejects.toBeInstanceOf(KeyringError);
});

test('the program ends when the daemon is gone', async () => {
  const child = fork(program, [], { env: {}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  child.send({ id: 1, verb: 'get', service: 'warder', account: 'a' });
  await once(child, 'message');
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

test('W-CRED-6 the keyring package does not fall back to a store that a reboot empties', async () => {
  await using keyring = new Keyring({ program, idle: 30_000 });
  const env = { HOME: '/nonexistent', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent/bus' };
  await expect(keyring.set('warder', 'a', 'value', env, 10_000)).rejects.toBeInstanceOf(KeyringError);
  await expect(keyring.get('warder', 'a', env, 10_000)).rejects.toBeInstanceOf(KeyringError);
});

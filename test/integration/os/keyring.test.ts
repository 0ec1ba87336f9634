// The process that calls the keychain on macOS and Windows: its calls have a time limit, and it ends when it is not needed.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Keyring, KeyringError } from '../../../src/os/keyring.ts';

const program = join(import.meta.dirname, '../../../src/keyring.ts');
const hangs = join(import.meta.dirname, '../../fixtures/keyring-hangs.ts');
const pidOf = (text = ''): number => Number(text.split(' ').at(-1));

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('W-CRED-7 a call that hangs ends in time, and its process is killed; other calls complete', async () => {
  await using keyring = new Keyring({ program: hangs, idle: 30_000 });
  const first = pidOf(await keyring.get('warder', 'a', {}, 10_000));
  const stuck = keyring.get('warder', 'hang', {}, 300);
  expect(pidOf(await keyring.get('warder', 'b', {}, 10_000))).toBe(first);
  await expect(stuck).rejects.toMatchObject({ code: 'keychain-timeout' });
  const second = pidOf(await keyring.get('warder', 'c', {}, 10_000));
  expect(second).not.toBe(first);
  while (runs(first)) await new Promise((resolve) => setTimeout(resolve, 10));
});

test('a process that dies fails its calls, and the next call starts a new one', async () => {
  await using keyring = new Keyring({ program: hangs, idle: 30_000 });
  await expect(keyring.get('warder', 'die', {}, 10_000)).rejects.toBeInstanceOf(KeyringError);
  expect(await keyring.get('warder', 'a', {}, 10_000)).toMatch(/^a from \d+$/);
});

test('the process ends when it was idle, and with its owner', async () => {
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

test('W-PROC-21 the program dumps no core, and SIGUSR1 opens no inspector in it', async () => {
  const child = fork(program, [], {
    execArgv: ['--disable-sigusr1'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const { pid = 0 } = child;
  let stderr = '';
  child.stderr?.on('data', (text: Buffer) => {
    stderr += text;
  });
  const answered = once(child, 'message');
  child.send({ id: 1, verb: 'get', service: 'warder-test', account: 'none' });
  await answered;
  expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size\s+0\s+0\s/m);
  child.kill('SIGUSR1');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(runs(pid)).toBe(true);
  expect(stderr).not.toMatch(/Debugger/);
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
});

test('the program ends with the daemon', async () => {
  const child = fork(program, [], { env: {}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  child.send({ id: 1, verb: 'get', service: 'warder', account: 'a' });
  await once(child, 'message');
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

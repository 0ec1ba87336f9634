// The daemon's own scope, asked for on a private session bus where a stand-in for systemd's user manager answers.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from 'dbus-native';
import { expect, test } from 'vitest';
import { enterScope } from '../../../src/os/scope.ts';
import { SecretService } from '../../fixtures/secret-service.ts';

const uid = process.getuid?.() ?? 0;

/** Answers StartTransientUnit; returns the arguments of the calls. */
async function manager(busAddress: string, answers: boolean): Promise<unknown[][]> {
  const calls: unknown[][] = [];
  const bus = createClient({ busAddress, authMethods: ['EXTERNAL'], timeout: 5000 });
  await new Promise((resolve) => bus.connection.on('connect', resolve));
  const name = 'org.freedesktop.systemd1.Manager';
  const stand = {
    StartTransientUnit(...words: unknown[]) {
      calls.push(words);
      return answers ? '/org/freedesktop/systemd1/job/1' : new Promise(() => {});
    },
  };
  bus.exportInterface(stand, '/org/freedesktop/systemd1', {
    name,
    methods: {
      StartTransientUnit: ['ssa(sv)a(sa(sv))', 'o', ['name', 'mode', 'properties', 'aux'], ['job']],
    },
  });
  await bus.requestName('org.freedesktop.systemd1', 0);
  return calls;
}

test('W-PROC-20 where the user has a service manager, it is asked for a scope with this process in it', async () => {
  await using service = await SecretService.open();
  const env = { ...service.env, XDG_RUNTIME_DIR: service.dir };
  // No manager there: nothing is tried.
  expect(await enterScope(env, uid)).toBe(false);
  mkdirSync(join(service.dir, 'systemd'));
  writeFileSync(join(service.dir, 'systemd/private'), '');
  // It does not run.
  expect(await enterScope(env, uid)).toBe(false);

  const calls = await manager(service.address, true);
  expect(await enterScope(env, uid)).toBe(true);
  expect(calls[0]?.slice(0, 2)).toEqual([`warder-${process.pid}.scope`, 'fail']);
  expect(JSON.stringify(calls[0]?.[2])).toContain(String(process.pid));
});

test('a service manager that does not answer does not hold up the daemon', async () => {
  await using service = await SecretService.open();
  mkdirSync(join(service.dir, 'systemd'));
  writeFileSync(join(service.dir, 'systemd/private'), '');
  await manager(service.address, false);
  expect(await enterScope({ ...service.env, XDG_RUNTIME_DIR: service.dir }, uid)).toBe(false);
});

// The daemon and what surrounds it: the host that happened to start it, signals, a missing HOME.
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { statOf } from '../../src/os/proc.ts';
import { Home, server } from '../fixtures/home.ts';
import { SecretService } from '../fixtures/secret-service.ts';

function home(): Home {
  const warder = new Home();
  const [command = '', ...args] = server('everything');
  warder.profile('echo', { server: { command, args }, sandbox: { off: true }, policy: { default: 'allow' } });
  return warder;
}

async function daemon(warder: Home): Promise<number> {
  const pid = await warder.daemon();
  if (pid === undefined) throw new Error('no daemon is running');
  return pid;
}

/** Whether anything listens on the port of Node's inspector. */
function inspected(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(9229, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test('W-PROC-20 the daemon is in no process tree, group or session of the host that started it', async () => {
  await using warder = home();
  await using starter = warder.run('echo');
  await starter.initialize();
  await using other = warder.run('echo');
  await other.initialize();

  const pid = await daemon(warder);
  const [stat, launcher] = [statOf(pid), statOf(starter.pid)];
  expect(stat?.parent).not.toBe(starter.pid);
  expect(stat?.group).not.toBe(launcher?.group);
  expect(stat?.session).not.toBe(launcher?.session);
  for (let parent = stat?.parent ?? 0; parent > 1; parent = statOf(parent)?.parent ?? 0)
    expect(parent).not.toBe(process.pid);

  // A host ends what it started, by whatever it can name it by.
  const tree = warder.processes().filter((found) => {
    const { parent, group, session } = statOf(found.pid) ?? {};
    return [parent, group, session].includes(starter.pid);
  });
  for (const { pid: below } of tree) process.kill(below, 'SIGKILL');
  starter.kill();
  await starter.ended;
  expect(await other.call('echo', { message: 'still here' })).toContain('still here');
  expect(await daemon(warder)).toBe(pid);
});

test('W-PROC-21 SIGUSR1 opens no inspector in the daemon, the launcher or a command, and ends none of them', async () => {
  await using warder = home();
  await using client = warder.run('echo');
  await client.initialize();
  const pid = await daemon(warder);
  expect(await inspected()).toBe(false);
  process.kill(pid, 'SIGUSR1');
  client.kill('SIGUSR1');
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await inspected()).toBe(false);
  expect(client.stderr).not.toContain('Debugger');
  expect(await client.call('echo', { message: 'alive' })).toContain('alive');
  expect(await daemon(warder)).toBe(pid);
});

test('an empty HOME is as none: the user database says where the home folder is', async () => {
  await using warder = home();
  const { state, config } = warder.places;
  warder.env.HOME = '';
  warder.env.XDG_STATE_HOME = state.slice(0, state.lastIndexOf('/'));
  warder.env.XDG_CONFIG_HOME = config.slice(0, config.lastIndexOf('/'));
  await using client = warder.run('echo');
  await client.initialize();
  expect(await client.call('echo', { message: 'at home' })).toContain('at home');
});

test('W-WIRE-20 a daemon that was started without a session bus uses that of a later client', async () => {
  await using service = await SecretService.open();
  await using warder = home();
  await warder.done(['daemon', 'start']);
  expect((await warder.warder(['init', '--store', 'keychain'])).code).not.toBe(0);
  const pid = await daemon(warder);
  Object.assign(warder.env, service.env, { XDG_RUNTIME_DIR: service.dir });
  await warder.done(['init', '--store', 'keychain']);
  await warder.done(['credential', 'set', 'echo', 'TOKEN'], 'a-secret-value-1234');
  expect(await service.read('echo/TOKEN')).toContain('a-secret-value-1234');
  expect(await daemon(warder)).toBe(pid);
});

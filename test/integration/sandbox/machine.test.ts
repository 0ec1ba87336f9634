// What a machine offers for sandboxes: finding it, trying it, and what happens without it.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measure } from '../../../src/sandbox/layers.ts';
import { cgroupLimitsOf, createCgroup, findCgroupParents } from '../../../src/sandbox/linux/cgroup.ts';
import { followsLinks } from '../../../src/sandbox/linux/mount-points.ts';
import { descendantsOf, identify, isAlive, sendSignal } from '../../../src/sandbox/linux/process.ts';
import { inspectBubblewrap, inspectMachine, type Machine } from '../../../src/sandbox/machine.ts';
import { probe, whyUnavailable } from '../../../src/sandbox/probe.ts';

const uid = process.getuid?.() ?? 0;
let run = '';
let machine: Machine;

beforeAll(async () => {
  run = mkdtempSync(join(tmpdir(), 'warder-machine-'));
  machine = await inspectMachine(uid, run);
});

afterAll(() => {
  rmSync(run, { recursive: true, force: true });
});

test('bubblewrap, the filter and the C library are found', () => {
  expect(machine.bubblewrap).toMatchObject({ file: expect.stringMatching(/\/bwrap$/), missing: [] });
  expect(machine.architecture).toBe(process.arch);
  expect(machine.setLimit).toBeTypeOf('function');
  expect(machine.hardLimits.files).toBeGreaterThan(0);
});

test('doctor’s trials find every layer on this machine', async () => {
  const findings = await probe(machine);
  expect(findings.filter(({ state }) => state === 'missing')).toEqual([]);
  expect(findings.map(({ layer }) => layer)).toEqual([
    'bubblewrap',
    'user namespace',
    'process, ipc and host name namespaces',
    'network namespace',
    'no capabilities, no way back to them',
    'system call filter',
    'limits',
    'limit on processes',
    'limit on memory',
    'mount points below writable folders',
    ...(uid === 0 ? ['devices'] : []),
    'record of refused connections',
    'egress network',
  ]);
});

test('W-BOX-19 a missing layer is named, together with what fixes it', async () => {
  expect(await probe({ ...machine, bubblewrap: undefined })).toMatchObject([
    { layer: 'bubblewrap', state: 'missing', hint: expect.stringContaining('apt install') },
  ]);
  const file = join(run, 'bwrap');
  writeFileSync(file, '#!/bin/sh\necho "bwrap: setting up uid map: Permission denied" >&2\nexit 1\n');
  chmodSync(file, 0o755);
  const broken = {
    ...machine,
    bubblewrap: {
      file,
      version: '0',
      missing: [],
      canDisableUserNamespaces: true,
      setUserId: false,
      followsLinks: false,
    },
  };
  const error = await whyUnavailable('notes', broken);
  expect(error).toMatchObject({
    code: 'sandbox-unavailable',
    exit: 78,
    message: 'cannot start "notes": user namespace: setting up uid map: Permission denied',
  });
  expect(error.hint).toMatch(/\w/);
});

test('W-BOX-27 doctor names a bubblewrap that follows links when it makes a mount point, and what fixes it', async () => {
  const { bubblewrap } = machine;
  if (bubblewrap === undefined) throw new Error('no bubblewrap');
  const finding = async (followsLinks: boolean) =>
    (await probe({ ...machine, bubblewrap: { ...bubblewrap, followsLinks } })).find(
      ({ layer }) => layer === 'mount points below writable folders',
    );
  expect(await finding(true)).toMatchObject({
    state: 'weak',
    detail: expect.stringContaining('CVE-2026-87766'),
    hint: expect.stringContaining('0.12'),
  });
  expect(await finding(false)).toMatchObject({ state: 'ok' });
});

test('W-BOX-27 the trial finds out what a bubblewrap does, and assumes the worst of one that does not work', async () => {
  const { file = '' } = machine.bubblewrap ?? {};
  const folder = mkdtempSync(join(run, 'links-'));
  for (const name of ['w', 'outside']) mkdirSync(join(folder, name));
  symlinkSync(`/oldroot${folder}/outside`, join(folder, 'w/link'));
  spawnSync(file, [
    ...['--unshare-user', '--ro-bind', '/', '/', '--bind', join(folder, 'w'), join(folder, 'w')],
    ...['--tmpfs', join(folder, 'w/link/made'), '--', '/bin/true'],
  ]);
  expect(await followsLinks(file)).toBe(existsSync(join(folder, 'outside/made')));
  // A bubblewrap with the fix: the trial's mount point through the link fails, the other one works.
  const fixed = join(run, 'bwrap-fixed');
  writeFileSync(fixed, '#!/bin/sh\ncase "$*" in *link/made*) exit 1;; esac\n', { mode: 0o755 });
  expect(await followsLinks(fixed)).toBe(false);
  expect(await followsLinks('/bin/false')).toBe(true);
  expect(await followsLinks(join(run, 'missing'))).toBe(true);
});

test('W-BOX-27 a set-user-ID bubblewrap is recognized and refused', async () => {
  const file = join(run, 'bwrap-setuid');
  copyFileSync(machine.bubblewrap?.file ?? '', file);
  chmodSync(file, 0o4755);
  const bubblewrap = await inspectBubblewrap(file);
  expect(bubblewrap).toMatchObject({ setUserId: true, followsLinks: true });
  expect(await whyUnavailable('notes', { ...machine, bubblewrap })).toMatchObject({
    exit: 78,
    message: expect.stringContaining('set-user-ID'),
    hint: `sudo chmod u-s ${file}`,
  });
});

test('W-EGR-1 if no network can be joined, doctor says so and what fixes it, and nothing else is missing', async () => {
  const found = await probe({ ...machine, nsenter: undefined });
  expect(found.at(-1)).toEqual({
    layer: 'egress network',
    state: 'weak',
    detail: 'no "nsenter": no profile with "network" or a sealed credential can start',
    hint: 'sudo apt install util-linux',
  });
  const refusing = join(run, 'nsenter');
  writeFileSync(refusing, '#!/bin/sh\necho "nsenter: reassociate to namespaces failed" >&2\nexit 1\n');
  chmodSync(refusing, 0o755);
  const other = await probe({ ...machine, nsenter: refusing });
  expect(other.at(-1)).toMatchObject({
    state: 'weak',
    detail: expect.stringMatching(/^reassociate to namespaces failed: /),
    hint: expect.stringMatching(/\w/),
  });
  expect(other.filter(({ state }) => state === 'missing')).toEqual([]);
});

test.each([
  ['ip', { ip: undefined }, /^no "ip": /, 'sudo apt install iproute2'],
  ['the C library', { copyDescriptor: undefined }, /^no C library: /, /koffi/],
])(
  'W-EGR-1 without %s doctor says that refused connections are not recorded',
  async (_, less, detail, hint) => {
    const findings = await probe({ ...machine, ...less });
    const others = findings.filter(({ layer }) => layer !== 'mount points below writable folders');
    expect(others.filter(({ state }) => state !== 'ok')).toMatchObject([
      {
        layer: 'record of refused connections',
        state: 'weak',
        detail: expect.stringMatching(detail),
        hint: expect.stringMatching(hint),
      },
    ]);
  },
);

test('a process outside a sandbox has no layers', () => {
  expect(measure(process.pid).layers).toEqual([]);
});

test('a signal goes to exactly the identified process, or to none', async () => {
  const child = spawn('/bin/sh', ['-c', 'sleep 60 & wait'], { stdio: 'ignore' });
  const known = identify(child.pid ?? 0);
  if (known === undefined) throw new Error('no child');
  sendSignal({ ...known, startTime: known.startTime - 1 }, 'SIGKILL');
  expect(isAlive(known)).toBe(true);
  await expect.poll(() => descendantsOf(known.pid).length).toBe(1);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for (const one of [...descendantsOf(known.pid), known]) sendSignal(one, 'SIGKILL');
  await ended;
  expect(isAlive(known)).toBe(false);
  sendSignal(known, 'SIGKILL');
});

// Only root makes its own control groups, and devices.
describe.runIf(uid === 0)('as root', () => {
  test('the daemon has its own device files, for the machine’s devices', () => {
    const [one, other] = [machine.makeDevices?.(), machine.makeDevices?.()];
    expect(one?.folder).not.toBe(other?.folder);
    for (const name of ['null', 'zero', 'full', 'random', 'urandom', 'tty']) {
      const { mode, rdev } = statSync(join(one?.folder ?? '', name));
      expect([name, (mode & 0o777).toString(8), rdev]).toEqual([name, '666', statSync(`/dev/${name}`).rdev]);
    }
    one?.[Symbol.dispose]();
    other?.[Symbol.dispose]();
    expect(readdirSync(join(run, 'devices'))).toEqual([]);
  });

  test('W-BOX-5 where no device files can be made none are, doctor says so, and what a killed daemon left is removed', async () => {
    // Below a file nothing can be made.
    const file = join(run, 'file');
    writeFileSync(file, '');
    const there = await inspectMachine(uid, file);
    expect(there.makeDevices?.()).toBeUndefined();
    const finding = (await probe({ ...there, bubblewrap: machine.bubblewrap })).find(
      ({ layer }) => layer === 'devices',
    );
    expect(finding).toMatchObject({ state: 'missing', hint: expect.stringContaining('nodev') });

    mkdirSync(join(run, 'devices/999999999-0123456789ab'), { recursive: true });
    await inspectMachine(uid, run);
    expect(readdirSync(join(run, 'devices'))).toEqual([]);
  });

  test('a control group limits its processes and is removed after them; leftover groups are removed too', async () => {
    const groups = findCgroupParents();
    // Where systemd owns the groups, or they are read-only, Warder cannot make its own.
    if (groups === undefined) return;
    const folder = groups.processes ?? groups.memory ?? '';
    const left = join(folder, 'warder-999999999-0123456789ab');
    mkdirSync(left);
    findCgroupParents();
    expect(existsSync(left)).toBe(false);

    const limits = {
      files: 1,
      processes: { max: 9, required: true },
      memory: { max: 64 << 20, required: true },
    };
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    const group = createCgroup(groups, limits);
    await group.add(child.pid ?? 0);
    expect(cgroupLimitsOf(child.pid ?? 0)).toMatchObject({
      ...(groups.processes === undefined ? {} : { processes: 9 }),
      ...(groups.memory === undefined ? {} : { memory: 64 << 20 }),
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    await group[Symbol.asyncDispose]();
    expect(readdirSync(folder).filter((name) => name.startsWith(`warder-${process.pid}-`))).toEqual([]);
  });
});

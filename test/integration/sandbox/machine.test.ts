// What a machine has for sandboxes: found, tried, and taken away again.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measure } from '../../../src/sandbox/layers.ts';
import { boundsOfGroup, findGroups, makeGroup } from '../../../src/sandbox/linux/cgroup.ts';
import { insideOf, know, lives, signal } from '../../../src/sandbox/linux/process.ts';
import { lookAtMachine, type Machine } from '../../../src/sandbox/machine.ts';
import { probe, whyNot } from '../../../src/sandbox/probe.ts';

const uid = process.getuid?.() ?? 0;
let run = '';
let machine: Machine;

beforeAll(async () => {
  run = mkdtempSync(join(tmpdir(), 'warder-machine-'));
  machine = await lookAtMachine(uid, run);
});

afterAll(() => {
  rmSync(run, { recursive: true, force: true });
});

test('bubblewrap, the filter and the C library are found', () => {
  expect(machine.bubblewrap).toMatchObject({ file: expect.stringMatching(/\/bwrap$/), missing: [] });
  expect(machine.architecture).toBe(process.arch);
  expect(machine.limit).toBeTypeOf('function');
  expect(machine.hard.files).toBeGreaterThan(0);
});

test('doctor’s trials find every layer here', async () => {
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
    'egress network',
  ]);
});

test('W-BOX-19 a layer that is missing is named, with what mends it', async () => {
  expect(await probe({ ...machine, bubblewrap: undefined })).toMatchObject([
    { layer: 'bubblewrap', state: 'missing', hint: expect.stringContaining('apt install') },
  ]);
  const file = join(run, 'bwrap');
  writeFileSync(file, '#!/bin/sh\necho "bwrap: setting up uid map: Permission denied" >&2\nexit 1\n');
  chmodSync(file, 0o755);
  const broken = { ...machine, bubblewrap: { file, version: '0', missing: [], disablesUsers: true } };
  const error = await whyNot('notes', broken);
  expect(error).toMatchObject({
    code: 'sandbox-unavailable',
    exit: 78,
    message: 'cannot start "notes": user namespace: setting up uid map: Permission denied',
  });
  expect(error.hint).toMatch(/\w/);
});

test('W-EGR-1 where no network can be entered it is told, with what mends it, and nothing else is missing', async () => {
  const found = await probe({ ...machine, nsenter: undefined });
  expect(found.at(-1)).toEqual({
    layer: 'egress network',
    state: 'weak',
    said: 'no "nsenter": no profile with "network" or a sealed credential can start',
    hint: 'sudo apt install util-linux',
  });
  const refusing = join(run, 'nsenter');
  writeFileSync(refusing, '#!/bin/sh\necho "nsenter: reassociate to namespaces failed" >&2\nexit 1\n');
  chmodSync(refusing, 0o755);
  const other = await probe({ ...machine, nsenter: refusing });
  expect(other.at(-1)).toMatchObject({
    state: 'weak',
    said: expect.stringMatching(/^reassociate to namespaces failed: /),
    hint: expect.stringMatching(/\w/),
  });
  expect(other.filter(({ state }) => state === 'missing')).toEqual([]);
});

test('a process that is in no sandbox has no layer', () => {
  expect(measure(process.pid).layers).toEqual([]);
});

test('a signal goes to the very process that was known, or to none', async () => {
  const child = spawn('/bin/sh', ['-c', 'sleep 60 & wait'], { stdio: 'ignore' });
  const known = know(child.pid ?? 0);
  if (known === undefined) throw new Error('no child');
  signal({ ...known, started: known.started - 1 }, 'SIGKILL');
  expect(lives(known)).toBe(true);
  await expect.poll(() => insideOf(known.pid).length).toBe(1);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for (const one of [...insideOf(known.pid), known]) signal(one, 'SIGKILL');
  await ended;
  expect(lives(known)).toBe(false);
  signal(known, 'SIGKILL');
});

// Control groups are made by hand, and devices at all, by root alone.
describe.runIf(uid === 0)('as root', () => {
  test('devices are the daemon’s own, and stand for the machine’s', () => {
    expect(machine.devices).toBe(join(run, 'devices'));
    for (const name of ['null', 'zero', 'full', 'random', 'urandom', 'tty']) {
      const { mode, rdev } = statSync(join(run, 'devices', name));
      expect([name, (mode & 0o777).toString(8), rdev]).toEqual([name, '666', statSync(`/dev/${name}`).rdev]);
    }
  });

  test('a control group bounds what is in it, and goes with it; one that was left behind is cleared away', async () => {
    const groups = findGroups();
    // A machine whose groups are systemd's, or are not to be written to, has none to be made by hand.
    if (groups === undefined) return;
    const folder = groups.processes ?? groups.memory ?? '';
    const left = join(folder, 'warder-999999999-0123456789ab');
    mkdirSync(left);
    findGroups();
    expect(existsSync(left)).toBe(false);

    const limits = { files: 1, processes: { most: 9, said: true }, memory: { most: 64 << 20, said: true } };
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    const group = makeGroup(groups, limits);
    await group.add(child.pid ?? 0);
    expect(boundsOfGroup(child.pid ?? 0)).toMatchObject({
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

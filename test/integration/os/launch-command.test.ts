// The launch command's file: what is recorded in it, and what is not taken for it.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ensureLaunchCommand, repairLaunchCommand } from '../../../src/commands/launch-command.ts';
import { passing, readLaunchCommand, writeLaunchCommand } from '../../../src/os/launch-command.ts';
import { exposedPart } from '../../../src/os/ownership.ts';
import { places as placesOf } from '../../../src/wire/places.ts';
import { Machine } from '../../fixtures/launch.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'warder-launch-command-')));
afterAll(() => rmSync(base, { recursive: true }));

function context(machine: Machine, program = machine.program, version = '1.0.0') {
  const places = placesOf({ platform: 'linux', env: {}, home: machine.home, uid: 0 });
  return { places, program, version };
}

function recordOf(machine: Machine): unknown {
  const found = readLaunchCommand(machine.launchCommand);
  return found.state === 'own' ? found.record : found.state;
}

/** A copy of Warder of a version. */
function copy(machine: Machine, folder: string, version: string): string {
  const program = machine.install(join(machine.dir, folder));
  writeFileSync(join(machine.dir, folder, 'package.json'), JSON.stringify({ version }));
  return program;
}

test('W-HOST-3 what is written is read again, whatever the paths; control characters are refused', () => {
  using machine = new Machine('a \'b\' "c" $d \\ é');
  const node = machine.node(join(machine.home, 'bin/node'));
  writeLaunchCommand(machine.launchCommand, { node, program: machine.program });
  expect(recordOf(machine)).toEqual({ node, program: machine.program });
  expect(statSync(machine.launchCommand).mode & 0o777).toBe(0o700);
  using odd = new Machine('line\nbreak');
  const other = odd.node(join(odd.home, 'bin/node'));
  expect(() => writeLaunchCommand(odd.launchCommand, { node: other, program: machine.program })).toThrow(
    expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('\\n') }),
  );
});

test('W-HOST-2 a Node or a Warder that others can change is not recorded', () => {
  using machine = new Machine();
  const node = machine.node(join(machine.home, 'bin/node'));
  chmodSync(dirname(node), 0o777);
  const write = () => writeLaunchCommand(machine.launchCommand, { node, program: machine.program });
  expect(write).toThrow(expect.objectContaining({ hint: `run "chmod go-w ${dirname(node)}"` }));
  chmodSync(dirname(node), 0o755);
  chmodSync(machine.program, 0o666);
  expect(write).toThrow(expect.objectContaining({ code: 'unsupported' }));
  chmodSync(machine.program, 0o644);
  write();
  expect(recordOf(machine)).toEqual({ node, program: machine.program });
});

test('W-HOST-2 who can change a file: its group, unless it is the own one or root’s, and who owns a link on the way', () => {
  using machine = new Machine();
  const file = machine.node(join(machine.home, 'a/node'));
  chmodSync(file, 0o775);
  expect(exposedPart(file)).toBeUndefined();
  mkdirSync(join(machine.dir, 'open'), { mode: 0o777 });
  chmodSync(join(machine.dir, 'open'), 0o777);
  symlinkSync(file, join(machine.dir, 'open/node'));
  expect(exposedPart(join(machine.dir, 'open/node'))?.what).toContain(`${machine.dir}/open`);
  symlinkSync('circle', join(machine.dir, 'circle'));
  expect(exposedPart(join(machine.dir, 'circle'))?.what).toContain('circle');
  if (process.getuid?.() !== 0) return;
  chownSync(file, 0, 4321);
  expect(exposedPart(file)?.what).toContain(file);
  chownSync(file, 4321, 0);
  expect(exposedPart(file)?.what).toContain('belongs to another user');
});

test('W-HOST-4 a file that is not Warder’s is never replaced, nor is a link followed', () => {
  using machine = new Machine();
  mkdirSync(dirname(machine.launchCommand), { recursive: true });
  const victim = join(machine.dir, 'victim');
  for (const place of [
    () => writeFileSync(machine.launchCommand, '#!/bin/sh\necho mine\n'),
    () => writeFileSync(machine.launchCommand, ''),
    () => mkdirSync(machine.launchCommand),
    () => {
      writeFileSync(victim, 'mine');
      symlinkSync(victim, machine.launchCommand);
    },
  ]) {
    place();
    expect(repairLaunchCommand(context(machine))).toBeUndefined();
    expect(() => ensureLaunchCommand(context(machine), { take: true })).toThrow(
      expect.objectContaining({ code: 'cannot-write', hint: expect.stringMatching(/warder init/) }),
    );
    rmSync(machine.launchCommand, { recursive: true });
  }
  expect(readFileSync(victim, 'utf8')).toBe('mine');
});

test('W-HOST-4 a launch command that others can write is not trusted, and not mended in silence', () => {
  using machine = new Machine();
  const node = machine.node(join(machine.home, 'bin/node'));
  writeLaunchCommand(machine.launchCommand, { node, program: machine.program });
  chmodSync(dirname(machine.launchCommand), 0o777);
  expect(readLaunchCommand(machine.launchCommand)).toMatchObject({ state: 'foreign' });
  expect(() => ensureLaunchCommand(context(machine))).toThrow(
    expect.objectContaining({ hint: `run "chmod go-w ${dirname(machine.launchCommand)}"` }),
  );
});

test('W-HOST-1 the first verb after a change of Node mends the record; one that works is left as it is', () => {
  using machine = new Machine();
  const node = machine.node(join(machine.home, 'v1/bin/node'));
  writeLaunchCommand(machine.launchCommand, { node, program: machine.program });
  const { ino } = statSync(machine.launchCommand);
  expect(repairLaunchCommand(context(machine))).toBeUndefined();
  expect(statSync(machine.launchCommand).ino).toBe(ino);
  rmSync(node);
  expect(repairLaunchCommand(context(machine))).toBeUndefined();
  expect(recordOf(machine)).toMatchObject({ program: machine.program });
  expect((recordOf(machine) as { node: string }).node).not.toBe(node);
  expect(ensureLaunchCommand(context(machine))).toMatchObject({ wrote: false });
});

test('a verb creates no launch command by itself', () => {
  using machine = new Machine();
  repairLaunchCommand(context(machine));
  expect(recordOf(machine)).toBe('missing');
});

test('a text of an earlier version is replaced by the present one', () => {
  using machine = new Machine();
  const node = machine.node(join(machine.home, 'bin/node'));
  writeLaunchCommand(machine.launchCommand, { node, program: machine.program });
  const text = readFileSync(machine.launchCommand, 'utf8');
  writeFileSync(machine.launchCommand, text.replace('sleep 1', 'sleep 2'));
  repairLaunchCommand(context(machine));
  expect(readFileSync(machine.launchCommand, 'utf8')).toBe(text);
});

test('W-HOST-4 a temporary copy takes the place of no other that works, and is said to be one', () => {
  using machine = new Machine();
  const node = machine.node(join(machine.home, 'bin/node'));
  const other = copy(machine, 'other', '1.0.0');
  const first = ensureLaunchCommand(context(machine, other));
  expect(first.wrote).toBe(true);
  expect(first.notes.join()).toMatch(/in a temporary folder.*npm install -g warder/);
  writeLaunchCommand(machine.launchCommand, { node, program: other });
  const mine = copy(machine, 'mine', '2.0.0');
  expect(repairLaunchCommand(context(machine, mine, '2.0.0'))).toBeUndefined();
  const kept = ensureLaunchCommand(context(machine, mine, '2.0.0'), { take: true });
  expect(kept).toMatchObject({
    wrote: false,
    notes: [expect.stringContaining(`starts the Warder at ${other}`)],
  });
  expect(recordOf(machine)).toEqual({ node, program: other });
  // The other is gone: this one is better than none, for a verb that writes it.
  rmSync(join(machine.dir, 'other'), { recursive: true });
  repairLaunchCommand(context(machine, mine, '2.0.0'));
  expect(recordOf(machine)).toMatchObject({ program: other });
  expect(ensureLaunchCommand(context(machine, mine, '2.0.0')).wrote).toBe(true);
  expect(recordOf(machine)).toMatchObject({ program: mine });
});

test.each([
  ['/usr/lib/node_modules/warder/bin/warder.js', undefined],
  ['/home/ada/.nvm/versions/node/v24.1.0/lib/node_modules/warder/bin/warder.js', undefined],
  [
    '/home/ada/.local/share/pnpm/global/5/node_modules/.pnpm/warder@1/node_modules/warder/bin/warder.js',
    undefined,
  ],
  ['/home/ada/src/warder/bin/warder.js', undefined],
  ['/home/ada/.npm/_npx/0123/node_modules/warder/bin/warder.js', 'a copy that npx keeps for a while'],
  ['/home/ada/.cache/pnpm/dlx-12/node_modules/warder/bin/warder.js', 'a copy that npx keeps for a while'],
  ['/tmp/x/bin/warder.js', 'in a temporary folder'],
  [`${base}/node_modules/warder/bin/warder.js`, `a part of the project ${base}`],
])('which copies may vanish by themselves: %s', (program, why) => {
  writeFileSync(join(base, 'package.json'), '{}');
  expect(passing(program, program.startsWith(base) ? [] : ['/tmp'])).toBe(why);
});

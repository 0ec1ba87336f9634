// The native launcher in the place of the launch command, with the script beside it.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkLaunchCommand } from '../../../src/commands/doctor/launch-check.ts';
import { ensureLaunchCommand, repairLaunchCommand } from '../../../src/commands/launch-command.ts';
import { readLaunchCommand, writeLaunchCommand } from '../../../src/os/launch-command.ts';
import { nativeLauncher } from '../../../src/os/native-launcher.ts';
import { places as placesOf } from '../../../src/wire/places.ts';
import { Machine } from '../../fixtures/launch.ts';
import { hasNative, nativeProgram } from '../../fixtures/launchers.ts';

const bytes = (): Buffer => readFileSync(nativeProgram());

function context(machine: Machine) {
  const places = placesOf({ platform: 'linux', env: {}, home: machine.home, uid: 0 });
  return { places, program: machine.program, version: '1.0.0' };
}

/** Writes the launch command, and returns the Node that it has recorded. */
function write(machine: Machine): string {
  const node = machine.node(join(machine.home, 'bin/node'));
  writeLaunchCommand(machine.launchCommand, { node, program: machine.program });
  return node;
}

test.skipIf(!hasNative)(
  'W-NAT-1 the native launcher takes the place of the launch command, and the script executes Node',
  async () => {
    using machine = new Machine();
    machine.deliver(bytes());
    const node = write(machine);
    const { launchCommand, program } = machine;
    expect(readFileSync(launchCommand).equals(bytes())).toBe(true);
    for (const path of [launchCommand, `${launchCommand}.sh`])
      expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(readLaunchCommand(launchCommand)).toMatchObject({ state: 'own', record: { node, program } });
    expect(await machine.run(['env'], ['run', 'x'])).toMatchObject({
      code: 0,
      stdout: [node, program, 'run', 'x', ''].join('\n'),
    });
    expect(ensureLaunchCommand(context(machine))).toMatchObject({ wrote: false, path: launchCommand });
    const { ino } = statSync(launchCommand);
    repairLaunchCommand(context(machine));
    expect(statSync(launchCommand).ino).toBe(ino);
  },
);

test.skipIf(!hasNative)(
  'W-NAT-1 no other program is put there: not of another digest, one that others can change, one that does not run',
  () => {
    using machine = new Machine();
    const isScript = (): boolean => readFileSync(machine.launchCommand, 'utf8').startsWith('#!/bin/sh');
    const why = (): string => {
      const found = nativeLauncher(machine.program);
      return 'why' in found ? found.why : '';
    };
    const changed = bytes();
    changed.set([changed[5000] === 0 ? 1 : 0], 5000);
    machine.deliver(changed, 'ab'.repeat(32));
    write(machine);
    expect([isScript(), why()]).toEqual([
      true,
      expect.stringContaining('is not the one that the build recorded'),
    ]);
    const file = machine.deliver(bytes());
    chmodSync(file, 0o777);
    write(machine);
    expect([isScript(), why()]).toEqual([true, `other users can write to ${file}`]);
    machine.deliver(Buffer.from('#!/bin/sh\necho 1\n'));
    chmodSync(file, 0o755);
    write(machine);
    expect([isScript(), why()]).toEqual([true, expect.stringContaining('is of another version')]);
    machine.deliver(Buffer.from('\x7fELF, but no program', 'latin1'));
    write(machine);
    expect([isScript(), why()]).toEqual([true, expect.stringContaining('it does not run')]);
    rmSync(file);
    expect(why()).toContain('ENOENT');
    const current = join(dirname(file), 'current');
    const delivered = { package: 'warder-none', sha256: '' };
    writeFileSync(
      current,
      JSON.stringify({ native: { [`${process.platform}-${process.arch}`]: delivered } }),
    );
    expect(why()).toBe('warder-none is not installed');
    writeFileSync(current, '{}');
    expect(why()).toBe('this build has none for this platform');
    expect(existsSync(`${machine.launchCommand}.sh`)).toBe(false);
  },
);

test.skipIf(!hasNative)(
  'W-NAT-1 a launcher in a package beside Warder is placed as one of the build is',
  () => {
    using machine = new Machine();
    const file = machine.deliver(bytes());
    const current = join(dirname(file), 'current');
    const { native } = JSON.parse(readFileSync(current, 'utf8'));
    const [[platform, { sha256 }] = ['', {}]] = Object.entries<{ sha256?: string }>(native);
    const folder = join(dirname(machine.program), '../node_modules/warder-here');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{}');
    writeFileSync(join(folder, 'warder'), bytes(), { mode: 0o755 });
    writeFileSync(current, JSON.stringify({ native: { [platform]: { package: 'warder-here', sha256 } } }));
    write(machine);
    expect(readFileSync(machine.launchCommand).equals(bytes())).toBe(true);
  },
);

test.skipIf(!hasNative)(
  'W-NAT-1 any verb puts the present launcher in its place, mends the script, and goes back to it where there is none',
  () => {
    using machine = new Machine();
    const { launchCommand } = machine;
    const script = `${launchCommand}.sh`;
    write(machine);
    expect(existsSync(script)).toBe(false);
    // A build with a launcher follows one without.
    const file = machine.deliver(bytes());
    repairLaunchCommand(context(machine));
    expect(readFileSync(launchCommand).equals(bytes())).toBe(true);
    const text = readFileSync(script, 'utf8');
    // A launcher of another build, and a text of another one.
    writeFileSync(launchCommand, Buffer.concat([bytes(), Buffer.from('older')]));
    repairLaunchCommand(context(machine));
    expect(readFileSync(launchCommand).equals(bytes())).toBe(true);
    writeFileSync(script, text.replace('sleep 1', 'sleep 2'));
    repairLaunchCommand(context(machine));
    expect(readFileSync(script, 'utf8')).toBe(text);
    // The script itself asks for it, by its own name, when it has found another Node.
    rmSync(join(machine.home, 'bin/node'));
    repairLaunchCommand(context(machine), script);
    expect(readFileSync(script, 'utf8')).not.toBe(text);
    expect(readFileSync(launchCommand).equals(bytes())).toBe(true);
    expect(existsSync(`${script}.sh`)).toBe(false);
    // Without its script it is no launch command: `doctor` says so, and the next `init` writes one.
    rmSync(script);
    expect(checkLaunchCommand(context(machine))).toMatchObject({
      state: 'fail',
      detail: `${launchCommand} has lost the script beside it`,
      hint: 'run "warder init"',
    });
    expect(ensureLaunchCommand(context(machine)).wrote).toBe(true);
    expect(existsSync(script)).toBe(true);
    // A build without one follows.
    rmSync(file);
    writeFileSync(join(dirname(file), 'current'), '{}');
    repairLaunchCommand(context(machine));
    expect(readFileSync(launchCommand, 'utf8')).toMatch(/^#!\/bin\/sh/);
    expect(existsSync(script)).toBe(false);
  },
);

test.skipIf(!hasNative)(
  'W-HOST-4 a script beside it that is not Warder’s, or a link, is not replaced',
  () => {
    using machine = new Machine();
    machine.deliver(bytes());
    const script = `${machine.launchCommand}.sh`;
    mkdirSync(dirname(script), { recursive: true });
    const victim = join(machine.dir, 'victim');
    for (const place of [
      () => writeFileSync(script, '#!/bin/sh\necho mine\n'),
      () => mkdirSync(script),
      () => {
        writeFileSync(victim, 'mine');
        symlinkSync(victim, script);
      },
    ]) {
      place();
      expect(() => write(machine)).toThrow(expect.objectContaining({ code: 'cannot-write' }));
      expect(existsSync(machine.launchCommand)).toBe(false);
      rmSync(script, { recursive: true });
    }
    expect(readFileSync(victim, 'utf8')).toBe('mine');
    write(machine);
    rmSync(script);
    writeFileSync(script, '#!/bin/sh\necho mine\n');
    expect(readLaunchCommand(machine.launchCommand)).toMatchObject({
      state: 'foreign',
      what: expect.stringContaining(`has a script beside it, ${script}, which is not the launch command`),
    });
    expect(() => ensureLaunchCommand(context(machine), { take: true })).toThrow(
      expect.objectContaining({ code: 'cannot-write' }),
    );
  },
);

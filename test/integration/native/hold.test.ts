// The words of the native program that take part in the start of a sandbox, run as the daemon runs them.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Child, loadSpawn, type Spawn } from '../../../src/os/spawn.ts';
import { Hold } from '../../../src/sandbox/linux/hold.ts';
import { hasNative, nativeProgram, openNativeProgram } from '../../fixtures/launchers.ts';

const TIMEOUT = 10_000;

describe.runIf(hasNative && process.platform === 'linux')('the native program', () => {
  let spawn: Spawn;
  let folder = '';
  const env = { PATH: '/usr/bin:/bin' };

  beforeAll(async () => {
    spawn = await loadSpawn();
    folder = mkdtempSync(join(tmpdir(), 'warder-hold-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const outcome = async (child: Child): Promise<{ out: string; err: string; code: number | null }> => {
    const [out, err, { code }] = await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
    return { out, err, code };
  };
  const run = async (...args: string[]): ReturnType<typeof outcome> =>
    outcome(await spawn({ file: nativeProgram(), args, cwd: '/', env }));
  /** A held `sh`, with the program's descriptor as 3 and the channel as 4. */
  const held = (...program: string[]): Promise<Child> => {
    const { descriptor } = openNativeProgram() as { descriptor: number };
    const args = ['--warder-hold', '3', '4', ...program];
    return spawn({ file: '/proc/self/fd/3', args, cwd: '/', env, descriptors: [descriptor, 'pipe'] });
  };

  test('it enters groups by writing 0 to their files, and becomes the program', async () => {
    const files = ['a', 'b'].map((name) => join(folder, name));
    for (const file of files) writeFileSync(file, '');
    const { out, code } = await run(
      '--warder-enter',
      '2',
      ...files,
      '/bin/sh',
      '-c',
      'echo "$0" "$1"; exit 3',
      'x',
      'y z',
    );
    expect([out, code]).toEqual(['x y z\n', 3]);
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(['0', '0']);
  });

  test('where it cannot enter it does not become the program, and says why', async () => {
    const none = join(folder, 'none');
    expect(await run('--warder-enter', '1', none, '/bin/echo', 'ran')).toEqual({
      out: '',
      err: `warder: cannot enter the control group ${none}: No such file or directory\n`,
      code: 1,
    });
  });

  test.each([
    ['--warder-enter', '0', '/bin/echo', 'ran'],
    ['--warder-enter', '17', ...Array.from({ length: 17 }, () => '/dev/null'), '/bin/echo', 'ran'],
    ['--warder-enter', '2', '/dev/null', '/bin/echo'],
    ['--warder-enter', '-1', '/bin/echo', 'ran'],
    ['--warder-enter', '99999999999999999999', '/bin/echo', 'ran'],
    ['--warder-hold', '3', '2', '/bin/echo', 'ran'],
    ['--warder-hold', '3', '', '/bin/echo', 'ran'],
    ['--warder-hold', '3', '4x', '/bin/echo', 'ran'],
    ['--warder-hold', '1048577', '4', '/bin/echo', 'ran'],
    ['--warder-hold', '3', '4'],
  ])('words that are none start nothing: %s %s %s', async (...words) => {
    const { out, code } = await run(...words);
    expect(out).toBe('');
    expect(code).not.toBe(0);
  });

  test('it says that it is there, waits, and leaves nothing of itself to the program', async () => {
    const script = 'echo ran; ls /proc/$$/fd; tr "\\0" " " < /proc/$$/cmdline; readlink /proc/$$/exe';
    const child = await held('/bin/sh', '-c', script);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const end = once(child.stdout, 'end');
    const hold = new Hold(child.stdio[4]);
    expect(await hold.arrived(TIMEOUT)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(said).toBe('');
    hold.release();
    expect((await child.ended).code).toBe(0);
    await end;
    expect(said).toMatch(/^ran\n0\n1\n2\n/);
    // What these tests themselves have inherited may be there.
    expect(said).not.toMatch(/^[34]$/m);
    expect(said).toContain('/bin/sh -c echo ran');
    expect(said).not.toContain('warder');
  });

  test.each(['', '0', 'x'])('an answer of "%s" starts nothing', async (answer) => {
    const child = await held('/bin/echo', 'ran');
    expect(await new Hold(child.stdio[4]).arrived(TIMEOUT)).toBe(true);
    (child.stdio[4] as Socket).end(answer);
    expect(await outcome(child)).toEqual({ out: '', err: '', code: 1 });
  });

  test('one that ends, and one that says nothing, has not arrived', async () => {
    const ended = await spawn({ file: '/bin/true', args: [], cwd: '/', env, descriptors: ['pipe'] });
    expect(await new Hold(ended.stdio[3]).arrived(TIMEOUT)).toBe(false);
    const silent = await spawn({ file: '/bin/cat', args: [], cwd: '/', env, descriptors: ['pipe'] });
    expect(await new Hold(silent.stdio[3]).arrived(20)).toBe(false);
    silent.stdin.end();
    await silent.ended;
  });

  test('a program that does not exist is said, as bubblewrap says it', async () => {
    const child = await held('/no/such/program');
    const hold = new Hold(child.stdio[4]);
    await hold.arrived(TIMEOUT);
    hold.release();
    const said = 'warder: cannot execute /no/such/program: No such file or directory\n';
    expect(await outcome(child)).toEqual({ out: '', err: said, code: 1 });
  });
});

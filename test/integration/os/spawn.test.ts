// Programs as they are started: by posix_spawn(3), and by Node where that cannot be. Both do the same.
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spawnByNode } from '../../../src/os/spawn/node.ts';
import { loadPosixSpawn } from '../../../src/os/spawn/posix.ts';
import { type Child, loadSpawn, type Spawn, type SpawnOptions } from '../../../src/os/spawn.ts';

const posix = await loadPosixSpawn();
/** Just after another program, so by a thread of the pool. */
const beside =
  (spawn: Spawn): Spawn =>
  async (options) => {
    const other = spawn({ file: '/bin/true', args: [], cwd: '/', env: {} });
    try {
      return await spawn(options);
    } finally {
      const { ended, stdio } = await other;
      await ended;
      for (const stream of stdio) if (stream instanceof Socket) stream.destroy();
    }
  };
const WAYS: readonly [string, Spawn][] = [
  ['node', spawnByNode],
  ...(posix === undefined
    ? []
    : ([
        ['posix_spawn', posix],
        ['posix_spawn in a thread', beside(posix)],
      ] as [string, Spawn][])),
];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-spawn-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shell = (script: string, more: Partial<SpawnOptions> = {}): SpawnOptions => ({
  file: '/bin/sh',
  args: ['-c', script],
  cwd: '/',
  env: {},
  ...more,
});

/** All that a child writes, and how it ends. */
async function outcome(
  child: Child,
): Promise<{ out: string; err: string; code: number | null; signal: string | null }> {
  const [out, err, ending] = await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
  return { out, err, ...ending };
}

test.runIf(process.platform === 'linux')('on Linux programs are started by posix_spawn', async () => {
  expect(await loadSpawn()).not.toBe(spawnByNode);
});

describe.each(WAYS)('by %s', (_way, spawn) => {
  test('of many that start at once each has its own words, streams and end', async () => {
    const numbers = Array.from({ length: 30 }, (_, at) => at);
    const ended = await Promise.all(
      numbers.map(async (at) => {
        if (at % 10 === 9) return spawn(shell('', { file: `${folder}/none` })).catch(({ code }) => code);
        // Long ones too, which are more than a thread is given.
        const env = { WORD: `${at}`, ...(at % 10 === 8 && { LONG: 'x'.repeat(100_000) }) };
        const child = await spawn(shell(`read line; echo "$line $WORD \${#LONG}"; exit ${at}`, { env }));
        child.stdin.end(`to ${at}\n`);
        const { out, code } = await outcome(child);
        return `${out.trim()} ${code}`;
      }),
    );
    expect(ended).toEqual(
      numbers.map((at) => (at % 10 === 9 ? 'ENOENT' : `to ${at} ${at} ${at % 10 === 8 ? 100_000 : 0} ${at}`)),
    );
  });

  test('a program gets exactly its arguments, environment and folder', async () => {
    const script = `printf '%s|' "$0" "$@"; pwd; env -u PWD -u SHLVL -u _ | sort`;
    const child = await spawn({
      file: '/bin/sh',
      args: ['-c', script, 'zero', 'a b', '', 'ü"$\n'],
      cwd: folder,
      env: { ONE: 'a=b', EMPTY: '', UMLAUT: 'ä\n', PATH: '/usr/bin:/bin' },
    });
    child.stdin.end();
    const { out, code } = await outcome(child);
    expect(code).toBe(0);
    const variables = 'EMPTY=\nONE=a=b\nPATH=/usr/bin:/bin\nUMLAUT=ä\n';
    expect(out).toBe(`zero|a b||ü"$\n|${folder}\n\n${variables}`);
  });

  test('what it is told and tells goes by its streams, which begin paused', async () => {
    const child = await spawn(shell('cat; echo done >&2'));
    expect(child.stdout.readableFlowing).not.toBe(true);
    child.stdin.end('x'.repeat(1_000_000));
    const { out, err } = await outcome(child);
    expect([out.length, err]).toEqual([1_000_000, 'done\n']);
  });

  test('how it ends is said: a code, or the name of a signal', async () => {
    expect(await (await spawn(shell('exit 77'))).ended).toEqual({ code: 77, signal: null });
    expect(await (await spawn(shell('kill -TERM $$'))).ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(await (await spawn(shell('kill -KILL $$'))).ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await (await spawn(shell('kill -ABRT $$'))).ended).toEqual({ code: null, signal: 'SIGABRT' });
    expect(await (await spawn(shell('kill -IO $$'))).ended).toEqual({ code: null, signal: 'SIGIO' });
  });

  test('many that end at once are all told of, and none stays', async () => {
    const children = await Promise.all(
      Array.from({ length: 60 }, (_, number) => spawn(shell(`exit ${number}`))),
    );
    const codes = await Promise.all(children.map(async ({ ended }) => (await ended).code));
    expect(codes).toEqual(Array.from({ length: 60 }, (_, number) => number));
    for (const { pid } of children) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  test.each([
    ['ENOENT', () => ({ file: join(folder, 'none') })],
    ['ENOENT', () => ({ file: '/bin/sh', cwd: join(folder, 'none') })],
    ['EACCES', () => ({ file: written('plain', 'text', 0o644) })],
    ['ENOENT', () => ({ file: written('lost', '#!/no/such/interpreter\n', 0o755) })],
    ['E2BIG', () => ({ file: '/bin/sh', args: ['x'.repeat(2 ** 22)] })],
  ] as const)('one that cannot start is reported as %s', async (code, made) => {
    const options: SpawnOptions = { args: [], cwd: '/', env: {}, ...made() };
    await expect(spawn(options)).rejects.toMatchObject({ code });
  });

  test('W-PROC-5: a script without a first line is run by the shell, as execvp does', async () => {
    const child = await spawn({
      file: written('bare', 'echo "$1"\n', 0o755),
      args: ['hello'],
      cwd: '/',
      env: {},
    });
    expect((await outcome(child)).out).toBe('hello\n');
  });

  test('no text with a NUL in it is cut: nothing is started', async () => {
    for (const more of [{ args: ['a\0b'] }, { env: { A: 'b\0C=d' } }])
      await expect((async () => spawn(shell('true', more)))()).rejects.toThrow();
  });

  test.runIf(process.platform === 'linux')(
    'W-PROC-1: it leads a session, no signal is ignored or blocked in it, and it has its own descriptors only',
    async () => {
      // Low numbers, which the child's would take.
      const files = [1, 2, 3].map((number) => openSync(written(`open${number}`, `${number}`, 0o644), 'r'));
      const script = `readlink /proc/self/fd/3; cat <&3; cat <&5; cat <&6; echo to4 >&4; cut -d' ' -f1,5,6 /proc/$$/stat
        grep -E '^Sig(Blk|Ign)' /proc/self/status; for each in /proc/$$/fd/*; do case $(readlink $each) in ${folder}*|*socket*) echo \${each##*/};; esac; done`;
      const [a, b, c] = files as [number, number, number];
      const child = await spawn(
        shell(script, { descriptors: [c, 'pipe', b, a], env: { PATH: '/usr/bin:/bin' } }),
      );
      for (const file of files) closeSync(file);
      const four = text(child.stdio[4] as Readable);
      (child.stdio[4] as Writable).end();
      const { out } = await outcome(child);
      const lines = out.split('\n');
      expect(lines[0]).toBe(join(folder, 'open3'));
      expect(out).toContain([`321${child.pid}`, child.pid, child.pid].join(' '));
      expect(out).toContain('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
      expect(lines.slice(-8, -1)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
      expect(await four).toBe('to4\n');
    },
  );

  test('a descriptor whose number another is to have is not lost', async () => {
    const sources = [0, 1, 2, 0, 1];
    const child = await spawn(
      shell('readlink /proc/self/fd/3; readlink /proc/self/fd/6', {
        descriptors: sources,
        env: { PATH: '/usr/bin:/bin' },
      }),
    );
    const [own] = spawnSync('readlink', [`/proc/${process.pid}/fd/0`], { encoding: 'utf8' }).stdout.split(
      '\n',
    );
    if (process.platform === 'linux') expect((await outcome(child)).out).toBe(`${own}\n${own}\n`);
    else await child.ended;
  });

  test.runIf(process.platform === 'linux')('nothing of it stays open here when it has ended', async () => {
    const open = (): number =>
      spawnSync('ls', [`/proc/${process.pid}/fd`], { encoding: 'utf8' }).stdout.split('\n').length;
    await outcome(await spawn(shell('true')));
    const before = open();
    for (let round = 0; round < 10; round++) {
      const child = await spawn(shell('echo x', { descriptors: ['pipe'] }));
      (child.stdio[3] as Writable).end();
      (child.stdio[3] as Readable).resume();
      await outcome(child);
      await spawn({ file: '/none', args: [], cwd: '/', env: {} }).catch(() => {});
    }
    await expect.poll(() => open()).toBeLessThanOrEqual(before + 1);
  });
});

test('a process that waits for a child does not end before it has', () => {
  const program = `import { loadSpawn } from ${JSON.stringify(join(import.meta.dirname, '../../../src/os/spawn.ts'))};
    const child = await (await loadSpawn())({ file: '/bin/sh', args: ['-c', 'sleep 0.2; exit 5'], cwd: '/', env: {} });
    child.stdout.destroy(); child.stderr.destroy(); child.stdin.destroy();
    console.log((await child.ended).code);`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  expect([stdout, status]).toEqual(['5\n', 0]);
});

function written(name: string, content: string, mode: number): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  expect(readFileSync(path, 'utf8')).toBe(content);
  return path;
}

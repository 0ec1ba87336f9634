// What protects the native launcher, a program that starts in a host's environment: how it is linked, and what it does before
// and after it has a connection.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Frame, WIRE_VERSION } from '../../../src/wire/frame.ts';
import { Client } from '../../fixtures/client.ts';
import { type Connection, FakeDaemon } from '../../fixtures/fake-daemon.ts';
import { hasNative, nativeProgram } from '../../fixtures/launchers.ts';

/** A session that is open: the launcher, and its connection. */
async function open(daemon: FakeDaemon, argv: string[], env: Record<string, string> = {}) {
  const { promise, resolve } = Promise.withResolvers<Connection>();
  daemon.serve(argv.at(-1) ?? '', (connection) => {
    if (connection.frames.some(({ type }) => type === Frame.DATA)) resolve(connection);
  });
  const client = new Client(argv, { ...daemon.env, ...env }, daemon.dir);
  await client.send('x\n');
  return { client, connection: await promise };
}

function exit(connection: Connection, code: number): void {
  const payload = Buffer.from(`{"exit":${code}}`);
  connection.socket.end(Buffer.concat([Buffer.from([Frame.EXIT, payload.length, 0, 0, 0]), payload]));
}

/** How a launcher ends that gives up: its script's output, and its exit code. */
function given(argv: string[], env: Record<string, string>, options: object = {}) {
  const [command = '', ...args] = argv;
  const { status, stdout, stderr } = spawnSync(command, args, {
    env,
    encoding: 'utf8',
    cwd: '/',
    ...options,
  });
  return { status, stdout, stderr };
}

test.skipIf(!hasNative)(
  'W-NAT-2 it is static, its stack and code are guarded, and variables load nothing into it',
  async () => {
    const program = nativeProgram();
    const headers = execFileSync('readelf', ['-lW', program], { encoding: 'utf8' });
    expect(headers).not.toMatch(/INTERP/);
    expect(headers).toMatch(/GNU_RELRO/);
    expect(headers).toMatch(/GNU_STACK\s.*\sRW /);
    expect(headers).toMatch(/Elf file type is DYN/);
    const dynamic = execFileSync('readelf', ['-dW', program], { encoding: 'utf8' });
    expect(dynamic).not.toMatch(/NEEDED/);
    expect(dynamic).toMatch(/FLAGS.*(?:BIND_)?NOW/);
    await using daemon = await new FakeDaemon().started();
    const hostile = {
      LD_PRELOAD: '/x.so',
      LD_LIBRARY_PATH: '/x',
      NODE_OPTIONS: '--require /x',
      GLIBC_TUNABLES: 'glibc.malloc.check=3',
    };
    const { client, connection } = await open(daemon, daemon.command('native', 'plain'), hostile);
    await using _client = client;
    const maps = readFileSync(`/proc/${client.pid}/maps`, 'utf8');
    const files = maps.split('\n').flatMap((line) => /\s(\/.*)$/.exec(line)?.[1] ?? []);
    expect(new Set(files)).toEqual(new Set([join(daemon.dir, 'launch/warder')]));
    exit(connection, 5);
    expect((await client.ended).code).toBe(5);
  },
);

test.skipIf(!hasNative)(
  'W-NAT-3 nobody reads it: no core, no tracing by the same user, and no value of the environment is left',
  async () => {
    await using daemon = await new FakeDaemon().started();
    const { client, connection } = await open(daemon, daemon.command('native', 'sealed'), {
      API_KEY: 'a-secret-of-the-host',
    });
    await using _client = client;
    const process = `/proc/${client.pid}`;
    expect(readFileSync(`${process}/limits`, 'utf8')).toMatch(/^Max core file size\s+0\s+0\s/m);
    // Undumpable: its files belong to root, and only root may trace it.
    const asOther = spawnSync(
      '/usr/bin/python3',
      ['-c', `import ctypes; print(ctypes.CDLL(None).ptrace(16, ${client.pid}, 0, 0))`],
      { encoding: 'utf8', ...(isRoot && { uid: 65534, gid: 65534 }) },
    );
    expect(asOther.stdout.trim()).toBe('-1');
    expect(execFileSync('stat', ['-c', '%u', `${process}/environ`], { encoding: 'utf8' }).trim()).toBe('0');
    if (isRoot) {
      const memory = readFileSync(`${process}/environ`, 'latin1').replaceAll('\0', '');
      expect(memory).toBe('');
      const stack = stackOf(client.pid);
      expect(stack.length).toBeGreaterThan(0);
      expect(stack.includes('a-secret-of-the-host')).toBe(false);
    }
    exit(connection, 0);
    await client.ended;
  },
);

const isRoot = process.getuid?.() === 0;

/** The bytes of a process's stack, where the kernel puts its environment. */
function stackOf(pid: number): Buffer {
  const [, from = '', to = ''] =
    /^(\w+)-(\w+) .*\[stack\]$/m.exec(readFileSync(`/proc/${pid}/maps`, 'utf8')) ?? [];
  const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
  const script = `import sys; f = open('/proc/${pid}/mem', 'rb', 0); f.seek(${start}); sys.stdout.buffer.write(f.read(${end - start}))`;
  return execFileSync('/usr/bin/python3', ['-c', script]);
}

test.skipIf(!hasNative)(
  'W-NAT-4 what it inherits is closed when it executes the script, and none of its files has a standard number',
  async () => {
    await using daemon = new FakeDaemon();
    const command = daemon.command('native', 'x');
    writeFileSync(`${command[0]}.sh`, '#!/bin/sh\nls -l /proc/$$/fd\n', { mode: 0o700 });
    const file = openSync('/etc/hostname', 'r');
    const { stdout } = given(
      command,
      { ...daemon.env, PATH: '/usr/bin:/bin', NODE_CHANNEL_FD: '3' },
      {
        stdio: ['ignore', 'pipe', 'pipe', file, file],
      },
    );
    closeSync(file);
    expect(stdout).toContain(' 1 -> socket');
    expect(stdout).not.toContain('/etc/hostname');
    // Another verb may be given descriptors, as by systemd.
    const { stdout: other } = given(
      [command[0] ?? '', 'daemon', 'run'],
      { ...daemon.env, PATH: '/usr/bin:/bin' },
      {
        stdio: ['ignore', 'pipe', 'pipe', openSync('/etc/hostname', 'r')],
      },
    );
    expect(other).toContain('/etc/hostname');

    await using listening = await new FakeDaemon().started();
    const { promise, resolve } = Promise.withResolvers<Connection>();
    listening.serve('closed', resolve);
    const [launcher = '', ...args] = listening.command('native', 'closed');
    const closed = new Client(
      ['/bin/sh', '-c', '"$@" <&- 2>&-', 'sh', launcher, ...args],
      listening.env,
      '/',
    );
    const connection = await promise;
    const payload = Buffer.from('answer\n');
    connection.socket.write(Buffer.concat([Buffer.from([Frame.DATA, payload.length, 0, 0, 0]), payload]));
    exit(connection, 3);
    expect((await closed.ended).code).toBe(3);
    expect(closed.lines).toEqual(['answer']);
  },
);

test.skipIf(!hasNative)('W-NAT-4 the flags of what it shares with others stay as they are', async () => {
  await using daemon = await new FakeDaemon().started();
  const { client, connection } = await open(daemon, daemon.command('native', 'flags'));
  await using _client = client;
  for (const descriptor of [0, 1, 2]) {
    const info = readFileSync(`/proc/${client.pid}/fdinfo/${descriptor}`, 'utf8');
    expect(Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '', 8) & 0o4000).toBe(0);
  }
  exit(connection, 0);
  await client.ended;
});

test.skipIf(!hasNative)(
  'W-NAT-5 on any doubt it executes the script beside its own file, by no name that a caller gives',
  async () => {
    await using daemon = await new FakeDaemon().started();
    const [place = '', ...args] = daemon.command('native', 'x');
    const script = `${place}.sh`;
    const { env } = daemon;
    const all = (...words: string[]) => ({
      status: 93,
      stdout: [script, ...words, ''].join('\n'),
      stderr: '',
    });
    // Other verbs, and names that are none.
    for (const words of [
      [],
      ['--version'],
      ['run'],
      ['run', 'a', 'b'],
      ['run', '-x'],
      ['run', 'A'],
      ['run', 'a/b'],
      ['run', 'é'],
      ['run', 'a'.repeat(64)],
      ['RUN', 'a'],
    ])
      expect(given([place, ...words], env)).toEqual(all(...words));
    // Places that do not follow from the environment alone.
    for (const other of [
      { HOME: '' },
      { HOME: 'relative' },
      { WARDER_HOME: 'relative' },
      { HOME: `/${'x'.repeat(5000)}` },
      { HOME: '/nowhere' },
    ])
      expect(given([place, ...args], { ...env, ...other })).toEqual(all(...args));
    // argv[0], a link, another name, and the working folder.
    const evil = join(daemon.dir, 'evil');
    mkdirSync(evil);
    writeFileSync(join(evil, 'warder.sh'), '#!/bin/sh\necho evil\n', { mode: 0o755 });
    symlinkSync(place, join(evil, 'warder'));
    expect(given([join(evil, 'warder'), 'list'], env, { cwd: evil })).toEqual(all('list'));
    expect(given([place, 'list'], { ...env, PATH: evil }, { cwd: evil, argv0: 'warder' })).toEqual(
      all('list'),
    );
    // A script that is gone, or that others can change.
    chmodSync(script, 0o777);
    const lost = given([place, 'list'], env);
    expect(lost).toMatchObject({ status: 69, stdout: '' });
    expect(lost.stderr).toMatch(
      /^warder: error: the launch command has lost its script, .*\nwarder: hint: run "warder init"/,
    );
    rmSync(script);
    expect(given([place, 'list'], env)).toMatchObject({ status: 69, stdout: '' });
    symlinkSync(join(evil, 'warder.sh'), script);
    expect(given([place, 'list'], env)).toMatchObject({ status: 69, stdout: '' });
  },
);

test.skipIf(!hasNative)(
  'W-NAT-5 a launcher that is replaced while it runs executes the new script',
  async () => {
    await using daemon = new FakeDaemon();
    const [place = ''] = daemon.command('native', 'x');
    const next = join(daemon.dir, 'launch/next');
    copyFileSync(place, next);
    // Started from a copy that is no longer there.
    const running = spawn('/bin/sh', ['-c', 'read -r _; exec /proc/self/fd/9 list', 'sh'], {
      env: daemon.env,
      stdio: [
        'pipe',
        'pipe',
        'inherit',
        'ignore',
        'ignore',
        'ignore',
        'ignore',
        'ignore',
        'ignore',
        openSync(place, 'r'),
      ],
    });
    renameSync(next, place);
    running.stdin?.end('\n');
    let said = '';
    running.stdout?.on('data', (bytes) => {
      said += bytes;
    });
    await new Promise((resolve) => running.on('close', resolve));
    expect(said).toBe(`${place}.sh\nlist\n`);
  },
);

test.skipIf(!hasNative)(
  'W-NAT-5 it opens no session with a daemon of another protocol or build, or by a socket that is not the user’s alone',
  async () => {
    await using daemon = await new FakeDaemon().started();
    const argv = daemon.command('native', 'x');
    const { lock, socket } = daemon.places;
    daemon.serve('x', (connection) => exit(connection, 4));
    const status = () =>
      new Promise((resolve) => {
        const [command = '', ...args] = argv;
        spawn(command, args, { env: daemon.env, stdio: 'ignore' }).on('close', resolve);
      });
    expect(await status()).toBe(4);
    const build = join(daemon.dir, 'daemon-AAAAAAAA.js');
    const write = (value: unknown) =>
      writeFileSync(lock, typeof value === 'string' ? value : JSON.stringify(value));
    for (const [value, expected] of [
      ['', 4],
      ['{', 4],
      [{ pid: 1 }, 4],
      [{ wire: 'x', build }, 4],
      [{ wire: WIRE_VERSION + 1, build }, 93],
      [{ wire: WIRE_VERSION - 1, build }, 93],
      [{ wire: WIRE_VERSION, build }, 93],
    ] as const) {
      write(value);
      expect(await status(), JSON.stringify(value)).toBe(expected);
    }
    writeFileSync(join(daemon.dir, 'current'), JSON.stringify({ daemon: 'daemon-AAAAAAAA.js' }));
    expect(await status()).toBe(4);
    writeFileSync(join(daemon.dir, 'current'), JSON.stringify({ daemon: 'daemon-BBBBBBBB.js' }));
    expect(await status()).toBe(93);
    rmSync(lock);
    chmodSync(dirname(socket), 0o750);
    expect(await status()).toBe(93);
    chmodSync(dirname(socket), 0o700);
    if (isRoot) {
      execFileSync('chown', ['65534', socket]);
      expect(await status()).toBe(93);
      execFileSync('chown', ['0', socket]);
    }
    renameSync(socket, `${socket}.real`);
    symlinkSync(`${socket}.real`, socket);
    expect(await status()).toBe(93);
    rmSync(socket);
    linkSync(`${socket}.real`, socket);
    expect(await status()).toBe(4);
  },
);

test.skipIf(!hasNative)(
  'W-NAT-7 only a server’s own processes are ended: a pid that is another’s by now gets no signal',
  async () => {
    await using daemon = await new FakeDaemon().started();
    const bystander = spawn('/bin/sleep', ['60'], { detached: true, stdio: 'ignore' });
    const server = spawn('/bin/sleep', ['60'], {
      detached: true,
      stdio: 'ignore',
      env: { WARDER_TEST: daemon.dir },
    });
    const over = new Promise((resolve) => server.on('exit', (_, signal) => resolve(signal)));
    const { client, connection } = await open(daemon, daemon.command('native', 'orphans'));
    const announce = (server: object) => {
      const payload = Buffer.from(JSON.stringify(server));
      connection.socket.write(Buffer.concat([Buffer.from([Frame.OPEN, payload.length, 0, 0, 0]), payload]));
    };
    announce({ pid: bystander.pid, started: 1 });
    announce({ pid: 1, started: 0 });
    announce({ pid: 0 });
    announce({ pid: -1 });
    announce({ started: 1, marker: 'WARDER_TEST=' });
    announce({ started: 1, marker: `WARDER_TEST=${daemon.dir}` });
    connection.socket.end();
    expect(await over).toBe('SIGTERM');
    expect((await client.ended).code).toBe(69);
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    bystander.kill('SIGKILL');
  },
);

test.skipIf(!hasNative)(
  'a host whose streams are pipes is served as by sockets, and one that stops reading is waited for',
  async () => {
    await using daemon = await new FakeDaemon().started();
    const sent = Buffer.alloc(6 * 2 ** 20, 'abcdefg\n');
    daemon.serve('pipes', (connection) => {
      if (!connection.ended) return;
      const head = Buffer.from([Frame.DATA, 0, 0, 0, 0]);
      head.writeUInt32LE(connection.data.length, 1);
      connection.socket.write(head);
      connection.socket.write(connection.data);
      exit(connection, 9);
    });
    const file = (name: string): string => join(daemon.dir, name);
    writeFileSync(file('in'), sent);
    const script = 'cat in | { "$@"; echo $? >code; } | { sleep 1; cat >out; }';
    const [status] = await new Promise<unknown[]>((resolve) =>
      spawn('/bin/sh', ['-c', script, 'sh', ...daemon.command('native', 'pipes')], {
        env: { ...daemon.env, PATH: '/usr/bin:/bin' },
        cwd: daemon.dir,
      }).on('close', (...how) => resolve(how)),
    );
    expect(status).toBe(0);
    expect(readFileSync(file('code'), 'utf8')).toBe('9\n');
    expect(readFileSync(file('out')).equals(sent)).toBe(true);
  },
);

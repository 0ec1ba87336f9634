// Servers as real processes: what they are started with, how their executables are found, how they are written to and
// read from, and how those are reported that cannot be started.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { processes } from '../../../src/os/processes.ts';
import { loadSpawn, type Spawn } from '../../../src/os/spawn.ts';
import { userEnvironment } from '../../../src/profile/environment.ts';
import { type DeliveredCredential, environment } from '../../../src/server/environment.ts';
import { type ServerProcess, spawnServer } from '../../../src/server/process.ts';
import { sweep } from '../../../src/server/process-record.ts';
import { RuntimeFolder, runtimeRoots } from '../../../src/server/runtime-folder.ts';
import { echoServer } from '../../fixtures/echo.ts';
import { fixtureServer } from '../../fixtures/server.ts';
import type { KeeperReport } from '../../fixtures/server-keeper.ts';

const uid = userInfo().uid;
const spawnReal = await loadSpawn();
const logged: string[] = [];
const note = (_fields: object, message: string): void => void logged.push(message);
const log = { debug: note, info: note, warn: note, error: note };
const machine = userEnvironment({
  execPath: process.execPath,
  home: homedir(),
  user: userInfo().username,
  env: process.env,
});

let run = '';
let servers: ServerProcess[] = [];

beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'warder-server-'));
  servers = [];
  logged.length = 0;
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(run, { recursive: true, force: true });
});

interface Wish {
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly credentials?: readonly DeliveredCredential[];
  readonly spawn?: Spawn;
  readonly home?: string;
}

async function start(wish: Wish): Promise<{ server: ServerProcess; delivery: RuntimeFolder }> {
  const {
    command,
    args = [],
    cwd = run,
    env = {},
    credentials = [],
    spawn = spawnReal,
    home = homedir(),
  } = wish;
  const files = credentials.filter(({ deliver }) => deliver === 'file');
  const delivery = new RuntimeFolder(runtimeRoots(run, uid), files);
  const whole = environment('test', machine, delivery.instance, env, credentials);
  const server = await spawnServer(
    { profile: 'test', command, args, cwd, env: whole, home, sandbox: undefined },
    delivery,
    {
      spawn,
      processes: processes(),
      log,
      timeouts: { end: 1000, term: 500, kill: 1000 },
    },
  );
  servers.push(server);
  return { server, delivery };
}

async function refusal(wish: Wish): Promise<WarderError> {
  const error = await start(wish).catch((error: unknown) => error);
  if (!(error instanceof WarderError)) throw new Error('not refused');
  return error;
}

/** Reads whole lines; `end` settles with all bytes when the output has ended. */
function reader(server: ServerProcess): { line(): Promise<string>; end: Promise<Buffer> } {
  const chunks: Buffer[] = [];
  const end = Promise.withResolvers<Buffer>();
  let wake = (): void => {};
  server.listen({
    data: (chunk) => {
      chunks.push(chunk);
      wake();
    },
    end: () => end.resolve(Buffer.concat(chunks)),
  });
  let given = 0;
  return {
    end: end.promise,
    async line() {
      for (;;) {
        const lines = Buffer.concat(chunks).toString().split('\n');
        const line = lines[given];
        if (line !== undefined && given < lines.length - 1) {
          given++;
          return line;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function call(name: string, args: object = {}): Buffer {
  const params = { name, arguments: args };
  return Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })}\n`);
}

async function ask(server: ServerProcess, name: string, args: object = {}) {
  const lines = reader(server);
  server.write([call(name, args)]);
  return JSON.parse(JSON.parse(await lines.line()).result.content[0].text);
}

describe('what a server is started with', () => {
  test('W-ENV-1 the whole environment is known, and no variable of the daemon is passed on', async () => {
    process.env.WARDER_TEST_SECRET = 'of the daemon';
    try {
      const { server, delivery } = await start({
        ...fixtureServer('environ', 'a b', '$HOME', '*'),
        env: { LOG_LEVEL: 'info' },
        credentials: [
          { variable: 'TOKEN', deliver: 'env', value: 'a value with spaces\nand a line' },
          { variable: 'KEY', deliver: 'file', value: 'kept in a file\n' },
        ],
      });
      const seen = await ask(server, 'environ');
      delete seen.env.__CF_USER_TEXT_ENCODING; // macOS puts it into every process.
      expect(seen.env).toEqual({
        PATH: [
          ...new Set([
            join(process.execPath, '..'),
            ...'/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'.split(':'),
          ]),
        ].join(':'),
        HOME: homedir(),
        USER: userInfo().username,
        LANG: machine.lang,
        ...(machine.tz === undefined ? {} : { TZ: machine.tz }),
        TMPDIR: join(delivery.path, 'tmp'),
        WARDER_SESSION: delivery.instance.marker,
        LOG_LEVEL: 'info',
        TOKEN: 'a value with spaces\nand a line',
        CREDENTIALS_DIRECTORY: delivery.instance.credentials,
        KEY_FILE: `${delivery.instance.credentials}/KEY`,
      });
      // Arguments are passed unchanged: no shell is involved.
      expect(seen.argv).toEqual(['a b', '$HOME', '*']);
      expect(seen.cwd).toBe(run);
      expect(seen.tmp).toEqual({ mode: '700', entries: [] });
      expect(seen.credentials).toEqual({
        mode: '700',
        files: [{ name: 'KEY', mode: '400', value: 'kept in a file\n' }],
      });
    } finally {
      delete process.env.WARDER_TEST_SECRET;
    }
  });

  test.runIf(process.platform === 'linux')(
    'W-PROC-1 a server has three pipes, and none of the descriptors that the daemon inherited',
    async () => {
      const keeper = join(import.meta.dirname, '../../fixtures/server-keeper.ts');
      // Above 15 and with gaps: Node itself stops looking there.
      const script = 'exec 20</etc/passwd 41</etc/passwd 63</etc/passwd; exec "$@"';
      const argv = ['-c', script, 'bash', process.execPath, keeper, run, echoServer()];
      const child = spawn('bash', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
      const [line] = await once(child.stdout, 'data');
      const { pid, closed }: KeeperReport = JSON.parse(line);
      try {
        // While it starts it reads its libraries.
        const fds = await vi.waitFor(() => {
          const open = readdirSync(`/proc/${pid}/fd`);
          expect(open.toSorted()).toEqual(['0', '1', '2']);
          return open;
        }, 5000);
        for (const fd of fds) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toMatch(/^(socket|pipe):/);
        expect(closed).toBeGreaterThanOrEqual(3);
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
        await sweep(runtimeRoots(run, uid), processes(), log);
        expect(processes().find(pid)).toBeUndefined();
      }
    },
  );

  test('a server leads a process group and a session of its own', async () => {
    // A name that looks like other fields of /proc/PID/stat.
    const command = join(run, 'x) S 1 1 (');
    copyFileSync(echoServer(), command);
    const { server } = await start({ command });
    const found = (await processes().list()).find(({ pid }) => pid === server.pid);
    expect(found?.parent).toBe(process.pid);
    expect(found?.group).toBe(server.pid);
    if (process.platform === 'linux') {
      expect(found?.session).toBe(server.pid);
      expect(found?.started).toBe(server.started);
    }
  });
});

describe('how a command is found', () => {
  function script(path: string, mode = 0o755): string {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '#!/bin/sh\necho "$0"\n', { mode });
    chmodSync(path, mode);
    return path;
  }

  test('by an absolute path, one below the home folder, one relative to the working folder, and a name', async () => {
    const tool = script(join(run, 'bin/tool'));
    for (const [command, env] of [
      [tool, {}],
      ['./bin/tool', {}],
      ['bin/tool', {}],
      ['~/bin/tool', {}],
      ['tool', { PATH: `/nowhere:${join(run, 'bin')}:/usr/bin:/bin` }],
    ] as const) {
      const { server } = await start({ command, env, home: run });
      expect(server.file).toBe(tool);
      expect((await reader(server).end).toString()).toBe(`${tool}\n`);
    }
    const { server } = await start({ command: 'node', args: ['-p', 'process.execPath'] });
    expect((await reader(server).end).toString()).toBe(`${process.execPath}\n`);
  });

  test('W-PROC-5 a name is not looked up in the working folder, nor in the PATH of the daemon', async () => {
    script(join(run, 'tool'));
    script(join(run, 'bin/other'));
    const before = process.env.PATH;
    process.env.PATH = `${join(run, 'bin')}:${before}`;
    try {
      const error = await refusal({ command: 'other' });
      expect(error.code).toBe('server-missing');
      expect(error.exit).toBe(127);
      expect(error.message).toBe('cannot start "test": the command "other" was not found');
      expect((await refusal({ command: 'tool', env: { PATH: ':.:/usr/bin' } })).code).toBe('server-missing');
    } finally {
      process.env.PATH = before;
    }
  });

  test('the error names a command that does not exist, is a folder, or is not executable', async () => {
    expect((await refusal({ command: join(run, 'none') })).code).toBe('server-missing');
    expect((await refusal({ command: join(run, 'none/deeper') })).code).toBe('server-missing');
    expect((await refusal({ command: './none' })).code).toBe('server-missing');
    const plain = script(join(run, 'plain'), 0o644);
    const error = await refusal({ command: plain });
    expect([error.code, error.exit]).toEqual(['server-unstartable', 126]);
    expect(error.message).toBe(`cannot start "test": "${plain}" is not executable`);
    expect((await refusal({ command: run })).code).toBe('server-unstartable');
    // A later folder of PATH may still contain it.
    const good = script(join(run, 'bin/plain'));
    const { server } = await start({ command: 'plain', env: { PATH: `${run}:${join(run, 'bin')}:/bin` } });
    expect(server.file).toBe(good);
  });

  test('a missing working folder is named, and not mistaken for a missing command', async () => {
    const error = await refusal({ command: echoServer(), cwd: join(run, 'gone') });
    expect(error.code).toBe('server-unstartable');
    expect(error.message).toBe(`cannot start "test": cannot enter the folder "${join(run, 'gone')}"`);
    writeFileSync(join(run, 'file'), '');
    expect((await refusal({ command: echoServer(), cwd: join(run, 'file') })).code).toBe(
      'server-unstartable',
    );
  });

  test('the reasons of the system are reported: a missing interpreter, arguments that are too long', async () => {
    const odd = script(join(run, 'odd'));
    writeFileSync(odd, '#!/nowhere/interpreter\n');
    const error = await refusal({ command: odd });
    expect(error.code).toBe('server-unstartable');
    expect(error.message).toBe(`cannot start "test": the interpreter that "${odd}" names does not exist`);
    const long = await refusal({ command: echoServer(), args: ['x'.repeat(4_000_000)] });
    expect(long.message).toBe('cannot start "test": its arguments and environment are too long');
  });

  test('W-PROC-6 a failed start reveals no argument, value or output, and leaves nothing behind', async () => {
    const secret = 'hunter2-hunter2';
    const credentials: DeliveredCredential[] = [
      { variable: 'TOKEN', deliver: 'env', value: secret },
      { variable: 'KEY', deliver: 'file', value: secret },
    ];
    let failures = 1;
    const short: Spawn = async (plan) => {
      if (failures-- > 0) throw Object.assign(new Error(`spawn ${secret}`), { code: 'EAGAIN' });
      return spawnReal(plan);
    };
    const wish = { command: echoServer(), args: [secret], credentials, spawn: short };
    const error = await refusal(wish);
    expect(error.message).toBe('cannot start "test": the machine accepts no more processes');
    expect(`${error.message} ${error.hint} ${error.cause}`).not.toContain(secret);
    expect(readdirSync(join(run, 'sessions'))).toEqual([]);
    // It does not affect the next start.
    expect((await start(wish)).server.pid).toBeGreaterThan(0);

    const odd = join(run, 'odd');
    writeFileSync(odd, '#!/nowhere/interpreter\n', { mode: 0o755 });
    const real = await refusal({ command: odd, args: [secret], credentials });
    expect(`${real.message} ${real.hint} ${real.cause}`).not.toContain(secret);
  });
});

describe('a server as an end of a session', () => {
  test('lines pass both ways, many in one write', async () => {
    const { server } = await start({ command: echoServer() });
    const lines = reader(server);
    server.write([call('echo', { text: 'one' }), call('echo', { text: 'two' }), Buffer.from('\n')]);
    expect(await lines.line()).toContain('"one"');
    expect(await lines.line()).toContain('"two"');
    server.close();
    expect(await server.ended).toEqual({ code: 0, signal: null });
    await lines.end;
  });

  test('10 MB arrive whole, even with a pause', async () => {
    const { server } = await start({ command: echoServer() });
    let bytes = 0;
    const done = Promise.withResolvers<void>();
    server.listen({
      data(chunk) {
        bytes += chunk.length;
        server.pause();
        setImmediate(() => server.resume());
        if (chunk.at(-1) === 10) done.resolve();
      },
      end() {},
    });
    server.write([call('echo', { bytes: 10_000_000 })]);
    await done.promise;
    expect(bytes).toBeGreaterThan(10_000_000);
  });

  test('a server that floods stops while it is paused, and continues when it is resumed', async () => {
    const { server } = await start(fixtureServer('flood'));
    let chunks = 0;
    let wake = (): void => {};
    server.listen({
      data() {
        chunks++;
        wake();
      },
      end() {},
    });
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
      });
    server.write([call('flood')]);
    await next();
    server.pause();
    const held = chunks;
    await setTimeout(100);
    expect(chunks).toBe(held);
    server.resume();
    await next();
    expect(chunks).toBeGreaterThan(held);
  });

  test('a server that never reads fills its pipe, which is reported, and can still be stopped', async () => {
    const { server } = await start(fixtureServer('deaf'));
    const megabyte = Buffer.alloc(2 ** 20, 'x');
    let room = true;
    for (let sent = 0; room && sent < 64; sent++) room = server.write([megabyte]);
    expect(room).toBe(false);
    const drained = new Promise<void>((resolve) => server.onDrain(resolve));
    expect(await server.stop()).toEqual({ code: null, signal: 'SIGTERM' });
    // A writer that waits may go on.
    await drained;
    expect(server.write([megabyte])).toBe(true);
  });

  test('writing to a server that has closed its input, or has ended, breaks nothing', async () => {
    const { server } = await start({ command: '/bin/sh', args: ['-c', 'exec 0<&-; echo closed; sleep 60'] });
    const lines = reader(server);
    await lines.line();
    for (let sent = 0; sent < 20; sent++) {
      server.write([Buffer.alloc(2 ** 16)]);
      await setTimeout(1);
    }
    expect(server.write([Buffer.alloc(2 ** 20)])).toBe(true);
    await server.stop();
    expect(server.write([call('echo')])).toBe(true);
    server.close();
    server.close();
  });

  test('a server that ends at once is reported by its code or signal, and its last output is kept', async () => {
    const { server: three } = await start(fixtureServer('crash-at-start'));
    let stderr = '';
    expect(await three.ended).toEqual({ code: 3, signal: null });
    await three.gone;
    three.onStderr((chunk) => {
      stderr += chunk.toString();
    });
    expect(stderr).toBe('fatal: no configuration\n');
    const { server: killed } = await start(fixtureServer('crash-at-start', 'SIGKILL'));
    expect(await killed.ended).toEqual({ code: null, signal: 'SIGKILL' });

    const { server } = await start({ command: '/bin/sh', args: ['-c', 'head -c 100000 /dev/zero'] });
    server.pause();
    await server.gone;
    const { end } = reader(server);
    server.resume();
    expect(await end).toHaveLength(100_000);
  });

  test('output that an escaped process keeps open ends with the server', async () => {
    // Its own session, no parent, a clean environment: only a sandbox would contain it.
    const away = "env -i setsid sh -c 'echo $$; exec sleep 60' & sleep 0.2";
    const { server } = await start({ command: '/bin/sh', args: ['-c', `(${away}) & read line`] });
    const lines = reader(server);
    const pid = Number(await lines.line());
    const { end } = lines;
    await setTimeout(400);
    try {
      await server.stop();
      await end;
    } finally {
      if (processes().find(pid) !== undefined) process.kill(pid, 'SIGKILL');
    }
  });
});

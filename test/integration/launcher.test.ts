// The built launchers, in Node and native, and the real lifecycle, with sessions that echo.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { statOf } from '../../src/os/proc.ts';
import { Frame, writeJson } from '../../src/wire/frame.ts';
import { Client } from '../fixtures/client.ts';
import { EchoHome, until } from '../fixtures/echo-home.ts';
import { LAUNCHERS, type Launcher } from '../fixtures/launchers.ts';

/** Whether a process and those of its group have ended. */
function ended(group: number): boolean {
  try {
    process.kill(-group, 0);
    return statOf(group)?.zombie === true;
  } catch {
    return true;
  }
}

/** Refusals that no daemon can answer: what is done before, and the error's code and exit code. */
const REFUSALS: Record<string, { prepare(home: EchoHome): Promise<Disposable>; code: string; exit: number }> =
  {
    'the settings are broken': {
      async prepare(home) {
        home.settings('daemon: {idel: 1s}\n');
        return new DisposableStack();
      },
      code: 'config-invalid',
      exit: 65,
    },
    "the socket's folder is open to others": {
      async prepare(home) {
        mkdirSync(dirname(home.places.socket), { recursive: true, mode: 0o700 });
        chmodSync(dirname(home.places.socket), 0o777);
        return new DisposableStack();
      },
      code: 'socket-unsafe',
      exit: 69,
    },
    'the daemon speaks another version': {
      prepare: (home) =>
        serveOnce(home, (socket) => {
          writeJson(socket, Frame.REFUSE, { code: 'daemon-version', message: 'no', hint: 'h', exit: 69 });
          socket.end();
        }),
      code: 'daemon-version',
      exit: 69,
    },
    'the daemon ends before it has answered': {
      prepare: (home) => serveOnce(home, (socket) => setTimeout(() => socket.destroy(), 200)),
      code: 'daemon-unreachable',
      exit: 69,
    },
    'the daemon sends what is no frame': {
      prepare: (home) => serveOnce(home, (socket) => socket.write(Buffer.alloc(64, 0xff))),
      code: 'wire-malformed',
      exit: 69,
    },
  };

/** Whether a process has not been given a signal yet that was sent to it. */
function isPending(pid: number, signal: NodeJS.Signals): boolean {
  const [, mask = '0'] = /^ShdPnd:\s+(\w+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals[signal] - 1))) !== 0n;
}

/** Listens in the daemon's place. */
async function serveOnce(home: EchoHome, serve: (socket: Socket) => void): Promise<Disposable> {
  const { socket: path } = home.places;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => serve(socket));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { [Symbol.dispose]: () => void server.close() };
}

const INITIALIZE = '{"jsonrpc":"2.0","id":9007199254740993,"method":"initialize","params":{}}';
const BATCH = `[{"jsonrpc":"2.0","id":9007199254740993,"method":"initialize"},{"jsonrpc":"2.0","method":"notifications/x"}]`;

/** Those that a launcher sees itself: what is found before there is a connection is Node's to say. */
function refusals(launcher: Launcher): string[] {
  const names = Object.keys(REFUSALS);
  return launcher === 'node' ? names : names.filter((name) => name.startsWith('the daemon'));
}

describe.each(LAUNCHERS)('the launcher: %s', (launcher) => {
  test('bytes pass both ways unchanged, and the launcher exits as the session ended', async () => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run('echo');
    const line = `${'é\u0000"'.repeat(100_000)}\n`;
    await client.send(line);
    await client.until(() => client.lines[0]);
    expect(`${client.lines[0]}\n` === line).toBe(true);
    client.close();
    expect(await client.ended).toEqual({ code: 7, signal: null });
  });

  test('bytes that the host sends before the session listens are queued', async () => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run('slow');
    await client.send('early\n');
    client.close();
    expect((await client.ended).code).toBe(0);
    expect(client.lines).toEqual(['early']);
  });

  test("the server's stderr appears on the launcher's stderr", async () => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run('stderr');
    expect((await client.ended).code).toBe(0);
    expect(client.stderr).toBe('from the server\n');
  });

  test('a long answer followed at once by the end arrives whole, even at a slow host', async () => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run('long');
    client.pause();
    await until(
      async () => existsSync(home.places.socket) && (await home.sessions()).length === 0,
      'the end',
    );
    // Long enough for a keepalive frame on the connection that the daemon has ended.
    await delay(1500);
    client.resume();
    expect((await client.ended).code).toBe(3);
    expect(client.lines.map(({ length }) => length)).toEqual([0x400000]);
  });

  test('a refusal is reported in full, with its exit code; a fault is reported in general terms, and logged', async () => {
    await using home = await new EchoHome(launcher).started();
    await using missing = home.run('missing');
    expect((await missing.ended).code).toBe(65);
    expect(missing.stderr).toBe('warder: error: there is no profile "missing"\nwarder: hint: make one\n');
    await using broken = home.run('broken');
    expect((await broken.ended).code).toBe(70);
    expect(broken.stderr).not.toContain('detail');
    expect(JSON.stringify(home.log())).toContain('a detail for the log alone');
  });

  test('W-WIRE-5 ten launchers at once start one daemon', async () => {
    await using home = new EchoHome(launcher);
    const clients = Array.from({ length: 10 }, () => home.run('echo'));
    for (const [number, client] of clients.entries()) void client.send(`${number}\n`);
    expect(await Promise.all(clients.map((client) => client.until(() => client.lines[0])))).toEqual(
      clients.map((_, number) => String(number)),
    );
    expect((await home.sessions()).length).toBe(10);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    expect(home.log().filter(({ msg }) => msg === 'daemon ready')).toHaveLength(1);
  });

  test('the next run works after the daemon was killed', async () => {
    await using home = await new EchoHome(launcher).started();
    await using first = home.run('echo');
    await first.send('x\n');
    await first.until(() => first.lines[0]);
    const { pid } = home;
    process.kill(pid, 'SIGKILL');
    expect((await first.ended).code).toBe(69);
    expect(first.stderr).toMatch(/warder: error: the daemon ended during the session\nwarder: hint: /);
    expect(existsSync(home.places.socket) && existsSync(home.places.lock)).toBe(true);
    await using second = home.run('echo');
    await second.send('y\n');
    await second.until(() => second.lines[0] === 'y');
    expect(home.pid).not.toBe(pid);
  });

  test.each(['stubborn', 'pour'])('W-WIRE-6 a killed daemon leaves no server behind: %s', async (profile) => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run(profile);
    const group = Number(await client.until(() => client.lines[0]));
    // While the host does not read, the launcher does not read either. It must notice all the same.
    if (profile === 'pour') client.pause();
    expect(ended(group)).toBe(false);
    process.kill(home.pid, 'SIGKILL');
    await until(() => ended(group), 'the end of the server');
    client.resume();
    expect((await client.ended).code).toBe(69);
  });

  test.each(['echo', 'deaf', 'pour'])('W-WIRE-6 a killed launcher ends its session: %s', async (profile) => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run(profile);
    await client.send('x\n');
    await client.until(() => client.lines[0]);
    // More than all buffers can take, so that the daemon stops reading from the launcher.
    if (profile === 'deaf') void client.send(Buffer.alloc(8 * 2 ** 20));
    if (profile === 'pour') client.pause();
    // Time for the flow to stop: a closed connection is noticed only by somebody who reads.
    await delay(profile === 'echo' ? 0 : 1000);
    expect(await home.sessions()).toEqual([profile]);
    client.kill();
    await until(async () => (await home.sessions()).length === 0, 'the end of the session');
  });

  test('W-WIRE-6 a killed host ends its session, even while the launcher cannot read from it', async () => {
    await using home = await new EchoHome(launcher).started();
    const host = `
    const [command, ...args] = process.argv.slice(1);
    const child = require('node:child_process').spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdout.pipe(process.stdout);
    child.stdin.write(Buffer.alloc(8 * 2 ** 20));
  `;
    await using client = new Client(
      [process.execPath, '-e', host, ...home.command('deaf')],
      home.env,
      home.dir,
    );
    await client.until(() => client.lines[0]);
    await delay(1000);
    expect(await home.sessions()).toEqual(['deaf']);
    client.kill();
    await until(async () => (await home.sessions()).length === 0, 'the end of the session');
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'W-RELAY-11 %s ends the session as the end of the input does, with the exit code of the server',
    async (signal) => {
      await using home = await new EchoHome(launcher).started();
      await using client = home.run('echo');
      await client.send('before\n');
      await client.until(() => client.lines[0]);
      client.kill(signal);
      expect(await client.ended).toEqual({ code: 7, signal: null });
    },
  );

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s ends the launcher of a session that does not end by itself',
    async (signal) => {
      await using home = await new EchoHome(launcher).started();
      await using client = home.run('pour');
      const group = Number(await client.until(() => client.lines[0]));
      client.kill(signal);
      if (signal !== 'SIGHUP') {
        // The system keeps one of each signal, until it is taken.
        await until(() => !isPending(client.pid, signal), 'the first signal is taken');
        client.kill(signal);
      }
      const { code } = await client.ended;
      expect(code).toBe({ SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal]);
      await until(() => ended(group), 'the end of the server');
    },
  );

  test('a wrapper can go on to write to the stdout that it shares with the launcher', async () => {
    await using home = await new EchoHome(launcher).started();
    const wrapper = ['/bin/sh', '-c', '"$@"; echo "and then $?"', 'sh', ...home.command('echo')];
    await using client = new Client(wrapper, home.env, home.dir);
    await client.send('a line\n');
    client.close();
    expect((await client.ended).code).toBe(0);
    expect(client.lines).toEqual(['a line', 'and then 7']);
  });

  test('W-RELAY-11 stderr that nobody reads holds up nothing, and what is dropped is counted', async () => {
    await using home = await new EchoHome(launcher).started();
    const [command = '', ...args] = home.command('noisy');
    const child = spawn(command, args, { env: home.env, cwd: home.dir, stdio: 'pipe' });
    const [line] = await once(child.stdout, 'data');
    expect(String(line)).toBe('done\n');
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await until(() => stderr.length > 500_000, 'what was queued');
    child.stdin.write('more\n');
    await until(() => stderr.includes('were dropped: nobody read it'), 'the count');
    child.stdin.end();
    expect((await once(child, 'exit'))[0]).toBe(4);
    expect(stderr.length).toBeLessThan(3e6);
  });

  test('W-RELAY-11 a daemon that is stopped is no success of the server: the launcher says why', async () => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run('echo');
    await client.send('before\n');
    await client.until(() => client.lines[0]);
    await using control = await home.control();
    await control.request('stop', {});
    expect((await client.ended).code).toBe(69);
    expect(client.stderr).toContain('warder: error: the daemon was stopped during the session');
  });

  test.each(['absent', 'broken'])(
    'W-RELAY-11 a refused start answers what the host asks: %s',
    async (profile) => {
      await using home = await new EchoHome(launcher).started();
      await using client = home.run(profile);
      const { answer } = client.ask('initialize', { protocolVersion: '2025-11-25' });
      const { error } = await answer;
      expect(error?.code).toBe(-32015);
      expect(error?.message).toBe(
        profile === 'absent' ? 'there is no profile "absent"' : 'the daemon failed',
      );
      expect(error?.data).toMatchObject(
        profile === 'absent' ? { code: 'profile-missing', hint: 'make one' } : { code: 'daemon-internal' },
      );
      expect((await client.ended).code).toBe(profile === 'absent' ? 65 : 70);
      expect(client.stderr).toMatch(/^warder: error: /);
    },
  );

  test.each(
    refusals(launcher).flatMap((name) => [
      { name, how: 'at once', line: INITIALIZE },
      { name, how: 'in a batch', line: BATCH },
      { name, how: 'late', line: INITIALIZE },
      { name, how: 'with the end of its input', line: INITIALIZE },
    ]),
  )(
    'W-RELAY-11 a start that the launcher refuses answers the host that asks $how: $name',
    async ({ name, how, line }) => {
      await using home = new EchoHome(launcher);
      const { prepare, code, exit } = REFUSALS[name] ?? expect.fail('unknown');
      using _prepared = await prepare(home);
      await using client = home.run('echo');
      if (how === 'late') await delay(300);
      if (how === 'with the end of its input') {
        await client.send(line);
        client.close();
      } else await client.send(`${line}\n`);
      const answer = await client.until(() => client.lines[0]);
      expect(answer).toContain('"id":9007199254740993,"error":{"code":-32015,"message":');
      expect(JSON.parse(answer).error.data).toMatchObject({ code });
      expect(client.stderr).toContain(`warder: error: ${JSON.parse(answer).error.message}\n`);
      expect((await client.ended).code).toBe(exit);
      expect(client.lines).toHaveLength(1);
    },
  );

  test('W-RELAY-11 a launcher that nobody asks anything ends all the same, and has said why', async () => {
    await using home = new EchoHome(launcher);
    home.settings('daemon: {idel: 1s}\n');
    await using silent = home.run('echo');
    await using noisy = home.run('echo');
    await noisy.send('junk\n{"jsonrpc":"2.0","method":"notifications/x"}\n'.repeat(20_000));
    for (const client of [silent, noisy]) {
      expect((await client.ended).code).toBe(65);
      expect(client.lines).toEqual([]);
      expect(client.stderr).toContain('warder: error: the settings are broken');
    }
  });

  test('W-RELAY-11 a batch of a start that the daemon refuses is answered', async () => {
    await using home = await new EchoHome(launcher).started();
    await using client = home.run('absent');
    await client.send(`${BATCH}\n`);
    const answer = await client.until(() => client.lines[0]);
    expect(answer).toContain('"id":9007199254740993,"error":{"code":-32015,"message":"there is no profile');
    expect((await client.ended).code).toBe(65);
  });

  test('a path that is too long for a socket is not a failure', async () => {
    await using home = await new EchoHome(launcher, 'long/'.repeat(40)).started();
    expect(home.places.socket).toMatch(/^\/tmp\/warder-/);
    await using client = home.run('echo');
    await client.send('x\n');
    await client.until(() => client.lines[0]);
    expect(statSync(dirname(home.places.socket)).mode & 0o777).toBe(0o700);
  });

  test('stdin and stdout may be files, and stdin may be empty', async () => {
    await using home = await new EchoHome(launcher).started();
    const { spawnSync } = await import('node:child_process');
    const { closeSync, openSync, writeFileSync } = await import('node:fs');
    const [input, output] = [`${home.dir}/in`, `${home.dir}/out`];
    writeFileSync(input, 'from a file\n');
    const [command = '', ...args] = home.command('echo');
    for (const [from, text] of [
      [input, 'from a file\n'],
      ['/dev/null', ''],
    ] as const) {
      const stdio = [openSync(from, 'r'), openSync(output, 'w'), 'ignore'] as const;
      const { status } = spawnSync(command, args, {
        env: home.env,
        stdio: [...stdio],
      });
      closeSync(stdio[0]);
      closeSync(stdio[1]);
      expect([status, readFileSync(output, 'utf8')]).toEqual([7, text]);
      rmSync(output);
    }
  });
});

test('W-WIRE-5 a second daemon exits at once', async () => {
  await using home = new EchoHome();
  await using first = home.daemon('--report');
  await first.until(() => first.lines[0] === 'ready');
  await using second = home.daemon('--report');
  expect((await second.ended).code).toBe(69);
  expect(second.lines).toEqual(['running']);
  await using third = home.daemon();
  expect((await third.ended).code).toBe(69);
  expect(third.stderr).toMatch(/^warder: error: a daemon is already running: its pid is \d+\nwarder: hint: /);
  first.kill('SIGTERM');
});

test('a session that does not read does not grow the daemon', async () => {
  await using home = new EchoHome();
  await using client = home.run('deaf');
  await client.until(() => client.lines[0]);
  const memory = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${home.pid}/status`, 'utf8'))?.[1]) * 1024;
  const before = memory();
  void client.send(Buffer.alloc(64 * 2 ** 20));
  // After two keepalive frames the flow has stopped.
  await delay(2000);
  expect(memory() - before).toBeLessThan(24 * 2 ** 20);
  client.kill();
});

test('a daemon that is told to stop ends its sessions first', async () => {
  await using home = new EchoHome();
  await using client = home.run('echo');
  await client.send('x\n');
  await client.until(() => client.lines[0]);
  const control = await home.control();
  expect(await control.request('stop', {})).toEqual({ pid: home.pid, sessions: 1 });
  await control.closed;
  expect((await client.ended).code).toBe(69);
  await home.gone();
  expect(existsSync(home.places.socket)).toBe(false);
});

test('an idle daemon ends, and the next run starts another', async () => {
  await using home = new EchoHome();
  home.settings('daemon: {idle: 1s}\n');
  for (let round = 0; round < 2; round++) {
    await using client = home.run('echo');
    await client.send('x\n');
    await client.until(() => client.lines[0]);
    client.close();
    expect((await client.ended).code).toBe(7);
    await home.gone();
    expect(existsSync(home.places.socket) || existsSync(home.places.lock)).toBe(false);
  }
  expect(home.log().filter(({ reason }) => reason === 'idle')).toHaveLength(2);
});

test('the launcher reports why a daemon cannot start', async () => {
  await using home = new EchoHome();
  home.settings('daemon: {idel: 1s}\n');
  await using client = home.run('echo');
  expect((await client.ended).code).toBe(65);
  expect(client.stderr).toMatch(/^warder: error: the settings are broken: .*idel/);
});

test('W-WIRE-4 the daemon dumps no core, and only its user can read what it writes', async () => {
  await using home = new EchoHome();
  await using client = home.run('echo');
  await client.send('x\n');
  await client.until(() => client.lines[0]);
  expect(readFileSync(`/proc/${home.pid}/limits`, 'utf8')).toMatch(/^Max core file size\s+0\s+0\s/m);
  expect(readFileSync(`/proc/${home.pid}/coredump_filter`, 'utf8').trim()).toBe('00000000');
  const { socket, lock, log, run, state } = home.places;
  expect([socket, lock, log].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
  expect([run, state].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
});

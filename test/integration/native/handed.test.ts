// Descriptors that the native launcher hands over: of which hosts the daemon takes them, and that a session is then the same as
// with the bytes in frames, whatever host and server do.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile, findCompiler } from '../../../scripts/native/compile.js';
import type { Host } from '../../../src/control/host.ts';
import { WarderError } from '../../../src/errors.ts';
import { Frame, WIRE_VERSION } from '../../../src/wire/frame.ts';
import { until } from '../../fixtures/echo-home.ts';
import { hasNative } from '../../fixtures/launchers.ts';
import { echoing, SessionServer } from '../../fixtures/session-server.ts';
import { KINDS, type Kind, startOver } from '../../fixtures/stdio.ts';
import { compileTraced, VALGRIND } from '../../fixtures/valgrind.ts';

const RUNS = process.env.SLOW === undefined ? 12 : 1500;
const AT_ONCE = 3;
const MANY = process.env.SLOW === undefined ? 100 : 1000;
const isLinux = process.platform === 'linux';
const runs = hasNative && isLinux;
let count = 0;

/** The descriptors of this process, which is the daemon, that are sockets or pipes. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const link = readlinkSync(`/proc/self/fd/${name}`);
      return /^(?:socket|pipe):/.test(link) ? [link] : [];
    } catch {
      return [];
    }
  });
}

/** Runs a script with sockets, as a host in Node does: what it prints, and its exit code. */
async function shell(server: SessionServer, script: string): Promise<{ code: unknown; output: string }> {
  const env = {
    ...server.env,
    PATH: '/usr/bin:/bin',
    DIR: server.daemon.dir,
    ONE_SOCKET,
    KEPT_ABOVE,
    TERMINAL,
  };
  const argv = ['-c', script, 'sh', ...server.daemon.command('native', 'echo')];
  const child = spawn('/bin/sh', argv, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += bytes;
  });
  child.stdin.on('error', () => {});
  child.stdin.end('a line\n');
  const [code] = await once(child, 'close');
  return { code, output };
}

/** A host whose programs have one socket as standard input and output. */
const ONE_SOCKET = `
import socket, subprocess, sys
ours, theirs = socket.socketpair()
child = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs)
theirs.close()
ours.sendall(b'a line\\n')
ours.shutdown(socket.SHUT_WR)
while got := ours.recv(100): sys.stdout.write(got.decode())
sys.stdout.flush()
sys.exit(child.wait())
`;

/** A host that keeps the program's end, and has it started by another, which does not. */
const KEPT_ABOVE = `
import os, socket, sys
ours, theirs = socket.socketpair()
if os.fork() == 0:
    child = os.fork()
    if child == 0:
        for descriptor in (0, 1): os.dup2(theirs.fileno(), descriptor)
        os.execv(sys.argv[1], sys.argv[1:])
    for descriptor in (0, 1, ours.fileno(), theirs.fileno()): os.close(descriptor)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ours.sendall(b'a line\\n')
sys.stdout.write(ours.recv(100).decode())
sys.stdout.flush()
ours.shutdown(socket.SHUT_WR)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
`;

/** A terminal as standard input. */
const TERMINAL = `
import os, pty, subprocess, sys, tty
ours, theirs = pty.openpty()
tty.setraw(theirs)
child = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=subprocess.PIPE)
os.close(theirs)
os.write(ours, b'a line\\n')
sys.stdout.write(child.stdout.readline().decode())
sys.stdout.flush()
os.close(ours)
sys.exit(child.wait())
`;

/** What a host says, and what the session does once it has all of it. */
interface Case {
  readonly input: string;
  /** How the host ends its input, if it does: launchers tell of a signal as of an end. */
  readonly closes: 'end' | 'SIGINT' | 'SIGTERM' | undefined;
  /** Whether the host reads only after a while. */
  readonly isSlow: boolean;
  /** Whether the session begins at all, and whether it looks at the first line before. */
  readonly begins: boolean;
  readonly looks: boolean;
  readonly actions: readonly ({ data: Buffer } | { stderr: string } | 'turn')[];
  readonly end: { exit: number } | { refused: WarderError } | { ended: WarderError };
}

const error = fc
  .record({ message: fc.string({ maxLength: 20 }), hint: fc.option(fc.string(), { nil: undefined }) })
  .map(({ message, hint }) => new WarderError('refused', message, hint === undefined ? {} : { hint }));
const sessions: fc.Arbitrary<Case> = fc.record({
  input: fc
    .array(
      fc.oneof(
        fc.nat().map((id) => `{"jsonrpc":"2.0","id":${id},"method":"initialize"}`),
        fc.nat().map((id) => `[{"jsonrpc":"2.0","id":"${id}","method":"x"},{"method":"y"}]`),
        fc.constantFrom('', 'junk', '{"method":"z"}', `"${'x'.repeat(200_000)}"`, `"${'x'.repeat(900_000)}"`),
      ),
      { maxLength: 5 },
    )
    .map((lines) => lines.map((line) => `${line}\n`).join('')),
  closes: fc.constantFrom('end', 'SIGINT', 'SIGTERM', undefined),
  isSlow: fc.boolean(),
  looks: fc.boolean(),
  begins: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
  actions: fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => ({ data: Buffer.from(bytes) })),
      fc.nat({ max: 400_000 }).map((size) => ({ data: Buffer.alloc(size, 'd') })),
      fc.string({ maxLength: 30 }).map((text) => ({ stderr: text })),
      fc.constant('turn' as const),
    ),
    { maxLength: 6 },
  ),
  end: fc.oneof(
    fc.constantFrom(0, 7, 255).map((exit) => ({ exit })),
    error.map((refused) => ({ refused })),
    error.map((ended) => ({ ended })),
  ),
});

/**
 * Of a session that ends before it begins the host has said one line: what it says later, nobody may have heard. A launcher that
 * has passed on nothing may not catch signals yet.
 */
function asPlayed(drawn: Case): Case {
  if (drawn.begins) return drawn.input === '' && drawn.closes ? { ...drawn, closes: 'end' } : drawn;
  const input = drawn.input.slice(0, drawn.input.indexOf('\n') + 1);
  return { ...drawn, input, closes: drawn.closes && 'end', looks: input !== '' };
}

/** A session that does what a case says. `hear` gets what the host has said, once that is all of it. */
function play({ input, closes, begins, looks, actions, end }: Case, hear: (said: string) => void) {
  return async (host: Host): Promise<void> => {
    if (looks && input !== '') await host.firstLine(input.length);
    let said = '';
    let isOver = false;
    if (begins)
      await new Promise<void>((resolve) => {
        const look = (): void => {
          if (said.length < input.length) return;
          hear(said);
          if (isOver || closes === undefined) resolve();
        };
        host.listen({
          data(chunk) {
            said += chunk.toString('latin1');
            look();
          },
          end() {
            isOver = true;
            look();
          },
        });
        look();
      });
    for (const action of begins ? actions : []) {
      if (action === 'turn') await delay(1);
      else if ('data' in action) {
        const data = Buffer.from(action.data);
        // Nobody looks at it any more then.
        host.write([data.subarray(0, 9), data.subarray(9)], () => data.fill(0));
      } else host.stderr(Buffer.from(action.stderr));
    }
    if ('exit' in end) host.exit(end.exit);
    else if ('refused' in end) throw end.refused;
    else {
      host.end(end.ended);
      throw host.gone.reason;
    }
  };
}

const STOPPED = new WarderError('refused', 'stopped');
/** A daemon that stops while the server starts: what was asked is answered. */
const ENDED_EARLY: Case[] = [true, false].map((isSlow) => ({
  input: '{"jsonrpc":"2.0","id":1,"method":"initialize"}\n',
  closes: undefined,
  isSlow,
  looks: true,
  begins: false,
  actions: [],
  end: { ended: STOPPED },
}));

/** All that can be seen of a session from outside. */
async function observe(
  server: SessionServer,
  argv: (profile: string) => string[],
  drawn: Case,
  kinds: [Kind, Kind],
) {
  const wanted = asPlayed(drawn);
  const { closes } = wanted;
  const profile = `c${count++}`;
  let heard = '';
  let isTold = false;
  server.serve(
    profile,
    play(wanted, (said) => {
      heard = said;
      if (closes !== undefined && closes !== 'end' && !isTold) isTold = started.child.kill(closes);
    }),
  );
  const [input, output] = kinds;
  const started = startOver(argv(profile), { env: server.env, cwd: '/', input, output });
  started.stdin.write(wanted.input);
  if (closes === 'end') started.stdin.end();
  if (wanted.isSlow) {
    started.stdout.pause();
    await delay(30);
    started.stdout.resume();
  }
  const code = await started.ended;
  started.stdin.destroy();
  return JSON.stringify({ code, heard, output: started.output.toString('latin1'), errors: started.errors });
}

const MIXES = KINDS.flatMap((input) => KINDS.map((output): [Kind, Kind] => [input, output]));

describe.skipIf(!runs)('descriptors that are handed over', () => {
  test.each([
    ['sockets', 'exec "$@"', true, 'a line\n', 7],
    ['pipes', 'cat | "$@" | cat', true, 'a line\n', 0],
    ['one socket for both', 'exec python3 -c "$ONE_SOCKET" "$@"', true, 'a line\n', 7],
    ['sockets that a wrapper has too', '"$@"; echo done', false, 'a line\ndone\n', 0],
    ['a socket that its maker keeps', 'exec python3 -c "$KEPT_ABOVE" "$@"', false, 'a line\n', 7],
    ['a socket that a child of its own has too', 'sleep 1 & exec "$@"', false, 'a line\n', 7],
    ['a socket that is standard error as well', 'exec "$@" 2>&1', false, 'a line\n', 7],
    ['a terminal', 'exec python3 -c "$TERMINAL" "$@"', false, 'a line\n', 7],
    ['a file to read', 'echo of a file >"$DIR/in"; exec "$@" <"$DIR/in"', false, 'of a file\n', 7],
    ['a file to write', '"$@" >"$DIR/out"; cat "$DIR/out"', false, 'a line\n', 0],
    ['a device', 'exec "$@" </dev/null', false, '', 7],
    ['a pipe that is the other way round', 'mkfifo "$DIR/p"; exec "$@" <>"$DIR/p" >/dev/null', false, '', 0],
    ['a pipe with a name', 'mkfifo "$DIR/p"; cat >"$DIR/p" </dev/null & exec "$@" <"$DIR/p"', false, '', 7],
    ['nothing', 'exec "$@" <&-', false, '', 7],
  ])('W-NAT-8 %s', { timeout: 60_000 }, async (what, script, taken, output, code) => {
    await using server = await new SessionServer().started();
    const before = descriptors().length;
    server.serve('echo', what.includes('round') ? async (host) => host.exit(0) : echoing(7));
    expect(await shell(server, script)).toEqual({ code, output });
    expect(server.taken).toEqual(taken ? [true] : []);
    await until(() => !server.server.busy, 'the end of the session');
    expect(descriptors().length).toBeLessThanOrEqual(before);
  });

  test('W-NAT-8 whatever host and session do, it is the same as with frames, over sockets and pipes', {
    timeout: 300_000,
  }, async () => {
    await using taking = await new SessionServer().started();
    await using framing = await new SessionServer().started({ takes: false });
    const sanitized = join(taking.daemon.dir, 'sanitized');
    const flags = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    compile(sanitized, { compiler: findCompiler(), flags });
    taking.env.ASAN_OPTIONS = 'detect_leaks=0';
    const of =
      ({ daemon }: SessionServer, ...more: [('node' | 'native')?, string?]) =>
      (profile: string) =>
        daemon.command(more[0] ?? 'native', profile, ...(more.slice(1) as string[]));
    await fc.assert(
      fc.asyncProperty(fc.array(sessions, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (cases) => {
        await Promise.all(
          cases.map(async (wanted) => {
            const [first, ...others] = await Promise.all([
              observe(framing, of(framing, 'node'), wanted, ['socket', 'socket']),
              ...MIXES.map((kinds) => observe(taking, of(taking), wanted, kinds)),
              observe(taking, of(taking, 'native', sanitized), wanted, ['pipe', 'socket']),
              observe(framing, of(framing), wanted, ['socket', 'socket']),
              observe(framing, of(framing), wanted, ['pipe', 'pipe']),
            ]);
            for (const other of others) expect(other).toBe(first);
          }),
        );
      }),
      {
        numRuns: Math.ceil(RUNS / AT_ONCE),
        examples: [[ENDED_EARLY]],
        ...(process.env.SLOW === undefined && { seed: 1 }),
      },
    );
    expect(taking.taken.length).toBeGreaterThan(0);
    expect(new Set(taking.taken)).toEqual(new Set([true]));
    await until(() => !taking.server.busy && taking.waiting === 0, 'the end of the sessions');
  });

  test('W-NAT-6 valgrind finds nothing in the program while descriptors are handed over', {
    timeout: 300_000,
  }, async () => {
    await using taking = await new SessionServer().started();
    await using framing = await new SessionServer().started({ takes: false });
    taking.env.PATH = '/usr/bin:/bin';
    const traced = compileTraced(taking.daemon.dir);
    const cases = [...ENDED_EARLY.slice(1), ...fc.sample(sessions, { numRuns: 3, seed: 5 })];
    for (const [at, wanted] of cases.entries()) {
      const [expected, seen] = await Promise.all([
        observe(framing, (profile) => framing.daemon.command('node', profile), wanted, ['socket', 'socket']),
        observe(
          taking,
          (profile) => [...VALGRIND, ...taking.daemon.command('native', profile, traced)],
          wanted,
          MIXES[at % MIXES.length] ?? ['socket', 'socket'],
        ),
      ]);
      expect(seen).toBe(expected);
    }
    expect(taking.taken).toEqual(cases.map(() => true));
  });

  test('W-NAT-9 who hands over its own connection to the daemon does not keep its session open when it has gone', async () => {
    await using server = await new SessionServer().started();
    server.serve('echo', echoing(0));
    const program = `
import array, json, os, socket, struct, sys
with socket.socket(socket.AF_UNIX) as daemon, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
    daemon.connect(sys.argv[1])
    number = '0' * 32
    rights = array.array('i', [daemon.fileno()] * 2)
    inbox.sendmsg([number.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], 0, sys.argv[2])
    hello = json.dumps({'wire': int(sys.argv[3]), 'kind': 'run', 'profile': 'echo', 'pid': os.getpid(), 'cwd': '/', 'descriptors': number})
    daemon.sendall(struct.pack('<BI', ${Frame.HELLO}, len(hello)) + hello.encode())
    daemon.recv(5)
`;
    const { socket } = server.daemon.places;
    const inbox = join(socket, '..', `fds-${process.pid}`);
    const argv = ['-c', program, socket, inbox, String(WIRE_VERSION)];
    const child = spawn('/usr/bin/python3', argv, { stdio: 'inherit' });
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    await until(() => !server.server.busy, 'the end of the session');
    expect(server.taken).toEqual([false]);
  });

  test('W-WIRE-6 a host with pipes that is killed ends its session, even while nothing is read of it', async () => {
    await using server = await new SessionServer().started();
    server.serve(
      'deaf',
      (host) => new Promise((resolve) => host.gone.addEventListener('abort', () => resolve())),
    );
    const host = `
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(b'x' * 8000000)
`;
    const argv = ['-c', host, ...server.daemon.command('native', 'deaf')];
    const child = spawn('/usr/bin/python3', argv, { env: server.env, stdio: 'ignore' });
    await until(() => server.taken.length > 0, 'the session');
    await delay(500);
    expect(server.server.sessions).toBe(1);
    child.kill('SIGKILL');
    await until(() => !server.server.busy, 'the end of the session');
    expect(server.taken).toEqual([true]);
  });

  test.each(KINDS)('a host that closes its end ends the session as a broken pipe does: %s', async (kind) => {
    await using server = await new SessionServer().started();
    server.serve('pour', async (host) => {
      const write = (): void => {
        while (!host.gone.aborted && host.write([Buffer.alloc(0x10000)]));
      };
      host.onDrain(write);
      write();
      await new Promise<void>((resolve) => host.gone.addEventListener('abort', () => resolve()));
    });
    const argv = server.daemon.command('native', 'pour');
    const started = startOver(argv, { env: server.env, input: kind, output: kind });
    await once(started.stdout, 'data');
    started.stdout.destroy();
    expect(await started.ended).toBe(141);
    expect(started.errors).toBe('');
    started.stdin.destroy();
    await until(() => !server.server.busy, 'the end of the session');
    expect(server.taken).toEqual([true]);
  });

  test('after many sessions no descriptor is left', { timeout: 300_000 }, async () => {
    await using server = await new SessionServer().started();
    server.serve('echo', echoing(3));
    const argv = server.daemon.command('native', 'echo');
    const one = async (at: number): Promise<void> => {
      const kind = KINDS[at % 2] ?? 'pipe';
      const started = startOver(argv, { env: server.env, input: kind, output: kind });
      if (at % 5 === 0) started.child.kill('SIGKILL');
      else started.stdin.end(`${at}\n`);
      expect(await started.ended).toBe(at % 5 === 0 ? 'SIGKILL' : 3);
      started.stdin.destroy();
    };
    await one(1);
    const before = descriptors().length;
    for (let done = 0; done < MANY; done += 10)
      await Promise.all(Array.from({ length: 10 }, (_, at) => one(done + at)));
    await until(() => !server.server.busy && server.waiting === 0, 'the end of the sessions');
    expect(descriptors().length).toBeLessThanOrEqual(before);
  });
});

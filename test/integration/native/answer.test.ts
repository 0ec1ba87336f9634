// A daemon that ends before it has answered: the launcher has read nothing of its host, and asks again.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Frame } from '../../../src/wire/frame.ts';
import { type Connection, FakeDaemon } from '../../fixtures/fake-daemon.ts';
import { hasNative, LAUNCHERS } from '../../fixtures/launchers.ts';

const ASKED = '{"jsonrpc":"2.0","id":1,"method":"initialize"}\n';

/** How a daemon ends that a launcher has connected to. */
const ENDS: Record<string, (socket: Socket) => void> = {
  'before HELLO': (socket) => socket.destroy(),
  'after HELLO': (socket) => void socket.once('data', () => socket.destroy()),
};

/** Starts a launcher whose host asks at once; settles when it has ended. */
function ask(argv: string[], env: Record<string, string>) {
  const [command = '', ...args] = argv;
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (bytes) => {
      output += bytes;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(ASKED);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Ends the session of a connection with the code of a session that was served whole. */
function serve(connection: Connection): void {
  if (connection.data.toString() !== ASKED || !connection.ended) return;
  connection.socket.end(Buffer.concat([Buffer.from([Frame.EXIT, 11, 0, 0, 0]), Buffer.from('{"exit":41}')]));
}

test.each(Object.entries(ENDS))(
  'W-WIRE-11 the daemon ends %s: the launcher in Node asks the next one, which gets all that the host has sent',
  async (_, end) => {
    await using daemon = await new FakeDaemon().started();
    let connections = 0;
    daemon.onConnection = (socket) => {
      if (++connections > 2) return true;
      socket.on('error', () => {});
      end(socket);
      return false;
    };
    daemon.serve('x', serve);
    expect(await ask(daemon.command('node', 'x'), daemon.env)).toEqual({ code: 41, output: '' });
    expect(connections).toBe(3);
  },
);

test.skipIf(!hasNative).each(Object.entries(ENDS))(
  'W-WIRE-11 the daemon ends %s: the native launcher executes the script, with all that its host gave it',
  async (_, end) => {
    await using daemon = await new FakeDaemon().started();
    const argv = daemon.command('native', 'x');
    const script = `${argv[0]}.sh`;
    const shown = '#!/bin/sh\necho "$KEY $*"; cat; grep "^Sig[BI]" /proc/self/status; ulimit -c; exit 93\n';
    writeFileSync(script, shown, { mode: 0o700 });
    const env = { ...daemon.env, PATH: '/usr/bin:/bin', KEY: 'of-the-host' };
    const started = await ask([script, 'run', 'x'], env);
    expect(started).toMatchObject({
      code: 93,
      output: expect.stringContaining(`of-the-host run x\n${ASKED}Sig`),
    });
    daemon.onConnection = (socket) => {
      socket.on('error', () => {});
      end(socket);
      return false;
    };
    expect(await ask(argv, env)).toEqual(started);
  },
);

test.each(LAUNCHERS)(
  'a daemon of an earlier build, which confirms no HELLO, is served: %s',
  async (launcher) => {
    await using daemon = await new FakeDaemon().started();
    daemon.confirms = false;
    daemon.serve('x', serve);
    expect(await ask(daemon.command(launcher, 'x'), daemon.env)).toEqual({ code: 41, output: '' });
  },
);

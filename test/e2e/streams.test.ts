// The streams of a host and a server, through all of Warder: odd answers, an end with calls open, a stderr that nobody
// reads, the last words of a server, a stdout that is shared.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { LAUNCHERS } from '../fixtures/launchers.ts';
import { type FixtureServer, fixtureServer } from '../fixtures/server.ts';

function home(server: FixtureServer): Home {
  const made = new Home();
  made.profile(server, { server: fixtureServer(server), policy: { default: 'allow' } });
  return made;
}

const message = (fields: object): string => `${JSON.stringify({ jsonrpc: '2.0', ...fields })}\n`;
const INITIALIZE = message({
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
});

test('W-RELAY-8 each odd answer of a server is passed on, or becomes an error under the id of the request', async () => {
  await using warder = home('odd');
  await using host = warder.run('odd');
  await host.initialize();
  expect(await host.call('id-as-text')).toBe('id as text');
  expect(await host.call('crlf')).toBe('crlf');
  expect(await host.call('separators')).toBe('a\u2028b\u2029c');
  expect(await host.call('byte-order-mark')).toContain('withheld');
  expect(await host.call('latin-1')).toContain('not UTF-8');
  expect(await host.call('nested')).toContain('withheld');
  expect(await host.call('twice')).toContain('withheld');
  expect(await host.call('last')).toBe('last');
  for (const line of host.lines) expect(() => JSON.parse(line)).not.toThrow();
  await host.ended;
  const ends = warder.audit('tool.result').map(({ outcome }) => outcome);
  expect(ends).toEqual(['ok', 'ok', 'ok', 'error', 'error', 'error', 'error', 'ok']);
});

test.each(LAUNCHERS)(
  'a client that writes, closes its end and reads on gets the answer to the open call: %s',
  async (launcher) => {
    await using warder = await home('slow').by(launcher);
    const host = new Client(warder.host('slow'), warder.env, warder.dir);
    await host.send(INITIALIZE);
    await host.send(message({ method: 'notifications/initialized' }));
    await host.send(
      message({
        id: 2,
        method: 'tools/call',
        params: { name: 'slow', arguments: { ms: 5000, say: 'done' } },
      }),
    );
    host.close();
    expect((await host.answer(2)).result?.content[0].text).toBe('done');
    expect(await host.ended).toEqual({ code: 0, signal: null });
  },
);

test.each(LAUNCHERS)(
  'a host that does not read the stderr of its server gets its answers: %s',
  async (launcher) => {
    await using warder = await home('noisy').by(launcher);
    const [command = '', ...args] = warder.host('noisy');
    // Nobody reads the pipe of stderr.
    const child = spawn(command, args, { env: warder.env, cwd: warder.dir, stdio: 'pipe' });
    const call = (id: number, name: string, rest: object): void =>
      void child.stdin.write(message({ id, method: 'tools/call', params: { name, arguments: rest } }));
    let output = '';
    const answered = (id: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => void (output.includes(`"id":${id},`) && resolve());
        child.stdout.on('data', look);
        look();
      });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stdin.write(INITIALIZE);
    await answered(1);
    for (const id of [2, 4, 6]) {
      call(id, 'noise', { kilobytes: 8192 });
      await answered(id);
      call(id + 1, 'hello', {});
      await answered(id + 1);
    }
    expect(output).toContain('"hello"');
    child.kill('SIGKILL');
    child.stderr.destroy();
  },
);

test('what a server writes to stderr before it ends at once reaches its host, each time', async () => {
  await using warder = new Home();
  const script = join(warder.dir, 'ends.sh');
  writeFileSync(script, '#!/bin/sh\necho "the reason why" >&2\nexit 3\n', { mode: 0o755 });
  warder.profile('ends', { server: { command: script }, policy: { default: 'allow' } });
  for (let start = 1; start <= 20; start++) {
    const { stderr } = await warder.warder(['run', 'ends'], INITIALIZE);
    expect(stderr, `start ${start}`).toContain('the reason why');
  }
});

test.each(LAUNCHERS)(
  'a wrapper that goes on after "warder run" still writes to the stdout that both have: %s',
  async (launcher) => {
    await using warder = await home('slow').by(launcher);
    const words = warder
      .host('slow')
      .map((word) => `'${word}'`)
      .join(' ');
    const { stdout, status, signal } = spawnSync(
      'sh',
      ['-c', `${words}; code=$?; echo afterwards; exit $code`],
      {
        env: warder.env,
        cwd: warder.dir,
        input: message({ id: 1, method: 'ping' }),
        encoding: 'utf8',
      },
    );
    expect(stdout).toMatch(/^\{.*"id":1.*\}\nafterwards\n$/);
    expect([status, signal]).toEqual([0, null]);
  },
);

test.each(LAUNCHERS)(
  'SIGINT and SIGTERM of a host end its session as the end of input does: %s',
  async (launcher) => {
    await using warder = await home('slow').by(launcher);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const host = warder.run('slow');
      await host.initialize();
      host.kill(signal);
      await host.ended;
    }
    await using last = warder.run('slow');
    await last.initialize();
    await last.until(() => warder.audit('session.close').length === 2, 'the end of both sessions');
    expect(warder.audit('session.close')).toMatchObject([{ reason: 'host' }, { reason: 'host' }]);
  },
);

// Real servers behind Warder: what they see of the machine, and what they may do.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Home, server } from '../fixtures/home.ts';
import { SandboxProcesses } from '../fixtures/sandbox-processes.ts';

const secret = 'ghp_0123456789abcdefghijklmnopqrstuvwxyz';

/** A profile's command. */
function command(
  name: 'everything' | 'filesystem' | 'memory',
  ...args: string[]
): { command: string; args: string[] } {
  const [command = '', ...rest] = server(name);
  return { command, args: [...rest, ...args] };
}

test.each(['on', 'off'])(
  'W-ENV-1 a server sees the fixed base, the variables of its profile, its credential, and nothing else: sandbox %s',
  async (sandbox) => {
    await using home = new Home({ env: { AWS_SECRET_ACCESS_KEY: 'of-the-daemon', LANG: 'C.UTF-8' } });
    home.profile('everything', {
      server: command('everything'),
      env: { LOG_LEVEL: 'debug' },
      credentials: { GITHUB_TOKEN: { from: { command: ['/bin/echo', secret] }, deliver: 'env' } },
      ...(sandbox === 'off' && { sandbox: { off: true } }),
      policy: { default: 'allow' },
    });
    await using host = home.run('everything', { HOST_SECRET: 'of-the-host', NODE_OPTIONS: '' });
    await host.initialize();
    const seen = JSON.parse(await host.call('get-env'));

    const { TZ: _zone, ...fixed } = seen;
    expect(Object.keys(fixed).sort()).toEqual(
      [
        ...['GITHUB_TOKEN', 'HOME', 'LANG', 'LOG_LEVEL', 'PATH', 'TMPDIR', 'USER', 'WARDER_SESSION'],
        // Node's heap limit is set by Warder; PWD by bubblewrap.
        ...(sandbox === 'on' ? ['NODE_OPTIONS', 'PWD'] : []),
      ].sort(),
    );
    expect(seen.PATH).toBe(
      [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(':'),
    );
    expect(seen).toMatchObject({ LOG_LEVEL: 'debug', LANG: 'C.UTF-8' });
    if (sandbox === 'on') {
      expect(seen).toMatchObject({ HOME: home.dir, PWD: home.dir, TMPDIR: '/tmp' });
      expect(seen.NODE_OPTIONS).toMatch(/^--max-old-space-size=\d+$/);
    } else {
      expect(seen.TMPDIR.startsWith(home.dir)).toBe(true);
    }
    // The server sent the value, and it did not reach the host.
    expect(seen.GITHUB_TOKEN).toBe('[redacted:GITHUB_TOKEN]');
    const [session] = (await home.facts('status')).sessions;
    const environ = (pid: number): string => readFileSync(`/proc/${pid}/environ`, 'utf8');
    if (sandbox === 'off') {
      expect(environ(session.server.pid)).toContain(`GITHUB_TOKEN=${secret}`);
    } else {
      using space = new SandboxProcesses(session.server.pid);
      const servers = space.running('server-everything').filter((pid) => environ(pid).includes('PATH='));
      expect(servers.length).toBeGreaterThan(0);
      for (const pid of servers) expect(environ(pid)).toContain(`GITHUB_TOKEN=${secret}`);
      // The process that sets up the sandbox does not have it.
      expect(environ(space.starter)).not.toContain(secret);
    }
  },
);

test('the file server may read, and may not write', async () => {
  await using home = new Home();
  const notes = join(home.dir, 'notes');
  mkdirSync(notes);
  writeFileSync(join(notes, 'today.txt'), 'buy milk');
  home.profile('files', {
    server: command('filesystem', notes),
    sandbox: { read: [notes] },
    policy: { default: 'deny', tools: { 'read_*': 'allow', list_directory: 'allow' } },
  });
  await using host = home.run('files');
  await host.initialize();

  const { result } = await host.request('tools/list');
  const names: string[] = result.tools.map(({ name }: { name: string }) => name);
  expect(names).toContain('read_text_file');
  expect(names.filter((name) => !name.startsWith('read_') && name !== 'list_directory')).toEqual([]);

  expect(await host.call('read_text_file', { path: join(notes, 'today.txt') })).toBe('buy milk');
  expect(await host.call('list_directory', { path: notes })).toContain('today.txt');
  const refused = await host.request('tools/call', {
    name: 'write_file',
    arguments: { path: join(notes, 'today.txt'), content: 'gone' },
  });
  expect(refused.error?.message).toMatch(/write_file/);
  expect(readFileSync(join(notes, 'today.txt'), 'utf8')).toBe('buy milk');

  const calls = home.audit('tool.call');
  expect(calls.map(({ tool, decision }) => [tool, decision])).toEqual([
    ['read_text_file', 'allow'],
    ['list_directory', 'allow'],
    ['write_file', 'deny'],
  ]);
  expect(calls[0]).toMatchObject({ profile: 'files', rule: 'policy.tools.read_*' });
});

test('the memory server remembers from one session to the next', async () => {
  await using home = new Home();
  const folder = join(home.dir, 'memory');
  mkdirSync(folder);
  home.profile('memory', {
    server: command('memory'),
    env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') },
    sandbox: { write: [folder] },
    policy: { default: 'allow', tools: { 'delete_*': 'deny' } },
  });
  {
    await using host = home.run('memory');
    await host.initialize();
    const entities = [{ name: 'Warder', entityType: 'program', observations: ['keeps keys'] }];
    expect(await host.call('create_entities', { entities })).toContain('Warder');
  }
  await using host = home.run('memory');
  await host.initialize();
  expect(await host.call('read_graph')).toContain('keeps keys');
  const refused = await host.request('tools/call', {
    name: 'delete_entities',
    arguments: { entityNames: ['Warder'] },
  });
  expect(refused.error).toBeDefined();
  expect(await host.call('read_graph')).toContain('keeps keys');
  expect(existsSync(join(folder, 'memory.jsonl'))).toBe(true);
});

test('a profile without a policy asks, which refuses the call and says so', async () => {
  await using home = new Home();
  home.profile('everything', { server: command('everything') });
  await using host = home.run('everything');
  await host.initialize();
  const refused = await host.request('tools/call', { name: 'echo', arguments: { message: 'hello' } });
  expect(refused.result).toMatchObject({
    isError: true,
    content: [
      { text: expect.stringContaining('nobody is there who could be asked to call the tool "echo"') },
    ],
  });
  expect(home.audit('tool.call')).toMatchObject([{ tool: 'echo', decision: 'deny' }]);
});

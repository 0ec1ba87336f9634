// Servers that start when something needs them, through the built program: what a host is answered before, what starts
// then and what does not, and a server that has become another meanwhile.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client as Sdk } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { expect, test } from 'vitest';
import type { Client } from '../fixtures/client.ts';
import { Home, server } from '../fixtures/home.ts';
import { Internet, listed, range } from '../fixtures/internet.ts';
import { fixtureServer } from '../fixtures/server.ts';

const policy = { default: 'allow' };
const names = ['p0', 'p1', 'p2', 'p3'];

/** The answer to a call of a tool, its text. */
async function call(host: Client, name: string, args: object = {}): Promise<string> {
  const { result, error } = await host.request('tools/call', { name, arguments: args });
  return error?.message ?? result.content[0].text;
}

/** The servers of a home that run. */
const running = (home: Home, file: string): number =>
  home.processes().filter(({ command }) => command.includes(file) && !command.includes('bwrap')).length;

test('W-LAZY-1 W-LAZY-5 W-LAZY-8 of the profiles that a host opens those start whose tools are called; their lists are there all the same; one that is not used ends', async () => {
  await using home = new Home();
  const [command, ...args] = server('memory');
  for (const name of names) home.profile(name, { server: { command, args }, sandbox: { off: true }, policy });
  // The first session of a profile starts its server: what it offers is accepted and kept.
  const lists: string[] = [];
  for (const name of names) {
    await using host = home.run(name);
    await host.initialize();
    lists.push(JSON.stringify((await host.request('tools/list')).result));
    await call(host, 'read_graph');
  }
  const before = home.audit('session.open').length;
  const hosts = names.map((name) => home.run(name));
  try {
    for (const [index, host] of hosts.entries()) {
      expect((await host.initialize()).result.serverInfo.name).toBe('memory-server');
      expect(JSON.stringify((await host.request('tools/list')).result)).toBe(lists[index]);
    }
    expect(home.audit('session.open').slice(before)).toEqual(
      names.map((profile) => expect.objectContaining({ profile, start: 'lazy', credentials: [] })),
    );
    expect(running(home, 'server-memory')).toBe(0);
    const shown = await home.done(['status']);
    expect(shown.match(/not started/g)).toHaveLength(4);
    for (const host of hosts.slice(0, 2)) expect(await call(host, 'read_graph')).toContain('entities');
    expect(running(home, 'server-memory')).toBe(2);
    expect(home.audit('session.start').map(({ profile }) => profile)).toEqual(['p0', 'p1']);
    expect((await home.done(['status'])).match(/not started/g)).toHaveLength(2);
    // A session without a server ends as any other.
    await hosts[2]?.[Symbol.asyncDispose]();
    expect(await home.done(['end', home.audit('session.open').at(-1)?.session])).toContain('p3');
    expect((await hosts[3]?.ended)?.code).not.toBe(0);
  } finally {
    for (const host of hosts) await host[Symbol.asyncDispose]();
  }
  // A trial is of the server itself; `eager` starts with its session.
  const starts = home.audit('session.start').length;
  expect(await home.done(['test', 'p3'])).toContain('read_graph');
  home.profile('p0', { server: { command, args, start: 'eager' }, sandbox: { off: true }, policy });
  const host = home.run('p0');
  await host.initialize();
  expect(running(home, 'server-memory')).toBe(1);
  expect(home.audit('session.start')).toHaveLength(starts);
  await host[Symbol.asyncDispose]();
  // One that is not used ends, and comes back.
  home.profile('p1', { server: { command, args, idle: '1s' }, sandbox: { off: true }, policy });
  const brief = home.run('p1');
  await brief.initialize();
  await brief.request('tools/list');
  expect(await call(brief, 'read_graph')).toContain('entities');
  await expect.poll(() => running(home, 'server-memory')).toBe(0);
  // On a busy machine the host itself may be slower than that.
  const idle = { profile: 'p1', reason: 'idle' };
  await expect.poll(() => home.audit('session.stop').at(-1)).toMatchObject(idle);
  for (const stop of home.audit('session.stop')) expect(stop).toMatchObject(idle);
  expect(await home.done(['status'])).toContain('ended, idle');
  expect(await call(brief, 'read_graph')).toContain('entities');
  expect(home.audit('session.start').slice(starts).at(-1)).toMatchObject({ profile: 'p1' });
  expect(await home.done(['check', 'p1'])).toContain('ends when it is not used for 1s');
  await brief[Symbol.asyncDispose]();
  // One is kept ready, of all sessions of a profile: the first that needs it takes it, and the next one has another.
  home.profile('p2', { server: { command, args, start: 'warm' }, sandbox: { off: true }, policy });
  {
    // What it offers has to be known for its profile as it is now.
    await using known = home.run('p2');
    await known.initialize();
    await known.request('tools/list');
  }
  const [one, other] = [home.run('p2'), home.run('p2')];
  try {
    await one.initialize();
    await expect.poll(() => home.audit('session.start').at(-1)).toMatchObject({ profile: 'p2', spare: true });
    await other.initialize();
    expect(running(home, 'server-memory')).toBe(1);
    const spare = Number(/(\d+), spare/.exec(await home.done(['status']))?.[1]);
    expect(home.processes().map(({ pid }) => pid)).toContain(spare);
    expect(await call(one, 'read_graph')).toContain('entities');
    const sessions: { server: { pid?: number } }[] = (await home.facts('status')).sessions;
    expect(sessions.map(({ server: { pid } }) => pid)).toContain(spare);
    await expect.poll(() => running(home, 'server-memory')).toBe(2);
  } finally {
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  }
  await expect.poll(() => running(home, 'server-memory')).toBe(0);
  await expect
    .poll(() => home.audit('session.stop').at(-1))
    .toMatchObject({ profile: 'p2', reason: 'unused' });
});

test('W-LAZY-2 W-LAZY-3 W-LAZY-7 a server that has become another is caught before its first call, and no credential is put in for it', async () => {
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  await using home = new Home();
  internet.join(home);
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  const secret = `ghp_${randomBytes(18).toString('hex')}`;
  await home.done(['credential', 'set', 'demo', 'TOKEN'], secret);
  const file = join(home.dir, 'said');
  const say = (text: string): void => writeFileSync(file, text);
  say('Works');
  const profile = {
    server: fixtureServer('turncoat', file),
    env: { API: `${api.url}/status/200` },
    credentials: { TOKEN: { hosts: [listed(api)], as: 'bearer' } },
    sandbox: { network: [range(api)], read: [file] },
    policy,
  };
  home.profile('demo', profile);
  {
    await using host = home.run('demo');
    await host.initialize();
    await host.request('tools/list');
    expect(await call(host, 'work')).toBe('200');
  }
  // As it was: the call goes on, with the credential.
  await using host = home.run('demo');
  await host.initialize();
  expect((await host.request('tools/list')).result.tools).toMatchObject([{ description: 'Works' }]);
  expect(running(home, 'turncoat')).toBe(0);
  say('crash');
  expect(await call(host, 'work')).toMatch(/server (ended|closed its output)/);
  say('Works');
  expect(await call(host, 'work')).toBe('200');
  expect(api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
  await host[Symbol.asyncDispose]();
  // It is not started under a lock, nor after a revocation; both can be undone.
  const sent = api.requests.length;
  const held = home.run('demo');
  await held.initialize();
  await home.done(['lock']);
  expect(await call(held, 'work')).toMatch(/all credentials are locked/);
  await home.done(['unlock']);
  await home.done(['revoke', 'demo/TOKEN']);
  expect(await call(held, 'work')).toMatch(/"demo\/TOKEN" is revoked/);
  expect(running(home, 'turncoat')).toBe(0);
  await home.done(['revoke', 'demo/TOKEN', '--undo']);
  expect(await call(held, 'work')).toBe('200');
  expect(api.requests).toHaveLength(sent + 1);
  await held[Symbol.asyncDispose]();
  // Another: it tries to use the credential from its start on.
  say('evil');
  const before = api.requests.length;
  await using later = home.run('demo');
  await later.initialize();
  expect(await call(later, 'work')).toMatch(/"work" is held back: it has changed/);
  await sleep(500);
  expect(running(home, 'turncoat')).toBe(1);
  expect(api.requests).toHaveLength(before);
  expect(
    home.audit('credential.use').filter(({ action, outcome }) => action === 'use' && outcome === 'sent'),
  ).toHaveLength(3);
  expect(home.audit('trust.change').at(-1)).toMatchObject({ name: 'work', outcome: 'held' });
  await later[Symbol.asyncDispose]();
  // Its profile gives it less since: it is not started with more.
  const old = home.run('demo');
  await old.initialize();
  const changes = home.audit('profile.change').length;
  home.profile('demo', { ...profile, sandbox: { read: [file] } });
  await expect.poll(() => home.audit('profile.change').length).toBeGreaterThan(changes);
  expect(await call(old, 'work')).toMatch(/has changed since the session began/);
  expect(running(home, 'turncoat')).toBe(0);
  await old[Symbol.asyncDispose]();
});

test('W-LAZY-1 a client that asks for 2026-07-28 first is served without a server of either era; what was accepted is shown, compared and tried by the verbs', async () => {
  await using home = new Home();
  const [command = '', ...args] = server('everything');
  home.profile('everything', { server: { command, args }, sandbox: { off: true }, policy });
  home.profile('modern', { server: fixtureServer('stateless'), sandbox: { off: true }, policy });
  for (const [profile, file, version, tool, said] of [
    ['everything', 'server-everything', '2025-11-25', 'echo', 'Echo: hello'],
    ['modern', 'stateless.mjs', '2026-07-28', 'where', '"era":"modern"'],
  ] as const) {
    const lists: string[] = [];
    for (const start of [undefined, 'lazy']) {
      const client = new Sdk({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
      const [program = '', ...words] = home.host(profile);
      await client.connect(
        new StdioClientTransport({ command: program, args: words, env: home.env, stderr: 'ignore' }),
      );
      expect(client.getNegotiatedProtocolVersion()).toBe(version);
      lists.push(JSON.stringify((await client.listTools()).tools));
      // The client asks in a session of its own what the server is, also one that does not know that question.
      expect(
        home
          .audit('session.open')
          .slice(-2)
          .map((open) => open.start),
      ).toEqual([start, start]);
      expect(running(home, file)).toBe(start === 'lazy' ? 0 : 1);
      // The verbs start no server: they show what was accepted before.
      if (start === 'lazy') {
        const starts = home.audit('session.start').length;
        expect(await home.facts('trust', 'show', profile)).toMatchObject({ state: 'accepted' });
        expect((await home.warder(['trust', 'diff', profile])).stdout).toContain(
          'all is as it was accepted, as it was listed last',
        );
        expect(await home.done(['check', profile])).toContain('at the first request that needs it');
        expect((await home.warder(['doctor'])).stdout).toContain('profiles: 2, all valid');
        expect(running(home, file)).toBe(0);
        expect(home.audit('session.start')).toHaveLength(starts);
      }
      const { content } = await client.callTool({ name: tool, arguments: { message: 'hello' } });
      expect(JSON.stringify(content).replaceAll('\\', '')).toContain(said);
      expect(running(home, file)).toBe(1);
      await client.close();
    }
    expect(lists[1]).toBe(lists[0]);
  }
  // One that knows what the server is asks for the rest alone; one that says nothing has asked for nothing.
  const discover = {
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {} },
    serverInfo: { name: 'stateless', version: '1.0.0' },
    resultType: 'complete' as const,
    ttlMs: 0,
    cacheScope: 'private' as const,
  };
  const opened = home.audit('session.open').length;
  for (const asks of [true, true, false]) {
    const client = new Sdk({ name: 'other', version: '1' });
    const [program = '', ...words] = home.host('modern');
    const transport = new StdioClientTransport({ command: program, args: words, env: home.env });
    await client.connect(transport, { prior: { kind: 'modern', discover } });
    if (asks) expect((await client.listTools()).tools).toHaveLength(3);
    await client.close();
  }
  expect(
    home
      .audit('session.open')
      .slice(opened)
      .map((open) => open.start),
  ).toEqual([undefined, 'lazy']);
  expect(running(home, 'stateless.mjs')).toBe(0);
});

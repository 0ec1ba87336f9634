// Whole sessions of remote servers: hosts on the real SDKs start `warder run`, servers on the real SDKs answer over HTTP.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as TransportV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { describe, expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import type { Guard } from '../fixtures/remote/guard.ts';
import { type Era, type McpOptions, startMcp } from '../fixtures/remote/mcp.ts';
import { textOf } from '../fixtures/remote/place.ts';
import { startRaw } from '../fixtures/remote/raw.ts';

const TOKEN = 'tok_0123456789abcdefghijklmnop';
const NEXT = 'tok_zyxwvutsrqponmlkjihgfedcba';

/** Takes the tokens in a list, and no others. */
function takes(tokens: readonly string[]): NonNullable<McpOptions['guard']> {
  return (resource: string): Guard => ({
    resource,
    issuers: [],
    check: (token) => (tokens.includes(token) ? [] : undefined),
  });
}

/** A profile of a server on this machine. */
function profileOf(url: string, more: object = {}): object {
  return {
    server: { url },
    'insecure-loopback': true,
    auth: { type: 'none' },
    policy: { default: 'allow' },
    ...more,
  };
}

/** A Warder with a vault that has a token. */
async function withToken(value = TOKEN): Promise<Home> {
  const home = new Home();
  const key = join(home.dir, 'key');
  writeFileSync(key, 'k'.repeat(43), { mode: 0o600 });
  await home.done(['init', '--store', 'vault', '--key-file', key]);
  await home.done(['credential', 'set', '--name', 'remote/token'], value);
  return home;
}

const BEARER = { auth: { type: 'bearer', credential: 'remote/token' } };

/** The command that a client starts. */
function command(home: Home): { command: string; args: string[]; cwd: string; env: Record<string, string> } {
  const [program = '', ...args] = home.host('remote');
  return { command: program, args, cwd: home.dir, env: home.env };
}

/** The first text of a tool's result. */
function text(result: unknown): string {
  return (result as { content: { text?: string }[] }).content[0]?.text ?? '';
}

const identity = { name: 'test', version: '1' };
const ERAS: readonly Era[] = ['session', 'stateless', 'both', 'sse'];

describe.each(ERAS)('a server of the era "%s"', (era) => {
  test('serves a client of the first SDK', async () => {
    await using server = await startMcp({ era });
    await using home = new Home();
    home.profile('remote', profileOf(server.url, { policy: { default: 'allow', tools: { big: 'deny' } } }));
    const client = new ClientV1(identity);
    await client.connect(new TransportV1({ ...command(home), stderr: 'pipe' }));
    try {
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toContain('echo');
      expect(tools.map(({ name }) => name)).not.toContain('big');
      const sum = await client.callTool({ name: 'sum', arguments: { a: 19, b: 23 } });
      expect(text(sum)).toBe('42');
      const refused = client.callTool({ name: 'big', arguments: { bytes: 10 } });
      await expect(refused).rejects.toThrow('policy.tools.big of profile "remote" says deny');
    } finally {
      await client.close();
    }
  });

  test('serves a client of the second SDK', async () => {
    await using server = await startMcp({ era });
    await using home = new Home();
    home.profile('remote', profileOf(server.url));
    const client = new ClientV2(identity);
    await client.connect(new TransportV2({ ...command(home), stderr: 'pipe' }));
    try {
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toContain('echo');
      expect(text(await client.callTool({ name: 'sum', arguments: { a: 19, b: 23 } }))).toBe('42');
    } finally {
      await client.close();
    }
  });
});

test('the session is in the log with its URL and no process; its calls, their tokens and answers are joined', async () => {
  await using server = await startMcp({ era: 'session', guard: takes([TOKEN]) });
  await using home = await withToken();
  home.profile('remote', profileOf(server.url, BEARER));
  const host = home.run('remote');
  await host.initialize();
  expect(await host.call('echo', { text: 'hi' })).toBe('hi');
  const { sessions } = JSON.parse(await home.done(['status', '--json']));
  const { host: address } = new URL(server.url);
  expect(sessions).toMatchObject([
    { profile: 'remote', server: {}, layers: ['remote'], network: [address], sandbox: 'on' },
  ]);
  await host[Symbol.asyncDispose]();
  await expect.poll(() => server.sessions.size).toBe(0);
  const [opened] = home.audit('session.open');
  expect(opened).toMatchObject({
    command: [server.url],
    credentials: [],
    sandbox: { off: false, layers: ['remote'], network: [address], limits: null },
  });
  const [call] = home.audit('tool.call');
  const uses = home
    .audit('credential.use')
    .filter((record) => record.call === call?.call && record.method === 'POST');
  expect(uses).toMatchObject([
    { action: 'use', outcome: 'sent', credential: 'remote/token', host: '127.0.0.1', path: '/mcp' },
    { action: 'answer', status: 200 },
  ]);
  expect(uses[0]?.token).toMatch(/^sha256:[0-9a-f]{64}$/);
  const [result] = home.audit('tool.result').filter((record) => record.call === call?.call);
  expect([call?.seq, uses[0]?.seq, uses[1]?.seq, result?.seq]).toEqual(
    [call?.seq, uses[0]?.seq, uses[1]?.seq, result?.seq].toSorted((a, b) => Number(a) - Number(b)),
  );
  expect(home.audit('egress.connect')[0]).toMatchObject({ session: opened?.session, host: '127.0.0.1' });
  expect(JSON.stringify(home.audit())).not.toContain(TOKEN);
  await home.done(['audit', 'verify']);
});

describe('W-REM-41 the token', () => {
  /** A text in which a server gives back the header that it was sent, in every way that it could. */
  const echoes = (header: string): string =>
    [
      header,
      Buffer.from(header).toString('base64'),
      Buffer.from(header).toString('base64url'),
      Buffer.from(`x${header}`).toString('base64'),
      Buffer.from(header).toString('hex'),
      encodeURIComponent(header),
      [...header].map((each) => `%${each.charCodeAt(0).toString(16)}`).join(''),
      [...header].map((each) => `\\u00${each.charCodeAt(0).toString(16)}`).join(''),
      [...header].map((each) => `&#${each.charCodeAt(0)};`).join(''),
      header.slice('Bearer '.length).split('').reverse().reverse().join(''),
    ].join('\n');

  /** Every form in which a value could be read back. */
  const forms = (value: string): string[] => [
    value,
    Buffer.from(`Bearer ${value}`).toString('base64').slice(12, -4),
    Buffer.from(value).toString('hex'),
    [...value].map((each) => `%${each.charCodeAt(0).toString(16)}`).join(''),
    [...value].map((each) => `u00${each.charCodeAt(0).toString(16)}`).join('\\\\'),
    [...value].map((each) => `&#${each.charCodeAt(0)};`).join(''),
  ];

  test('that a server gives back in a result, an error, a notification or a list does not reach the host or the log', async () => {
    await using server = await startRaw(({ method, params }, { headers }) => {
      const said = echoes(headers.authorization ?? '');
      const notice = { method: 'notifications/message', params: { level: 'error', data: said } };
      if (method === 'tools/list') {
        const inputSchema = { type: 'object' };
        return [
          {
            tools: [
              { name: 'result', description: said, inputSchema },
              { name: 'error', inputSchema },
            ],
          },
        ];
      }
      if (method !== 'tools/call') return [];
      if (params.name === 'error')
        return [notice, { error: { code: -32000, message: said, data: { said } } }];
      return [notice, { content: [{ type: 'text', text: said }], structuredContent: { said } }];
    });
    await using home = await withToken();
    home.profile('remote', profileOf(server.url, BEARER));
    const host = home.run('remote');
    await host.initialize();
    await host.request('tools/list');
    expect(await host.call('result')).toContain('[redacted:token]');
    expect(await host.call('error')).toContain('[redacted:token]');
    // What was sent carried it.
    expect(textOf(server)).toContain(`Bearer ${TOKEN}`);

    // Another value is known to what takes it out before it is used.
    await home.done(['credential', 'rotate', '--name', 'remote/token'], NEXT);
    expect(await host.call('result')).toContain('[redacted:token]');
    expect(await host.call('error')).toContain('[redacted:token]');
    expect(textOf(server)).toContain(`Bearer ${NEXT}`);
    await host[Symbol.asyncDispose]();
    const seen = [
      ...host.lines,
      host.stderr,
      JSON.stringify(home.audit()),
      readFileSync(home.places.log, 'utf8'),
    ].join('\n');
    for (const value of [TOKEN, NEXT]) for (const form of forms(value)) expect(seen).not.toContain(form);
    expect(host.lines.filter((line) => line.includes('notifications/message'))).toHaveLength(4);
  });
});

describe('a stored token', () => {
  test('that is changed is sent from the next request on, in the same session, and the session counts as moved', async () => {
    await using server = await startMcp({ guard: takes([TOKEN, NEXT]) });
    await using home = await withToken();
    home.profile('remote', profileOf(server.url, BEARER));
    await using host = home.run('remote');
    await host.initialize();
    await host.call('echo', { text: 'one' });
    const [session] = server.sessions.keys();
    const rotated = await home.facts('credential', 'rotate', '--name', 'remote/token').catch(() => undefined);
    expect(rotated).toBeUndefined();
    const { code, stdout } = await home.warder(
      ['credential', 'rotate', '--name', 'remote/token', '--json'],
      NEXT,
    );
    expect([code, JSON.parse(stdout).sessions]).toEqual([0, { moved: 1, kept: 0 }]);
    await host.call('echo', { text: 'two' });
    expect([...server.sessions.keys()]).toEqual([session]);
    const last = server.requests.findLast(({ body }) => body.includes('"two"'));
    expect(last?.headers.authorization).toBe(`Bearer ${NEXT}`);
    const use = { credential: 'remote/token', action: 'rotate', outcome: 'moved' };
    expect(home.audit('credential.use')).toContainEqual(expect.objectContaining(use));
  });

  test('W-REM-43 that is revoked or locked is not sent any more, and what is under way ends at once; the session stays', async () => {
    await using server = await startMcp({ guard: takes([TOKEN]) });
    await using home = await withToken();
    home.profile('remote', profileOf(server.url, BEARER));
    await using host = home.run('remote');
    await host.initialize();
    const slow = host.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } });
    await expect.poll(() => textOf(server)).toContain('slow');
    await home.done(['revoke', 'remote/token']);
    const { error, result } = await slow.answer;
    expect(JSON.stringify(error ?? result)).toContain('was revoked');
    const sent = textOf(server).split(TOKEN).length;
    expect(await host.call('echo', { text: 'hi' })).toContain('revoked');
    await home.done(['revoke', 'remote/token', '--undo']);
    expect(await host.call('echo', { text: 'hi' })).toBe('hi');
    await home.done(['lock']);
    expect(await host.call('echo', { text: 'hi' })).toContain('locked');
    expect(textOf(server).split(TOKEN).length).toBeGreaterThan(sent);
    const held = textOf(server).split(TOKEN).length;
    await home.done(['unlock']);
    expect(textOf(server).split(TOKEN).length).toBe(held);
    expect(await host.call('echo', { text: 'hi' })).toBe('hi');
  });
});

describe('W-REM-46 what a host sends', () => {
  test('is data: no member of it becomes a header, whatever it is called', async () => {
    await using server = await startRaw(() => []);
    await using home = await withToken();
    home.profile('remote', profileOf(server.url, BEARER));
    await using host = home.run('remote');
    await host.initialize();
    const evil = 'tok_of_the_host_0123456789';
    await host.request('tools/call', {
      name: 'tool',
      arguments: { authorization: `Bearer ${evil}`, 'mcp-session-id': evil, Cookie: evil },
      _meta: {
        authorization: `Bearer ${evil}`,
        headers: { Authorization: `Bearer ${evil}`, Host: 'evil.example', Cookie: evil },
        'io.modelcontextprotocol/protocolVersion': '2026-07-28\r\nAuthorization: x',
      },
      headers: { Authorization: `Bearer ${evil}` },
      accessToken: evil,
    });
    const call = server.requests.findLast(({ body }) => body.includes('tools/call'));
    expect(call?.body).toContain(evil);
    expect(call?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(JSON.stringify(call?.rawHeaders)).not.toMatch(/tok_of_the_host|evil|cookie/i);
    expect(call?.headers.host).toBe(server.host);
  });
});

describe('W-REM-47 the session of a server', () => {
  test('is one for each host, is ended with it, and its id is never shown', async () => {
    await using server = await startRaw(() => []);
    await using home = new Home();
    home.profile('remote', profileOf(server.url));
    const hosts = [home.run('remote'), home.run('remote')] as const;
    for (const host of hosts) await host.initialize();
    for (const host of hosts) await host.call('tool');
    expect(new Set(server.opened).size).toBe(2);
    await hosts[0][Symbol.asyncDispose]();
    await expect.poll(() => server.ended).toEqual([server.opened[0]]);
    await home.done(['stop']);
    await hosts[1][Symbol.asyncDispose]();
    expect(new Set(server.ended)).toEqual(new Set(server.opened));
    const seen = [
      ...hosts.flatMap((host) => [...host.lines, host.stderr]),
      JSON.stringify(home.audit()),
    ].join('\n');
    for (const id of server.opened) expect(seen).not.toContain(id);
  });

  test('that is lost is opened again; a call that was under way ends with an error, and the host’s session goes on', async () => {
    await using server = await startMcp({ era: 'session' });
    await using home = new Home();
    home.profile('remote', profileOf(server.url));
    await using host = home.run('remote');
    await host.initialize();
    const slow = host.ask('tools/call', { name: 'slow', arguments: { ms: 60_000 } });
    await expect.poll(() => textOf(server)).toContain('slow');
    server.cut();
    const { error } = await slow.answer;
    expect(error?.message).not.toBe('');
    await server.forget();
    expect(await host.call('echo', { text: 'again' })).toBe('again');
  });
});

test('a server that is down when its host starts: the host gets a clear error, and the next try works', async () => {
  const server = await startMcp();
  const { url, port } = server;
  await server[Symbol.asyncDispose]();
  await using home = new Home();
  home.profile('remote', profileOf(url));
  await using host = home.run('remote');
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  };
  const { error } = await host.request('initialize', params);
  expect(error?.message).toContain('127.0.0.1');
  await using _back = await startMcp({ port });
  const { result } = await host.request('initialize', params);
  expect(result.serverInfo.name).toBe('remote');
});

test('a policy that changes holds from the next call on, and "warder end" ends the session', async () => {
  await using server = await startMcp();
  await using home = new Home();
  home.profile('remote', profileOf(server.url));
  await using host = home.run('remote');
  await host.initialize();
  expect(await host.call('echo', { text: 'hi' })).toBe('hi');
  home.profile('remote', profileOf(server.url, { policy: { default: 'deny' } }));
  await expect.poll(() => host.call('echo', { text: 'hi' })).toContain('refused');
  const [session] = (await home.facts('status')).sessions;
  await home.done(['end', session.id]);
  expect(await host.ended).toMatchObject({ code: 77 });
  expect(host.stderr).toContain('warder end');
  await expect.poll(() => server.sessions.size).toBe(0);
});

test('a daemon that is killed takes the session with it; the launcher says so, and has no process to end', async () => {
  await using server = await startMcp();
  await using home = new Home();
  home.profile('remote', profileOf(server.url));
  await using host = home.run('remote');
  await host.initialize();
  const daemon = await home.daemon();
  process.kill(daemon ?? Number.NaN, 'SIGKILL');
  expect((await host.ended).code).not.toBe(0);
  expect(host.stderr).toContain('the daemon ended during the session');
});

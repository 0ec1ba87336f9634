// Every host uses every remote server, whatever era each speaks: real clients of both SDKs over `warder run`, and real servers
// over HTTP. Without sign-ins.
import { Client as StatelessClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as StatelessTransport } from '@modelcontextprotocol/client/stdio';
import { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as SessionTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import { type Era, type RemoteMcp, startMcp } from '../fixtures/remote/mcp.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';

type Args = Record<string, unknown>;

/** A host's user types a word into every form, and opens every URL. */
const WORD = { action: 'accept' as const, content: { word: 'yes' } };

interface Host extends AsyncDisposable {
  tools(): Promise<string[]>;
  call(name: string, args?: Args, onprogress?: (step: number) => void, signal?: AbortSignal): Promise<string>;
  /** How often it was told that the tools have changed. */
  changes(): number;
}

const identity = { name: 'test', version: '1' };

function textOf(result: unknown): string {
  return (result as { content: { text?: string }[] }).content[0]?.text ?? '';
}

function started({ home }: RemoteHome) {
  const [command = '', ...args] = home.host('remote');
  return { command, args, cwd: home.dir, env: home.env, stderr: 'pipe' as const };
}

type Start = (warder: RemoteHome) => Promise<Host>;

const first: Start = async (warder) => {
  const client = new SessionClient(identity, { capabilities: { elicitation: { form: {}, url: {} } } });
  let changes = 0;
  client.setRequestHandler(ElicitRequestSchema, ({ params }) =>
    params.mode === 'url' ? { action: 'accept' } : WORD,
  );
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changes++);
  await client.connect(new SessionTransport(started(warder)));
  return {
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, step, signal) =>
      textOf(
        await client.callTool({ name, arguments: args }, undefined, {
          ...(step === undefined ? {} : { onprogress: ({ progress }) => step(progress) }),
          ...(signal === undefined ? {} : { signal }),
        }),
      ),
    changes: () => changes,
    [Symbol.asyncDispose]: () => client.close(),
  };
};

const second =
  (mode: 'legacy' | { pin: string }): Start =>
  async (warder) => {
    let changes = 0;
    const client = new StatelessClient(identity, {
      versionNegotiation: { mode },
      capabilities: { elicitation: { form: {}, url: {} } },
      listChanged: { tools: { onChanged: () => void changes++ } },
    });
    client.setRequestHandler('elicitation/create', ({ params }) =>
      params.mode === 'url' ? { action: 'accept' } : WORD,
    );
    await client.connect(new StatelessTransport(started(warder)));
    return {
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, args = {}, step, signal) =>
        textOf(
          await client.callTool(
            { name, arguments: args },
            {
              ...(step === undefined ? {} : { onprogress: ({ progress }) => step(progress) }),
              ...(signal === undefined ? {} : { signal }),
            },
          ),
        ),
      changes: () => changes,
      [Symbol.asyncDispose]: () => client.close(),
    };
  };

const hosts: readonly (readonly [string, Start])[] = [
  ['the first SDK', first],
  ['the second SDK, up to 2025-11-25', second('legacy')],
  ['the second SDK, 2026-07-28', second({ pin: '2026-07-28' })],
];
const servers: readonly Era[] = ['session', 'stateless', 'both', 'sse'];

async function prepared(server: RemoteMcp): Promise<RemoteHome> {
  const warder = await RemoteHome.open();
  warder.profile('remote', server.url, { auth: { type: 'none' } });
  return warder;
}

describe.each(servers)('a server: %s', (era) => {
  test.each(hosts)('%s', async (name, start) => {
    await using server = await startMcp({ era });
    await using warder = await prepared(server);
    await using host = await start(warder);
    expect(await host.tools()).toEqual(['echo', 'sum', 'who', 'slow', 'big', 'grow', 'ask', 'visit']);
    expect(await host.call('echo', { text: 'grüße \u{1F44B} \u2028' })).toBe('grüße \u{1F44B} \u2028');
    expect(await host.call('big', { bytes: 1_000_000 })).toHaveLength(1_000_000);
    const steps: number[] = [];
    expect(await host.call('slow', { ms: 250, steps: 3 }, (step) => steps.push(step))).toBe('slow');
    expect(steps).toEqual([1, 2, 3]);
    // Several at once, and the later ones first.
    expect(await Promise.all([300, 150, 1].map((ms) => host.call('slow', { ms }).then(() => ms)))).toEqual([
      300, 150, 1,
    ]);
    // The second SDK's server of both eras has no sessions: it can neither ask nor tell a host of the older era.
    if (era === 'both' && !name.endsWith('2026-07-28')) return;
    // The server asks the user in mid-call.
    expect(JSON.parse(await host.call('ask', { message: 'Which word?' }))).toEqual({
      action: 'accept',
      word: 'yes',
    });
    // Its tools change: the host is told, and what is new can be used.
    expect(await host.call('grow', { name: 'grown' })).toBe('grown');
    await expect.poll(() => host.changes()).toBeGreaterThan(0);
  });

  test('a call that the host gives up is given up', async () => {
    await using server = await startMcp({ era });
    await using warder = await prepared(server);
    await using host = await first(warder);
    const over = new AbortController();
    const call = host.call('slow', { ms: 20_000 }, undefined, over.signal);
    await expect.poll(() => server.requests.some(({ body }) => body.includes('"slow"'))).toBe(true);
    over.abort(new Error('given up'));
    await expect(call).rejects.toThrow();
    expect(await host.call('echo', { text: 'on' })).toBe('on');
  });
});

test('W-REM-12 a session that the server has forgotten is opened again, and the host notices nothing', async () => {
  await using server = await startMcp();
  await using warder = await prepared(server);
  await using host = await first(warder);
  expect(await host.call('echo', { text: 'before' })).toBe('before');
  await server.forget();
  expect(await host.call('echo', { text: 'after' })).toBe('after');
  expect(server.sessions.size).toBe(1);
});

test('W-REM-12 a connection that breaks in mid-call ends the call with an error, and the next one works', async () => {
  for (const era of servers) {
    await using server = await startMcp({ era });
    await using warder = await prepared(server);
    await using host = await first(warder);
    const call = host.call('slow', { ms: 30_000 });
    const ended = call.then(
      (text) => text,
      (error: Error) => error.message,
    );
    await expect.poll(() => server.requests.some(({ body }) => body.includes('"slow"'))).toBe(true);
    server.cut();
    expect(await ended, era).toMatch(/lost|broke|closed|ended|reset|reach/);
    expect(await host.call('echo', { text: 'on' }), era).toBe('on');
  }
});

// Real clients from the registry start `warder run`, as their configuration names it, and talk to real servers through it.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as TransportV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { expect, test } from 'vitest';
import { Home, server } from '../fixtures/home.ts';
import { SandboxProcesses } from '../fixtures/sandbox-processes.ts';
import { fixtureServer } from '../fixtures/server.ts';

const run = promisify(execFile);
const inspector = join(
  import.meta.dirname,
  '../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js',
);
const identity = { name: 'test', version: '1' };

function home(): Home {
  const made = new Home();
  made.profile('everything', {
    server: { command: process.execPath, args: [...server('everything').slice(1), 'stdio'] },
    policy: { default: 'allow', tools: { 'toggle-*': 'deny' } },
  });
  made.profile('stateless', { server: fixtureServer('stateless'), policy: { default: 'allow' } });
  made.profile('modern', { server: fixtureServer('stateless', 'modern'), policy: { default: 'allow' } });
  return made;
}

/** The command that a client starts. */
function command(
  home: Home,
  profile: string,
): { command: string; args: string[]; cwd: string; env: Record<string, string> } {
  const [command = '', ...args] = home.host(profile);
  return { command, args, cwd: home.dir, env: home.env };
}

/** The first text of a tool's result. */
function text(result: unknown): string {
  return (result as { content: { text?: string }[] }).content[0]?.text ?? '';
}

test('the inspector lists tools, calls one, and is refused a denied tool', async () => {
  await using warder = home();
  const inspect = async (...words: string[]): Promise<ReturnType<typeof JSON.parse>> => {
    const argv = [inspector, '--cli', ...warder.host('everything'), ...words];
    const { stdout } = await run(process.execPath, argv, { env: warder.env, cwd: warder.dir });
    return JSON.parse(stdout);
  };

  const { tools } = await inspect('--method', 'tools/list');
  const names = tools.map((tool: { name: string }) => tool.name);
  expect(names).toContain('get-sum');
  expect(names.filter((name: string) => name.startsWith('toggle-'))).toEqual([]);

  const sum = await inspect('--method', 'tools/call', '--tool-name', 'get-sum', '--tool-arg', 'a=19', 'b=23');
  expect(text(sum)).toBe('The sum of 19 and 23 is 42.');

  const refused = inspect('--method', 'tools/call', '--tool-name', 'toggle-simulated-logging');
  await expect(refused).rejects.toMatchObject({ code: expect.any(Number) });
});

test('a client of the first SDK: tools, resources, prompts, and requests from the server', async () => {
  await using warder = home();
  const client = new ClientV1(identity, { capabilities: { sampling: {}, elicitation: {}, roots: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: 'none',
    role: 'assistant' as const,
    content: { type: 'text' as const, text: 'sampled' },
  }));
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'decline' as const }));
  await client.connect(new TransportV1({ ...command(warder, 'everything'), stderr: 'pipe' }));
  try {
    expect(client.getServerVersion()?.name).toContain('everything');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain('echo');
    expect(text(await client.callTool({ name: 'echo', arguments: { message: 'hello' } }))).toBe(
      'Echo: hello',
    );
    const { resources } = await client.listResources();
    expect(resources.length).toBeGreaterThan(0);
    const { prompts } = await client.listPrompts();
    expect(prompts.length).toBeGreaterThan(0);
    const sampled = await client.callTool({
      name: 'trigger-sampling-request',
      arguments: { prompt: 'say', maxTokens: 5 },
    });
    expect(text(sampled)).toContain('sampled');
    await expect(client.callTool({ name: 'toggle-simulated-logging', arguments: {} })).rejects.toThrow(
      /refused|denied/,
    );
  } finally {
    await client.close();
  }
});

test.each([
  ['stateless', { mode: 'auto' as const }, 'modern'],
  ['modern', { mode: { pin: '2026-07-28' } }, 'modern'],
  ['stateless', { mode: 'legacy' as const }, 'legacy'],
])(
  'a client of the second SDK with %s, negotiating %j, gets the %s era',
  async (profile, versionNegotiation, era) => {
    await using warder = home();
    const client = new ClientV2(identity, {
      versionNegotiation,
      capabilities: { elicitation: { form: {} } },
    });
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { confirm: true } }));
    await client.connect(new TransportV2({ ...command(warder, profile), stderr: 'pipe' }));
    try {
      expect(JSON.parse(text(await client.callTool({ name: 'where', arguments: {} }))).era).toBe(era);
      if (era === 'modern') {
        // The answer is sent in a second request, after an `input_required` result.
        expect(text(await client.callTool({ name: 'confirm', arguments: { what: 'ship' } }))).toBe(
          'ship: done',
        );
      }
    } finally {
      await client.close();
    }
  },
);

test.each([undefined, { mode: 'auto' as const }])(
  'a client of the second SDK, negotiating %j, uses initialize with a server that knows no other era',
  async (versionNegotiation) => {
    await using warder = home();
    const client = new ClientV2(identity, {
      ...(versionNegotiation !== undefined && { versionNegotiation }),
    });
    await client.connect(new TransportV2({ ...command(warder, 'everything'), stderr: 'pipe' }));
    try {
      expect(text(await client.callTool({ name: 'get-sum', arguments: { a: 1, b: 2 } }))).toContain('3');
      expect(text(await client.callTool({ name: 'echo', arguments: { message: 'old' } }))).toBe('Echo: old');
    } finally {
      await client.close();
    }
  },
);

test('five simultaneous instances of one profile are five servers and one daemon', async () => {
  await using warder = home();
  const hosts = Array.from({ length: 5 }, () => warder.run('stateless'));
  try {
    await Promise.all(
      hosts.map(async (host) => {
        await host.initialize();
        expect(JSON.parse(await host.call('where')).pid).toBeGreaterThan(0);
      }),
    );
    expect(warder.audit('daemon.start')).toHaveLength(1);
    const { sessions } = await warder.facts('status');
    const pids = sessions.map(({ server }: { server: { pid: number } }) => server.pid);
    expect(pids).toHaveLength(5);
    expect(new Set(pids).size).toBe(5);
    // Each in a sandbox of its own.
    const sandboxes = pids.map((pid: number) => new SandboxProcesses(pid));
    const inside: number[] = sandboxes.flatMap((sandbox: SandboxProcesses) =>
      sandbox.running('stateless.mjs'),
    );
    expect(new Set(inside).size).toBe(inside.length);
    expect(inside.length).toBeGreaterThanOrEqual(5);
    for (const sandbox of sandboxes) sandbox[Symbol.dispose]();
  } finally {
    await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
  }
});

// The SDKs' own clients of both eras at the SDKs' own servers of both: each does what it does at a server of its era, and
// neither sees a message that its schemas do not take.
import { Client as StatelessClient } from '@modelcontextprotocol/client';
import { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import { Link } from '../../../fixtures/remote/link.ts';
import { type Era, startMcp } from '../../../fixtures/remote/mcp.ts';

interface Asked {
  readonly mode?: string;
  readonly message: string;
  readonly url?: string;
  readonly elicitationId?: string;
}

/** What the tests need of a client of either era. */
interface AnyClient {
  // biome-ignore lint/suspicious/noExplicitAny: results of two SDKs
  call(name: string, args: object, onprogress?: (step: number) => void, signal?: AbortSignal): Promise<any>;
  list(): Promise<string[]>;
  readonly version: string | undefined;
  readonly server: string | undefined;
  readonly asked: Asked[];
  /** Resolves when the tools have changed. */
  changed(): Promise<void>;
}

const INFO = { name: 'host', version: '1' };
const CAPABILITIES = { elicitation: { form: {}, url: {} } };

async function sessionClient(link: Link): Promise<AnyClient> {
  const client = new SessionClient(INFO, { capabilities: CAPABILITIES });
  const asked: Asked[] = [];
  const change = Promise.withResolvers<void>();
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params as Asked);
    return { action: 'accept', ...(params.mode === 'url' ? {} : { content: { word: 'yes' } }) };
  });
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => change.resolve());
  await client.connect(link as unknown as Parameters<typeof client.connect>[0]);
  return {
    call: (name, args, onprogress, signal) =>
      client.callTool({ name, arguments: args as Record<string, unknown> }, undefined, {
        ...(onprogress && { onprogress: ({ progress }) => onprogress(progress) }),
        ...(signal && { signal }),
      }),
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    version: client.transport === undefined ? undefined : 'session',
    server: client.getServerVersion()?.name,
    asked,
    changed: () => change.promise,
  };
}

async function statelessClient(link: Link): Promise<AnyClient> {
  const change = Promise.withResolvers<void>();
  const client = new StatelessClient(INFO, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: { pin: '2026-07-28' } },
    listChanged: { tools: { onChanged: () => change.resolve() } },
  });
  const asked: Asked[] = [];
  client.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params as Asked);
    return { action: 'accept', ...(params.mode === 'url' ? {} : { content: { word: 'yes' } }) };
  });
  await client.connect(link as unknown as Parameters<typeof client.connect>[0]);
  return {
    call: (name, args, onprogress, signal) =>
      client.callTool(
        { name, arguments: args as Record<string, unknown> },
        {
          ...(onprogress && { onprogress: ({ progress }: { progress: number }) => onprogress(progress) }),
          ...(signal && { signal }),
        },
      ),
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    version: client.getNegotiatedProtocolVersion(),
    server: client.getServerVersion()?.name,
    asked,
    changed: () => change.promise,
  };
}

const servers: readonly Era[] = ['session', 'stateless', 'both', 'sse'];
const clients = [
  ['session', sessionClient],
  ['stateless', statelessClient],
] as const;
const pairs = clients.flatMap(([era, connect]) => servers.map((server) => ({ era, server, connect })));

describe.each(pairs)('a client of the $era era at a server of: $server', ({ era, server, connect }) => {
  test('lists, calls, is asked, follows progress, and is told what has changed [W-REM-22]', async () => {
    await using place = await startMcp({ era: server });
    await using link = new Link(place.url);
    const client = await connect(link);
    expect(client.server).toBe('remote');
    expect(client.version).toBe(era === 'session' ? 'session' : '2026-07-28');
    expect(await client.list()).toContain('ask');
    expect((await client.call('sum', { a: 1, b: 2 })).content).toEqual([{ type: 'text', text: '3' }]);

    // A stateless server serves the session era without questions: where both are there it is the host's own era.
    if (!(server === 'both' && era === 'session')) {
      const answers = await Promise.all([
        client.call('ask', { message: 'first?' }),
        client.call('visit', { url: 'https://visit.example/x' }),
      ]);
      expect(answers.map(({ content }) => JSON.parse(content[0].text))).toEqual([
        { action: 'accept', word: 'yes' },
        { action: 'accept' },
      ]);
      const visit = client.asked.find(({ mode }) => mode === 'url');
      expect(visit?.url).toBe('https://visit.example/x');
      expect(visit?.elicitationId === undefined).toBe(era === 'stateless');
      expect(client.asked.find(({ mode }) => mode !== 'url')?.message).toBe('first?');
    }

    const steps: number[] = [];
    await client.call('slow', { ms: 1, steps: 3 }, (step) => steps.push(step));
    expect(steps).toEqual([1, 2, 3]);

    if (!(server === 'both' && era === 'session')) {
      await client.call('grow', { name: 'grown' });
      await client.changed();
      expect(await client.list()).toContain('grown');
    }
  });

  test('takes a call back, and the server goes on serving', async () => {
    await using place = await startMcp({ era: server });
    await using link = new Link(place.url);
    const client = await connect(link);
    const controller = new AbortController();
    const slow = client.call('slow', { ms: 5000, steps: 1 }, undefined, controller.signal);
    setTimeout(() => controller.abort(), 50);
    await expect(slow).rejects.toThrow();
    expect((await client.call('sum', { a: 2, b: 2 })).content[0].text).toBe('4');
  });
});

// A policy says ask, and the host shows a dialog: real clients of both SDKs, in both eras of the protocol.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as TransportV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import { until } from '../fixtures/echo-home.ts';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

/** What a dialog is shown, and what its user answers. */
type Dialog = (message: string, choices: readonly string[]) => Promise<Reply> | Reply;
type Reply = { action: 'accept'; content: Record<string, string> } | { action: 'decline' | 'cancel' };

interface Host extends AsyncDisposable {
  call(name: string, args?: Record<string, unknown>): Promise<{ text: string; isError: boolean }>;
}

const run = promisify(execFile);
const inspector = join(
  import.meta.dirname,
  '../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js',
);
const identity = { name: 'test', version: '1' };
/** A person reads, and chooses. */
async function choose(answer: string): Promise<Reply> {
  await setTimeout(400);
  return { action: 'accept', content: { answer } };
}

function home(consent: Record<string, unknown> = {}): Home {
  const made = new Home();
  made.settings({ consent });
  for (const [name, server] of [
    ['legacy', fixtureServer('legacy')],
    ['modern', fixtureServer('stateless', 'modern')],
  ] as const) {
    made.profile(name, { server, sandbox: { off: true }, policy: { default: 'ask' } });
  }
  return made;
}

function textOf(result: unknown): { text: string; isError: boolean } {
  const { content, isError = false } = result as { content: { text?: string }[]; isError?: boolean };
  return { text: content[0]?.text ?? '', isError };
}

/** The choices of a form. */
function choicesOf(params: unknown): readonly string[] {
  const form = params as { requestedSchema?: { properties?: { answer?: { enum?: string[] } } } };
  return form.requestedSchema?.properties?.answer?.enum ?? [];
}

type Start = (home: Home, dialog: Dialog | undefined) => Promise<Host>;

function started(home: Home, profile: string) {
  const [command = '', ...args] = home.host(profile);
  return { command, args, cwd: home.dir, env: home.env, stderr: 'pipe' as const };
}

const v1: Start = async (home, dialog) => {
  const client = new ClientV1(identity, { capabilities: dialog === undefined ? {} : { elicitation: {} } });
  if (dialog !== undefined) {
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => dialog(params.message, choicesOf(params)));
  }
  await client.connect(new TransportV1(started(home, 'legacy')));
  return {
    call: async (name, args = {}) => textOf(await client.callTool({ name, arguments: args })),
    [Symbol.asyncDispose]: () => client.close(),
  };
};

const v2 =
  (profile: string, mode: 'legacy' | { pin: string }): Start =>
  async (home, dialog) => {
    const client = new ClientV2(identity, {
      versionNegotiation: { mode },
      capabilities: dialog === undefined ? {} : { elicitation: { form: {} } },
    });
    if (dialog !== undefined) {
      client.setRequestHandler('elicitation/create', ({ params }) =>
        dialog(params.message, choicesOf(params)),
      );
    }
    await client.connect(new TransportV2(started(home, profile)));
    return {
      call: async (name, args = {}) => textOf(await client.callTool({ name, arguments: args })),
      [Symbol.asyncDispose]: () => client.close(),
    };
  };

const hosts: [string, Start][] = [
  ['the first SDK', v1],
  ['the second SDK, up to 2025-11-25', v2('legacy', 'legacy')],
  ['the second SDK, from 2026-07-28', v2('modern', { pin: '2026-07-28' })],
];

describe.each(hosts)('a client of %s', (_, start) => {
  test('asks its user in a dialog, once and for the session', async () => {
    await using warder = home();
    const shown: [string, readonly string[]][] = [];
    const answers = ['Allow once', 'Allow for this session'];
    await using host = await start(warder, (message, choices) => {
      shown.push([message, choices]);
      return choose(answers.shift() ?? 'Deny');
    });
    expect((await host.call('where')).text).toContain('pid');
    expect((await host.call('where', { variable: 'A' })).text).toContain('pid');
    expect((await host.call('where', { variable: 'B' })).text).toContain('pid');
    expect(shown).toMatchObject([
      [
        expect.stringMatching(/^Warder asks: call the tool "where" of "(legacy|modern)"\?\n/),
        expect.anything(),
      ],
      [expect.stringContaining('variable: "A"'), ['Deny', 'Allow once', 'Allow for this session']],
    ]);
    expect((await host.call('slow', { ms: 1 })).text).toBe(
      'refused: the user said no to: call the tool "slow"',
    );
    const let_through = warder.audit('tool.call').filter(({ decision }) => decision === 'allow');
    expect(let_through.map(({ rule }) => rule)).toEqual([
      expect.stringMatching(/^consent\.\d+$/),
      expect.stringMatching(/^grant\./),
      expect.stringMatching(/^grant\./),
    ]);
    expect(warder.audit('consent.answer').map(({ by }) => by)).toEqual(['host', 'host', 'host']);
  });

  test('without dialogs is refused at once, in a result', async () => {
    await using warder = home();
    await using host = await start(warder, undefined);
    expect(await host.call('where')).toMatchObject({
      isError: true,
      text: expect.stringContaining('nobody is there'),
    });
  });

  test.each([
    ['dismisses', { action: 'cancel' }],
    ['agrees to', { action: 'accept', content: { answer: 'Allow once' } }],
  ] as const)('that %s a dialog at once by itself has answered nothing', async (_, reply) => {
    await using warder = home();
    await using host = await start(warder, () => reply);
    expect(await host.call('where')).toMatchObject({
      isError: true,
      text: expect.stringContaining('nobody is there'),
    });
    expect(warder.audit('consent.answer')).toMatchObject([{ rule: 'consent.nobody', by: 'nobody' }]);
  });

  test('points to a terminal where the question does not fit, and the first answer counts', async () => {
    await using warder = home();
    const closed = Promise.withResolvers<Reply>();
    let shown = '';
    await using host = await start(warder, (message, choices) => {
      shown = `${message} ${choices.join()}`;
      return closed.promise;
    });
    const long = host.call('where', { variable: 'x'.repeat(200) });
    await until(() => shown !== '', 'the dialog');
    const [, id = ''] = /warder approve (\d+)/.exec(shown) ?? [];
    expect(shown).toContain('Deny,Answer in a terminal');
    await warder.done(['approve', id]);
    closed.resolve(choose('Answer in a terminal'));
    expect((await long).text).toContain('pid');
    expect(warder.audit('consent.answer')).toMatchObject([{ by: 'terminal', decision: 'allow' }]);
  });
});

test.each(hosts)(
  'a client of %s: the first use of a server is read in a terminal, and then each call asked about in a dialog',
  async (_, start) => {
    await using warder = home({ 'first-use': 'ask' });
    const shown: string[] = [];
    const dialog: Dialog = async (message, choices) => {
      shown.push(`${message}\n${choices.join()}`);
      const [, id] = /warder approve (\d+)/.exec(message) ?? [];
      if (id === undefined) return choose(choices.includes('Allow') ? 'Allow' : 'Allow once');
      await warder.done(['approve', id]);
      return choose('Answer in a terminal');
    };
    {
      await using host = await start(warder, dialog);
      expect((await host.call('where')).text).toContain('pid');
      expect((await host.call('where')).text).toContain('pid');
    }
    expect(shown).toEqual([
      expect.stringContaining('Deny,Answer in a terminal'),
      expect.stringContaining('call the tool "where"'),
      expect.stringContaining('call the tool "where"'),
    ]);
  },
);

test('W-CONS-2 another host program is asked about anew, in a dialog of its own', async () => {
  await using warder = home();
  await warder.done(['init', '--store', 'vault', '--key-file', join(warder.dir, 'key')]);
  await warder.warder(['stop']);
  warder.settings({
    store: 'vault',
    vault: { key: { file: join(warder.dir, 'key') } },
    consent: { 'first-use': 'ask' },
  });
  const shown: string[] = [];
  const dialog: Dialog = async (message, choices) => {
    shown.push(message);
    const [, id] = /warder approve (\d+)/.exec(message) ?? [];
    if (id !== undefined) await warder.done(['approve', id]);
    return choose(choices.find((choice) => /^A/.test(choice)) ?? '');
  };
  {
    await using host = await v1(warder, dialog);
    expect((await host.call('where')).text).toContain('pid');
  }
  const other = join(warder.dir, 'other-host.mjs');
  writeFileSync(
    other,
    `import { spawn } from 'node:child_process';
const [,, command, ...args] = process.argv;
spawn(command, args, { stdio: 'inherit' }).on('close', (code) => process.exit(code ?? 1));`,
  );
  const client = new ClientV1(identity, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => dialog(params.message, choicesOf(params)));
  const { command, args, ...rest } = started(warder, 'legacy');
  await client.connect(
    new TransportV1({ ...rest, command: process.execPath, args: [other, command, ...args] }),
  );
  try {
    expect(textOf(await client.callTool({ name: 'where', arguments: {} })).text).toContain('pid');
  } finally {
    await client.close();
  }
  expect(shown.slice(2)).toEqual([
    expect.stringMatching(/^Warder asks: use the server "legacy"/),
    expect.stringMatching(/^Warder asks: call the tool "where"/),
  ]);
});

test('W-CONS-5 the inspector, which has nobody to ask, is refused at once, in a result', async () => {
  await using warder = home();
  const argv = [
    inspector,
    '--cli',
    ...warder.host('legacy'),
    '--method',
    'tools/call',
    '--tool-name',
    'where',
  ];
  const { stdout } = await run(process.execPath, argv, { env: warder.env, cwd: warder.dir }).catch(
    (error) => error,
  );
  expect(textOf(JSON.parse(stdout))).toMatchObject({
    isError: true,
    text: expect.stringContaining('nobody is there'),
  });
});

test('W-CONS-11 a server that asks for input itself gets its own state back, after the user has agreed', async () => {
  await using warder = home();
  const shown: string[] = [];
  await using host = await v2('modern', { pin: '2026-07-28' })(warder, (message) => {
    shown.push(message);
    if (message.startsWith('Warder asks: ')) return choose('Allow once');
    return { action: 'accept', content: { confirm: true } as never };
  });
  expect((await host.call('confirm', { what: 'ship' })).text).toBe('ship: done');
  expect(shown).toEqual([expect.stringMatching(/^Warder asks: /), expect.stringContaining('ship?')]);
});

test('W-CONS-12 a form of the server says whose it is', async () => {
  await using warder = home();
  const shown: string[] = [];
  await using host = await v1(warder, (message) => {
    shown.push(message);
    return message.startsWith('Warder asks: ')
      ? choose('Allow once')
      : { action: 'accept', content: { name: 'me' } };
  });
  expect((await host.call('ask')).text).toContain('"name":"me"');
  expect(shown[1]).toBe('The server "legacy" asks: Who are you?');
});

test('a daemon that is killed while a dialog is open: the call ends, and nothing of it is forwarded', async () => {
  await using warder = home();
  const shown = Promise.withResolvers<void>();
  await using host = await v1(warder, () => {
    shown.resolve();
    return new Promise<Reply>(() => {});
  });
  const waiting = host.call('where').then(
    () => 'answered',
    () => 'ended',
  );
  await shown.promise;
  process.kill((await warder.daemon()) ?? Number.NaN, 'SIGKILL');
  expect(await waiting).toBe('ended');
  expect(warder.audit('tool.call')).toEqual([]);
});

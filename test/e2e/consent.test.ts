// A policy says ask: a person answers in a terminal, and what was answered holds for what it was asked about.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { until } from '../fixtures/echo-home.ts';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

/** A host in whose session `where` and `slow` are asked about. */
async function openHost(home: Home): Promise<Client> {
  home.profile('demo', {
    server: fixtureServer('legacy'),
    sandbox: { off: true },
    policy: { default: 'ask' },
  });
  const host = home.run('demo');
  await host.initialize('2025-11-25');
  return host;
}

/** The open questions, once there is one. */
async function questions(home: Home): Promise<{ id: string; lines: string[]; profile: string }[]> {
  for (let tries = 0; tries < 100; tries++) {
    const open = await home.facts('approvals');
    if (open.length > 0) return open;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nothing is asked');
}

test('W-CONS-5 where nobody is there, a call is refused at once, in a result that a model can act on', async () => {
  await using home = new Home();
  await using host = await openHost(home);
  const { result } = await host.ask('tools/call', { name: 'where', arguments: {} }).answer;
  expect(result.isError).toBe(true);
  expect(result.content[0].text).toContain('nobody is there who could be asked to call the tool "where"');
  expect(home.audit('tool.call')).toMatchObject([
    { decision: 'deny', rule: 'consent.nobody', tool: 'where' },
  ]);
});

test('a person who watches answers, once and for the session, and each is in the log', async () => {
  await using home = new Home();
  await using host = await openHost(home);
  // Somebody watches.
  await using watch = new Client([...home.program, 'approvals', '--watch', '--json'], home.env);
  await watch.until(() => watch.lines.length > 0, 'who watches');
  const first = host.ask('tools/call', { name: 'where', arguments: { a: '\u202e' } });
  const [question] = await questions(home);
  expect(question?.lines.join('\n')).toContain('call the tool "where"');
  expect(question?.lines.join('\n')).toContain('a: "\\u202e"');
  expect(await home.done(['approve', question?.id ?? ''])).toContain('allowed');
  expect((await first.answer).result.isError).toBeUndefined();

  const second = host.ask('tools/call', { name: 'where', arguments: { b: 1 } });
  const [again] = await questions(home);
  await home.done(['approve', again?.id ?? '', '--session', '--tool']);
  await second.answer;
  await host.call('where');
  const grants = await home.facts('grants');
  const granted = grants.find(({ kind }: { kind: string }) => kind === 'tools');
  expect(granted).toMatchObject({ decision: 'allow', name: 'where', profile: 'demo', by: 'terminal' });
  expect(home.audit('tool.call').map(({ rule }) => rule)).toEqual([
    `consent.${question?.id}`,
    `grant.${granted.id}`,
    `grant.${granted.id}`,
  ]);
  expect(home.audit('consent.answer')).toMatchObject([
    { decision: 'allow', by: 'terminal', scope: 'once' },
    { decision: 'allow', by: 'terminal', scope: 'session', extent: 'name' },
  ]);

  await home.done(['grants', 'revoke', granted.id]);
  const third = host.ask('tools/call', { name: 'where', arguments: {} });
  const [last] = await questions(home);
  await home.done(['deny', last?.id ?? '']);
  expect((await third.answer).result).toMatchObject({ isError: true });
});

test('W-CONS-9 in a terminal a person takes the time to read, and says always with the PIN', async () => {
  await using home = new Home();
  const key = join(home.dir, 'key');
  await home.done(['init', '--store', 'vault', '--key-file', key]);
  await home.done(['pin'], '2718');
  await using host = await openHost(home);
  const command = [...home.program, 'approvals', '--watch'].map((word) => `'${word}'`).join(' ');
  const terminal = spawn('script', ['-qec', command, '/dev/null'], { env: { ...home.env, TERM: 'xterm' } });
  const closed = once(terminal, 'close');
  let shown = '';
  terminal.stdout.on('data', (text) => {
    shown += text;
  });
  const type = async (question: string, text: string): Promise<void> => {
    await until(() => shown.includes(question), question);
    shown = '';
    terminal.stdin.write(text);
  };
  await until(() => shown.includes('waiting for questions'), 'who watches');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const first = host.ask('tools/call', { name: 'where', arguments: {} });
  await until(() => shown.includes('call the tool "where"'), 'the question');
  // Longer than between two looks of who watches.
  await new Promise((resolve) => setTimeout(resolve, 3500));
  await type('answer [n]: ', 'always\r');
  await type('answer [n]: ', 'a\r');
  await type('PIN: ', '3141\r');
  await type('that is not the PIN', 'a\r');
  await type('PIN: ', '2718\r');
  expect((await first.answer).result.isError).toBeUndefined();
  // Another daemon knows it still.
  await host.close();
  terminal.stdin.write('\u0003');
  await closed;
  await home.done(['stop']);
  await using again = await openHost(home);
  expect(await again.call('where')).toContain('pid');
  expect(home.audit('tool.call').at(-1)).toMatchObject({ rule: expect.stringMatching(/^grant\./) });
});

// A policy says ask: a person answers in a terminal, and what was answered holds for what it was asked about.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';
import { TerminalScreen } from '../fixtures/terminal-screen.ts';

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
  await home.questions();
  return home.facts('approvals');
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

test('W-CONS-45 a person who watches answers, once and for the session, takes it back, and each is in the log', async () => {
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
  expect(home.audit('consent.revoke')).toMatchObject([
    { grant: granted.id, decision: 'allow', kind: 'tools', name: 'where', profile: 'demo' },
  ]);
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
  await using screen = new TerminalScreen([...home.program, 'approvals', '--watch'], home.env);
  await screen.shows('waiting for questions');
  const first = host.ask('tools/call', { name: 'where', arguments: {} });
  await screen.shows('call the tool "where"');
  // Longer than between two looks of who watches.
  await new Promise((resolve) => setTimeout(resolve, 3500));
  for (const pin of ['3141', '2718']) {
    await screen.shows('● No');
    // A yes within 300 ms would be none.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await screen.press('Down', 'Down', 'Down', 'Enter');
    await screen.shows('● exactly these arguments');
    await screen.press('Down', 'Enter');
    await screen.shows('● for this session');
    await screen.press('Up', 'Enter');
    await screen.shows('◆  PIN');
    await screen.press(pin, 'Enter');
    if (pin === '3141') await screen.shows('that is not the PIN');
  }
  expect((await first.answer).result.isError).toBeUndefined();
  await screen.shows('call the tool "where": allowed');
  // The question is gone.
  expect(await screen.text()).not.toContain('host program');
  // Another daemon knows it still.
  await host.close();
  await home.done(['stop']);
  await using again = await openHost(home);
  expect(await again.call('where')).toContain('pid');
  expect(home.audit('tool.call').at(-1)).toMatchObject({ rule: expect.stringMatching(/^grant\./) });
});

test('W-CONS-25 in a terminal Return is a no, keys that were pressed before a question are none of its, and one that is answered elsewhere vanishes', async () => {
  await using home = new Home();
  await using host = await openHost(home);
  await using screen = new TerminalScreen([...home.program, 'approvals', '--watch'], home.env);
  await screen.shows('waiting for questions');
  // Would be a yes.
  await screen.press('Down', 'Enter');
  const first = host.ask('tools/call', { name: 'where', arguments: { text: `${'x'.repeat(200)}\u001b[2J` } });
  await screen.shows('● No');
  expect(await screen.text()).toContain('x\\u001b[2J"');
  await new Promise((resolve) => setTimeout(resolve, 500));
  await screen.press('Enter');
  expect((await first.answer).result.isError).toBe(true);
  await screen.shows('call the tool "where": denied');

  const second = host.ask('tools/call', { name: 'where', arguments: {} });
  await screen.shows('● No');
  const [question] = await questions(home);
  await home.done(['approve', question?.id ?? '']);
  expect((await second.answer).result.isError).toBeUndefined();
  await screen.shows('answered elsewhere, or withdrawn');
  expect(await screen.text()).not.toContain('● No');

  const third = host.ask('tools/call', { name: 'where', arguments: {} });
  await screen.shows('● No');
  await screen.press('Escape');
  await screen.shows('not answered; "warder approve');
  const [skipped] = await questions(home);
  await home.done(['deny', skipped?.id ?? '']);
  await third.answer;

  const fourth = host.ask('tools/call', { name: 'where', arguments: {} });
  await screen.shows('● No');
  await screen.press('C-c');
  // Nobody watches any more.
  expect((await fourth.answer).result.content[0].text).toContain('nobody is there');
  expect(home.audit('consent.answer').map(({ decision, by }) => `${decision} ${by}`)).toEqual([
    'deny terminal',
    'allow terminal',
    'deny terminal',
    'deny nobody',
  ]);
});

// What a person can answer at the terminal, step by step.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { firstOptions } from '../../../src/commands/approvals/choices.ts';
import { approvalsCommand } from '../../../src/commands/approvals.ts';
import { WarderError } from '../../../src/errors.ts';
import type { ShownQuestion } from '../../../src/wire/control.ts';
import { FakeCli } from '../../fixtures/fake-cli.ts';

const question: ShownQuestion = {
  id: '4711',
  session: 's',
  profile: 'github',
  host: { key: '/usr/bin/host', name: 'host' },
  kind: 'tools',
  name: 'create_issue',
  lines: ['host asks: call the tool "create_issue"', '  title: "a bug"'],
  calls: 1,
  since: '2026-01-01T00:00:00Z',
  until: '2026-01-01T00:02:00Z',
  presence: false,
};

/** Watches while a person gives these answers to one question; returns the answer that was sent, if one was. */
async function answers(
  typed: readonly string[],
  over: Partial<ShownQuestion> = {},
  polkit = false,
): Promise<{ readonly sent: unknown; readonly cli: FakeCli }> {
  using cli = new FakeCli();
  let sent: unknown;
  let wrong = 0;
  const run = cli.run(approvalsCommand, ['approvals', '--watch'], {
    typed,
    answers: {
      'approvals.list': async () => {
        await delay(5);
        if (sent !== undefined) throw new Error('the end');
        return { questions: [{ ...question, ...over }], pin: true, polkit };
      },
      'approvals.answer': (params) => {
        if (polkit && params.pin === undefined && wrong++ === 0)
          throw new WarderError('refused', 'this answer needs a proof that you are there');
        if (params.pin === '0000' && wrong++ === 0) throw new WarderError('refused', 'that is not the PIN');
        sent = params;
        return { id: question.id, decision: 'allow' };
      },
    },
  });
  await run.catch((error: Error) => {
    if (error.message !== 'the end') throw error;
  });
  return { sent, cli };
}

test('no is the first answer to every question, and only pressing Return gives it', async () => {
  for (const kind of ['tools', 'resources', 'prompts', 'methods', 'profile', 'credential'] as const) {
    const [first] = firstOptions({ ...question, kind });
    expect(first).toMatchObject({ label: 'No', value: { decision: 'deny', scope: 'once' } });
  }
  expect((await answers([''])).sent).toEqual({
    id: '4711',
    decision: 'deny',
    scope: 'once',
    extent: 'arguments',
  });
});

test.each<[string, string[], object]>([
  ['once', ['Yes, this once'], { scope: 'once', extent: 'arguments' }],
  ['the session', ['Yes, this tool for this session'], { scope: 'session', extent: 'name' }],
  [
    'these arguments for an hour',
    ['Yes, for another', 'exactly', 'for an hour'],
    { scope: { ms: 3_600_000 }, extent: 'arguments' },
  ],
  [
    'a pattern for another time',
    ['Yes, for another', 'all whose', 'create_*', 'for another', '90m'],
    { scope: { ms: 5_400_000 }, extent: { pattern: 'create_*' } },
  ],
  [
    'the tool always, with the PIN',
    ['Yes, for another', 'this tool', 'always', '2718'],
    { scope: 'always', extent: 'name', pin: '2718' },
  ],
])('a person allows %s', async (_, typed, answer) => {
  expect((await answers(typed)).sent).toEqual({ id: '4711', decision: 'allow', ...answer });
});

test('a person denies for good, and for a time', async () => {
  expect((await answers(['No, never'])).sent).toMatchObject({
    decision: 'deny',
    scope: 'always',
    extent: 'name',
  });
  expect((await answers(['No, for', 'exactly', 'for 8'])).sent).toMatchObject({
    decision: 'deny',
    scope: { ms: 28_800_000 },
    extent: 'arguments',
  });
});

test('what is chosen is said again before it is for longer than once', async () => {
  const { cli } = await answers(['Yes, for another', 'all whose', '*', 'always', '2718']);
  expect(cli.questions).toContain('Yes to *: for how long?');
});

test('W-CONS-9 a wrong PIN leaves the question open, and a first use needs none', async () => {
  const { sent, cli } = await answers(['Yes, for another', 'this tool', 'always', '0000', 'Yes, this once']);
  expect(cli.err).toContain('that is not the PIN');
  expect(sent).toMatchObject({ scope: 'once' });
  const credential = await answers(['Yes, this once', '2718'], { kind: 'credential', presence: true });
  expect(credential.sent).toMatchObject({ scope: 'once', pin: '2718' });
  const first = await answers(['Yes, use this server'], { kind: 'profile' });
  expect(first.sent).toEqual({ id: '4711', decision: 'allow', scope: 'always', extent: 'name' });
});

test('^C ends it without an answer', async () => {
  const { sent, cli } = await answers(['^C']);
  expect(sent).toBeUndefined();
  expect(cli.questions).toEqual(['Answer to 4711']);
});

test('a pattern that does not match what is asked about is not accepted', async () => {
  await expect(answers(['Yes, for another', 'all whose', 'delete_*'])).rejects.toThrow(
    'it has to match create_issue',
  );
});

test('W-CONS-26 where polkit asks, the PIN is asked for only if it is not told who is there', async () => {
  const typed = ['Yes, for another', 'this tool', 'always', '2718'];
  const { sent, cli } = await answers(typed, {}, true);
  expect(cli.err).toContain('your system asks for your password, in a dialog of its own');
  expect(sent).toMatchObject({ scope: 'always', pin: '2718' });
});

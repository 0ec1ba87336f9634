import { expect, test } from 'vitest';
import type { Answer } from '../../../../src/consent/questions/answer.ts';
import { hostDialogWay } from '../../../../src/consent/ways/host-dialog.ts';
import type { DialogQuestion, DialogReply } from '../../../../src/relay/consent.ts';
import { makeQuestion } from '../../../fixtures/question.ts';

const question = makeQuestion({
  host: { key: '/usr/bin/claude', name: 'claude' },
  arguments: '{"title":"x"}',
  reach: { network: [], read: [], write: [], sandbox: 'on', credentials: [] },
});
const long = { ...question, arguments: JSON.stringify({ title: 'x'.repeat(101) }) };

/** Asks, with a dialog that replies so. */
async function ask(reply: DialogReply, about = question, signal = new AbortController().signal) {
  const shown: DialogQuestion[] = [];
  const way = hostDialogWay({
    show: (dialogQuestion) => {
      shown.push(dialogQuestion);
      return Promise.resolve(reply);
    },
  });
  return { answer: await way.ask(about, signal), shown, isAside: way.isAside?.(about) };
}

test('shows a question that fits whole, with Deny first and nothing that holds for good', async () => {
  const { shown, isAside } = await ask({ action: 'none', ms: 0 });
  expect(shown).toEqual([
    {
      id: '4711',
      message: [
        'Warder asks: call the tool "create_issue" of "github"?',
        'title: "x"',
        'It may reach no network; use no credential.',
      ].join('\n'),
      choices: ['Deny', 'Allow once', 'Allow for this session'],
    },
  ]);
  expect(isAside).toBe(false);
});

test('W-CONS-7 points to a terminal where a question does not fit, and goes on to other ways meanwhile', async () => {
  const { shown, isAside, answer } = await ask({ action: 'accept', choice: 'Deny', ms: 500 }, long);
  expect(shown[0]?.choices).toEqual(['Deny', 'Answer in a terminal']);
  expect(shown[0]?.message).toContain('"warder approve 4711"');
  expect(shown[0]?.message.split('\n')[0]).toBe('Warder asks: call the tool "create_issue" of "github"?');
  const named = { ...long, name: 'x'.repeat(100) };
  expect((await ask({ action: 'none', ms: 0 }, named)).shown[0]?.message.split('\n')[0]).toBe(
    'Warder has a question about "github".',
  );
  expect(isAside).toBe(true);
  expect(answer).toMatchObject({ decision: 'deny' });
  for (const profile of ['x'.repeat(63)]) {
    const lines = (await ask({ action: 'none', ms: 0 }, { ...long, profile })).shown[0]?.message.split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines ?? []) expect(line.length).toBeLessThanOrEqual(100);
  }
});

test('who is to answer in a terminal has the time for it', async () => {
  const over = new AbortController();
  const asked = ask({ action: 'accept', choice: 'Answer in a terminal', ms: 500 }, long, over.signal);
  await expect(Promise.race([asked, Promise.resolve('open')])).resolves.toBe('open');
  over.abort();
  expect((await asked).answer).toBe('nobody');
});

test('a dialog says no yes where a yes wants a proof of presence', async () => {
  const { shown } = await ask(
    { action: 'accept', choice: 'Allow once', ms: 500 },
    { ...question, kind: 'credential' },
  );
  expect(shown[0]?.choices).toEqual(['Deny', 'Answer in a terminal']);
});

const answers: [string, DialogReply, Answer | 'nobody'][] = [
  [
    'Deny',
    { action: 'accept', choice: 'Deny', ms: 500 },
    { decision: 'deny', scope: 'once', extent: 'arguments' },
  ],
  [
    'once',
    { action: 'accept', choice: 'Allow once', ms: 500 },
    { decision: 'allow', scope: 'once', extent: 'arguments' },
  ],
  [
    'for the session',
    { action: 'accept', choice: 'Allow for this session', ms: 500 },
    { decision: 'allow', scope: 'session', extent: 'name' },
  ],
  ['declined', { action: 'decline', ms: 300 }, { decision: 'deny', scope: 'once', extent: 'arguments' }],
  ['declined at once', { action: 'decline', ms: 299 }, 'nobody'],
  ['dismissed at once', { action: 'cancel', ms: 10 }, 'nobody'],
  ['dismissed', { action: 'cancel', ms: 5000 }, 'nobody'],
  ['no answer', { action: 'none', ms: 5000 }, 'nobody'],
  ['what is no choice', { action: 'accept', choice: 'toString', ms: 5000 }, 'nobody'],
];
test.each(answers)('W-CONS-10 %s', async (_, reply, expected) => {
  expect((await ask(reply)).answer).toEqual(expected);
});

test('the first use of a server is agreed to for good', async () => {
  const first = { ...question, kind: 'profile', name: 'github', arguments: '' } as const;
  const { shown, answer } = await ask({ action: 'accept', choice: 'Allow', ms: 500 }, first);
  expect(shown[0]?.choices).toEqual(['Deny', 'Allow']);
  expect(answer).toEqual({ decision: 'allow', scope: 'always', extent: 'name' });
});

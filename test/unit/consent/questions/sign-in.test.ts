// A sign-in as a question: what each way to ask shows of it, and that an answer is for that one alone.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { needsPresence } from '../../../../src/consent/presence.ts';
import { dialogText, questionLines } from '../../../../src/consent/questions/question.ts';
import { hostDialogWay } from '../../../../src/consent/ways/host-dialog.ts';
import { meaningOf, notificationOf } from '../../../../src/consent/ways/notification.ts';
import { meaningOfWord, typedQuestion } from '../../../../src/consent/ways/typed.ts';
import { asking, pass } from '../../../fixtures/asking.ts';
import { makeQuestion } from '../../../fixtures/question.ts';

const DETAILS = [
  'careful: codes and tokens are sent to evil.example, which is not of login.example',
  'to mcp.example at login.example, with endpoints at evil.example',
  `scopes ${'read:everything '.repeat(12).trim()}`,
  'Warder registers itself there; the browser comes back to 127.0.0.1',
];
const question = makeQuestion({
  kind: 'sign-in',
  profile: 'notes',
  name: 'mcp.example',
  method: '',
  rule: 'sign-in',
  arguments: '',
  details: DETAILS,
});
const YES = { decision: 'allow', scope: 'once', extent: 'arguments' };

test('W-AUTH-40 a dialog of the host has all of it, what needs attention first, and yes or no', async () => {
  const text = dialogText(question) ?? '';
  const lines = text.split('\n');
  expect(lines.slice(0, 3)).toEqual([
    'Warder asks: sign in to "mcp.example" of "notes"?',
    DETAILS[0],
    DETAILS[1],
  ]);
  expect(text.replaceAll(/\s/g, '')).toContain(DETAILS[2]?.replaceAll(' ', ''));
  expect(lines.length).toBeLessThanOrEqual(10);
  const shown: (readonly string[])[] = [];
  const way = hostDialogWay({
    show: async ({ choices }) => {
      shown.push(choices);
      return { action: 'accept', choice: 'Sign in', ms: 1000 };
    },
  });
  expect(way.isAside?.(question)).toBe(false);
  expect(await way.ask(question, new AbortController().signal)).toEqual(YES);
  expect(shown).toEqual([['Not now', 'Sign in']]);
  // What does not fit is answered elsewhere.
  const long = { ...question, details: Array.from({ length: 12 }, () => 'x') };
  expect(dialogText(long)).toBeUndefined();
});

test('W-AUTH-40 the desktop and a typed word can say yes for once, and for nothing more', () => {
  const shown = notificationOf(question, { canAllow: true, isMarkup: false });
  expect(shown.actions.map(({ label }) => label)).toEqual(['Deny', 'Sign in', 'In a terminal']);
  expect(meaningOf('allow-once', shown)).toEqual(YES);
  expect(meaningOf('allow-session', shown)).toBeUndefined();
  expect(meaningOfWord('yes', question)).toEqual(YES);
  expect(meaningOfWord('session', question)).toBeUndefined();
  expect(typedQuestion(question, 'word', { fits: () => true }).text).toContain('Type yes to allow it.');
  expect(needsPresence({ decision: 'allow', scope: 'always' }, 'sign-in')).toBe(false);
});

test('its lines name who asks, where it goes, and no policy', () => {
  const lines = questionLines(question);
  expect(lines[0]).toBe('host asks: sign in to "mcp.example"');
  expect(lines).toContain(`  ${DETAILS[0]}`);
  expect(lines).toContain('profile notes');
  expect(lines.join('\n')).not.toContain('says ask');
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('W-AUTH-40 sessions that ask the same share the question; an answer is for that sign-in alone', async () => {
  const desktop = { name: 'desktop', ask: () => new Promise<never>(() => {}) } as const;
  const { service, consent } = asking({ ways: [desktop] });
  const about = { call: '', name: 'mcp.example', details: DETAILS, dialog: undefined };
  const [one, two] = [consent.signIn(about), consent.signIn(about)];
  expect(service.questions.map(({ kind, calls }) => [kind, calls])).toEqual([['sign-in', 2]]);
  const [{ id } = { id: '' }] = service.questions;
  expect(one.notice).toBe(`waiting for the user: "warder approve ${id}"`);
  await service.answer(
    { id, decision: 'allow', scope: 'always', extent: 'name', pin: undefined, calls: 2 },
    'terminal',
  );
  await pass();
  const outcomes = await Promise.all([one.outcome, two.outcome]);
  expect(outcomes.map(({ decision, rule }) => [decision, rule])).toEqual(
    Array(2).fill(['allow', `consent.${id}`]),
  );
  expect(service.grants()).toEqual([]);
  // Another sign-in, another question.
  const next = consent.signIn(about);
  expect(service.questions).toHaveLength(1);
  next.withdraw();
  expect(service.questions).toEqual([]);
  expect((await next.outcome).rule).toBe('consent.withdrawn');
});

import { expect, test } from 'vitest';
import {
  avoidMarkup,
  detailsOf,
  escapeMarkup,
  meaningOf,
  notificationOf,
} from '../../../../src/consent/ways/notification.ts';
import { makeQuestion } from '../../../fixtures/question.ts';

const keys = ({ actions }: ReturnType<typeof notificationOf>): string[] => actions.map(({ key }) => key);
const long = makeQuestion({
  arguments: JSON.stringify({ title: 'x'.repeat(5000), command: 'rm -rf /', owner: 'acme' }),
});

test('a question that fits is shown whole, and no comes first', () => {
  const shown = notificationOf(makeQuestion(), { canAllow: true, isMarkup: false });
  expect(shown.summary).toBe('Warder asks (4711)');
  expect(shown.body.split('\n').slice(0, 3)).toEqual([
    'host asks: call the tool "create_issue"',
    '  owner: "acme"',
    '  title: "a bug"',
  ]);
  expect(keys(shown)).toEqual(['deny', 'allow-once', 'allow-session', 'details']);
  expect(meaningOf('allow-session', shown)).toEqual({ decision: 'allow', scope: 'session', extent: 'name' });
});

test('W-CONS-20 what is not shown whole cannot be allowed there: it is cut, says so, and points to a terminal', () => {
  const shown = notificationOf(long, { canAllow: true, isMarkup: false });
  expect(keys(shown)).toEqual(['deny', 'details']);
  // What acts comes first, and is not what is cut.
  expect(shown.body.split('\n')[1]).toBe('  command: "rm -rf /"');
  expect(shown.body).toContain('(cut) All of it: warder approvals\nThen: warder approve 4711');
  expect(shown.body.length).toBeLessThan(1200);
  expect(meaningOf('allow-once', shown)).toBeUndefined();
  expect(keys(detailsOf(long))).toEqual(['deny']);
});

test('W-CONS-20 an answer that needs a proof of presence is not offered where there is none', () => {
  expect(
    keys(notificationOf(makeQuestion({ kind: 'credential' }), { canAllow: false, isMarkup: false })),
  ).toEqual(['deny', 'details']);
});

test.each(['', 'default', 'allow', 'Allow once', 'constructor', '__proto__', 0, undefined, null, ['deny']])(
  'W-CONS-21 a key that was not offered means nothing: %j',
  (key) =>
    expect(
      meaningOf(key, notificationOf(makeQuestion(), { canAllow: true, isMarkup: false })),
    ).toBeUndefined(),
);

test('W-CONS-21 nothing of a call is markup, in whatever way the text is read', () => {
  const hostile = `<b>"'</b>&lt;<a href="x">y</a>`;
  expect(escapeMarkup(hostile)).toBe(
    '&lt;b&gt;&quot;&apos;&lt;/b&gt;&amp;lt;&lt;a href=&quot;x&quot;&gt;y&lt;/a&gt;',
  );
  expect(avoidMarkup(hostile)).not.toMatch(/[<>&]/);
  expect(JSON.parse(`"${avoidMarkup('<b>&')}"`)).toBe('<b>&');
});

test('W-CONS-21 a name cannot be a line, a label or a summary', () => {
  const { summary, body, actions } = notificationOf(
    makeQuestion({ name: 'x"\nhost asks: nothing\u202e', host: { key: '/tmp/a\nb', name: 'a\nb' } }),
    { canAllow: true, isMarkup: false },
  );
  expect(summary).toBe('Warder asks (4711)');
  expect(actions.map(({ label }) => label)).toEqual([
    'Deny',
    'Allow once',
    'Allow this tool for the session',
    'In a terminal',
  ]);
  expect(body.split('\n')[0]).toBe('"a\\nb" asks: call the tool "x\\"\\nhost asks: nothing\\u202e"');
});

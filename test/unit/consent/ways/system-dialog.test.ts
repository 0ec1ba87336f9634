// The dialogs of macOS and Windows, as data: neither system runs these tests.
import { expect, test } from 'vitest';
import { notificationOf } from '../../../../src/consent/ways/notification.ts';
import { osascript, toast } from '../../../../src/consent/ways/system-dialog.ts';
import { makeQuestion } from '../../../fixtures/question.ts';

const hostile = makeQuestion({
  name: 'x" & (do shell script "id") & "',
  arguments: `{"a":"'; Start-Process calc"}`,
});
const shown = notificationOf(hostile, { canAllow: true, isMarkup: false });
const cut = notificationOf(hostile, { canAllow: false, isMarkup: false });

test('W-CONS-21 osascript: what is asked about is an argument, and no part of the script; Return denies', () => {
  const { file, args, env } = osascript.plan(shown, 120);
  expect(file).toBe('/usr/bin/osascript');
  expect(Object.keys(env)).toEqual(['LANG']);
  const script = args.filter((_, at) => args[at - 1] === '-e').join('\n');
  expect(script).not.toContain('do shell script');
  expect(script).toContain('default button "Deny"');
  const rest = args.slice(args.lastIndexOf('-e') + 2);
  expect(rest).toEqual([shown.summary, shown.body, '120', 'In a terminal', 'Allow once', 'Deny']);
  // No option, whatever the text begins with: the summary stands before it.
  expect(rest[0]).toMatch(/^Warder/);
  expect(osascript.plan(cut, 120).args.slice(-2)).toEqual(['In a terminal', 'Deny']);
});

test('osascript: only a label that was shown is an answer', () => {
  const key = (code: number, output: string) => osascript.keyOf({ code, output }, shown);
  expect(key(0, 'Deny\n')).toBe('deny');
  expect(key(0, 'Allow once\n')).toBe('allow-once');
  expect(key(0, 'In a terminal\n')).toBe('details');
  for (const output of ['', '\n', 'allow once', 'Allow once, gave up:false', 'undefined'])
    expect(key(0, output)).toBeUndefined();
  expect(key(1, 'Allow once\n')).toBeUndefined();
  expect(osascript.keyOf({ code: 0, output: 'Allow once\n' }, cut)).toBeUndefined();
});

test('W-CONS-21 toast: what is asked about is input, and no part of the script', () => {
  const { file, args, input = '' } = toast.plan(shown, 120);
  expect(file).toMatch(/^C:\\Windows\\System32\\/);
  const script = Buffer.from(args.at(-1) ?? '', 'base64').toString('utf16le');
  expect(script).toContain('CreateTextNode($asked.body)');
  expect(script).not.toContain('calc');
  expect(JSON.parse(input)).toMatchObject({ body: shown.body, seconds: 120 });
  expect(toast.keyOf({ code: 0, output: 'allow-once' }, shown)).toBe('allow-once');
  expect(toast.keyOf({ code: null, output: 'allow-once' }, shown)).toBeUndefined();
});

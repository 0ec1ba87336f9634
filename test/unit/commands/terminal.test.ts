import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { recordRow } from '../../../src/audit/view.ts';
import { openTerminal, type Streams } from '../../../src/commands/terminal.ts';

/** A terminal that writes into memory. */
function terminal({ tty = false, env = {} as Record<string, string>, input = '' } = {}) {
  const out = new PassThrough();
  const err = new PassThrough();
  const stdin = new PassThrough();
  stdin.end(input);
  for (const stream of [out, err]) Object.assign(stream, { isTTY: tty });
  const opened = openTerminal({ stdin, stdout: out, stderr: err, env } as unknown as Streams);
  const text = (stream: PassThrough) => (stream.read() ?? '').toString();
  return { opened, out: () => text(out), err: () => text(err) };
}

test.each([
  '\u001b[31m',
  '\u001b[1m',
  '\u001b[39m',
  '\u001b]0;title\u0007',
  '\u001b[2J',
  '\r',
  '\b',
  '\u009b2J',
  '\u202etxt',
  '\u001b[8m',
  '\u0000',
])('W-WIRE-3 what is printed cannot steer the terminal: %j', (evil) => {
  for (const tty of [true, false]) {
    const { opened, out, err } = terminal({ tty });
    opened.out(`a${evil}b`);
    opened.err(`a${evil}b`);
    opened.table([[`a${evil}b`, 'c']]);
    opened.json({ text: `a${evil}b` });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the test is that there are none
    expect(out() + err()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  }
});

test.each([
  ['a zero-width space', '\u200b'],
  ['an Arabic letter mark', '\u061c'],
  ['a soft hyphen', '\u00ad'],
  ['a zero-width joiner', '\u200d'],
  ['a word joiner', '\u2060'],
  ['a byte order mark', '\ufeff'],
  ['a line separator', '\u2028'],
  ['a Hangul filler', '\u3164'],
  ['a variation selector', '\ufe0f'],
  ['a tag', '\u{e0041}'],
  ['a lone surrogate', '\ud800'],
])('W-AUDIT-10 what cannot be seen is shown escaped: %s', (_name, character) => {
  const escaped = [...Array(character.length).keys()]
    .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
    .join('');
  for (const tty of [true, false]) {
    const { opened, out } = terminal({ tty });
    opened.out(`delete${character}_all`);
    expect(out()).toBe(`delete${escaped}_all\n`);
    opened.table([[`delete${character}_all`, 'x']]);
    expect(out()).toBe(`delete${escaped}_all  x\n`);
    opened.json({ text: character });
    expect(JSON.parse(out())).toEqual({ text: character });
  }
  const record = { seq: 1, time: '', prev: '', hash: '', event: 'tool.call', tool: `delete${character}_all` };
  expect(recordRow(record)[4]).toBe(`tool=delete${escaped}_all`);
});

test('escaping does not change the value of JSON', () => {
  const { opened, out } = terminal();
  const value = { text: 'a\u009bb\u202e\u007f\n\u001b', list: [1, 'é', '漢'] };
  opened.json(value);
  const printed = out();
  expect(JSON.parse(printed)).toEqual(value);
  expect(printed.trimEnd()).not.toContain('\n');
});

test.each([
  [{ tty: true, env: {} }, true],
  [{ tty: false, env: {} }, false],
  [{ tty: true, env: { NO_COLOR: '1' } }, false],
  [{ tty: true, env: { NO_COLOR: '' } }, true],
  [{ tty: true, env: { TERM: 'dumb' } }, false],
])('colours are for a terminal that wants them: %j', (input, colors) => {
  const { opened, out } = terminal(input);
  expect(opened.color).toBe(colors);
  opened.out(opened.paint('red', 'no'));
  expect(out()).toBe(colors ? '\u001b[31mno\u001b[39m\n' : 'no\n');
});

test('W-WIRE-3 a sequence that colours is escaped like any other where Warder has not written it', () => {
  const { opened, out } = terminal({ tty: true });
  const evil = '\u001b[32mok\u001b[39m';
  opened.out(`${opened.paint('red', `no ${evil}`)} ${evil}`);
  const shown = '\\u001b[32mok\\u001b[39m';
  expect(out()).toBe(`\u001b[31mno ${shown}\u001b[39m ${shown}\n`);
  opened.table([[opened.paint('bold', 'a'), evil]]);
  expect(out()).toBe(`\u001b[1ma\u001b[22m  ${shown}\n`);
});

test('W-WIRE-3 a line break in a line begins none, but before what is set in; a text keeps its lines', () => {
  const { opened, out, err } = terminal({ tty: true });
  opened.out(`said ${opened.paint('red', 'a\nfake: ok')}\nfake: ok\n`);
  expect(out()).toBe('said \u001b[31ma\\u000afake: ok\u001b[39m\\u000afake: ok\\u000a\n');
  opened.err('\nfaults:\n  one\n  two');
  expect(err()).toBe('\nfaults:\n  one\n  two\n');
  opened.text('one\n\u001b[31mtwo');
  expect(out()).toBe('one\n\\u001b[31mtwo\n');
});

test('a table is aligned with any content', () => {
  const { opened, out } = terminal({ tty: true });
  opened.table(
    [
      ['é', 'one'],
      [opened.paint('green', 'bb'), 'two'],
      ['漢字', 'three'],
      ['a\nb', 'four'],
    ],
    ['NAME', 'N'],
  );
  expect(stripVTControlCharacters(out()).split('\n')).toEqual([
    'NAME      N',
    'é         one',
    'bb        two',
    '漢字      three',
    'a\\u000ab  four',
    '',
  ]);
});

test('without a terminal no question is asked', async () => {
  const { opened } = terminal();
  for (const asked of [opened.ask('?'), opened.askSecret('?'), opened.confirm('?')]) {
    await expect(asked).rejects.toMatchObject({ code: 'usage' });
  }
});

test('stdin is read completely, up to its limit', async () => {
  expect(await terminal({ input: 'é\n' }).opened.readStdin()).toBe('é\n');
  await expect(terminal({ input: 'x'.repeat(1024 * 1024 + 1) }).opened.readStdin()).rejects.toMatchObject({
    code: 'usage',
  });
});

test('on a terminal the last column goes on below itself; elsewhere, and where it is narrow, a row is one line', () => {
  const path = `/srv/${'x'.repeat(40)}`;
  const rows = [['github', 'ok', `npm:@scope/server@1.2.3 ${path}`, '']];
  const head = ['NAME', 'STATE', 'SERVER', 'DESCRIPTION'];
  const print = (tty: boolean, columns: number): string[] => {
    const out = new PassThrough();
    const stdout = Object.assign(out, { isTTY: tty, columns });
    const stderr = new PassThrough();
    const stdin = new PassThrough();
    const opened = openTerminal({ stdin, stdout, stderr, env: { NO_COLOR: '1' } } as unknown as Streams);
    opened.table(rows, head);
    return String(out.read()).trimEnd().split('\n');
  };
  const [server = '', place = ''] = ['npm:@scope/server@1.2.3', path];
  const before = 'github  ok     ';
  expect(print(true, 45)).toEqual([
    'NAME    STATE  SERVER',
    before + server,
    ' '.repeat(before.length) + place.slice(0, 30),
    ' '.repeat(before.length) + place.slice(30),
  ]);
  const whole = ['NAME    STATE  SERVER', `${before}${server} ${place}`];
  expect(print(true, 200)).toEqual(whole);
  expect(print(true, 30)).toEqual(whole);
  expect(print(false, 45)).toEqual(whole);
});

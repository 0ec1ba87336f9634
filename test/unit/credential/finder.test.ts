import { expect, test } from 'vitest';
import { Finder, type MatchedValue } from '../../../src/credential/finder.ts';
import { ResponseSealer, sealWithLatest } from '../../../src/credential/redact.ts';

const one = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
const other = 'xoxb-1234567890-AbCdEfGhIjKl';
const finder = new Finder([{ value: 'short' }, { value: one }, { value: other }]);
const forms = (text: string): unknown[] =>
  finder.find(Buffer.from(text)).map(({ index, form, start, end }) => [index, form, text.slice(start, end)]);

test('a match names the value, its position and its encoding', () => {
  const odd = new Finder([{ value: 'pass/word+1&"x' }]);
  const form = (text: string): unknown => odd.find(Buffer.from(`<${text}>`))[0]?.form;
  expect(forms(`a ${one} b ${other}`)).toEqual([
    [1, 'raw', one],
    [2, 'raw', other],
  ]);
  expect(forms(`x${Buffer.from(one).toString('hex')}x`)).toEqual([
    [1, 'hex', Buffer.from(one).toString('hex')],
  ]);
  const coded = Buffer.from(`user:${one}`).toString('base64');
  expect(finder.find(Buffer.from(coded))).toMatchObject([{ index: 1, form: 'base64', offset: 2 }]);
  expect(forms(Buffer.from(coded).toString('base64'))).toMatchObject([[1, 'other', expect.any(String)]]);
  expect(form('pass/word+1&"x')).toBe('raw');
  expect(form('pass%2Fword%2B1%26%22x')).toBe('escaped');
  expect(form('pass%252Fword%252B1%2526%2522x')).toBe('escaped');
  expect(form('pass\\/word+1\\u0026\\"x')).toBe('escaped');
  expect(form('pass&#x2F;word+1&amp;&quot;x')).toBe('escaped');
  expect(form('pass/word+1&"')).toBe(undefined);
});

test('overlapping values are one match, with the form "other"', () => {
  const two = new Finder([{ value: 'abcdefghijkl' }, { value: 'ijklmnopqrst' }]);
  expect(two.find(Buffer.from('<abcdefghijklmnopqrst>'))).toEqual([
    { start: 1, end: 21, index: 0, form: 'other', offset: 0, continued: false },
  ]);
});

test('exactly the matched bytes are replaced; bytes without a value are the same object', () => {
  const seen: MatchedValue[] = [];
  const put = finder.replace(Buffer.from(`<${one}>`), (standing) => {
    seen.push(standing);
    return Buffer.from('!');
  });
  expect(put.toString()).toBe('<!>');
  expect(seen).toMatchObject([{ index: 1, form: 'raw', continued: false }]);
  expect(seen[0]?.bytes.toString()).toBe(one);
  const clean = Buffer.from('nothing here');
  expect(finder.replace(clean, () => Buffer.from('!'))).toBe(clean);
  expect(finder.has(clean)).toBe(false);
  expect(finder.has(Buffer.from(other))).toBe(true);
});

test('an error of the caller ends the stream at that point', () => {
  const flow = finder.stream(() => {
    throw new Error('not here');
  });
  expect(Buffer.concat(flow.push(Buffer.from('before '))).toString()).toBe('before ');
  expect(() => flow.push(Buffer.from(`${one} after`))).toThrow('not here');
});

test('a value at the end of a chunk is replaced whole, even if its end could begin another one', () => {
  // The first value's last two characters are the second's first two.
  const two = new Finder([{ value: 'token-one-xoxb' }, { value: 'xb-another-token' }]);
  const seen: string[] = [];
  const flow = two.stream(({ form, bytes }) => {
    seen.push(`${form} ${bytes}`);
    return Buffer.from('#');
  });
  const out = [
    ...flow.push(Buffer.from('a token-one-xoxb')),
    ...flow.push(Buffer.from(' b')),
    ...flow.flush(),
  ];
  expect(Buffer.concat(out).toString()).toBe('a # b');
  expect(seen).toEqual(['raw token-one-xoxb']);
});

test('[W-SEAL-3] events of a stream are passed on as they come', () => {
  const flow = new ResponseSealer([
    { value: one, placeholder: 'ghp_placeholderplaceholderplaceholder123' },
  ]).transform(false);
  for (const event of ['data: {"type":"ping"}\n\n', ': keep-alive\r\n\r\n', 'event: end\ndata: [DONE]\n\n']) {
    expect(Buffer.concat(flow.push(Buffer.from(event))).toString()).toBe(event);
  }
  expect(flow.flush()).toEqual([]);
});

test('[W-SEAL-1] [W-SEAL-3] a beginning of a secret is held back no more than text that only looks like one', () => {
  const said = (tail: string): string => {
    const flow = new ResponseSealer([{ value: one, placeholder: 'sealed-x' }]).transform(false);
    return Buffer.concat(flow.push(Buffer.from(`text, ${tail}`))).toString();
  };
  for (const tail of [one.slice(0, 20), `${one.slice(0, 19)}!`, 'quite-another', 'wwwwwwww\n', 'x=1&y=%41'])
    expect(said(tail)).toBe('text, ');
  // Delimiters, spaces and empty lines end a run that looks like a secret; two characters are not held back.
  for (const tail of ['word ', '{"a":1}\n', 'data: word\n\n', 'word\r\n\r\n', '~~'])
    expect(said(tail)).toBe(`text, ${tail}`);
});

test('[W-SEAL-8] [W-SEAL-6] a secret that is added while a response streams is removed from the rest, even if it is cut', () => {
  let now = new ResponseSealer([{ value: other, placeholder: 'sealed-other' }]);
  const flow = sealWithLatest(() => now, false);
  const text = `${other} ${one} ${other} ${one}`;
  const out = [flow.push(Buffer.from(text.slice(0, 40)))];
  now = new ResponseSealer([
    { value: one, placeholder: 'sealed-one' },
    { value: other, placeholder: 'sealed-other' },
  ]);
  for (const character of text.slice(40)) out.push(flow.push(Buffer.from(character)));
  out.push(flow.flush());
  expect(Buffer.concat(out.flat()).toString()).toBe('sealed-other sealed-one sealed-other sealed-one');
});

const placeholder = 'ghp_PlaceholderPlaceholderPlaceholder123';
const sealing = new ResponseSealer([
  { value: one, placeholder },
  { value: 'hunter2 hunter2', placeholder: 'sealed-0123456789012345678901234567890123' },
]);
function back(text: string, keepLength = false): string {
  const flow = sealing.transform(keepLength);
  return Buffer.concat([...flow.push(Buffer.from(text)), ...flow.flush()]).toString();
}

test('[W-SEAL-3] a secret becomes the placeholder, in the same encoding', () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  expect(back(`{"token":"${one}"}`)).toBe(`{"token":"${placeholder}"}`);
  expect(back(Buffer.from(one).toString('hex'))).toBe(Buffer.from(placeholder).toString('hex'));
  expect(back(Buffer.from(one).toString('hex').toUpperCase())).toBe(
    Buffer.from(placeholder).toString('hex').toUpperCase(),
  );
  // The last base64 character has bits of the secret's last byte and of what follows it.
  const plain = Buffer.from(back(`Basic ${base64(`user:${one}`)}`).slice(6), 'base64').toString('latin1');
  expect(plain.slice(0, -1)).toBe(`user:${placeholder}`.slice(0, -1));
  expect(back('?p=hunter2+hunter2&q')).toBe('?p=sealed-0123456789012345678901234567890123&q');
  expect(back(base64(base64(one)))).toContain(placeholder);
});

test('[W-SEAL-3] base64 that is broken into lines keeps its line breaks', () => {
  const text = `${'a line of a file\n'.repeat(4)}token = ${one}\nend`;
  for (const line of ['\n', '\\n', '\r\n']) {
    const broken = Buffer.from(text).toString('base64').replace(/.{60}/g, `$&${line}`);
    const sealed = back(broken);
    expect(sealed.length).toBe(broken.length);
    const decoded = Buffer.from(sealed.replaceAll(line, ''), 'base64').toString('latin1');
    expect(decoded).toContain(placeholder.slice(0, -1));
    expect(decoded).not.toContain(one.slice(4, 12));
  }
});

test('[W-SEAL-3] a declared length is kept', () => {
  const said = '?p=hunter2+hunter2&q';
  expect(back(said, true)).toBe('?p=sealed-01234567&q');
  const long = `{"p":"${JSON.stringify(JSON.stringify('hunter2 hunter2')).slice(3, -3).replace(' ', '\\u0020')}"}`;
  expect(back(long, true)).toHaveLength(long.length);
  const wide = new ResponseSealer([{ value: 'a&b&c&d&e&f&g&h&', placeholder: 'sealed-012' }]).transform(true);
  const escaped = encodeURIComponent('a&b&c&d&e&f&g&h&');
  const out = Buffer.concat([...wide.push(Buffer.from(escaped)), ...wide.flush()]).toString();
  expect(out).toBe('sealed-012'.padEnd(escaped.length, '*'));
  const again = new ResponseSealer([{ value: 'aaaaaaaa', placeholder: 'bbbbbbbb' }]).transform(true);
  let length = 0;
  for (let round = 0; round < 500; round++)
    for (const piece of again.push(Buffer.from('aaaaaaa'))) length += piece.length;
  for (const piece of again.flush()) length += piece.length;
  expect(length).toBe(3500);
});

test('[W-SEAL-3] header fields are searched byte by byte', () => {
  expect(sealing.text(`token ${one}; caf\u00e9`)).toBe(`token ${placeholder}; caf\u00e9`);
  const utf8 = new ResponseSealer([{ value: 'gehe\u00efmnis', placeholder: 'sealed-abc' }]);
  expect(utf8.text(Buffer.from('gehe\u00efmnis').toString('latin1'))).toBe('sealed-abc');
});

test('[W-SEAL-3] indentation whose spaces are escaped in part belongs to the line break, and spaces between words do not', () => {
  const value = 'abcdefABCDEF0123456789';
  const folded = new Finder([{ value }, { value: 'passw0rd12' }], { folded: true });
  const wrapped = (between: string): string => `${value.slice(0, 9)}${between}${value.slice(9)}`;
  const breaks = ['\n', '\r\n', '\\n', '%0A', '%0d', '&#10;', '&#xD;', '\\u000a', '=\n', '= \r\n'];
  const blanks = [' ', '  \t  ', '%20 ', ' &#32; ', '\\t ', ' \\u0020  ', '=20 ', ' &#x9; '];
  for (const lineBreak of breaks) {
    for (const blank of blanks) {
      const text = `lorem ipsum (${wrapped(lineBreak + blank)}) dolor`;
      expect([text, folded.find(Buffer.from(text)).length]).toEqual([text, 1]);
    }
  }
  for (const between of [' ', '\t', ' \n ', '\n \n', '\n\n', 'n ', '0 ', 'd ']) {
    const text = wrapped(between);
    expect([text, folded.has(Buffer.from(text))]).toEqual([text, false]);
  }
});

test('[W-SEAL-3] a value of several lines beside it does not hide one in indented lines', () => {
  const value = 'abcdefABCDEF0123456789';
  const both = new Finder([{ value: 'first-line-0\nsecond-line' }, { value }], { folded: true });
  for (const between of ['\n    ', '\r\n\t', '\\n  ']) {
    const text = `key: |\n    ${value.slice(0, 9)}${between}${value.slice(9)}\n`;
    expect(both.find(Buffer.from(text))).toMatchObject([{ index: 1 }]);
  }
});

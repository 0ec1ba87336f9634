import { expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';

const token = 'ghp_16C7e42F292c6912E771';
const one = new Redactor([{ name: 'GITHUB_TOKEN', value: token }]);
const run = (redactor: Redactor, line: string): string => redactor.redact(Buffer.from(line)).toString();

test('the value is replaced by its name, as often as it occurs', () => {
  expect(one.text(`a ${token}${token} b ${token}`)).toBe(
    'a [redacted:GITHUB_TOKEN][redacted:GITHUB_TOKEN] b [redacted:GITHUB_TOKEN]',
  );
});

test('a line without the value is the same object', () => {
  const line = Buffer.from('{"jsonrpc":"2.0","id":1,"result":{}}');
  expect(one.redact(line)).toBe(line);
  const text = 'ghp_16C7e42F292c6912E77 is cut short';
  expect(one.text(text)).toBe(text);
});

test('in the base64 of a longer text, the characters that the value determines are removed', () => {
  const header = `Basic ${Buffer.from(`user:${token}`).toString('base64')}`;
  expect(one.text(header)).toMatch(/^Basic dXNlcj\w?\[redacted:GITHUB_TOKEN\]\w?=*$/);
});

test('a value that begins like another one is told apart', () => {
  const redactor = new Redactor([
    { name: 'short', value: 'correcthorse' },
    { name: 'long', value: 'correcthorsebatterystaple' },
  ]);
  expect(redactor.text('correcthorse correcthorsebatterystaple')).toBe('[redacted:short] [redacted:long]');
});

test('overlapping values are removed as one', () => {
  const redactor = new Redactor([
    { name: 'A', value: 'abcdefghijkl' },
    { name: 'B', value: 'ijklmnopqrst' },
  ]);
  expect(redactor.text('<abcdefghijklmnopqrst>')).toBe('<[redacted:A]>');
});

test('values of fewer than 8 characters are not searched for', () => {
  expect(new Redactor([{ name: 'PIN', value: '1234567' }]).text('1234567')).toBe('1234567');
  expect(new Redactor([{ name: 'PIN', value: '12345678' }]).text('12345678')).toBe('[redacted:PIN]');
  expect(new Redactor([]).text('anything')).toBe('anything');
});

test('a name that contains a value does not reveal it', () => {
  const redactor = new Redactor([{ name: 'correcthorse', value: 'correcthorse' }]);
  expect(redactor.text('correcthorse')).toBe('[redacted]');
  expect(new Redactor([{ name: 'x', value: 'redacted' }]).text('redacted')).toBe('***');
});

test('in JSON a number becomes a string, and the line stays JSON', () => {
  const redactor = new Redactor([{ name: 'PIN', value: '12345678' }]);
  expect(run(redactor, '{"id":7,"pin":12345678,"list":[-12345678.5]}')).toBe(
    '{"id":7,"pin":"[redacted:PIN]","list":["[redacted:PIN]"]}',
  );
});

test('in JSON a match never ends inside an escape sequence', () => {
  // The value occurs in the raw bytes, but in the decoded JSON its first letter belongs to a line break.
  expect(run(new Redactor([{ name: 'N', value: 'nothing-else' }]), '{"a":"\\nothing-else"}')).toBe(
    '{"a":"[redacted:N]"}',
  );
  expect(run(new Redactor([{ name: 'N', value: '0041-abcdef' }]), '{"a":"\\u0041-abcdef"}')).toBe(
    '{"a":"[redacted:N]"}',
  );
  expect(run(new Redactor([{ name: 'N', value: 'ends-with-\\' }]), '{"a":"ends-with-\\"quoted\\""}')).toBe(
    '{"a":"[redacted:N]quoted\\""}',
  );
});

test('in JSON the structure stays where a value spans it', () => {
  const redactor = new Redactor([{ name: 'N', value: 'user","pass":"word' }]);
  expect(run(redactor, '{"a":"user","pass":"word"}')).toBe(
    '{"a":"[redacted:N]","[redacted:N]":"[redacted:N]"}',
  );
});

test('a stream passes on at once what cannot be the beginning of a value', () => {
  const stream = one.stream();
  const text = (pieces: Buffer[]): string => Buffer.concat(pieces).toString();
  expect(text(stream.push(Buffer.from('Password: ')))).toBe('Password: ');
  expect(text(stream.push(Buffer.from('log ghp_16')))).toBe('log ');
  expect(text(stream.push(Buffer.from('C7e42F292c6912E77')))).toBe('');
  expect(text(stream.push(Buffer.from('1\n')))).toBe('[redacted:GITHUB_TOKEN]\n');
  expect(text(stream.push(Buffer.from('ghp_1')))).toBe('');
  expect(text(stream.flush())).toBe('ghp_1');
});

test('a value without end is replaced once, with bounded memory', () => {
  const stream = new Redactor([{ name: 'A', value: 'aaaaaaaa' }]).stream();
  let out = '';
  for (let round = 0; round < 1000; round++) {
    for (const piece of stream.push(Buffer.from('aaaaa'))) out += piece;
  }
  for (const piece of stream.flush()) out += piece;
  expect(out).toBe('[redacted:A]');
});

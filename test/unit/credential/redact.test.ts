import { describe, expect, test } from 'vitest';
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

describe('W-CRED-1 the letters and digits of a value are enough', () => {
  const uuid = '550e8400-e29b-41d4-a716-446655440000';
  const ids = new Redactor([{ name: 'ID', value: uuid }]);
  const codes = (digits: number) => (character: string) =>
    character.charCodeAt(0).toString(16).padStart(digits, '0');
  const all = (write: (character: string) => string): string => Array.from(token, write).join('');
  const base64 = Buffer.from(`user:${token}`).toString('base64');
  const hex = Buffer.from(token).toString('hex');

  test.each([
    ['escapes in JSON in JSON in JSON', all((one) => `\\\\\\\\u${codes(4)(one)}`)],
    ['every second character escaped', all((one) => (one < 'a' ? `\\u${codes(4)(one)}` : one))],
    ['numbers of HTML with zeros', all((one) => `&#0${one.charCodeAt(0)};`)],
    ['numbers of HTML, escaped once more', all((one) => `&amp;#${one.charCodeAt(0)};`)],
    ['escapes of C', all((one) => `\\x${codes(2)(one)}`)],
    ['UTF-16', Buffer.from(token, 'utf16le').toString('latin1')],
    ['UTF-16 in JSON', JSON.stringify(Buffer.from(token, 'utf16le').toString('latin1')).slice(1, -1)],
    ['quoted-printable', token.replace(/.{9}/g, '$&=\r\n')],
    ['lines of eight characters', token.replace(/.{8}/g, '$&\n')],
    ['another case', token.toUpperCase()],
    ['hexadecimal digits with colons', hex.replace(/..(?=.)/g, '$&:')],
    ['hexadecimal digits in mixed case', hex.replace('f', 'F')],
  ])('%s', (_what, text) => {
    expect(one.text(`<${text}>`)).toMatch(/^<\[redacted:GITHUB_TOKEN\](?:\0|\\u0000|\n)?>$/);
  });

  test.each([8, 12, 16, 60])('base64 in lines of %i characters', (length) => {
    const broken = base64.replace(new RegExp(`.{${length}}`, 'g'), '$&\n');
    expect(one.text(broken)).toContain('[redacted:GITHUB_TOKEN]');
    expect(one.text(JSON.stringify(broken))).toContain('[redacted:GITHUB_TOKEN]');
  });

  test.each([
    ['in upper case', uuid.toUpperCase()],
    ['without hyphens', uuid.replaceAll('-', '')],
    ['with underscores', uuid.replaceAll('-', '_')],
  ])('a UUID %s', (_what, text) => {
    expect(ids.text(`<${text}>`)).toBe('<[redacted:ID]>');
  });

  test.each([
    ['20260112', 'on 2026-01-12, at 20:26:01.12, and 2.0.2.6.0.1.1.2'],
    ['postgres', 'Postgres, POSTGRES, post-gres, post gres and postg-res'],
    ['hunter2-hunter2', 'hunter2 hunter2 or hunter2hunter2'],
    [token, 'ghp, 16C7, e42F, 292c, 6912, E771'],
    [uuid, '550e8400 e29b 41d4 a716 446655440000'],
  ])('what only resembles "%s" stays', (value, text) => {
    expect(new Redactor([{ name: 'X', value }]).text(text)).toBe(text);
  });
});

describe('W-CRED-40 a message keeps what the host and the protocol go by', () => {
  const simple = new Redactor([
    { name: 'PASSWORD', value: 'postgres' },
    { name: 'PIN', value: '12345678' },
    { name: 'ROLE', value: 'assistant' },
  ]);
  const message = (redactor: Redactor, line: string): string => {
    const redacted = redactor.message(Buffer.from(line));
    return 'withheld' in redacted ? redacted.withheld.place : redacted.line.toString();
  };

  test.each([
    ['a name of a tool', '{"id":1,"result":{"tools":[{"name":"query_postgres"}]}}'],
    ['a name spelled with escapes', '{"id":1,"result":{"tools":[{"n\\u0061me":"postgr\\u0065s"}]}}'],
    ['a number', '{"id":12345678,"result":{"n":3123456789,"list":[-12345678.5]}}'],
    ['an id that is a string', '{"id":"postgres","result":{}}'],
    ['a method', '{"method":"notifications/postgres"}'],
    ['a URI', '{"id":1,"result":{"resources":[{"uri":"postgres://db"}]}}'],
    ['a cursor', '{"id":1,"result":{"nextCursor":"12345678"}}'],
    ['a role', '{"id":1,"result":{"messages":[{"role":"assistant"}]}}'],
    ['a subscription', '{"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"12345678"}}}'],
    [
      'a schema',
      '{"result":{"tools":[{"inputSchema":{"properties":{"postgres":{"enum":["postgres"]}},"required":["postgres"]}}]}}',
    ],
    ['a batch', '[{"id":"postgres","result":{"tools":[{"name":"postgres"}]}}]'],
  ])('%s stays where the value is a common word', (_what, line) => {
    const bytes = Buffer.from(line);
    const redacted = simple.message(bytes);
    expect('withheld' in redacted ? undefined : redacted.line).toBe(bytes);
    expect(redacted).toMatchObject({ stayed: expect.arrayContaining([expect.anything()]) });
  });

  test('texts do not keep it, wherever they are', () => {
    expect(
      message(
        simple,
        '{"id":1,"result":{"content":[{"type":"text","text":"postgres 12345678","name":"postgres"}],"structuredContent":{"postgres":"postgres","name":"postgres"}}}',
      ),
    ).toBe(
      '{"id":1,"result":{"content":[{"type":"text","text":"[redacted:PASSWORD] [redacted:PIN]","name":"[redacted:PASSWORD]"}],"structuredContent":{"postgres":"[redacted:PASSWORD]","name":"[redacted:PASSWORD]"}}}',
    );
    expect(
      message(
        simple,
        '{"result":{"tools":[{"name":"x","description":"postgres","inputSchema":{"description":"postgres","properties":{"a":{"title":"postgres"}}}}]}}',
      ),
    ).toBe(
      '{"result":{"tools":[{"name":"x","description":"[redacted:PASSWORD]","inputSchema":{"description":"[redacted:PASSWORD]","properties":{"a":{"title":"[redacted:PASSWORD]"}}}}]}}',
    );
    expect(message(simple, '{"error":{"code":-12345678,"message":"postgres","data":["postgres"]}}')).toBe(
      '{"error":{"code":-12345678,"message":"[redacted:PASSWORD]","data":["[redacted:PASSWORD]"]}}',
    );
  });

  test.each([
    ['the name of a tool', `{"result":{"tools":[{"name":"x"},{"name":"q_${token}"}]}}`],
    ["a member's name", `{"result":{"structuredContent":{"${token}":1}}}`],
    ['a schema', `{"result":{"tools":[{"inputSchema":{"properties":{"a":{"enum":["${token}"]}}}}]}}`],
    ['an id or token that the host must send back', `{"result":{"nextCursor":"${token}"}}`],
    ['the message itself', `{"method":"${token}"}`],
  ])('a token in %s has the message withheld', (place, line) => {
    expect(one.message(Buffer.from(line))).toEqual({ withheld: { credential: 'GITHUB_TOKEN', place } });
  });

  test('a number of which a long value is a part has it withheld, and is no string', () => {
    const redactor = new Redactor([{ name: 'CARD', value: '4929123071234986' }]);
    expect(message(redactor, '{"result":{"n":4929123071234986}}')).toBe('a number');
    expect(message(redactor, '{"result":{"n":"4929 1230-7123.4986 4929123071234986"}}')).toBe(
      '{"result":{"n":"4929 1230-7123.4986 [redacted:CARD]"}}',
    );
  });

  test('a value that spans members is withheld, since a name is a part of it', () => {
    const redactor = new Redactor([{ name: 'N', value: 'user","pass":"word' }]);
    expect(message(redactor, '{"a":"user","pass":"word"}')).toBe("a member's name");
  });

  test('nesting without end is withheld, and a line that is no JSON is redacted', () => {
    expect(message(one, `${'['.repeat(5000)}"${token}"`)).toBe('the message itself');
    expect(message(one, `no JSON ${token}`)).toBe('no JSON [redacted:GITHUB_TOKEN]');
  });
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

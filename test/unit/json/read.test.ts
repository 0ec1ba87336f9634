import { describe, expect, test } from 'vitest';
import { digestOf, MAX_CANONICAL } from '../../../src/json/digest.ts';
import { readElements, readMember, readText } from '../../../src/json/read.ts';

/** A text in the middle of others, and its range. */
function within(text: string | Buffer): [Buffer, number, number] {
  const line = Buffer.from(text);
  return [Buffer.concat([Buffer.from('"{'), line, Buffer.from('}"')]), 2, 2 + line.length];
}

describe('a member', () => {
  test.each([
    ['{"uri":"a"}', '"a"'],
    [' { "x" : {"uri":1} , "uri" : [1, 2] } ', '[1, 2]'],
    ['{"uri":{}}', '{}'],
    ['{}', 'absent'],
    ['{"x":{"uri":1}}', 'absent'],
    ['["uri"]', 'absent'],
    ['"uri"', 'absent'],
    ['', 'absent'],
    ['{"uri":1', 'absent'],
    ['{"uri":', 'absent'],
    ['{"uri"', 'absent'],
    ['{uri:1}', 'absent'],
    ['{"uri":1,"uri":1}', 'ambiguous'],
    ['{"u\\u0072i":1}', 'ambiguous'],
    ['{"URI":1}', 'ambiguous'],
    ['{"uri":1,"uri\\u0000":2}', 'ambiguous'],
    [`{"${'é'.repeat(600)}":1}`, 'ambiguous'],
  ])('of %s', (text, expected) => {
    const [bytes, start, end] = within(text);
    const found = readMember(bytes, start, end, 'uri');
    expect(typeof found === 'string' ? found : bytes.toString('utf8', found.start, found.end)).toBe(expected);
  });
});

test.each(['requeststate', 'RequestState', 'REQUESTSTATE', 'request\\u0053tate'])(
  'a name with capitals in it is not to be found by %s, which some reader takes for it',
  (name) => {
    for (const rest of ['', ',"requestState":"b"']) {
      const [bytes, start, end] = within(`{"${name}":"a"${rest}}`);
      expect(readMember(bytes, start, end, 'requestState')).toBe('ambiguous');
    }
  },
);

describe('elements', () => {
  test.each([
    ['[1, {"a":[2]} ,"x"]', ['1', '{"a":[2]}', '"x"']],
    ['[]', []],
    ['{"a":1}', []],
    ['7', []],
    ['[1,2', ['1', '2']],
    ['[1,,2]', ['1']],
    ['[1 2]', ['1']],
  ])('of %s', (text, expected) => {
    const [bytes, from, to] = within(text);
    expect(
      [...readElements(bytes, from, to)].map(({ start, end }) => bytes.toString('utf8', start, end)),
    ).toEqual(expected);
  });
});

describe('a text', () => {
  test.each([
    ['"a"', 'a'],
    ['"\\u0061\\n"', 'a\n'],
    ['""', ''],
    ['"0123456789"', '0123456789'],
    ['"01234567890"', undefined],
    ['7', undefined],
    ['{}', undefined],
    ['"a', undefined],
    ['', undefined],
  ])('of %s, up to a bound', (text, expected) => {
    const [bytes, start, end] = within(text);
    expect(readText(bytes, { start, end }, 12)).toBe(expected);
  });

  test('is UTF-8', () => {
    const [bytes, start, end] = within(Buffer.from([0x22, 0xff, 0x22]));
    expect(readText(bytes, { start, end }, 12)).toBeUndefined();
  });
});

describe('a digest', () => {
  const of = (text: string | Buffer): string => {
    const [bytes, start, end] = within(text);
    return digestOf(bytes, { start, end });
  };

  test('is that of the canonical form, whatever the order, the space and the spelling', () => {
    expect(of('{"b":[1.0,true,null],"a":"\\u0041"}')).toBe(of('{ "a" : "A", "b":[1,true,null] }'));
    // SHA-256 of {"a":1}
    expect(of('{ "a":1 }')).toBe('sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862');
  });

  test('differs where the values do', () => {
    const texts = [
      '{}',
      '[]',
      '{"a":1}',
      '{"a":2}',
      '{"a":1,"a":2}',
      '{"a":2,"a":1}',
      '{"__proto__":1}',
      '"a"',
    ];
    expect(new Set(texts.map(of)).size).toBe(texts.length);
    expect(of(Buffer.from([0x22, 0xff, 0x22]))).not.toBe(of(Buffer.from([0x22, 0xfe, 0x22])));
  });

  test('is that of the bytes where the value is large', () => {
    const large = 'x'.repeat(MAX_CANONICAL);
    expect(of(`{"a":"${large}","b":1}`)).not.toBe(of(`{"b":1,"a":"${large}"}`));
    expect(of(`{"a":"${large}"}`)).toBe(of(`{"a":"${large}"}`));
  });
});

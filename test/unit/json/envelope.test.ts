import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { idText, readEnvelope, readString } from '../../../src/json/envelope.ts';

/** A line, and what it is. `id` is its JSON text, absent where it could not be read safely. */
interface Vector {
  readonly name: string;
  readonly line?: string;
  readonly hex?: string;
  readonly utf8?: boolean;
  readonly kind: string;
  readonly fault?: number;
  readonly id?: string;
  readonly method?: string;
  readonly tool?: string;
}

const vectors: Vector[] = JSON.parse(
  readFileSync(new URL('../../fixtures/vectors/envelope.json', import.meta.url), 'utf8'),
);

function read(text: string | Buffer) {
  // In the middle of something else, as it is in a chunk.
  const line = Buffer.from(text);
  const bytes = Buffer.concat([Buffer.from('"\\\n'), line, Buffer.from('\n"}')]);
  return { bytes, message: readEnvelope(bytes, 3, 3 + line.length) };
}

describe('W-RELAY-1 lines as they come', () => {
  test.each(vectors)('$name', ({ line = '', hex, utf8 = true, kind, fault, id, method = '', tool }) => {
    const text = hex === undefined ? Buffer.from(line) : Buffer.from(hex, 'hex');
    expect(isUtf8(text)).toBe(utf8);
    const { bytes, message } = read(text);
    expect(message).toMatchObject({ kind, method });
    expect(message.fault?.code).toBe(fault);
    expect(message.id === undefined ? undefined : idText(message.id)).toBe(id);
    if (tool !== undefined) expect(readString(bytes, message.nameStart, message.nameEnd)).toBe(tool);
  });
});

describe('ranges', () => {
  test('are the bytes of the members', () => {
    const { bytes, message } = read(
      '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"e\\u0063ho","arguments": {"a":[1,{}]} }}',
    );
    const text = (start: number, end: number): string => bytes.toString('utf8', start, end);
    expect(text(message.idStart, message.idEnd)).toBe('7');
    expect(text(message.argumentsStart, message.argumentsEnd)).toBe('{"a":[1,{}]}');
    expect(text(message.nameStart, message.nameEnd)).toBe('"e\\u0063ho"');
    expect(readString(bytes, message.nameStart, message.nameEnd)).toBe('echo');
    expect(text(message.paramsStart, message.paramsEnd)).toMatch(/^\{"name".* \}$/);
    expect(message.resultStart).toBe(-1);
  });

  test('of what is cancelled are there', () => {
    const { bytes, message } = read(
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"x","requestId":"a"}}',
    );
    expect(bytes.toString('utf8', message.requestIdStart, message.requestIdEnd)).toBe('"a"');
  });
});

describe('results', () => {
  test.each([
    ['{"content":[],"isError":true}', true],
    ['{"isError":false,"content":[]}', false],
    ['{"content":[{"isError":true}]}', false],
    ['{"isError":"true"}', false],
  ])('%s: a tool error %s', (result, isError) => {
    expect(read(`{"jsonrpc":"2.0","id":1,"result":${result}}`).message.isError).toBe(isError);
  });

  test('a long text with everything in it is passed over', () => {
    const text = `${'plain '.repeat(100)}"\\/\b\f\n\r\t\u0001żółć漢字😀`.repeat(50);
    const { bytes, message } = read(`{"jsonrpc":"2.0","result":{"text":${JSON.stringify(text)}},"id":1}`);
    expect(message.fault).toBeUndefined();
    const result = JSON.parse(bytes.toString('utf8', message.resultStart, message.resultEnd));
    expect(result.text).toBe(text);
  });

  test.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'a control character is found deep in a text, at alignment %d',
    (shift) => {
      const text = `${'x'.repeat(200 + shift)}\u0001${'x'.repeat(200)}`;
      expect(read(`{"jsonrpc":"2.0","id":1,"result":"${text}"}`).message.fault?.code).toBe(-32700);
    },
  );
});

test('W-RELAY-1 a string ends at its first quote, wherever it lies in a word of memory', () => {
  for (let offset = 0; offset < 4; offset++) {
    for (let length = 0; length < 160; length++) {
      const text = 'x'.repeat(length);
      const line = Buffer.from(
        `{"a":"${text}","jsonrpc":"2.0","b":"${text}\\n","method":"m","id":"${text}"}`,
      );
      const bytes = Buffer.concat([Buffer.alloc(offset, 0x78), line]);
      const { fault, method, id } = readEnvelope(bytes, offset, bytes.length);
      expect({ fault, method, id }).toEqual({ fault: undefined, method: 'm', id: text });
    }
  }
});

describe('W-RELAY-6 what is too long is not decoded', () => {
  test('a method', () => {
    const line = (length: number): string => `{"jsonrpc":"2.0","id":1,"method":"${'m'.repeat(length)}"}`;
    expect(read(line(254)).message).toMatchObject({ fault: undefined, method: 'm'.repeat(254) });
    expect(read(line(255)).message).toMatchObject({ fault: { code: -32600 }, method: '', id: 1 });
  });

  test('the name of a member: it counts as one that decides', () => {
    const line = (name: string): string => `{"jsonrpc":"2.0","id":1,"method":"ping","${name}":1}`;
    expect(read(line('é'.repeat(512))).message.fault).toBeUndefined();
    expect(read(line('é'.repeat(513))).message.fault?.code).toBe(-32600);
    expect(read(line('x'.repeat(1025))).message.fault?.code).toBe(-32600);
    const result = `{"jsonrpc":"2.0","id":1,"result":{"${'é'.repeat(513)}":1}}`;
    expect(read(result).message.fault).toBeUndefined();
  });
});

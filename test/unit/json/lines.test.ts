import { describe, expect, test, vi } from 'vitest';
import { giveBack, LineSplitter, type Oversize } from '../../../src/json/lines.ts';

function split(limit: number) {
  const lines: string[] = [];
  const oversize: Oversize[] = [];
  const buffers: Buffer[] = [];
  const splitter = new LineSplitter(
    {
      line: (bytes, start, end) => {
        buffers.push(bytes);
        lines.push(bytes.toString('latin1', start, end));
      },
      oversize: (line) => oversize.push(line),
    },
    limit,
  );
  const push = (text: string): void => splitter.push(Buffer.from(text, 'latin1'));
  return { lines, oversize, buffers, splitter, push };
}

describe('lines', () => {
  test('end at line feeds, and a carriage return is part of them', () => {
    const { lines, push } = split(100);
    push('one\ntwo\r\n\n\r\nthree');
    expect(lines).toEqual(['one', 'two\r', '\r']);
    push('\n');
    expect(lines).toEqual(['one', 'two\r', '\r', 'three']);
  });

  test('the last one needs no line feed', () => {
    const { lines, splitter, push, buffers } = split(100);
    push('one\ntw');
    push('o');
    splitter.end();
    expect(lines).toEqual(['one', 'two']);
    expect(buffers[1]?.length).toBe(3);
    splitter.end();
    expect(lines).toEqual(['one', 'two']);
  });

  test('that lie in one chunk are not copied', () => {
    const { splitter, buffers } = split(100);
    const chunk = Buffer.from('one\ntwo\n');
    splitter.push(chunk);
    expect(buffers).toEqual([chunk, chunk]);
    expect(buffers.every((buffer) => buffer === chunk)).toBe(true);
  });

  test('that come in many pieces hold their line feed at the end', () => {
    const { splitter, buffers, lines } = split(1e6);
    const text = 'x'.repeat(200_000);
    for (let i = 0; i < text.length; i += 7000) splitter.push(Buffer.from(text.slice(i, i + 7000)));
    splitter.push(Buffer.from('y\nz'));
    expect(lines).toEqual([`${text}y`]);
    expect(buffers[0]?.length).toBe(text.length + 2);
  });
});

describe('a line over the limit', () => {
  test('at the limit is a line', () => {
    const { lines, oversize, push } = split(5);
    push('12345\n123');
    push('45\n');
    expect(lines).toEqual(['12345', '12345']);
    expect(oversize).toEqual([]);
  });

  test.each([
    ['in one chunk', ['a\n123456\nb\n']],
    ['in two', ['a\n123', '456\nb\n']],
    ['with its line feed apart', ['a\n123456', '\nb\n']],
    ['byte by byte', [...'a\n123456\nb\n']],
  ])('is let go, and those around it are not: %s', (_name, chunks) => {
    const { lines, oversize, push } = split(5);
    chunks.forEach(push);
    expect(lines).toEqual(['a', 'b']);
    expect(oversize).toEqual([{ length: 6, head: Buffer.from('123456'), tail: Buffer.from('123456') }]);
  });

  test('is told at the end of the stream as well', () => {
    const { oversize, splitter, push } = split(5);
    push('1234567');
    expect(oversize).toEqual([]);
    splitter.end();
    expect(oversize[0]?.length).toBe(7);
  });

  test('W-RELAY-6 of 200 MB no more than two kilobytes are kept', () => {
    const { oversize, lines, splitter, push } = split(65_536);
    const chunk = Buffer.alloc(65_536, 'x');
    push('{"id":1,');
    for (let i = 0; i < 3200; i++) splitter.push(chunk);
    push('"end"}\nnext\n');
    expect(lines).toEqual(['next']);
    const [line] = oversize;
    expect(line?.length).toBe(3200 * 65_536 + 14);
    expect(line?.head.toString()).toBe(`{"id":1,${'x'.repeat(1016)}`);
    expect(line?.tail.toString()).toBe(`${'x'.repeat(1018)}"end"}`);
    expect((line?.head.buffer.byteLength ?? 0) + (line?.tail.buffer.byteLength ?? 0)).toBeLessThan(200_000);
  });
});

describe('the memory of a line', () => {
  const MIB = 2 ** 20;

  /** Lines as they were handed on, and what reads bytes to where the splitter says. */
  function splitInPlace() {
    const lines: Buffer[] = [];
    const listener = {
      line: (bytes: Buffer, start: number, end: number): void => void lines.push(bytes.subarray(start, end)),
      oversize: () => {},
    };
    const splitter = new LineSplitter(listener, 64 * MIB);
    const read = (text: string): void => {
      for (let left = Buffer.from(text); left.length > 0; ) {
        const room = splitter.room() ?? Buffer.alloc(40_000);
        const length = left.copy(room);
        splitter.push(room.subarray(0, length));
        left = left.subarray(length);
      }
    };
    return { lines, splitter, read };
  }

  test('is given back where it came in pieces, and what came with its end stays', () => {
    const { lines, read } = splitInPlace();
    read(`${'x'.repeat(6 * MIB)}\nshort\n${'y'.repeat(30_000)}`);
    const [long, short] = lines;
    expect(long?.length).toBe(6 * MIB);
    giveBack(long as Buffer);
    expect(long?.length).toBe(0);
    expect(short?.toString()).toBe('short');
    read('z\n');
    expect(lines[2]?.toString()).toBe(`${'y'.repeat(30_000)}z`);
    giveBack(long as Buffer);
  });

  test('is not given back of a line that others may be beside, or that has no end', () => {
    const { lines, splitter, read } = splitInPlace();
    splitter.push(Buffer.from(`${'x'.repeat(2 * MIB)}\nshort\n`));
    read('y'.repeat(2 * MIB));
    splitter.end();
    for (const line of lines) giveBack(line);
    expect(lines.map(({ length }) => length)).toEqual([2 * MIB, 5, 2 * MIB]);
  });
});

test('W-RELAY-6 line feeds with nothing between them cost no search each', () => {
  const lines: string[] = [];
  const splitter = new LineSplitter(
    {
      line: (bytes, start, end) => void lines.push(bytes.toString('latin1', start, end)),
      oversize: () => {},
    },
    100,
  );
  const chunk = Buffer.from(`${'\n'.repeat(1000)}one\n${'\n'.repeat(1000)}two\n\n`);
  const searched = vi.spyOn(chunk, 'indexOf');
  splitter.push(chunk);
  expect(lines).toEqual(['one', 'two']);
  expect(searched).toHaveBeenCalledTimes(2);
});

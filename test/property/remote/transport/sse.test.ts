import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toOneLine } from '../../../../src/remote/transport/one-line.ts';
import { type SseEvent, SseParser } from '../../../../src/remote/transport/sse.ts';

const slow = process.env.SLOW === '1';

/** Cuts bytes at given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const ends = [...at, bytes.length];
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

function parse(
  pieces: readonly Buffer[],
  limit = 2 ** 20,
): { events: SseEvent[]; id: string; retry: number | undefined } {
  const parser = new SseParser(limit);
  const events = pieces.flatMap((piece) =>
    // A chunk may be overwritten once it was pushed, for all that the parser may assume of what it has copied.
    parser
      .push(Buffer.from(piece))
      .map((event) => ({ ...event, data: event.data && Buffer.from(event.data) })),
  );
  return { events, id: parser.lastEventId, retry: parser.retry };
}

const field = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
  fc.constantFrom(
    'data',
    'data:',
    'data:  two',
    ': comment',
    'id: 7',
    'id',
    'retry: 250',
    'retry: x',
    'event: message',
    'event: other',
    'odd: x',
    'data:{"a":1}',
    'id: a\0b',
    '',
  ),
);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const stream = fc
  .tuple(fc.boolean(), fc.array(fc.tuple(field, lineEnd), { maxLength: 40 }))
  .map(([bom, lines]) => Buffer.from(`${bom ? '\ufeff' : ''}${lines.map((line) => line.join('')).join('')}`));

/** The specification's own way, over a string that is whole. */
function reference(text: string): { type: string; data: string }[] {
  const events: { type: string; data: string }[] = [];
  let data = '';
  let type = '';
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  for (const line of lines.slice(0, -1)) {
    if (line === '') {
      if (data !== '') events.push({ type: type || 'message', data: data.slice(0, -1) });
      data = '';
      type = '';
      continue;
    }
    const [, name = line, value = ''] = /^([^:]*):? ?([\s\S]*)$/.exec(line) ?? [];
    if (name === 'data') data += `${value}\n`;
    if (name === 'event') type = value;
  }
  return events;
}

test('any stream, however it is cut, has the events of the specification', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 30 }), (bytes, places) => {
      const whole = parse([bytes]);
      expect(parse(cut(bytes, places))).toEqual(whole);
      expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
      // A line feed after a last carriage return may still come.
      expect(whole.events.map(({ type, data }) => ({ type, data: data?.toString() }))).toEqual(
        reference(bytes.toString()),
      );
    }),
    { numRuns: slow ? 20_000 : 300 },
  );
});

test('bytes that are no UTF-8 pass as they came', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (raw) => {
      const data = Buffer.from(raw).filter((byte) => byte !== 0x0a && byte !== 0x0d);
      const bytes = Buffer.concat([Buffer.from('data: '), data, Buffer.from('\n\n')]);
      expect(parse([bytes]).events).toEqual([
        { type: 'message', data: Buffer.from(data), length: data.length },
      ]);
    }),
    { numRuns: slow ? 5000 : 200 },
  );
});

test('W-REM-4: an event over the limit is told of and let go, wherever it is cut, and the next is whole', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30_000 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (length, lines, places) => {
        const data = `data: ${'x'.repeat(length)}\n`.repeat(lines);
        const bytes = Buffer.from(`${data}\ndata: next\n\n`);
        const { events } = parse(cut(bytes, places), 1000);
        const isOver = length * lines + lines - 1 > 1000;
        expect(events).toHaveLength(2);
        expect(events[0]?.data === undefined).toBe(isOver);
        expect(events[1]?.data?.toString()).toBe('next');
      },
    ),
    { numRuns: slow ? 3000 : 100 },
  );
});

test('W-REM-10: JSON in several lines becomes one line with the same value; the text of its strings stays', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json(), fc.constantFrom('\n', '\r\n', '\r'), async (json, end) => {
      const pretty = JSON.stringify(JSON.parse(json), null, 1).replaceAll('\n', end);
      const line = (await toOneLine(Buffer.from(pretty)))?.toString() ?? '';
      expect(line).not.toMatch(/[\r\n]/);
      expect(JSON.parse(line)).toEqual(JSON.parse(json));
    }),
    { numRuns: slow ? 5000 : 200 },
  );
});

test('W-REM-10: a line break in a string is never mended', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string(),
      fc.string(),
      fc.constantFrom('\n', '\r'),
      fc.boolean(),
      async (a, b, end, escaped) => {
        const text = `{"k":${JSON.stringify(a).slice(0, -1)}${escaped ? '\\' : ''}${end}${JSON.stringify(b).slice(1)}}`;
        expect(await toOneLine(Buffer.from(text))).toBeUndefined();
      },
    ),
    { numRuns: slow ? 5000 : 200 },
  );
});

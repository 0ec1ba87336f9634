import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Frame, FrameDecoder, HEADER_LENGTH, writeFrame } from '../../../src/wire/frame.ts';
import { Bytes } from '../../fixtures/bytes.ts';

const numRuns = process.env.SLOW ? 20_000 : 300;

/** What a decoder saw, with neighbouring slices of streamed bytes joined: cuts must not show. */
function seen(chunks: readonly Buffer[]): [type: number, text: string][] {
  const log: [number, string][] = [];
  const decoder = new FrameDecoder({
    bytes(type, slice) {
      const last = log.at(-1);
      if (last?.[0] === type) last[1] += slice.toString('latin1');
      else log.push([type, slice.toString('latin1')]);
    },
    frame: (type, payload) => log.push([type, payload.toString('latin1')]),
  });
  for (const chunk of chunks) decoder.push(chunk);
  return log;
}

const frames = fc.array(
  fc.tuple(fc.constantFrom(...Object.values(Frame)), fc.uint8Array({ maxLength: 40, size: 'max' })),
  { maxLength: 12 },
);

test('W-WIRE-1 any chunking of the bytes gives the same frames', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat({ max: 600 }), { maxLength: 40 }), (list, cuts) => {
      const sink = new Bytes();
      for (const [type, payload] of list) writeFrame(sink, type, [payload]);
      const all = sink.bytes;
      const chunks: Buffer[] = [];
      let from = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), all.length]) {
        chunks.push(Buffer.from(all.subarray(from, Math.max(from, cut))));
        from = Math.max(from, Math.min(cut, all.length));
      }
      expect(seen(chunks)).toEqual(seen([all]));
      expect(seen([...all].map((byte) => Buffer.of(byte)))).toEqual(seen([all]));
    }),
    { numRuns },
  );
});

test('W-WIRE-1 any bytes are decoded to frames or an error, and never to more than was sent', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200, size: 'max' }), (bytes) => {
      let length = 0;
      const count = (payload: Buffer) => {
        length += payload.length;
      };
      const decoder = new FrameDecoder(
        { bytes: (_type, slice) => count(slice), frame: (_type, payload) => count(payload) },
        64,
      );
      try {
        decoder.push(Buffer.from(bytes));
      } catch (error) {
        expect(error).toMatchObject({ code: 'wire-malformed' });
      }
      expect(length).toBeLessThanOrEqual(Math.max(0, bytes.length - HEADER_LENGTH));
    }),
    { numRuns },
  );
});

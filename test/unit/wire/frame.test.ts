import { expect, test } from 'vitest';
import { Frame, FrameDecoder, MAX_PAYLOAD, writeFrame, writeJson } from '../../../src/wire/frame.ts';
import { Bytes, decode } from '../../fixtures/bytes.ts';

test('a frame is its type, its length in little-endian and its payload', () => {
  const sink = new Bytes();
  writeFrame(sink, Frame.DATA, [Buffer.from('ab'), Buffer.from('c')]);
  expect(sink.bytes).toEqual(Buffer.from([2, 3, 0, 0, 0, 97, 98, 99]));
});

test('a long payload is not copied', () => {
  const sink = new Bytes();
  const payload = Buffer.alloc(100_000);
  writeFrame(sink, Frame.DATA, [payload]);
  expect(sink.written[1]).toBe(payload);
});

test('more than fits into one frame is sent in several, and nothing is lost', () => {
  const sink = new Bytes();
  const chunk = Buffer.alloc(MAX_PAYLOAD - 1, 'x');
  writeFrame(sink, Frame.DATA, [chunk, chunk, Buffer.from('end')]);
  const { data, frames } = decode(sink.written);
  expect(frames).toEqual([]);
  expect(data.length).toBe(2 * chunk.length + 3);
  expect(data.subarray(-4).toString()).toBe('xend');
});

test('a JSON payload that does not fit into a frame is an error, not two frames', () => {
  expect(() => writeJson(new Bytes(), Frame.RESPONSE, 'x'.repeat(MAX_PAYLOAD))).toThrow(
    expect.objectContaining({ code: 'wire-malformed' }),
  );
});

test('bytes of a long DATA frame are passed on as they arrive, as slices of the input', () => {
  const slices: Buffer[] = [];
  const decoder = new FrameDecoder({ bytes: (_type, slice) => slices.push(slice), frame: () => {} });
  decoder.push(Buffer.from([2, 4, 0, 0, 0, 97]));
  expect(slices.map(String)).toEqual(['a']);
  const rest = Buffer.from('bcd');
  decoder.push(rest);
  expect(slices[1]?.buffer).toBe(rest.buffer);
  expect(slices.map(String)).toEqual(['a', 'bcd']);
});

test('an empty DATA frame is dropped; an empty frame of another type is not', () => {
  const { data, frames } = decode([Buffer.from([2, 0, 0, 0, 0, 3, 0, 0, 0, 0])]);
  expect(data.length).toBe(0);
  expect(frames).toEqual([[Frame.EOF, '']]);
});

test.each([
  ['type 0', [0, 0, 0, 0, 0]],
  ['an unknown type', [Math.max(...Object.values(Frame)) + 1, 0, 0, 0, 0]],
  ['a HELLO over the limit', [1, 1, 0, 1, 0]],
  ['data over the limit', [2, 1, 0, 0, 1]],
  ['text', [...Buffer.from('GET / HTTP/1.1')]],
])('W-WIRE-1 %s is refused before its payload is read', (_what, bytes) => {
  const decoder = new FrameDecoder({ bytes: () => {}, frame: () => {} }, 0x10000);
  expect(() => decoder.push(Buffer.from(bytes))).toThrow(expect.objectContaining({ code: 'wire-malformed' }));
});

import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { coalesce } from '../../../../src/egress/http/coalesce.ts';
import { readWhole } from '../../../../src/egress/http/request-body.ts';

function message(): IncomingMessage {
  const made = new IncomingMessage(new Socket());
  coalesce(made);
  return made;
}

test('a body that nobody reads yet is a few chunks, however small the chunks in which it arrived [W-EGR-7]', async () => {
  const body = message();
  let room = true;
  let length = 0;
  for (; room && length < 1_000_000; length++) room = body.push(Buffer.of(length & 255));
  // The stream accepts no more than before.
  expect(length).toBe(body.readableHighWaterMark);
  const pieces: Buffer[] = [];
  body.on('data', (piece: Buffer) => pieces.push(piece));
  body.push(null);
  await turn();
  await turn();
  expect(pieces.length).toBeLessThan(20);
  expect(Buffer.concat(pieces).equals(Buffer.from(Array.from({ length }, (_, at) => at & 255)))).toBe(true);
});

test('a reader gets each chunk as it arrives', () => {
  const body = message();
  const pieces: string[] = [];
  body.on('data', (piece: Buffer) => pieces.push(piece.toString()));
  body.resume();
  for (const piece of ['one', 'two']) body.push(Buffer.from(piece));
  return turn().then(() => expect(pieces.join(' ')).toMatch(/^one ?two$/));
});

test('whenever chunks are pushed and read, all arrive, in order and once', async () => {
  const step = fc.oneof(
    fc.nat({ max: 40 }).map((length) => ({ push: length })),
    fc.constant({ push: 20_000 }),
    fc.constant('turn' as const),
    fc.constant('pause' as const),
    fc.constant('resume' as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const body = message();
      const sent: Buffer[] = [];
      const got: Buffer[] = [];
      body.on('data', (piece: Buffer) => got.push(piece));
      const ended = new Promise((resolve) => body.once('end', resolve));
      let next = 0;
      for (const one of steps) {
        if (one === 'turn') await turn();
        else if (one === 'pause') body.pause();
        else if (one === 'resume') body.resume();
        else {
          const piece = Buffer.alloc(one.push, next++);
          sent.push(piece);
          if (piece.length > 0) body.push(piece);
        }
      }
      body.push(null);
      body.resume();
      await ended;
      expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
    }),
    { numRuns: process.env.SLOW ? 5000 : 200 },
  );
});

test('a body that is buffered reports the memory it takes, and is one piece [W-EGR-7]', async () => {
  async function* crumbs(length: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < length; at++) yield Buffer.of(at & 255);
  }
  let held = 0;
  const hold = (bytes: number): void => {
    held += bytes;
  };
  const body = await readWhole(crumbs(5000), 10_000, hold);
  expect(body.equals(Buffer.from(Array.from({ length: 5000 }, (_, at) => at & 255)))).toBe(true);
  expect(held).toBeGreaterThanOrEqual(5000);
  expect(held).toBeLessThanOrEqual(10_000);
  await expect(readWhole(crumbs(10_001), 10_000, hold)).rejects.toThrow('longer than the gate buffers');
});

import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { piecesOf } from '../../../../src/remote/transport/pieces.ts';

async function read(body: Readable): Promise<string[]> {
  const read: string[] = [];
  for await (const piece of piecesOf(body)) read.push(piece.toString());
  return read;
}

test('all pieces come, in their order, and then the end', async () => {
  expect(await read(Readable.from(['a', 'b', 'c'].map((text) => Buffer.from(text))))).toEqual([
    'a',
    'b',
    'c',
  ]);
  expect(await read(Readable.from([]))).toEqual([]);
});

test('a reader that is slow gets each piece, and the body waits for it', async () => {
  const body = new PassThrough({ highWaterMark: 4 });
  const all = (async () => {
    const read: string[] = [];
    for await (const piece of piecesOf(body)) {
      await nextTurn();
      await nextTurn();
      read.push(piece.toString());
    }
    return read.join('');
  })();
  let text = '';
  for (let i = 0; i < 200; i++) {
    text += `${i},`;
    if (!body.write(`${i},`)) await nextTurn();
  }
  // Nothing of what nobody reads is taken from the body.
  expect(body.writableLength).toBeGreaterThan(0);
  body.end();
  expect(await all).toBe(text);
});

test('a body that fails, or is closed before its end, is an error; also where it was so before', async () => {
  const failing = new PassThrough();
  failing.write('a');
  const failed = read(failing);
  setImmediate(() => failing.destroy(new Error('reset')));
  await expect(failed).rejects.toThrow('reset');
  await expect(read(failing)).rejects.toThrow('reset');
  const closing = new PassThrough();
  const closed = read(closing);
  setImmediate(() => closing.destroy());
  await expect(closed).rejects.toThrow('closed before its end');
  await expect(read(closing)).rejects.toThrow('closed before its end');
});

test('who leaves early has a body that is paused and whole, which can be discarded', async () => {
  const body = new PassThrough();
  body.write('a');
  for await (const piece of piecesOf(body)) {
    expect(piece.toString()).toBe('a');
    break;
  }
  expect([body.destroyed, body.isPaused(), body.listenerCount('data')]).toEqual([false, true, 0]);
  const ended = new Promise((resolve) => body.once('close', resolve));
  body.end('b');
  body.resume();
  await ended;
  expect(await read(body)).toEqual([]);
});

import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Output } from '../../../src/server/output.ts';

/** Gives every stream its turns. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await setImmediate();
}

/** A pipe, and what came out of it in order; `null` for its end. */
function piped(): { pipe: PassThrough; output: Output; came: (string | null)[]; listen(): void } {
  const pipe = new PassThrough();
  const output = new Output();
  output.open(pipe, false);
  const came: (string | null)[] = [];
  const listen = (): void =>
    output.listen({ data: (chunk) => came.push(chunk.toString()), end: () => came.push(null) });
  return { pipe, output, came, listen };
}

test('output from before anybody listened is kept, and the end is emitted once', async () => {
  const { pipe, came, listen } = piped();
  pipe.write('first');
  // This is what Node does to the pipes of a child that has ended.
  pipe.resume();
  await setImmediate();
  pipe.end('last');
  pipe.resume();
  await settled();
  listen();
  await settled();
  expect(came.filter((one) => one !== null).join('')).toBe('firstlast');
  expect(came.at(-1)).toBeNull();
  expect(came.filter((one) => one === null)).toHaveLength(1);
});

test.each<[string, (pipe: PassThrough) => void]>([
  ['something has come', (pipe) => pipe.write('first')],
  ['it ends', (pipe) => pipe.end()],
])('that the server is done with its start is known once %s', async (_, come) => {
  const { pipe, output, listen } = piped();
  let isKnown = false;
  void output.first.then(() => {
    isKnown = true;
  });
  listen();
  await settled();
  expect(isKnown).toBe(false);
  come(pipe);
  await settled();
  expect(isKnown).toBe(true);
});

test('a pause stays in force when another party resumes the pipe, and the order is kept', async () => {
  const { pipe, output, came, listen } = piped();
  listen();
  pipe.write('a');
  await setImmediate();
  output.pause();
  pipe.write('b');
  pipe.resume();
  await setImmediate();
  pipe.resume();
  pipe.end('c');
  await settled();
  expect(came).toEqual(['a']);
  output.resume();
  await settled();
  expect(came).toEqual(['a', 'b', 'c', null]);
});

test('a listener that pauses receives nothing more', async () => {
  const pipe = new PassThrough();
  const output = new Output();
  output.open(pipe, false);
  const came: string[] = [];
  pipe.write('a');
  pipe.resume();
  await setImmediate();
  pipe.write('b');
  pipe.resume();
  await setImmediate();
  output.listen({
    data: (chunk) => {
      came.push(chunk.toString());
      output.pause();
    },
    end: () => came.push('end'),
  });
  expect(came).toEqual(['a']);
  output.resume();
  expect(came).toEqual(['a', 'b']);
});

test('a pipe that another process keeps open ends all the same, and a pause stays in force', async () => {
  const { pipe, output, came, listen } = piped();
  listen();
  output.pause();
  pipe.write('rest');
  output.drain();
  await once(pipe, 'close');
  expect(came).toEqual([]);
  expect(pipe.destroyed).toBe(true);
  output.resume();
  expect(came).toEqual(['rest', null]);
});

test('what is read for the listener goes where it says, but not before what waits', () => {
  const output = new Output();
  output.open(new PassThrough(), true);
  const place = Buffer.alloc(16);
  let at = 0;
  const came: string[] = [];
  const read = (text: string): Buffer => {
    const room = output.room();
    room.write(text);
    output.take(text.length, room);
    return room;
  };
  expect(read('a').buffer).not.toBe(place.buffer);
  output.listen({
    data: (chunk) => {
      came.push(chunk.toString());
      at += chunk.buffer === place.buffer ? chunk.length : 0;
    },
    end: () => came.push('end'),
    room: () => place.subarray(at),
  });
  expect(read('bc').buffer).toBe(place.buffer);
  output.pause();
  // It is the next, and waits there: what comes then does not follow it yet.
  expect(read('d').buffer).toBe(place.buffer);
  expect(read('e').buffer).not.toBe(place.buffer);
  output.resume();
  expect(read('f').buffer).toBe(place.buffer);
  expect(came).toEqual(['a', 'bc', 'd', 'e', 'f']);
  expect(place.toString('latin1', 0, at)).toBe('bcdf');
});

test('a room that was given before a pause is where the next bytes are, and later ones are elsewhere', () => {
  const output = new Output();
  output.open(new PassThrough(), true);
  const place = Buffer.alloc(16);
  const came: Buffer[] = [];
  output.listen({ data: (chunk) => came.push(chunk), end() {}, room: () => place });
  const given = output.room();
  output.pause();
  given.write('a');
  output.take(1, given);
  const next = output.room();
  expect(next.buffer).not.toBe(place.buffer);
  next.write('b');
  output.take(1, next);
  output.resume();
  expect(came.map(String)).toEqual(['a', 'b']);
});

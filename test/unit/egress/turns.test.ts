import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ByteTransform } from '../../../src/credential/finder.ts';
import { BUDGETS } from '../../../src/egress/budgets.ts';
import { ReplaceStream, replaceInSlices } from '../../../src/egress/http/replace-stream.ts';
import { GateTurns, Places } from '../../../src/egress/turns.ts';
import type { Log } from '../../../src/os/log.ts';
import { TurnMeter } from '../../../src/os/turn-meter.ts';
import { silentLog } from '../../fixtures/gate.ts';

let started = 0;

/** Turns by a clock that only the test moves, and another session. It begins long after that of the test before. */
function gateTurns(): {
  turns: GateTurns;
  other: TurnMeter;
  take(ms: number): void;
  logged: object[];
} {
  let now = started;
  started += 1_000_000;
  const logged: object[] = [];
  const log = {
    ...silentLog,
    warn: (fields: object, text: string) => void logged.push({ ...fields, text }),
  } as unknown as Log;
  const clock = { now: () => now, monotonic: () => now };
  return {
    turns: new GateTurns({ session: 's1', profile: 'demo', clock, log }),
    other: new TurnMeter({ owner: 'a session', session: 's2', profile: 'demo', clock, log }),
    take: (ms) => {
      now += ms;
    },
    logged,
  };
}

test('[W-EGR-11] what a slice has taken is told, at once or when its turn has come', async () => {
  const { turns, take } = gateTurns();
  const told: number[] = [];
  for (const ms of [BUDGETS.turn, 3, 2])
    turns.run(
      () => take(ms),
      (took) => told.push(took),
    );
  expect(told).toEqual([BUDGETS.turn]);
  await expect.poll(() => told).toEqual([BUDGETS.turn, 3, 2]);
});

test('[W-EGR-11] the slices of a gate get a few milliseconds of each turn of the loop, however many wait', async () => {
  const { turns, take } = gateTurns();
  const done: number[] = [];
  for (let slice = 0; slice < 7; slice++) {
    turns.run(() => {
      take(BUDGETS.turn / 2);
      done.push(slice);
    });
  }
  const counts = [done.length];
  while (done.length < 7) {
    await nextTurn();
    counts.push(done.length);
  }
  expect(counts).toEqual([2, 4, 6, 7]);
  expect(done).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('[W-EGR-11] a gate that works without end gets its share of the time while another session is at work', async () => {
  const { turns, other, take } = gateTurns();
  let done = 0;
  const work = (): void => {
    other.begin();
    other.end();
    take(1);
    done++;
    turns.run(work);
  };
  turns.run(work);
  for (let turn = 0; turn < 100; turn++) await nextTurn();
  const burst = done;
  expect(burst).toBeGreaterThanOrEqual(BUDGETS.burst);
  expect(burst).toBeLessThan(2 * BUDGETS.burst);
  for (let ms = 0; ms < 200; ms++) {
    take(1);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(done - burst).toBeGreaterThan(0);
  expect(done - burst).toBeLessThan((2 * 200 * BUDGETS.share) / (1 - BUDGETS.share));
  turns[Symbol.dispose]();
});

test('[W-EGR-11] a gate has the time that no other session wants, a turn at a time, and owes none of it later', async () => {
  const { turns, other, take } = gateTurns();
  let done = 0;
  const work = (): void => {
    take(1);
    done++;
    turns.run(work);
  };
  turns.run(work);
  for (let turn = 0; turn < 500; turn++) await nextTurn();
  expect(done).toBeGreaterThan(10 * BUDGETS.burst);
  expect(done).toBeLessThanOrEqual(502);
  other.begin();
  other.end();
  const before = done;
  take(2 / BUDGETS.share);
  await expect.poll(() => done).toBeGreaterThan(before);
  take(BUDGETS.company);
  // A pause that has begun goes on to its end.
  const paused = done;
  await expect.poll(() => done).toBeGreaterThan(paused);
  const joined = done;
  // A pause that began before is waited for in real time.
  await expect.poll(() => done).toBeGreaterThan(joined);
  const alone = done;
  for (let turn = 0; turn < 100; turn++) await nextTurn();
  expect(done - alone).toBeGreaterThan(50);
  turns[Symbol.dispose]();
});

test('[W-EGR-11] a slice that fails rejects, and the others go on', async () => {
  const { turns, take } = gateTurns();
  const slices = [1, 2, 3].map((slice) =>
    turns.slice(() => {
      take(BUDGETS.turn);
      if (slice === 2) throw new Error('broken');
      return slice;
    }),
  );
  expect(await Promise.allSettled(slices)).toMatchObject([
    { value: 1 },
    { reason: { message: 'broken' } },
    { value: 3 },
  ]);
  expect(await turns.slice(() => 4)).toBe(4);
});

test('[W-EGR-11] a body is searched a slice at a time, buffered or streamed, in one chunk or many', async () => {
  const { turns, take } = gateTurns();
  const sizes: number[] = [];
  const transform: ByteTransform = {
    push: (chunk) => {
      sizes.push(chunk.length);
      take(BUDGETS.turn);
      return [chunk];
    },
    flush: () => [],
  };
  const body = Buffer.alloc(5 * BUDGETS.slice + 7, 'x');
  expect(await replaceInSlices(body, transform, turns)).toBe(body);
  const stream = new ReplaceStream(transform, turns);
  stream.end(body);
  const out: Buffer[] = [];
  for await (const piece of stream) out.push(piece as Buffer);
  expect(Buffer.concat(out).equals(body)).toBe(true);
  expect(sizes).toHaveLength(12);
  expect(Math.max(...sizes)).toBe(BUDGETS.slice);
});

test('[W-EGR-12] whatever holds the loop for long is named: an event of a socket, a slice', () => {
  const { turns, take, logged } = gateTurns();
  const emitter = new EventEmitter();
  turns.watch(emitter);
  emitter.on('data', (ms: number) => take(ms));
  emitter.on('nested', () => {
    take(30);
    emitter.emit('data', 30);
  });
  emitter.emit('data', 50);
  expect(turns.longest).toBe(50);
  expect(logged).toEqual([]);
  emitter.emit('nested');
  expect(turns.longest).toBe(60);
  turns.run(() => take(70));
  expect(() =>
    turns.enter(() => {
      take(80);
      throw new Error('broken');
    }),
  ).toThrow('broken');
  expect(logged).toEqual(
    [60, 70, 80].map((ms) => ({
      session: 's1',
      profile: 'demo',
      ms,
      text: 'the gate of a session held the event loop',
    })),
  );
});

test('[W-EGR-11] so many handshakes are made at a time, and the others wait in order', async () => {
  const places = new Places(2);
  const taken: number[] = [];
  const take = async (number: number): Promise<Disposable> => {
    const place = await places.take();
    taken.push(number);
    return place;
  };
  const all = [1, 2, 3, 4].map(take);
  const first = await all[0];
  await nextTurn();
  expect(taken).toEqual([1, 2]);
  first?.[Symbol.dispose]();
  first?.[Symbol.dispose]();
  await nextTurn();
  expect(taken).toEqual([1, 2, 3]);
  (await all[1])?.[Symbol.dispose]();
  (await all[3])?.[Symbol.dispose]();
  expect(taken).toEqual([1, 2, 3, 4]);
});

// What another thread digests is what createHash makes of it, however it comes and whoever leaves before it is done.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openBackgroundDigests } from '../../../src/os/background-digest.ts';

const numRuns = process.env.SLOW === undefined ? 100 : 5000;
const KIB = 1024;

const piece = fc.record({
  length: fc.oneof(fc.nat(100), fc.integer({ min: 15 * KIB, max: 17 * KIB }), fc.nat(1500 * KIB)),
  /** Behind the piece before, in the same memory. */
  follows: fc.boolean(),
  /** Whether the other thread may work meanwhile. */
  waits: fc.boolean(),
});

test.runIf(process.platform === 'linux')(
  'W-RELAY-23 it is that of all pieces, and each is held until nobody reads it',
  async () => {
    const digests = await openBackgroundDigests();
    if (digests === undefined) throw new Error('OpenSSL cannot be called');
    const memory = Buffer.allocUnsafeSlow(4000 * KIB);
    for (let at = 0; at < memory.length; at++) memory[at] = (at * 31 + (at >> 8)) & 0xff;
    let inTime = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 12 }),
        fc.constantFrom('finished', 'finished', 'finished', 'dropped', 'dropped while it finishes'),
        async (pieces, end) => {
          const digest = digests();
          const expected = createHash('sha256');
          const held = new Set<number>();
          let at = 0;
          for (const [number, { length, follows, waits }] of pieces.entries()) {
            if (!follows || at + length > memory.length) at = (number * 7919) % (1000 * KIB);
            const bytes = memory.subarray(at, at + length);
            at += bytes.length;
            expected.update(bytes);
            held.add(number);
            digest.update(bytes, () => {
              expect(held.delete(number)).toBe(true);
            });
            if (waits) await new Promise((resolve) => setImmediate(resolve));
          }
          let made: string | undefined;
          const finished = new Promise<void>((resolve) => {
            if (end === 'dropped') return;
            digest.finish((result) => {
              made = result;
              resolve();
            });
          });
          if (end === 'finished') await finished;
          else digest[Symbol.dispose]();
          while (held.size > 0) await new Promise((resolve) => setImmediate(resolve));
          const whole = expected.digest('hex');
          if (end === 'finished') expect(made).toBe(whole);
          // It may have been there before it was dropped, never after.
          else expect([undefined, whole]).toContain(made);
          if (made !== undefined) inTime++;
          digest[Symbol.dispose]();
          digest.update(memory.subarray(0, 10), () => held.add(-1));
          expect(held).toEqual(new Set([-1]));
        },
      ),
      { numRuns },
    );
    expect(inTime).toBeGreaterThan(numRuns / 3);
  },
  process.env.SLOW === undefined ? 120_000 : 1_200_000,
);

test.runIf(process.platform === 'linux')(
  'W-RELAY-23 what is read in parts is held until the last of them is read, however it is dropped',
  async () => {
    const digests = await openBackgroundDigests();
    if (digests === undefined) throw new Error('OpenSSL cannot be called');
    const memory = Buffer.alloc(20 * 1024 * KIB);
    const told: string[] = [];
    const digest = digests();
    digest.update(memory, () => told.push('whole'));
    digest.update(Buffer.alloc(10), () => told.push('behind it'));
    digest[Symbol.dispose]();
    // The thread has the first part, or is about to.
    expect(told).toEqual([]);
    while (told.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual(['whole', 'behind it']);
    const finished = digests();
    finished.update(memory, () => told.push('finished'));
    const made = await new Promise((resolve) => finished.finish(resolve));
    expect(made).toBe(createHash('sha256').update(memory).digest('hex'));
    expect(told).toEqual(['whole', 'behind it', 'finished']);
  },
);

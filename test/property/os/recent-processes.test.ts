import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recentBy } from '../../../src/os/recent-processes.ts';

/** A kernel that gives out pids: upwards, past those in use, and from 300 again after the last. */
class Pids {
  readonly used = new Set<number>();
  begun = 0;
  last: number;
  readonly most: number;
  constructor(most: number, last: number) {
    this.most = most;
    this.last = last;
  }
  begin(): number {
    do this.last = this.last + 1 >= this.most ? 300 : this.last + 1;
    while (this.used.has(this.last));
    this.used.add(this.last);
    this.begun++;
    return this.last;
  }
}

const MOST = 1000;
const steps = fc.array(fc.record({ begins: fc.nat(60), ends: fc.nat(60) }), { maxLength: 12 });

test('W-PROC-2 no process is passed over that began after the server, wherever the pids begin again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 300, max: MOST - 1 }), steps, steps, (last, before, after) => {
      const pids = new Pids(MOST, last);
      const run = (all: typeof before): number[] =>
        all.flatMap(({ begins, ends }) => {
          const started = Array.from({ length: begins }, () => pids.begin());
          for (const pid of [...pids.used].slice(0, Math.min(ends, pids.used.size - 1)))
            pids.used.delete(pid);
          return started;
        });
      for (const pid of [1, 2, 310, 650, 990]) pids.used.add(pid);
      run(before);
      if (pids.used.size > MOST / 4) return;
      const beginning = { pid: pids.begin(), begun: pids.begun };
      const later = run(after);
      const isRecent = recentBy([beginning], pids);
      expect([beginning.pid, ...later].filter((pid) => isRecent?.(pid) === false)).toEqual([]);
    }),
  );
});

test('of the older ones most are passed over; after half of all pids none is', () => {
  const one = { pid: 500, begun: 10_000 };
  const of = (last: number, begun = 10_100) => recentBy([one], { last, begun, most: MOST });
  const kept = (isRecent: ReturnType<typeof of>) =>
    [1, 299, 499, 500, 600, 601, 999].filter((pid) => isRecent?.(pid));
  expect(kept(of(600))).toEqual([500, 600]);
  expect(kept(of(500))).toEqual([500]);
  expect(kept(of(310))).toEqual([1, 299, 500, 600, 601, 999]);
  expect(of(600, 10_499)).toBeDefined();
  expect(of(600, 10_500)).toBeUndefined();
  // Several servers that end together share a look: each of theirs is in it.
  const both = recentBy([one, { pid: 900, begun: 10_050 }], { last: 600, begun: 10_400, most: MOST });
  expect(kept(both)).toEqual([1, 299, 499, 500, 600, 999]);
});

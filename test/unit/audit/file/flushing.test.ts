import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Flushing } from '../../../../src/audit/file/flushing.ts';

describe('flushing in the background', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** What was flushed when, in milliseconds. `results`: what the flushes give, one after the other. */
  function flushed(results: (Error | undefined)[] = []): {
    at: number[];
    faults: Error[];
    flushing: Flushing;
  } {
    const began = Date.now();
    const at: number[] = [];
    const faults: Error[] = [];
    const flushing = new Flushing({
      flush: () => {
        at.push(Date.now() - began);
        return Promise.resolve(results.shift());
      },
      onFlushed: () => {},
      onFault: (error) => faults.push(error),
    });
    return { at, faults, flushing };
  }

  test('a record is flushed 20 ms later, and nothing after that', async () => {
    const { at, flushing } = flushed();
    flushing.request();
    await vi.advanceTimersByTimeAsync(1000);
    expect(at).toEqual([20]);
  });

  test('while records keep coming they are flushed each 240 ms, and 40 ms after the last one at most', async () => {
    const { at, flushing } = flushed();
    for (let ms = 0; ms < 1000; ms++) {
      flushing.request();
      await vi.advanceTimersByTimeAsync(1);
    }
    await vi.advanceTimersByTimeAsync(40);
    const [first = 0] = at;
    expect(first).toBe(240);
    for (const [index, each] of at.slice(1, -1).entries())
      expect(each - (at[index] as number)).toBeLessThanOrEqual(241);
    expect(at.at(-1)).toBeLessThanOrEqual(1040);
    expect(at.length).toBeLessThanOrEqual(6);
  });

  test('W-AUDIT-15 one that failed is tried again until it succeeds, and told of once', async () => {
    const failed = new Error('EIO');
    const { at, faults, flushing } = flushed([failed, failed]);
    flushing.request();
    await vi.advanceTimersByTimeAsync(300);
    expect(flushing.fault).toBe(failed);
    await vi.advanceTimersByTimeAsync(1000);
    expect(flushing.fault).toBeUndefined();
    expect(faults).toEqual([failed]);
    expect(at).toEqual([20, 220, 420]);
  });

  test('once it is disposed nothing is flushed', async () => {
    const { at, flushing } = flushed();
    flushing.request();
    flushing[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(1000);
    expect(at).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openSpareMemory, SpareMemory } from '../../../src/os/spare-memory.ts';

const MIB = 2 ** 20;

describe('memory that is left', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A process that had 75 MiB after its start, and what is done to it. */
  function process() {
    const state = { resident: 70 * MIB, utilization: 0 };
    const done: string[] = [];
    const memory = new SpareMemory({
      collect: () => void done.push('collect'),
      trim: () => {
        done.push('trim');
        state.resident = 75 * MIB;
      },
      utilization: () => state.utilization,
      resident: () => state.resident,
    });
    vi.advanceTimersByTime(1000);
    expect(done.splice(0)).toEqual(['collect', 'trim']);
    return { state, done, memory };
  }

  test('by the start is given back, little as it is, once the daemon has little to do', () => {
    const done: string[] = [];
    let utilization = 0.8;
    new SpareMemory({
      collect: () => void done.push('collect'),
      trim: () => void done.push('trim'),
      utilization: () => utilization,
      resident: () => 70 * MIB,
    });
    vi.advanceTimersByTime(5000);
    expect(done).toEqual([]);
    utilization = 0;
    vi.advanceTimersByTime(60_000);
    expect(done).toEqual(['collect', 'trim']);
  });

  test('is given back once the burst is over, once', () => {
    const { state, done, memory } = process();
    for (let ms = 0; ms < 10_000; ms += 500) {
      memory.burst();
      state.resident = 200 * MIB;
      vi.advanceTimersByTime(500);
    }
    expect(done).toEqual([]);
    vi.advanceTimersByTime(4000);
    expect(done).toEqual(['collect', 'trim']);
    vi.advanceTimersByTime(60_000);
    expect(done).toHaveLength(2);
  });

  test('is left while the daemon has much to do', () => {
    const { state, done, memory } = process();
    memory.burst();
    state.resident = 200 * MIB;
    state.utilization = 0.5;
    vi.advanceTimersByTime(60_000);
    expect(done).toEqual([]);
    state.utilization = 0.01;
    vi.advanceTimersByTime(2000);
    expect(done).toEqual(['collect', 'trim']);
  });

  test('is left where it is little, beside what was left the last time', () => {
    const { state, done, memory } = process();
    memory.burst();
    state.resident = 80 * MIB;
    vi.advanceTimersByTime(10_000);
    expect(done).toEqual([]);
    memory.burst();
    state.resident = 81 * MIB;
    vi.advanceTimersByTime(10_000);
    expect(done).toEqual(['collect', 'trim']);
    memory.burst();
    state.resident = 80 * MIB;
    vi.advanceTimersByTime(10_000);
    expect(done).toHaveLength(2);
  });
});

test('the real one frees what nobody has', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    using memory = await openSpareMemory();
    let left: (Buffer | undefined)[] = Array.from({ length: 8 }, () => Buffer.alloc(8 * MIB, 1));
    const before = process.memoryUsage().arrayBuffers;
    memory.burst();
    left = [];
    const busy = vi.spyOn(performance, 'eventLoopUtilization').mockReturnValue({
      idle: 1,
      active: 0,
      utilization: 0,
    });
    vi.advanceTimersByTime(2000);
    busy.mockRestore();
    expect(left).toEqual([]);
    vi.useRealTimers();
    // They are swept by another thread.
    await expect.poll(() => before - process.memoryUsage().arrayBuffers).toBeGreaterThan(48 * MIB);
  } finally {
    vi.useRealTimers();
  }
});

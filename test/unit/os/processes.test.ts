import { expect, test } from 'vitest';
import { type Process, sharedListing } from '../../../src/os/processes.ts';

const entry = (pid: number): Process => ({ pid, parent: 1, group: pid, session: pid, started: 0 });

test('those who ask together share a listing, and it begins after they have asked', async () => {
  let begun = 0;
  const end: (() => void)[] = [];
  const list = sharedListing(async () => {
    const pid = ++begun;
    await new Promise<void>((resolve) => end.push(resolve));
    return [entry(pid)];
  });
  const first = [list(), list()];
  await Promise.resolve();
  expect(begun).toBe(1);
  // One that is under way may have passed a process that has started since.
  const later = [list(), list(), list()];
  await Promise.resolve();
  expect(begun).toBe(1);
  end[0]?.();
  expect((await Promise.all(first)).flat().map(({ pid }) => pid)).toEqual([1, 1]);
  end[1]?.();
  expect((await Promise.all(later)).flat().map(({ pid }) => pid)).toEqual([2, 2, 2]);
});

test('a listing that fails fails for those who share it, and not for the next', async () => {
  let begun = 0;
  const list = sharedListing(async () => {
    if (++begun === 1) throw new Error('ps failed');
    return [];
  });
  const both = await Promise.allSettled([list(), list()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(list()).resolves.toEqual([]);
});

test('a listing leaves out what began before only if all who share it may be answered so', async () => {
  const asked: (readonly number[] | undefined)[] = [];
  const list = sharedListing(async (since) => {
    asked.push(since?.map(({ pid }) => pid));
    return [];
  });
  await Promise.all([list({ pid: 7, begun: 1 }), list({ pid: 9, begun: 2 })]);
  await Promise.all([list({ pid: 7, begun: 1 }), list()]);
  expect(asked).toEqual([[7, 9], undefined]);
});

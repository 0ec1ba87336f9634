import { describe, expect, test } from 'vitest';
import { GroupCommit } from '../../../../src/audit/file/group.ts';
import { settled } from '../../../fixtures/ends.ts';

/** A disk whose flushes end when they are told to. */
function disk() {
  const begun: PromiseWithResolvers<Error | undefined>[] = [];
  const seen: string[] = [];
  const group = new GroupCommit({
    flush: () => {
      const flush = Promise.withResolvers<Error | undefined>();
      begun.push(flush);
      return flush.promise;
    },
    flushNow: () => {
      seen.push('flushed now');
      return undefined;
    },
    onFlushed: (failed) => seen.push(`flushed ${failed?.message ?? 'well'}`),
  });
  const wait = (name: string): void =>
    group.wait((failed) => seen.push(`${name} ${failed?.message ?? 'is there'}`));
  return { group, begun, seen, wait };
}

describe('group commit', () => {
  test('W-AUDIT-18 one flush is for all that one turn has written, and one for all that come meanwhile', async () => {
    const { group, begun, seen, wait } = disk();
    wait('a');
    wait('b');
    expect(begun).toHaveLength(0);
    await settled();
    expect(begun).toHaveLength(1);
    wait('c');
    wait('d');
    await settled();
    // They may have been written after the flush began.
    expect(begun).toHaveLength(1);
    expect(seen).toEqual([]);
    begun[0]?.resolve(undefined);
    await settled();
    expect(seen).toEqual(['flushed well', 'a is there', 'b is there']);
    expect(begun).toHaveLength(2);
    expect(group.isWaiting).toBe(true);
    begun[1]?.resolve(undefined);
    await settled();
    expect(seen.slice(3)).toEqual(['flushed well', 'c is there', 'd is there']);
    expect(group.isWaiting).toBe(false);
    wait('e');
    await settled();
    expect(begun).toHaveLength(3);
  });

  test('all that wait are told of a flush that fails, before anybody else goes on', async () => {
    const { begun, seen, wait } = disk();
    wait('a');
    wait('b');
    await settled();
    begun[0]?.resolve(new Error('EIO'));
    await settled();
    expect(seen).toEqual(['flushed EIO', 'a EIO', 'b EIO']);
  });

  test('now is for those that wait for the flush under way, too, and they are called once', async () => {
    const { group, begun, seen, wait } = disk();
    wait('a');
    await settled();
    wait('b');
    group.now();
    expect(seen).toEqual(['flushed now', 'flushed well', 'a is there', 'b is there']);
    begun[0]?.resolve(undefined);
    await settled();
    group.now();
    expect(seen).toHaveLength(4);
    expect(begun).toHaveLength(1);
  });

  test('what is written while others are told is flushed by another', async () => {
    const { group, begun, wait, seen } = disk();
    group.wait(() => wait('b'));
    await settled();
    begun[0]?.resolve(undefined);
    await settled();
    expect(begun).toHaveLength(2);
    begun[1]?.resolve(undefined);
    await settled();
    expect(seen.at(-1)).toBe('b is there');
  });
});

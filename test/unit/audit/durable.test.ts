import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { type Files, files } from '../../../src/audit/file/appender.ts';
import { verify } from '../../../src/audit/verify.ts';
import { openOn } from '../../fixtures/audit-state.ts';

const scratch = mkdtempSync(join(tmpdir(), 'warder-durable-'));
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(() => vi.useRealTimers());

/** A log, and what it asks of the disk. `fails`: how many flushes fail, and `lost` of those that block. */
async function open({ segment = 2 ** 26, fails = 0, lost = 0 } = {}) {
  const state = mkdtempSync(join(scratch, 'state-'));
  const audit = join(state, 'audit');
  const seen: string[] = [];
  let left = fails;
  let leftNow = 0;
  const asked: Files = {
    ...files,
    write(...data) {
      seen.push('write');
      return files.write(...data);
    },
    sync(fd) {
      seen.push('sync');
      if (leftNow-- > 0) throw new Error('EIO');
      files.sync(fd);
    },
    writeOver(fd, text) {
      seen.push('head');
      return files.writeOver(fd, text);
    },
    async flush(fd) {
      seen.push('flush');
      if (left-- > 0) throw new Error('EIO');
      await files.flush(fd);
    },
  };
  const log = await openOn(asked, { places: { audit, state }, segment });
  seen.length = 0;
  leftNow = lost;
  const refused: number[] = [];
  const add = (id: number, durability: 'write' | 'fsync' = 'fsync'): void =>
    log.add(
      'tool.call',
      {
        session: 's',
        call: `s-${id}`,
        profile: 'p',
        tool: 't',
        id: String(id),
        decision: 'allow',
        rule: 'r',
        arguments: '{}',
      },
      durability,
      () => refused.push(id),
    );
  const durable = (): Promise<void> =>
    new Promise((resolve) => {
      if (log.whenDurable(resolve)) resolve();
    });
  const text = (): string =>
    readdirSync(audit)
      .map((name) => readFileSync(join(audit, name), 'utf8'))
      .join('');
  return { log, add, refused, seen, durable, text, verify: () => verify({ path: audit, state }) };
}

describe('W-AUDIT-18 records that are to be on the disk', () => {
  test('are flushed by one fdatasync for all, off the loop, and the others wait for none', async () => {
    // The flush in the background, some milliseconds after a record, is not looked at.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { log, add, refused, seen, durable, verify: check } = await open();
    add(1);
    add(2);
    log.commit();
    add(3);
    log.commit();
    expect(log.whenDurable(() => {})).toBe(false);
    await durable();
    // A power cut leaves no head that is ahead of the log.
    expect(seen).toEqual(['write', 'write', 'flush', 'head']);
    expect(log.whenDurable(() => {})).toBe(true);
    add(4, 'write');
    log.commit();
    expect(log.whenDurable(() => {})).toBe(true);
    await Promise.resolve();
    expect(seen.slice(4)).toEqual(['write', 'head']);
    expect(refused).toEqual([]);
    await log[Symbol.asyncDispose]();
    expect(await check()).toMatchObject({ ok: true, records: 6 });
  });

  test('W-AUDIT-15 that do not reach it are told of before whoever waits, and others refused until it takes them', async () => {
    const { log, add, refused, durable, text, verify: check } = await open({ fails: 1 });
    add(1);
    add(2);
    log.commit();
    let told: number[] | undefined;
    log.whenDurable(() => {
      told = [...refused];
    });
    await durable();
    expect(told).toEqual([1, 2]);
    add(3);
    log.commit();
    expect(refused).toEqual([1, 2, 3]);
    expect(text()).not.toContain('s-3');
    await expect
      .poll(() => {
        refused.length = 0;
        add(4);
        log.commit();
        return refused;
      })
      .toEqual([]);
    await durable();
    expect(refused).toEqual([]);
    expect(log.status().detail).not.toContain('EIO');
    await log[Symbol.asyncDispose]();
    expect(await check()).toMatchObject({ ok: true });
  });

  test('are flushed before their segment ends', async () => {
    const { log, add, seen, durable, verify: check } = await open({ segment: 1000 });
    add(1);
    log.commit();
    for (let id = 2; id < 6; id++) add(id, 'write');
    log.commit();
    expect(seen.slice(0, 4)).toEqual(['write', 'write', 'sync', 'write']);
    await durable();
    await log[Symbol.asyncDispose]();
    expect(await check()).toMatchObject({ ok: true });
  });

  test('are flushed before their segment ends, though they are of the batch that begins the next', async () => {
    const { log, add, refused, seen, verify: check } = await open({ segment: 1000 });
    for (let id = 1; id < 6; id++) add(id);
    log.commit();
    expect(seen.slice(0, 3)).toEqual(['write', 'sync', 'write']);
    expect(seen.filter((call) => call === 'sync')).toHaveLength(
      seen.filter((call) => call === 'write').length - 1,
    );
    await log[Symbol.asyncDispose]();
    expect(refused).toEqual([]);
    expect(await check()).toMatchObject({ ok: true });
  });

  test('that are lost with the segment that ends are told of, those of the batch and those before it', async () => {
    const { log, add, refused, durable, verify: check } = await open({ segment: 1000, lost: 1 });
    add(1);
    log.commit();
    for (let id = 2; id < 6; id++) add(id);
    log.commit();
    // What was in the log already waits for its flush, and is told of no sooner than it returns.
    expect(refused).not.toContain(1);
    await durable();
    expect([...refused].sort()).toEqual([1, 2, 3, 4, 5]);
    // A flush has succeeded since.
    refused.length = 0;
    add(6);
    log.commit();
    await durable();
    await log[Symbol.asyncDispose]();
    expect(refused).toEqual([]);
    expect(await check()).toMatchObject({ ok: true });
  });

  test('are flushed at once where nobody can wait, and when the log is closed', async () => {
    const { log, add, refused, seen } = await open();
    const told: number[] = [];
    add(1);
    log.commit();
    log.whenDurable(() => told.push(1));
    log.flushNow();
    expect(told).toEqual([1]);
    expect(seen.slice(0, 3)).toEqual(['write', 'sync', 'head']);
    add(2);
    log.commit();
    log.whenDurable(() => told.push(2));
    await log[Symbol.asyncDispose]();
    expect(told).toEqual([1, 2]);
    expect(refused).toEqual([]);
  });
});

test('W-AUDIT-6 who fails when told that a record is not written keeps no other from being told', async () => {
  const state = mkdtempSync(join(scratch, 'state-'));
  const places = { state, audit: join(state, 'audit') };
  let isFull = false;
  const disk: Files = {
    ...files,
    write(...data) {
      if (isFull) throw new Error('ENOSPC');
      return files.write(...data);
    },
  };
  const log = await openOn(disk, { places, segment: 2 ** 26 });
  const told: string[] = [];
  const add = (session: string, unwritten: () => void): void => {
    const ids = { session, call: `${session}-1`, profile: 'p', tool: 't', id: '1' };
    log.add('tool.call', { ...ids, decision: 'allow', rule: 'r', arguments: '{}' }, 'write', unwritten);
  };
  isFull = true;
  add('one', () => {
    told.push('one');
    throw new Error('a fault of that session');
  });
  add('two', () => told.push('two'));
  expect(() => log.commit()).toThrow('a fault of that session');
  expect(told).toEqual(['one', 'two']);
  isFull = false;
  add('three', () => told.push('three'));
  log.commit();
  expect(told).toEqual(['one', 'two']);
  await log[Symbol.asyncDispose]();
});

// What is signed, and what is not: the last signed record is remembered apart from the log.
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { files } from '../../../src/audit/file/appender.ts';
import { AuditLog } from '../../../src/audit/log.ts';
import { AuditState, call, chained, clock, FakeStore, settings } from '../../fixtures/audit-state.ts';

const FORGED = [
  { event: 'daemon.start', version: '0.1.0', pid: 1 },
  { event: 'tool.call', ...call(99) },
  { event: 'daemon.stop', version: '0.1.0', pid: 1 },
];

describe('W-AUDIT-11 a log without the record that was signed last', () => {
  test('is not signed when all after the first checkpoint was rewritten, and says so', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    await state.daemon(store, 25);
    const kept = state.lines.slice(0, 2);
    state.forge([...kept, ...chained(kept.at(-1), FORGED)], [store.publicKey]);
    const point = store.stored;
    // Without the store nothing shows; with it the forgery does.
    expect(await state.verify()).toMatchObject({ ok: true });
    expect((await state.verify(point)).problems).toMatchObject([{ kind: 'signed-missing', seq: point?.seq }]);
    {
      await using log = await state.open();
      log.setSigner(store);
      await log.checkpoint();
      log.append('tool.call', call(1));
      await log.checkpoint();
      expect(log.status()).toMatchObject({
        signed: false,
        detail: expect.stringMatching(/does not contain record \d+, which was signed last/),
      });
      expect(log.signed.point).toEqual(point);
    }
    expect(state.warnings.join()).toMatch(/does not verify: the log does not contain record/);
    expect(store.stored).toEqual(point);
    expect(state.records.slice(5).filter(({ signature }) => signature !== undefined)).toEqual([]);
    expect(state.records).toContainEqual(
      expect.objectContaining({ event: 'checkpoint', missing_seq: point?.seq, missing_hash: point?.hash }),
    );
    // The record tells also who cannot ask the store.
    expect((await state.verify()).problems).toMatchObject([{ kind: 'signed-missing' }]);
  });

  test('is not signed when everything was rewritten, without checkpoints and keys', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    await state.daemon(store, 5);
    const bodies = Array.from({ length: 30 }, () => FORGED[1] ?? {});
    state.forge(chained(undefined, bodies), []);
    await state.daemon(store, 5);
    expect(state.records.some(({ signature }) => signature !== undefined)).toBe(false);
    expect((await state.verify()).ok).toBe(false);
  });

  test('is not signed when it was removed, and is again once it is restored', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    await state.daemon(store, 5);
    const backup = mkdtempSync(join(tmpdir(), 'warder-backup-'));
    cpSync(state.state, backup, { recursive: true });
    for (const name of ['audit', 'audit-head', 'audit.pub'])
      rmSync(join(state.state, name), { recursive: true });
    await state.daemon(store, 1);
    expect(state.records.some(({ signature }) => signature !== undefined)).toBe(false);
    rmSync(state.audit, { recursive: true });
    cpSync(backup, state.state, { recursive: true });
    rmSync(backup, { recursive: true });
    await state.daemon(store, 1);
    expect(await state.verify(store.stored)).toMatchObject({ ok: true, signed_through: store.stored?.seq });
  });

  test('is found also where the record stands at its place, and in another spelling', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    await state.daemon(store, 5);
    const { lines } = state;
    const seq = store.stored?.seq ?? 0;
    lines[seq - 1] = lines[seq - 1]?.replace('4242', '4243') ?? '';
    state.forge(lines, [store.publicKey]);
    await state.daemon(store, 1);
    expect(state.records.at(-3)).toMatchObject({ missing_seq: seq });
  });

  test('a daemon that was killed before it stored what it had signed goes on from there', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    await state.daemon(store, 5);
    const old = store.stored;
    await state.daemon(store, 5);
    store.stored = old;
    await state.daemon(store, 5);
    expect(await state.verify(store.stored)).toMatchObject({ ok: true, signed_through: store.stored?.seq });
  });

  test('a store that takes nothing is told, the log is signed, and the store catches up', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    await using log = await state.open();
    log.setSigner(store);
    await log.checkpoint();
    store.locked = true;
    log.append('tool.call', call(1));
    await log.checkpoint();
    expect(log.status()).toMatchObject({ signed: true, detail: expect.stringContaining('does not take') });
    store.locked = false;
    await log.checkpoint();
    expect(log.status()).toEqual({ ...log.head, signed: true });
    expect(store.stored).toEqual(log.signed.point);
  });

  test('a store that cannot be read signs nothing until it can', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    store.locked = true;
    await using log = await state.open();
    log.setSigner(store);
    await log.checkpoint();
    expect(log.status()).toMatchObject({ signed: false, detail: expect.stringContaining('is locked') });
    store.locked = false;
    await log.checkpoint();
    expect(log.status()).toMatchObject({ signed: true });
  });

  test('the disk has the record before the store remembers it', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    const order: string[] = [];
    await using log = await AuditLog.open({
      places: { audit: state.audit, state: state.state },
      settings,
      version: '0.1.0',
      pid: 4242,
      clock,
      log: { debug() {}, info() {}, warn() {}, error() {} },
      files: {
        ...files,
        async flush(fd) {
          await files.flush(fd);
          order.push('flush');
        },
      },
    });
    const storeSigned = store.storeSigned.bind(store);
    store.storeSigned = (point) => {
      order.push('store');
      return storeSigned(point);
    };
    log.setSigner(store);
    await log.checkpoint();
    expect(order.indexOf('store')).toBeGreaterThan(order.indexOf('flush'));
  });
});

describe('W-AUDIT-12 checkpoints', () => {
  test('name the one before, across daemons and stores', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    const other = new FakeStore();
    await state.daemon(store, 25);
    await state.daemon(store, 3);
    other.stored = store.stored;
    await state.daemon(other, 3);
    const signed = state.records.filter(({ signature }) => signature !== undefined);
    expect(signed.length).toBeGreaterThan(4);
    for (const [i, { previous_seq, previous_hash }] of signed.entries()) {
      const before = signed[i - 1];
      expect({ previous_seq, previous_hash }).toEqual({
        previous_seq: before?.signed_seq ?? 0,
        previous_hash: before?.signed_hash ?? '0'.repeat(64),
      });
    }
    expect(await state.verify(other.stored)).toMatchObject({ ok: true });
  });
});

describe('W-AUDIT-16 retention', () => {
  test('keeps what the next signer has to find, and lets it go once that is signed', async () => {
    using state = new AuditState();
    const store = new FakeStore();
    const small = { segment: 2000, keep: { count: 1, age: undefined } };
    await state.daemon(store, 5);
    const needed = store.stored?.seq ?? 0;
    {
      await using log = await state.open(small, true);
      log.setUnsigned('the keychain is locked', true);
      expect(log.status()).toMatchObject({ signed: false, detail: 'the keychain is locked' });
      for (let i = 1; i <= 40; i += 1) log.append('tool.call', call(i));
    }
    expect(state.records.map(({ seq }) => seq)).toContain(needed);
    {
      await using log = await state.open(small, true);
      log.setSigner(store);
      await log.checkpoint();
      await expect.poll(() => readdirSync(state.audit).length).toBeLessThan(4);
    }
    expect(state.records[0]?.seq).toBeGreaterThan(needed);
    expect(await state.verify(store.stored)).toMatchObject({ ok: true });
  });

  test('without a store nothing is kept for it', async () => {
    using state = new AuditState();
    await using log = await state.open({ segment: 2000, keep: { count: 1, age: undefined } });
    for (let i = 1; i <= 40; i += 1) log.append('tool.call', call(i));
    await expect.poll(() => readdirSync(state.audit)).toHaveLength(2);
  });
});

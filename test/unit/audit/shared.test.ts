// A log that two daemons append to while one of them has handed over to the other.
import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Files, files } from '../../../src/audit/file/appender.ts';
import { AuditLog, type AuditOptions } from '../../../src/audit/log.ts';
import { AuditState, call, clock, FakeStore, settings } from '../../fixtures/audit-state.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** A daemon that opens the log while another one appends as well. */
function joined(place: AuditState, more: Partial<AuditOptions['settings']> = {}): Promise<AuditLog> {
  return AuditLog.open({
    places: { audit: place.audit, state: place.state },
    settings: { ...settings, ...more },
    version: '0.2.0',
    pid: 4343,
    clock,
    log,
    othersAppend: () => true,
  });
}

/** The first daemon's log, on files that may fail. `errors`: gets what is logged as an error. */
function failingOn(place: AuditState, failing: Files, errors: string[]): Promise<AuditLog> {
  return AuditLog.open({
    places: { audit: place.audit, state: place.state },
    settings,
    version: '0.1.0',
    pid: 4242,
    clock,
    log: { ...log, error: (_facts, message) => void errors.push(message) },
    files: failing,
  });
}

function newest({ audit }: AuditState): string {
  return join(audit, readdirSync(audit).sort().at(-1) ?? '');
}

test('W-AUDIT-20 the records of two daemons are one chain, in whatever order they write, over segments', async () => {
  using place = new AuditState();
  const small = { segment: 4096 };
  const old = await place.open(small);
  for (let i = 0; i < 10; i++) old.append('tool.call', call(i));
  old.retire();
  // No call waits for the other daemon to be there.
  old.append('tool.call', call(10));
  const young = await joined(place, small);
  const store = new FakeStore();
  young.setSigner(store);
  for (let i = 0; i < 200; i++) (i % 7 < 3 ? old : young).append('tool.call', call(i));
  await young.checkpoint();
  for (let i = 0; i < 30; i++) old.append('tool.call', call(i));
  await old[Symbol.asyncDispose]();
  young.append('tool.call', call(999));
  await young.checkpoint();
  await young[Symbol.asyncDispose]();

  const { records } = place;
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_record, index) => index + 1));
  expect(records.filter(({ event }) => event === 'tool.call')).toHaveLength(242);
  expect(readdirSync(place.audit).length).toBeGreaterThan(10);
  expect((await place.verify(store.stored)).problems).toEqual([]);
});

test('W-AUDIT-20 what a killed daemon left half-done is completed or cut off by the other one', async () => {
  using place = new AuditState();
  const old = await place.open();
  old.append('tool.call', call(1));
  old.retire();
  const young = await joined(place);

  // Killed while it wrote a record.
  appendFileSync(newest(place), '{"event":"tool.call","half');
  young.append('tool.call', call(2));
  expect(place.records.at(-1)).toMatchObject({ event: 'tool.call', id: '2' });

  // Killed between a record and the head, while it held the log's lock.
  const head = join(place.state, 'audit-head');
  const before = readFileSync(head);
  old.append('tool.call', call(3));
  writeFileSync(head, before);
  writeFileSync(join(place.state, 'audit.lock'), JSON.stringify({ pid: 1 << 22, born: 'gone' }));
  young.append('tool.call', call(4));
  expect(place.records.slice(-2)).toMatchObject([{ id: '3' }, { id: '4' }]);
  await young[Symbol.asyncDispose]();
  old.append('tool.call', call(5));
  await old[Symbol.asyncDispose]();
  expect((await place.verify()).problems).toEqual([]);
});

test('W-AUDIT-20 an end that is cut off while two daemons append is found', async () => {
  using place = new AuditState();
  const old = await place.open();
  for (let i = 0; i < 5; i++) old.append('tool.call', call(i));
  old.retire();
  const young = await joined(place);
  const path = newest(place);
  const last = place.lines.at(-1) ?? '';
  truncateSync(path, statSync(path).size - last.length - 1);
  old.append('tool.call', call(6));
  await old[Symbol.asyncDispose]();
  await young[Symbol.asyncDispose]();
  expect((await place.verify()).problems).not.toEqual([]);
});

test('the records of the older daemon are signed by the newer one, which appends alone once that has ended', async () => {
  using place = new AuditState();
  const old = await place.open();
  old.setSigner(new FakeStore());
  await old.checkpoint();
  old.retire();
  expect(old.status()).toMatchObject({ signed: false });
  const young = await joined(place);
  const store = new FakeStore();
  young.setSigner(store);
  await young.checkpoint();
  const { seq } = store.stored ?? { seq: 0 };
  for (let i = 0; i < 20; i++) old.append('tool.call', call(i));
  young.append('tool.call', call(21));
  await young.checkpoint();
  expect(store.stored?.seq).toBeGreaterThan(seq + 20);
  await old[Symbol.asyncDispose]();
  await young[Symbol.asyncDispose]();
});

test('W-AUDIT-15 a segment of the older daemon whose last records the disk does not take refuses the next ones', async () => {
  using place = new AuditState();
  let first: number | undefined;
  let isFailing = false;
  const repaired = Promise.withResolvers<void>();
  const errors: string[] = [];
  // What was in the first segment is lost; the second one is flushed once the disk is repaired.
  const failing: Files = {
    ...files,
    write(fd, ...data) {
      first ??= fd;
      return files.write(fd, ...data);
    },
    async flush(fd) {
      if (isFailing && fd === first) throw new Error('EIO');
      if (isFailing) await repaired.promise;
      await files.flush(fd);
    },
  };
  const old = await failingOn(place, failing, errors);
  old.retire();
  const young = await joined(place, { segment: 200 });
  young.append('tool.call', call(1));
  // The younger one has gone on in another segment, and so does this one now.
  isFailing = true;
  old.append('tool.call', call(2));
  await expect.poll(() => errors).toEqual(['calls are refused']);
  expect(() => old.append('tool.call', call(3))).toThrowError(/EIO/);
  expect(old.status().detail).toContain('EIO');
  repaired.resolve();
  await expect.poll(() => old.append('tool.call', call(4))).toBeGreaterThan(0);
  await old[Symbol.asyncDispose]();
  await young[Symbol.asyncDispose]();
  expect(place.records.flatMap(({ id }) => id ?? [])).toEqual(['1', '2', '4']);
  expect((await place.verify()).problems).toEqual([]);
});

test('W-AUDIT-15 a daemon whose last records the disk does not take says so when it stops', async () => {
  using place = new AuditState();
  const errors: string[] = [];
  let isFull = false;
  const failing: Files = {
    ...files,
    flush: (fd) => (isFull ? Promise.reject(new Error('EIO')) : files.flush(fd)),
  };
  const stopped = await failingOn(place, failing, errors);
  isFull = true;
  await stopped[Symbol.asyncDispose]();
  expect(errors).toEqual(['the last records may not be on the disk']);
});

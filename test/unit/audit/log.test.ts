import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Entry } from '../../../src/audit/chain/chain.ts';
import type { SignedPoint, Signer } from '../../../src/audit/checkpoint.ts';
import { type Files, files } from '../../../src/audit/file/appender.ts';
import { AuditLog, type AuditOptions } from '../../../src/audit/log.ts';
import { verify } from '../../../src/audit/verify.ts';

const scratch = mkdtempSync(join(tmpdir(), 'warder-audit-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The files of a log, and what a test reads of them. */
function newPlaces() {
  const state = mkdtempSync(join(scratch, 'state-'));
  const audit = join(state, 'audit');
  const segments = (): string[] =>
    readdirSync(audit)
      .sort()
      .map((name) => join(audit, name));
  const text = (): string =>
    segments()
      .map((path) => readFileSync(path, 'utf8'))
      .join('');
  const records = (): Entry[] =>
    text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  const newest = (): string => segments().at(-1) ?? '';
  return { state, audit, segments, text, records, newest, verify: () => verify({ path: audit, state }) };
}

type TestPlaces = ReturnType<typeof newPlaces>;

/** Settings under which nothing happens on its own. */
const settings: AuditOptions['settings'] = {
  segment: 2 ** 26,
  keep: { count: undefined, age: undefined },
  checkpoint: { records: 1000, every: 2 ** 30 },
};

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

function open(places: TestPlaces, more: Partial<AuditOptions> = {}): Promise<AuditLog> {
  return AuditLog.open({ places, settings, version: '0.1.0', pid: 4242, clock, log: silent, ...more });
}

/** The files of a log that was written and closed. */
async function written(calls: number, more: Partial<AuditOptions> = {}): Promise<TestPlaces> {
  const places = newPlaces();
  await using log = await open(places, more);
  for (let i = 1; i <= calls; i += 1) log.append('tool.call', call(i));
  return places;
}

function call(i: number) {
  const ids = { session: 's1', call: `s1-${i}`, profile: 'github', tool: 'get_issue', id: String(i) };
  return { ...ids, decision: 'allow' as const, rule: 'default', arguments: `{"number":${i}}` };
}

/** A signer and what its store remembers. */
function newSigner(): Signer & { stored: SignedPoint | undefined } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return {
    publicKey: Buffer.from(x, 'base64url').toString('base64'),
    sign: async (bytes) => sign(null, bytes, privateKey),
    stored: undefined,
    async lastSigned() {
      return this.stored;
    },
    async storeSigned(point) {
      this.stored = point;
    },
  };
}

/** The real system calls, with the given faults first. */
function failing(faults: { [K in keyof Files]?: ((real: Files[K]) => Files[K])[] }): Files {
  return new Proxy(files, {
    get(real, name: keyof Files) {
      const fault = faults[name]?.shift() as ((real: unknown) => never) | undefined;
      return fault ? fault(real[name]) : real[name];
    },
  });
}

function fault(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

const unwritable = expect.objectContaining({ code: 'audit-unwritable' });

describe('append', () => {
  test('W-AUDIT-5 a record is in the file when append returns', async () => {
    const places = newPlaces();
    await using log = await open(places);
    for (let i = 1; i <= 3; i += 1) {
      const seq = log.append('tool.call', call(i));
      expect(places.records().at(-1)).toMatchObject({ seq, event: 'tool.call', call: `s1-${i}` });
    }
  });

  test('start and stop of a daemon are in the log, and the next daemon continues it', async () => {
    const places = await written(1);
    await (await open(places))[Symbol.asyncDispose]();
    const events = places.records().map(({ seq, event }) => `${seq} ${event}`);
    expect(events).toEqual([
      '1 daemon.start',
      '2 tool.call',
      '3 daemon.stop',
      '4 daemon.start',
      '5 daemon.stop',
    ]);
    expect(places.records()[3]).not.toHaveProperty('ahead');
    expect(await places.verify()).toMatchObject({ ok: true, records: 5, first: 1, last: 5, keys: 'none' });
  });

  test('W-AUDIT-9 the files are the owner’s alone', async () => {
    const places = await written(1);
    const mode = (path: string): number => statSync(path).mode & 0o777;
    expect(mode(places.audit)).toBe(0o700);
    expect(mode(places.newest())).toBe(0o600);
    expect(mode(join(places.state, 'audit-head'))).toBe(0o600);
  });

  test('W-AUDIT-9 a symbolic link is not written through', async () => {
    const places = await written(1);
    const other = join(places.state, 'other');
    writeFileSync(other, '');
    unlinkSync(join(places.state, 'audit-head'));
    symlinkSync(other, join(places.state, 'audit-head'));
    await expect(open(places)).rejects.toThrowError(unwritable);
    expect(readFileSync(other, 'utf8')).toBe('');
  });

  test('a clock that is set back is recorded as it is, and the log verifies', async () => {
    const places = newPlaces();
    let now = 5000;
    {
      await using log = await open(places, { clock: { ...clock, now: () => now } });
      now = 4000;
      log.append('tool.call', call(1));
      now = 3999;
      log.append('tool.call', call(2));
      now = 0;
    }
    expect(places.records().map(({ time }) => time)).toEqual([
      '1970-01-01T00:00:05.000Z',
      '1970-01-01T00:00:04.000Z',
      '1970-01-01T00:00:03.999Z',
      '1970-01-01T00:00:00.000Z',
    ]);
    expect(await places.verify()).toMatchObject({ ok: true, clock_back: 3 });
  });

  test('a record that is too long, or holds an invalid value, is refused, and the log continues', async () => {
    const places = newPlaces();
    {
      await using log = await open(places);
      expect(() => log.append('tool.call', { ...call(1), tool: 'x'.repeat(2 ** 24) })).toThrowError(
        unwritable,
      );
      expect(() =>
        log.append('tool.result', { ...call(1), outcome: 'ok', bytes: 0.5, ms: 1, result: '' }),
      ).toThrowError(unwritable);
      log.append('tool.call', { ...call(1), tool: 'lone \ud800' });
    }
    expect(places.records()[1]).toMatchObject({ seq: 2, tool: 'lone \ufffd' });
    expect(await places.verify()).toMatchObject({ ok: true, records: 3 });
  });

  test('nothing can be appended to a closed log', async () => {
    const places = newPlaces();
    const log = await open(places);
    await log[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    expect(() => log.append('tool.call', call(1))).toThrowError(unwritable);
  });
});

describe('faults', () => {
  test('W-AUDIT-6 a write that stops half-way leaves nothing, is refused, and the next one works', async () => {
    const places = newPlaces();
    const use = failing({
      write: [
        (real) => real,
        (real) => (fd, data, start) => real(fd, data, start, start + 50),
        fault('ENOSPC'),
      ],
    });
    {
      await using log = await open(places, { files: use });
      const before = places.text();
      expect(() => log.append('tool.call', call(1))).toThrowError(/no space is left/);
      expect(places.text()).toBe(before);
      expect(log.status().detail).toContain('no space is left');
      expect(log.append('tool.call', call(2))).toBe(2);
      expect(log.status().detail).not.toContain('no space');
    }
    expect(await places.verify()).toMatchObject({ ok: true, records: 3 });
  });

  test('W-AUDIT-6 what cannot be removed at once is removed before the next record', async () => {
    const places = newPlaces();
    const half =
      (real: Files['write']): Files['write'] =>
      (fd, data, start) =>
        real(fd, data, start, start + 50);
    const use = failing({
      write: [(real) => real, half, fault('EIO')],
      truncate: [fault('EIO'), fault('EIO')],
    });
    {
      await using log = await open(places, { files: use });
      expect(() => log.append('tool.call', call(1))).toThrowError(/the disk fails/);
      expect(() => log.append('tool.call', call(2))).toThrowError(unwritable);
      expect(log.append('tool.call', call(3))).toBe(2);
    }
    expect(await places.verify()).toMatchObject({ ok: true, records: 3 });
  });

  test('W-AUDIT-15 after a failed fdatasync records are refused until one succeeds', async () => {
    const places = newPlaces();
    const errors: string[] = [];
    const error = (_facts: object, message: string): void => void errors.push(message);
    let isFull = true;
    const flush: Files['flush'] = (fd) => (isFull ? Promise.reject(new Error('EIO')) : files.flush(fd));
    {
      await using log = await open(places, { files: { ...files, flush }, log: { ...silent, error } });
      log.append('tool.call', call(1));
      await expect.poll(() => errors).toEqual(['calls are refused']);
      expect(() => log.append('tool.call', call(2))).toThrowError(unwritable);
      expect(log.status().detail).toContain('EIO');
      isFull = false;
      await expect.poll(() => log.append('tool.call', call(3))).toBe(3);
      expect(log.status().detail).not.toContain('EIO');
    }
    expect(await places.verify()).toMatchObject({ ok: true, records: 4 });
  });

  test('W-AUDIT-15 also when the segment that was ended cannot be flushed', async () => {
    const places = newPlaces();
    const good = (real: Files['flush']): Files['flush'] => real;
    const bad = (): Files['flush'] => async () => Promise.reject(new Error('EIO'));
    const errors: string[] = [];
    const error = (_facts: object, message: string): void => void errors.push(message);
    const use = failing({ flush: [bad, good] });
    await using log = await open(places, {
      files: use,
      settings: { ...settings, segment: 200 },
      log: { ...silent, error },
    });
    log.append('tool.call', call(1));
    await expect.poll(() => errors).toEqual(['calls are refused']);
    await expect.poll(() => log.append('tool.call', call(2))).toBe(3);
  });

  test('a short write continues where it stopped', async () => {
    const places = newPlaces();
    const half =
      (real: Files['write']): Files['write'] =>
      (fd, data, start) =>
        real(fd, data, start, start + 50);
    await (await open(places, { files: failing({ write: [half] }) }))[Symbol.asyncDispose]();
    expect(await places.verify()).toMatchObject({ ok: true, records: 2 });
  });

  test('W-AUDIT-6 with fsync a record that did not reach the disk is refused', async () => {
    const places = newPlaces();
    {
      await using log = await open(places, { files: failing({ sync: [(real) => real, fault('EIO')] }) });
      expect(() => log.append('tool.call', call(1), 'fsync')).toThrowError(unwritable);
      expect(log.append('tool.call', call(2), 'fsync')).toBe(2);
    }
    expect(places.records()[1]).toMatchObject({ call: 's1-2' });
    expect(await places.verify()).toMatchObject({ ok: true, records: 3 });
  });

  test('W-AUDIT-6 while the head cannot be written, records are refused', async () => {
    const places = newPlaces();
    const good = (real: Files['writeOver']): Files['writeOver'] => real;
    const use = failing({ writeOver: [good, good, fault('EIO'), fault('EIO')] });
    {
      await using log = await open(places, { files: use });
      log.append('tool.call', call(1));
      await Promise.resolve();
      expect(() => log.append('tool.call', call(2))).toThrowError(unwritable);
      expect(log.append('tool.call', call(3))).toBe(3);
    }
    expect(await places.verify()).toMatchObject({ ok: true, records: 4 });
  });

  test('a log that cannot be started is refused, and starts once it can', async () => {
    const places = newPlaces();
    const writeOver = [(real: Files['writeOver']) => real, fault('ENOSPC')];
    for (const faults of [{ write: [fault('ENOSPC')] }, { sync: [fault('ENOSPC')] }, { writeOver }]) {
      const use = failing(faults);
      await expect(open(places, { files: use })).rejects.toThrowError(unwritable);
    }
    await (await open(places))[Symbol.asyncDispose]();
    expect(places.records().map(({ event, ahead }) => `${event} ${ahead}`)).toEqual([
      // Its head could not be written: that daemon did not start.
      'daemon.start undefined',
      'daemon.start 1',
      'daemon.stop undefined',
    ]);
    expect(await places.verify()).toMatchObject({ ok: true, records: 3 });
  });

  test('a removed segment is not restored: the log continues in a new one, and verify reports it', async () => {
    const places = newPlaces();
    {
      await using log = await open(places);
      unlinkSync(places.newest());
      log.append('tool.call', call(1));
      await expect.poll(() => places.segments()).toHaveLength(1);
      expect(log.append('tool.call', call(2))).toBe(3);
      expect(log.status().detail).toContain('does not verify');
    }
    const { problems } = await places.verify();
    expect(problems).toMatchObject([{ kind: 'start-missing', seq: 3 }]);
  });

  test('what somebody else appends is kept as evidence, and verify reports it', async () => {
    const places = newPlaces();
    {
      await using log = await open(places);
      appendFileSync(places.newest(), '{"event":"forged"}\n');
      log.append('tool.call', call(1));
      await expect.poll(() => log.status().detail).toContain('does not verify');
      log.append('tool.call', call(2));
    }
    const { problems } = await places.verify();
    expect(problems).toMatchObject([{ kind: 'inserted', line: 2 }]);
  });
});

describe('start', () => {
  test('W-AUDIT-5 records that are ahead of the head are accepted, and daemon.start says how many', async () => {
    const places = newPlaces();
    const crashed = newPlaces();
    {
      await using log = await open(places);
      log.append('tool.call', call(1));
      await Promise.resolve();
      cpSync(join(places.state, 'audit-head'), join(crashed.state, 'audit-head'));
      log.append('tool.call', call(2));
      log.append('tool.call', call(3));
      cpSync(places.audit, crashed.audit, { recursive: true });
    }
    await (await open(crashed))[Symbol.asyncDispose]();
    expect(crashed.records()[4]).toMatchObject({ seq: 5, event: 'daemon.start', ahead: 2 });
    expect(await crashed.verify()).toMatchObject({ ok: true, records: 6 });
  });

  test('W-AUDIT-7 a torn last line is removed, kept aside and recorded', async () => {
    const places = await written(2);
    const torn = places.text().split('\n')[1]?.slice(0, 77) ?? '';
    appendFileSync(places.newest(), torn);
    await (await open(places))[Symbol.asyncDispose]();
    const digest = `sha256:${createHash('sha256').update(torn).digest('hex')}`;
    expect(places.records()[4]).toMatchObject({ event: 'daemon.start', mended: { bytes: 77, digest } });
    expect(readFileSync(join(places.state, 'audit-torn'), 'utf8')).toBe(torn);
    expect(await places.verify()).toMatchObject({ ok: true, records: 6 });
  });

  test('W-AUDIT-7 a segment with only a torn line is repaired', async () => {
    const places = await written(0);
    appendFileSync(join(places.audit, '0000000000000003.jsonl'), '\0'.repeat(5000));
    await (await open(places))[Symbol.asyncDispose]();
    expect(places.records()[2]).toMatchObject({ seq: 3, mended: { bytes: 5000 } });
    expect(await places.verify()).toMatchObject({ ok: true, records: 4 });
  });

  test('W-AUDIT-3 a cut end is still found after the daemon continues the log, until the missing records are restored', async () => {
    const places = await written(5);
    const lines = places.text().split('\n');
    truncateSync(places.newest(), lines.slice(0, 3).join('\n').length + 1);
    for (let i = 0; i < 2; i += 1) await (await open(places))[Symbol.asyncDispose]();
    expect(places.records()[3]).toMatchObject({
      seq: 8,
      event: 'daemon.start',
      cut: { from: 4, through: 7 },
    });
    const { problems } = await places.verify();
    expect(problems).toMatchObject([{ kind: 'cut-end', line: 4, seq: 4 }]);
    const after = places.text().split('\n').slice(3);
    writeFileSync(places.newest(), [...lines.slice(0, 7), ...after].join('\n'));
    expect(await places.verify()).toMatchObject({ ok: true });
  });

  test('W-AUDIT-3 a removed log is found, also after the daemon continues', async () => {
    const places = await written(2);
    rmSync(places.audit, { recursive: true });
    expect((await places.verify()).problems).toMatchObject([{ kind: 'cut-end', seq: 1 }]);
    await (await open(places))[Symbol.asyncDispose]();
    expect(places.records()[0]).toMatchObject({ seq: 5, cut: { from: 1, through: 4 } });
    expect((await places.verify()).problems).toMatchObject([{ kind: 'start-missing', seq: 5 }]);
  });

  test('W-AUDIT-3 a removed head is found, also after the daemon continues', async () => {
    const places = await written(2);
    unlinkSync(join(places.state, 'audit-head'));
    expect((await places.verify()).problems).toMatchObject([{ kind: 'head-missing' }]);
    await (await open(places))[Symbol.asyncDispose]();
    expect(places.records()[4]).toMatchObject({ seq: 5, headless: true });
    expect((await places.verify()).problems).toMatchObject([{ kind: 'head-missing', line: 5 }]);
  });

  test('a malformed head counts as removed, and is written again', async () => {
    const places = await written(1);
    writeFileSync(join(places.state, 'audit-head'), 'x'.repeat(200));
    await (await open(places))[Symbol.asyncDispose]();
    expect(readFileSync(join(places.state, 'audit-head'), 'utf8')).toMatch(/^0{15}5 [0-9a-f]{64}\n$/);
    expect((await places.verify()).problems).toMatchObject([{ kind: 'head-missing', seq: 4 }]);
  });

  test('W-AUDIT-4 a rewritten end is still found after the daemon continues the log', async () => {
    const places = await written(2);
    const forger = newPlaces();
    cpSync(places.audit, forger.audit, { recursive: true });
    truncateSync(forger.newest(), forger.text().split('\n').slice(0, 2).join('\n').length + 1);
    {
      await using log = await open(forger);
      log.append('tool.call', call(99));
    }
    cpSync(forger.audit, places.audit, { recursive: true });
    await (await open(places))[Symbol.asyncDispose]();
    expect(places.records().at(-2)).toMatchObject({ event: 'daemon.start', rewritten: true });
    expect((await places.verify()).problems.map(({ kind }) => kind)).toContain('rewritten');
  });

  test('W-AUDIT-1 an edited last record is still found after the daemon continues the log', async () => {
    const places = await written(2);
    writeFileSync(places.newest(), places.text().replace(/4242(?!.*4242)/s, '4243'));
    await (await open(places))[Symbol.asyncDispose]();
    expect(places.records().at(-1)).toMatchObject({ seq: 6 });
    expect((await places.verify()).problems).toMatchObject([{ kind: 'edited', line: 4, seq: 4 }]);
  });

  test('an empty segment, which a kill can leave, is used', async () => {
    const places = await written(1);
    writeFileSync(join(places.audit, '0000000000000004.jsonl'), '');
    await (await open(places))[Symbol.asyncDispose]();
    expect(await places.verify()).toMatchObject({ ok: true, records: 5 });
    expect(places.segments()).toHaveLength(2);
  });
});

describe('segments', () => {
  const small = { ...settings, segment: 2000 };

  test('end by size, and the chain goes through them', async () => {
    const places = await written(20, { settings: small });
    expect(places.segments().length).toBeGreaterThan(3);
    for (const path of places.segments()) expect(statSync(path).size).toBeLessThanOrEqual(2000);
    expect(places.records().map(({ seq }) => seq)).toEqual(Array.from({ length: 22 }, (_, i) => i + 1));
    expect(await places.verify()).toMatchObject({ ok: true, records: 22 });
  });

  test('a record larger than a segment has one of its own', async () => {
    const places = newPlaces();
    {
      await using log = await open(places, { settings: small });
      log.append('tool.call', { ...call(1), arguments: 'x'.repeat(5000) });
      log.append('tool.call', call(2));
    }
    expect(places.segments()).toHaveLength(3);
    expect(await places.verify()).toMatchObject({ ok: true, records: 4 });
  });

  test('W-AUDIT-8 old ones are removed by count, a record says so, and other removals are found', async () => {
    const places = newPlaces();
    {
      await using log = await open(places, { settings: { ...small, keep: { count: 2, age: undefined } } });
      log.setSigner(newSigner());
      for (let i = 1; i <= 40; i += 1) {
        log.append('tool.call', call(i));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(places.segments()).toHaveLength(3);
    const { ok, first } = await places.verify();
    expect(ok).toBe(true);
    expect(first).toBeGreaterThan(1);
    unlinkSync(places.segments()[0] ?? '');
    const { problems } = await places.verify();
    expect(problems[0]).toMatchObject({ kind: 'start-missing', line: 1 });
  });

  test('W-AUDIT-8 old ones are removed by age; a quiet log ends its segments too', async () => {
    const places = newPlaces();
    let now = 0;
    const every = { records: 1000, every: 5 };
    {
      const keep = { count: undefined, age: 80_000 };
      await using log = await open(places, {
        settings: { segment: 2 ** 26, keep, checkpoint: every },
        clock: { now: () => now, monotonic: () => now },
      });
      const first = join(places.audit, '0000000000000001.jsonl');
      for (let i = 1; i <= 8; i += 1) {
        expect(existsSync(first)).toBe(true);
        now += 10_001;
        const segments = places.segments().length;
        await expect.poll(() => places.segments()).toHaveLength(segments + 1);
        log.append('tool.call', call(i));
      }
      now += 10_001;
      await expect.poll(() => existsSync(first)).toBe(false);
    }
    expect(await places.verify()).toMatchObject({ ok: true, first: 2 });
    expect(places.records().find(({ start_seq }) => start_seq !== undefined)).toMatchObject({ start_seq: 2 });
  });

  describe('W-AUDIT-16 by a clock that jumps nothing is removed', () => {
    const hour = 3_600_000;
    const year = 365 * 24 * hour;
    /** Opens a log that keeps eight hours, with a clock of the test's own. */
    async function timed(places: TestPlaces, time: { now: number; monotonic: number }): Promise<AuditLog> {
      return open(places, {
        settings: {
          segment: 2 ** 26,
          keep: { count: undefined, age: 8 * hour },
          checkpoint: { records: 1000, every: 5 },
        },
        clock: { now: () => time.now, monotonic: () => time.monotonic },
      });
    }
    /** Lets an hour pass, and then the wall clock jump. */
    async function pass(
      places: TestPlaces,
      log: AuditLog,
      time: { now: number; monotonic: number },
      jump = 0,
    ) {
      const newest = places.newest();
      time.now += hour + 1 + jump;
      time.monotonic += hour + 1;
      await expect.poll(() => places.newest()).not.toBe(newest);
      log.append('tool.call', call(1));
    }

    test('forward, back, or for ever', async () => {
      const places = newPlaces();
      const time = { now: Date.UTC(2026, 0, 1), monotonic: 0 };
      await using log = await timed(places, time);
      const first = places.segments()[0] ?? '';
      await pass(places, log, time);
      await pass(places, log, time, 20 * year);
      await pass(places, log, time, -20 * year);
      await pass(places, log, time, 20 * year);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(existsSync(first)).toBe(true);
      expect(places.segments()).toHaveLength(5);
      // What is really old goes, whatever year it is.
      for (let i = 0; i < 7; i += 1) await pass(places, log, time);
      await expect.poll(() => existsSync(first)).toBe(false);
    });

    test('of a daemon that starts in another year', async () => {
      const places = newPlaces();
      const time = { now: Date.UTC(2026, 0, 1), monotonic: 0 };
      {
        await using log = await timed(places, time);
        for (let i = 0; i < 3; i += 1) await pass(places, log, time);
      }
      const before = places.segments();
      for (const now of [Date.UTC(2046, 0, 1), Date.UTC(1970, 0, 1), Date.UTC(2026, 0, 1)]) {
        time.now = now;
        await using log = await timed(places, time);
        log.append('tool.call', call(1));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(places.segments().slice(0, before.length)).toEqual(before);
      expect(await places.verify()).toMatchObject({ ok: true, first: 1 });
    });
  });

  test('a log that grows and drops segments meanwhile verifies', async () => {
    const places = newPlaces();
    const keep = { count: 2, age: undefined };
    await using log = await open(places, { settings: { ...settings, segment: 30_000, keep } });
    log.setSigner(newSigner());
    let i = 0;
    const writing = setInterval(() => {
      for (const end = i + 5; i < end; i += 1) log.append('tool.call', call(i));
    });
    try {
      while (i < 1500) expect((await places.verify()).problems).toEqual([]);
    } finally {
      clearInterval(writing);
    }
    expect((await places.verify()).first).toBeGreaterThan(1);
  });

  test('without limits all are kept', async () => {
    const places = await written(40, { settings: small });
    expect(places.records()[0]).toMatchObject({ seq: 1 });
  });
});

describe('signatures', () => {
  test('a signer that arrives late signs all records so far, then at intervals, and the end', async () => {
    const places = newPlaces();
    const signer = newSigner();
    {
      const every = { records: 10, every: 2 ** 30 };
      await using log = await open(places, { settings: { ...settings, checkpoint: every } });
      for (let i = 1; i <= 5; i += 1) log.append('tool.call', call(i));
      expect(log.status()).toMatchObject({
        signed: false,
        detail: expect.stringContaining('no credential store'),
      });
      log.setSigner(signer);
      await log.checkpoint();
      expect(places.records().at(-1)).toMatchObject({
        event: 'checkpoint',
        signed_seq: 6,
        key: signer.publicKey,
      });
      expect(log.status()).toEqual({ ...log.head, signed: true });
      for (let i = 1; i <= 20; i += 1) log.append('tool.call', call(i));
    }
    expect(readFileSync(join(places.state, 'audit.pub'), 'utf8')).toBe(`${signer.publicKey}\n`);
    const last = places.records().at(-1);
    expect(last).toMatchObject({ event: 'checkpoint', signed_seq: (last?.seq ?? 0) - 1 });
    const found = await places.verify();
    expect(found).toMatchObject({ ok: true, keys: 'kept', signed_through: last?.signed_seq, checkpoints: 3 });
  });

  test('W-AUDIT-4 a key from elsewhere reveals a log that was signed with another key', async () => {
    const places = newPlaces();
    const signer = newSigner();
    {
      await using log = await open(places);
      log.setSigner(newSigner());
      log.append('tool.call', call(1));
    }
    expect(await places.verify()).toMatchObject({ ok: true, keys: 'kept' });
    const found = await verify({ path: places.audit, state: places.state, keys: [signer.publicKey] });
    expect(found).toMatchObject({ ok: false, keys: 'given', signed_through: null });
    expect(found.problems.map(({ kind }) => kind)).toEqual(['foreign-key', 'unsigned']);
  });

  test('a replaced key is recorded beside the previous one', async () => {
    const places = newPlaces();
    for (const signer of [newSigner(), newSigner()]) {
      await using log = await open(places);
      log.setSigner(signer);
    }
    expect(await places.verify()).toMatchObject({ ok: true, checkpoints: 2 });
  });

  test('a failed signature is reported, and made up for by the next', async () => {
    const places = newPlaces();
    const signer = newSigner();
    let locked = true;
    await using log = await open(places);
    log.setSigner({
      ...signer,
      sign: async (bytes) =>
        locked ? Promise.reject(new Error('the keychain is locked')) : signer.sign(bytes),
    });
    await log.checkpoint();
    expect(log.status()).toMatchObject({
      signed: false,
      detail: expect.stringContaining('the keychain is locked'),
    });
    log.append('tool.call', call(1));
    locked = false;
    await log.checkpoint();
    expect(log.status()).toMatchObject({ signed: true });
    expect(await places.verify()).toMatchObject({ ok: true, signed_through: 2 });
  });

  test('W-AUDIT-5 a signature that never arrives blocks nothing', async () => {
    const places = newPlaces();
    {
      await using log = await open(places);
      log.setSigner({ ...newSigner(), sign: () => new Promise(() => {}) });
      for (let i = 1; i <= 3000; i += 1) log.append('tool.call', call(i));
    }
    expect(await places.verify()).toMatchObject({ ok: true, records: 3002, checkpoints: 0 });
  });
});

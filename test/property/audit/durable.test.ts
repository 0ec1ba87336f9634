// No record, no call, on a disk that fails: what is let go is in bytes that a flush has taken, whatever fails when.
import { fstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test, vi } from 'vitest';
import { type Files, files } from '../../../src/audit/file/appender.ts';
import { verify } from '../../../src/audit/verify.ts';
import { openOn } from '../../fixtures/audit-state.ts';

const numRuns = process.env.SLOW ? 2000 : 60;
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });
const scratch = mkdtempSync(join(tmpdir(), 'warder-durable-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** What of a file is on the disk: a flush that fails loses all that it had to write, and the next one knows nothing of that. */
class Disk {
  readonly #taken = new Map<number, number>();
  readonly #lost = new Map<number, [from: number, to: number][]>();

  begin(ino: number, size: number): (fails: boolean) => void {
    return (fails) => {
      const from = this.#taken.get(ino) ?? 0;
      if (size <= from) return;
      if (fails) this.#lost.set(ino, [...(this.#lost.get(ino) ?? []), [from, size]]);
      this.#taken.set(ino, size);
    };
  }

  has(ino: number, from: number, to: number): boolean {
    const isLost = (this.#lost.get(ino) ?? []).some((range) => from < range[1] && range[0] < to);
    return !isLost && (this.#taken.get(ino) ?? 0) >= to;
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ add: fc.constantFrom('fsync' as const, 'write' as const) }) },
  { weight: 3, arbitrary: fc.constant('commit' as const) },
  { weight: 1, arbitrary: fc.constant('now' as const) },
  { weight: 2, arbitrary: fc.constant('turn' as const) },
);

test('W-AUDIT-18 W-AUDIT-15 nothing is let go that the disk has not taken, over segments and failures', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
      fc.constantFrom(900, 2000, 2 ** 20),
      async (steps, chances, segment) => {
        const state = mkdtempSync(join(scratch, 'state-'));
        const audit = join(state, 'audit');
        const disk = new Disk();
        let isFailing = false;
        const fails = (): boolean => isFailing && (chances.next().value as number) < 3;
        const begin = (fd: number): ((fails: boolean) => void) => {
          const { ino, size } = fstatSync(fd);
          return disk.begin(ino, size);
        };
        const failing: Files = {
          ...files,
          write(...data) {
            if (fails()) throw new Error('ENOSPC');
            return files.write(...data);
          },
          sync(fd) {
            const isLost = fails();
            begin(fd)(isLost);
            if (isLost) throw new Error('EIO');
          },
          async flush(fd) {
            const isLost = fails();
            const end = begin(fd);
            await new Promise((resolve) => setImmediate(resolve));
            end(isLost);
            if (isLost) throw new Error('EIO');
          },
        };
        const log = await openOn(failing, { places: { audit, state }, segment });
        const unwritten = new Set<string>();
        const held: string[] = [];
        /** What was let go without a record on the disk. */
        const outlived: string[] = [];
        const pending: Promise<void>[] = [];
        /** Those of a commit go on when the log says so, as `Recorder.commit` has it. */
        const letGo = (ids: readonly string[]): void => {
          const allowed = ids.filter((id) => !unwritten.has(id));
          if (allowed.length === 0) return;
          const found = new Map<string, [ino: number, from: number, to: number]>();
          for (const name of readdirSync(audit)) {
            const path = join(audit, name);
            let at = 0;
            for (const line of readFileSync(path, 'utf8').split('\n')) {
              const id = /"call":"(s-\d+)"/.exec(line)?.[1];
              if (id !== undefined) found.set(id, [statSync(path).ino, at, at + line.length + 1]);
              at += line.length + 1;
            }
          }
          for (const id of allowed) {
            const place = found.get(id);
            if (place === undefined || !disk.has(...place)) outlived.push(id);
          }
        };
        const commit = (): void => {
          log.commit();
          const ids = held.splice(0);
          if (ids.length === 0) return;
          const { promise, resolve } = Promise.withResolvers<void>();
          const go = (): void => {
            letGo(ids);
            resolve();
          };
          if (log.whenDurable(go)) go();
          pending.push(promise);
        };
        isFailing = true;
        let number = 0;
        for (const next of steps) {
          if (next === 'commit') commit();
          else if (next === 'now') log.flushNow();
          else if (next === 'turn') await new Promise((resolve) => setImmediate(resolve));
          else {
            const id = `s-${++number}`;
            const call = { session: 's', call: id, profile: 'p', tool: 't'.repeat(1 + (number % 90)), id };
            const told = { decision: 'allow', rule: 'r', arguments: '{}' } as const;
            log.add('tool.call', { ...call, ...told }, next.add, () => unwritten.add(id));
            if (next.add === 'fsync') held.push(id);
          }
        }
        commit();
        await Promise.all(pending);
        isFailing = false;
        expect(outlived).toEqual([]);
        await log[Symbol.asyncDispose]();
        expect(await verify({ path: audit, state })).toMatchObject({ ok: true });
        rmSync(state, { recursive: true });
      },
    ),
    { numRuns },
  );
});

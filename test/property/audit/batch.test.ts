// Records that are written together are the same as those that are written one by one, and whatever fails, the log has those
// records and no others whose caller was not told that they are not written.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test, vi } from 'vitest';
import { type Files, files } from '../../../src/audit/file/appender.ts';
import type { AuditLog } from '../../../src/audit/log.ts';
import { verify } from '../../../src/audit/verify.ts';
import { openOn } from '../../fixtures/audit-state.ts';

const numRuns = process.env.SLOW ? 2000 : 15;
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000, hookTimeout: 60_000 });
const scratch = mkdtempSync(join(tmpdir(), 'warder-batch-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The disk is not waited for: what a failing `sync` does is tried, not what a real one takes. */
const quick: Files = { ...files, sync() {} };

/** Small segments, so that batches go over their ends. */
async function open(use: Files) {
  const state = mkdtempSync(join(scratch, 'state-'));
  const places = { state, audit: join(state, 'audit') };
  const log = await openOn(use, { places, segment: 3000, at: { now: () => 0, monotonic: () => 0 } });
  const segments = () => readdirSync(places.audit).sort();
  const text = () => segments().map((name) => readFileSync(join(places.audit, name), 'utf8'));
  return { log, places, segments, text };
}

interface Item {
  readonly size: number;
  readonly sync: boolean;
  /** Written at once, with what waits. */
  readonly now: boolean;
}

const item: fc.Arbitrary<Item> = fc.record({
  size: fc.oneof(fc.nat(200), fc.constantFrom(2900, 5000)),
  sync: fc.constantFrom(false, false, false, true),
  now: fc.boolean(),
});
const batches = fc.array(fc.array(item, { maxLength: 12 }), { maxLength: 8 });

function fields(n: number, size: number) {
  const ids = { session: 's1', call: `s1-${n}`, profile: 'p', tool: 'é"\\\n', id: String(n) };
  return { ...ids, decision: 'allow' as const, rule: 'default', arguments: 'x'.repeat(size) };
}

/** Appends batches. The numbers of the records that are written, as their callers were told. */
async function fill(log: AuditLog, todo: readonly (readonly Item[])[], turns: boolean): Promise<number[]> {
  const refused = new Set<number>();
  let n = 0;
  for (const batch of todo) {
    for (const { size, sync, now } of batch) {
      const id = n++;
      const durability = sync ? 'fsync' : 'write';
      try {
        if (now) log.append('tool.call', fields(id, size), durability);
        else log.add('tool.call', fields(id, size), durability, () => refused.add(id));
      } catch {
        refused.add(id);
      }
    }
    // Without, the microtask writes them.
    if (!turns) log.commit();
    await Promise.resolve();
  }
  return Array.from({ length: n }, (_, id) => id).filter((id) => !refused.has(id));
}

test('a log that is written in batches equals one that is written record by record', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.boolean(), async (todo, turns) => {
      const single = await open(quick);
      const batched = await open(quick);
      {
        await using one = single.log;
        await using many = batched.log;
        await fill(
          one,
          todo.map((batch) => batch.map((each) => ({ ...each, now: true }))),
          false,
        );
        await fill(many, todo, turns);
      }
      expect(batched.segments()).toEqual(single.segments());
      expect(batched.text()).toEqual(single.text());
      expect(await verify({ path: batched.places.audit, state: batched.places.state })).toMatchObject({
        ok: true,
      });
    }),
    { numRuns },
  );
});

test('W-AUDIT-6 whatever fails at any point, only what is on record may happen', async () => {
  const NAMES = ['write', 'writeOver', 'truncate', 'sync'] as const;
  let failures = 0;
  await fc.assert(
    fc.asyncProperty(
      batches,
      fc.array(fc.tuple(fc.nat(40), fc.constantFrom(...NAMES), fc.nat(700)), { minLength: 2, maxLength: 6 }),
      async (todo, faults) => {
        let calls = 0;
        let isBroken = false;
        const use = new Proxy(quick, {
          get(real, name: keyof Files) {
            const fault = isBroken ? faults.find(([at, which]) => at === calls && which === name) : undefined;
            if ((NAMES as readonly string[]).includes(name)) calls++;
            if (fault === undefined) return real[name];
            failures++;
            const error = Object.assign(new Error('no'), { code: 'ENOSPC' });
            return (...[fd, data, start, end]: Parameters<Files['write']>) => {
              // Part of it arrives.
              if (name === 'write') real.write(fd, data, start, Math.min(end, start + fault[2]));
              throw error;
            };
          },
        });
        const { log, places, text } = await open(use);
        let told: number[];
        {
          await using _ = log;
          isBroken = true;
          calls = 0;
          told = await fill(log, todo, false);
          isBroken = false;
        }
        const lines = text().join('').split('\n');
        // Part of a record may be left at the end of the log, where whoever opens it next removes it, and nowhere else.
        lines.pop();
        const written = lines
          .map((line) => JSON.parse(line))
          .flatMap(({ event, id }) => (event === 'tool.call' ? [Number(id)] : []));
        // What a segment that ends has lost is in the log, and its caller was told that it is not on the disk.
        const items = todo.flat();
        const lost = faults.some(([, name]) => name === 'sync')
          ? written.filter((id) => !told.includes(id) && items[id]?.sync === true && items[id]?.now === false)
          : [];
        expect(written.filter((id) => !lost.includes(id))).toEqual(told);
        expect(await verify({ path: places.audit, state: places.state })).toMatchObject({ ok: true });
      },
    ),
    { numRuns: 3 * numRuns },
  );
  expect(failures).toBeGreaterThan(numRuns / 2);
});

test('a record that cannot be one is refused alone', async () => {
  const { log, text } = await open(quick);
  const refused: string[] = [];
  {
    await using _ = log;
    for (const size of [1, 2 ** 24, 2])
      log.add('tool.call', fields(size, size), 'write', ({ message }) => refused.push(`${size} ${message}`));
    log.commit();
  }
  expect(refused).toEqual([expect.stringMatching(/^16777216 .*too long/)]);
  expect(text().join('')).not.toContain('s1-16777216');
  expect(text().join('')).toMatch(/s1-1".*\n.*s1-2"/);
});

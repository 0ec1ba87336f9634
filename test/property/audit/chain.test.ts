// Whatever is done to a log shows: to its bytes, its lines, or its end.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { afterAll, expect, test, vi } from 'vitest';
import { canonical, type Json, type JsonObject } from '../../../src/audit/chain/canonical.ts';
import { Chain, check, ORIGIN } from '../../../src/audit/chain/chain.ts';
import { sha256 } from '../../../src/audit/chain/hash.ts';
import { segmentName } from '../../../src/audit/file/segments.ts';
import { verify } from '../../../src/audit/verify.ts';
import { nextLine } from '../../fixtures/chain-line.ts';

const numRuns = process.env.SLOW ? 5000 : 80;
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });
const scratch = mkdtempSync(join(tmpdir(), 'warder-audit-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const text = fc.string({ unit: 'binary', maxLength: 20 });
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 }),
  ),
}));
const OWN = new Set(['seq', 'time', 'event', 'prev', 'hash']);
const fields = fc
  .dictionary(fc.oneof(text, fc.constantFrom('arguments', 'tool', 'é', '10', '2', 'constructor')), value, {
    maxKeys: 5,
  })
  .map(
    (members): JsonObject => Object.fromEntries(Object.entries(members).filter(([name]) => !OWN.has(name))),
  );

/** The lines of a log with these fields. */
function linesOf(records: readonly JsonObject[]): string[] {
  const chain = new Chain(sha256, ORIGIN);
  return records.map((record, i) => {
    const { line, head } = nextLine(chain, 'tool.call', new Date(i * 1e9).toISOString(), record);
    chain.head = head;
    return line;
  });
}

/** Verifies bytes as a log's segments, whose head is the one of `lines`. */
async function verifyBytes(segments: readonly Buffer[], firsts: readonly number[], lines: readonly string[]) {
  const state = mkdtempSync(join(scratch, 'state-'));
  const path = join(state, 'audit');
  mkdirSync(path, { recursive: true });
  const head = lines.length === 0 ? ORIGIN : JSON.parse(lines.at(-1) ?? '');
  writeFileSync(join(state, 'audit-head'), `${String(head.seq).padStart(16, '0')} ${head.hash}\n`);
  for (const [i, bytes] of segments.entries()) writeFileSync(join(path, segmentName(firsts[i] ?? 0)), bytes);
  const verified = await verify({ path, state });
  rmSync(state, { recursive: true });
  return verified;
}

const log = fc.array(fields, { minLength: 1, maxLength: 8 }).map(linesOf);

/** One segment of all lines. */
const whole = (lines: readonly string[]) => [Buffer.from(lines.join(''))];

test('the canonical form follows RFC 8785', () => {
  fc.assert(
    fc.property(value, (given) => {
      expect(canonical(given)).toBe(canonicalize(wellFormed(given)));
    }),
    { numRuns: numRuns * 4 },
  );
});

test('a record is read as it was written', () => {
  fc.assert(
    fc.property(fields, (given) => {
      const [line = ''] = linesOf([given]);
      const { entry } = check(line.slice(0, -1), sha256);
      expect(entry).toMatchObject({ ...(wellFormed(given) as JsonObject), seq: 1 });
      expect(line).toBe(`${canonicalize(entry)}\n`);
    }),
    { numRuns },
  );
});

test('a log verifies, however it is split into segments', async () => {
  await fc.assert(
    fc.asyncProperty(log, fc.infiniteStream(fc.boolean()), async (lines, cuts) => {
      const firsts = [1, ...lines.slice(1).flatMap((_, i) => (cuts.next().value ? [i + 2] : []))];
      const parts = firsts.map((first, i) =>
        Buffer.from(lines.slice(first - 1, (firsts[i + 1] ?? Infinity) - 1).join('')),
      );
      const { ok, records } = await verifyBytes(parts, firsts, lines);
      expect({ ok, records }).toEqual({ ok: true, records: lines.length });
    }),
    { numRuns },
  );
});

test('W-AUDIT-1 an edit of any byte is found, at its record or at a line that it created', async () => {
  await fc.assert(
    fc.asyncProperty(log, fc.nat(), fc.integer({ min: 1, max: 255 }), async (lines, where, change) => {
      const [bytes = Buffer.alloc(0)] = whole(lines);
      const at = where % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ change;
      const { problems } = await verifyBytes([bytes], [1], lines);
      const line = Buffer.from(lines.join('')).subarray(0, at).toString('latin1').split('\n').length;
      expect(problems[0]?.line).toBe(line);
    }),
    { numRuns: numRuns * 2 },
  );
});

test('W-AUDIT-3 a cut at any byte is found', async () => {
  await fc.assert(
    fc.asyncProperty(log, fc.nat(), async (lines, where) => {
      const [bytes = Buffer.alloc(0)] = whole(lines);
      const { problems } = await verifyBytes([bytes.subarray(0, where % bytes.length)], [1], lines);
      expect(problems.map(({ kind }) => kind)).toContain('cut-end');
    }),
    { numRuns: Math.ceil(numRuns / 5) },
  );
});

test('W-AUDIT-2 any deletion, insertion or move of lines is found', async () => {
  const change = fc.constantFrom<'delete' | 'insert' | 'swap' | 'move'>('delete', 'insert', 'swap', 'move');
  await fc.assert(
    fc.asyncProperty(
      log,
      change,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 3 }),
      async (lines, what, a, b, many) => {
        const changed = [...lines];
        const from = a % lines.length;
        const to = b % lines.length;
        const taken =
          what === 'insert'
            ? lines.slice(from, from + many)
            : changed.splice(from, what === 'delete' ? many : 1);
        if (what === 'insert' || what === 'move') changed.splice(to, 0, ...taken);
        if (what === 'swap') changed.splice(to, 0, ...taken.toReversed());
        fc.pre(changed.join('') !== lines.join(''));
        const { ok, problems } = await verifyBytes(whole(changed), [1], lines);
        const first = lines.findIndex((line, i) => changed[i] !== line);
        expect(ok).toBe(false);
        expect(problems[0]?.line).toBe((first < 0 ? lines.length : first) + 1);
      },
    ),
    { numRuns: numRuns * 2 },
  );
});

/** JSON as it is kept: without lone surrogates. */
function wellFormed(value: Json | undefined): Json {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name.toWellFormed(), wellFormed(member)]),
  );
}

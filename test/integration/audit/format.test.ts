// The table of format.md: each row is done to a log that daemons have written and signed, and looked at by Warder's
// verifier and by one that was written from the document.
import { readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SignedPoint } from '../../../src/audit/checkpoint.ts';
import { verify } from '../../../src/audit/verify.ts';
import { AuditState, call, chained, FakeStore } from '../../fixtures/audit-state.ts';
import { runPython } from '../../fixtures/python.ts';
import { layOut, vectors } from '../../vectors/audit/generate.ts';

const program = join(import.meta.dirname, '../../fixtures/verify.py');
const document = readFileSync(join(import.meta.dirname, '../../../src/audit/format.md'), 'utf8');
const POLICY = { records: 10, every: 3_600_000 };

/** The rows of the table: the change, and what each kind of verifier says. */
const rows = [...document.matchAll(/^\| (?!change|---)(.*?) \| (.*?) \| (.*?) \| (.*?) \|$/gm)].map(
  ([, change = '', ...cells]) => ({ change, cells }),
);

interface Written {
  readonly state: AuditState;
  readonly store: FakeStore;
  readonly lines: string[];
}

/** A record without what the chain makes of it. */
function bare(line: string | undefined): object {
  const { seq, time, prev, hash, ...rest } = JSON.parse(line ?? '{}');
  return rest;
}

/** The lines up to `count`, and others that link on. */
function rewritten(lines: readonly string[], count: number, bodies: readonly object[]): string[] {
  const kept = lines.slice(0, count);
  return [...kept, ...chained(kept.at(-1), bodies)];
}

const calls = (count: number): object[] =>
  Array.from({ length: count }, (_, i) => ({ event: 'tool.call', ...call(900 + i) }));

/** Writes lines without touching the head or the keys. */
function overwrite({ state }: Written, lines: readonly string[]): void {
  const [name = ''] = readdirSync(state.audit);
  writeFileSync(join(state.audit, name), lines.map((line) => `${line}\n`).join(''));
}

const changes: { readonly [change: string]: (written: Written) => void | Promise<void> } = {
  'a record edited': (written) =>
    overwrite(written, written.lines.with(5, written.lines[5]?.replace('get_issue', 'set_issue') ?? '')),
  'a record deleted': (written) => overwrite(written, written.lines.toSpliced(5, 1)),
  'a record inserted': (written) =>
    overwrite(written, written.lines.toSpliced(5, 0, chained(written.lines[4], calls(1))[0] ?? '')),
  'two records swapped': (written) => {
    const { lines } = written;
    overwrite(written, lines.with(5, lines[6] ?? '').with(6, lines[5] ?? ''));
  },
  'a record edited, and all after it rewritten to fit, checkpoints as they were': ({ state, lines }) => {
    const bodies = lines.slice(5).map(bare);
    state.forge(rewritten(lines, 5, [{ ...bodies[0], tool: 'other' }, ...bodies.slice(1)]));
  },
  'a checkpoint dropped, and all after it rewritten to fit': ({ state, lines }) => {
    const at = lines.findIndex((line, i) => i > 3 && line.includes('"signature"'));
    state.forge(rewritten(lines, at, lines.slice(at + 1).map(bare)));
  },
  'the end cut': (written) => overwrite(written, written.lines.slice(0, -3)),
  'everything removed but the head': ({ state }) => rmSync(state.audit, { recursive: true }),
  'the head removed': ({ state }) => unlinkSync(join(state.state, 'audit-head')),
  'the end cut before the last signed record, and the head set to fit': ({ state, lines, store }) =>
    state.forge(lines.slice(0, (store.stored?.seq ?? 0) - 2)),
  'the end cut after the last signed record, and the head set to fit': ({ state, lines, store }) =>
    state.forge(lines.slice(0, store.stored?.seq)),
  'rewritten after the first checkpoint, later checkpoints dropped, and the head set to fit': ({
    state,
    lines,
  }) => state.forge(rewritten(lines, 2, calls(10))),
  'the same, and the rewritten end is longer than the checkpoint policy allows': ({ state, lines }) =>
    state.forge(rewritten(lines, 2, calls(100))),
  'everything rewritten without checkpoints, `audit.pub` removed, and the head set to fit': ({ state }) => {
    state.forge(rewritten([], 0, calls(10)));
    rmSync(join(state.state, 'audit.pub'));
  },
  'the same, signed with another key': async ({ state }) => {
    state.forge(rewritten([], 0, calls(10)), []);
    await state.daemon(new FakeStore(), 1);
  },
  'the oldest segment removed': ({ state, lines }) => state.forge(lines.slice(4)),
  'the same, and a record that allows it forged at the end': ({ state, lines }) => {
    const { seq: start_seq, prev: start_prev } = JSON.parse(lines[4] ?? '{}');
    const kept = lines.slice(4);
    state.forge([...kept, ...chained(kept.at(-1), [{ event: 'checkpoint', start_seq, start_prev }])]);
  },
  'records forged after the last one, and the head set to fit': ({ state, lines }) =>
    state.forge(rewritten(lines, lines.length, calls(3))),
};

/** The arguments of the independent verifier. */
function words(state: string, keys: readonly string[], signed?: SignedPoint): string[] {
  return [
    state,
    ...['--policy', String(POLICY.records), String(POLICY.every)],
    ...keys.flatMap((key) => ['--key', key]),
    ...(signed ? ['--signed', String(signed.seq), signed.hash] : []),
  ];
}

describe('W-AUDIT-4 format.md says what each change shows', () => {
  test('its table has the rows that are tested', () => {
    expect(rows.map(({ change }) => change)).toEqual(Object.keys(changes));
  });

  test.each(rows)('$change', async ({ change, cells }) => {
    using state = new AuditState();
    const store = new FakeStore();
    await state.daemon(store, 5);
    await state.daemon(store, 25);
    const { lines } = state;
    const [key, point] = [store.publicKey, store.stored];
    if (point === undefined) throw new Error('nothing was signed');
    expect(await verify({ path: state.audit, state: state.state, keys: [key], signed: point })).toMatchObject(
      {
        ok: true,
      },
    );
    expect(runPython(program, [words(state.state, [key], point)])).toEqual([{ status: 0, text: '' }]);

    await changes[change]?.({ state, store, lines });
    const options = { path: state.audit, state: state.state, checkpoint: POLICY };
    const found = [
      await verify(options),
      await verify({ ...options, keys: [key] }),
      await verify({ ...options, keys: [key], signed: point }),
    ].map(({ ok }) => (ok ? 'not found' : 'found'));
    expect({ warder: found }).toEqual({ warder: cells });
    const independent = runPython(program, [
      words(state.state, []),
      words(state.state, [key]),
      words(state.state, [key], point),
    ]).map(({ status }) => (status === 0 ? 'not found' : 'found'));
    expect({ independent }).toEqual({ independent: cells });
  });
});

test('W-AUDIT-13 the independent verifier agrees on the vectors', () => {
  expect(readFileSync(program, 'utf8').split('\n').length).toBeLessThanOrEqual(60);
  using states = new DisposableStack();
  const all = [...vectors()].map(([name, vector]) => ({
    name,
    vector,
    state: states.use(new AuditState()).state,
  }));
  for (const { vector, state } of all) layOut(state, vector);
  const ends = runPython(
    program,
    all.map(({ vector: { signed, checkpoint }, state }) => [
      state,
      ...(signed ? ['--signed', String(signed.seq), signed.hash] : []),
      ...(checkpoint ? ['--policy', String(checkpoint.records), String(checkpoint.every)] : []),
    ]),
  );
  for (const [i, { name, vector }] of all.entries()) {
    const expected = vector.problem === null ? 0 : vector.problem.kind === 'unsigned-tail' ? 75 : 1;
    expect({ name, status: ends[i]?.status, text: ends[i]?.text }).toMatchObject({ name, status: expected });
  }
});

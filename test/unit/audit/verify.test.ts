import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { verify } from '../../../src/audit/verify.ts';
import { type Expected, layOut, vectors } from '../../vectors/audit/generate.ts';

const folder = join(import.meta.dirname, '../../vectors/audit');
const expected = Object.entries<Expected>(JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')));
const scratch = mkdtempSync(join(tmpdir(), 'warder-audit-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const PROMISES = {
  edited: 'W-AUDIT-1 an edited record is found',
  deleted: 'W-AUDIT-2 a deleted record is found',
  inserted: 'W-AUDIT-2 an inserted record is found',
  swapped: 'W-AUDIT-2 a swapped record is found',
  'cut-end': 'W-AUDIT-3 a cut end is found',
  'head-missing': 'W-AUDIT-3 a removed head is found',
  rewritten: 'W-AUDIT-4 rewritten history is found',
  'bad-signature': 'W-AUDIT-4 a bad signature is found',
  'foreign-key': 'W-AUDIT-4 a foreign key is found',
  unsigned: 'W-AUDIT-4 a log without its signatures is found',
  'checkpoint-missing': 'W-AUDIT-12 a dropped checkpoint is found',
  'signed-missing': 'W-AUDIT-11 a log without the record that was signed last is found',
  'unsigned-tail': 'W-AUDIT-13 an end that is not signed for too long is found',
  torn: 'W-AUDIT-7 a torn end is found',
  'start-missing': 'W-AUDIT-8 a missing start is found',
};

test('the vectors are those that the generator makes', () => {
  const made = [...vectors()];
  expect(Object.fromEntries(made.map(([name, { bytes, ...rest }]) => [name, rest]))).toEqual(
    Object.fromEntries(expected),
  );
  expect(readdirSync(folder).filter((name) => name.endsWith('.jsonl'))).toHaveLength(made.length);
  for (const [name, { bytes }] of made) {
    expect(readFileSync(join(folder, `${name}.jsonl`)).equals(bytes), name).toBe(true);
  }
});

for (const [name, given] of expected) {
  const { problem, signed_through, signed, checkpoint } = given;
  test(`${problem ? PROMISES[problem.kind] : 'a valid log verifies'}: ${name}`, async () => {
    const state = mkdtempSync(join(scratch, 'state-'));
    layOut(state, { ...given, bytes: readFileSync(join(folder, `${name}.jsonl`)) });
    const options = { ...(signed && { signed }), ...(checkpoint && { checkpoint }) };
    const verified = await verify({ path: join(state, 'audit'), state, ...options });
    const [first] = verified.problems;
    expect(first && { kind: first.kind, line: first.line, seq: first.seq }).toEqual(problem ?? undefined);
    expect(verified.ok).toBe(problem === null);
    if (signed_through !== undefined) expect(verified.signed_through).toBe(signed_through);
  });
}

// The native launcher under libFuzzer, with sanitizers: whatever daemon, host, files and processes there are, what each target
// says holds. `npm run fuzz` goes on for longer.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compileTarget, corpus, findFuzzer, fuzz, TARGETS, unpack } from '../../../scripts/native/fuzz.js';

const RUNS = process.env.SLOW === undefined ? 5000 : 1_000_000;
/** In CI it always runs, and fails where there is no clang. */
const runs = process.platform === 'linux' && (findFuzzer() !== undefined || process.env.CI !== undefined);
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'warder-fuzz-')));

afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf(!runs).each(Object.keys(TARGETS))(
  'W-NAT-6 no input of any kind is a fault: %s',
  { timeout: 3_600_000 },
  async (name) => {
    const program = compileTarget(name, folder);
    const { count, fault } = await fuzz(program, { runs: RUNS, inputs: unpack(name, folder) });
    expect(fault).toBeUndefined();
    expect(corpus(name).length).toBeGreaterThan(0);
    expect(count).toBeGreaterThanOrEqual(RUNS);
  },
);

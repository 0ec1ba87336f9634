// Measures what a record costs in the audit log itself: the record of a tool call as the relay writes it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { build } from 'esbuild';
import { median } from './table.js';

const call = {
  session: 's-0123456789abcdef',
  call: 'c-0123456789abcdef',
  profile: 'echo',
  tool: 'echo',
  id: '1234',
  decision: 'allow',
  rule: 'default',
  arguments: '{"text":"hello"}',
};

/** Loads the log as the daemon does: bundled for the oldest Node that runs Warder. */
async function load() {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../../src/audit/log.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node22.22',
    format: 'esm',
  });
  const { AuditLog } = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
  );
  return AuditLog;
}

/** Milliseconds per record, as the median of batches with 32 calls in flight: with one `write`, and with `fsync`. */
export async function measureAudit(dir, count) {
  const state = join(dir, 'state');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const AuditLog = await load();
  const log = await AuditLog.open({
    places: { state, audit: join(state, 'audit') },
    settings: { segment: 64 * 2 ** 20, keep: {}, checkpoint: { records: 1e9, every: 2 ** 31 - 1 } },
    version: '0.0.0',
    pid: process.pid,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    log: quiet,
  });
  const measure = async (batches, size, durability) => {
    const taken = [];
    for (let batch = 0; batch < batches; batch++) {
      const from = performance.now();
      for (let record = 0; record < size; record++) log.append('tool.call', call, durability);
      taken.push((performance.now() - from) / size);
      await setImmediate();
    }
    return median(taken);
  };
  try {
    await measure(100, 32, 'write');
    return { write: await measure(Math.ceil(count / 32), 32, 'write'), fsync: await measure(50, 8, 'fsync') };
  } finally {
    await log[Symbol.asyncDispose]();
  }
}

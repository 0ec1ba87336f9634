// Measures what a record costs in the audit log itself: the record of a tool call as the relay writes it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { build } from 'esbuild';
import { duration, median } from '../figures.js';
import { target } from '../table.js';

export const name = 'audit';
export const title = 'Audit';
export const about = `A record of a tool call in the audit log, in the process: hash, link and one \`write\`. Batches have 32 calls in flight, and with
\`durability: fsync\` 8.`;

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
    entryPoints: [join(import.meta.dirname, '../../../src/audit/log.ts')],
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

/** Milliseconds per record, as the median of batches. */
export async function measure(bench) {
  const count = bench.samples(50_000);
  const state = join(bench.folder, 'audit-state');
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
  const take = async (batches, size, durability) => {
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
    await take(100, 32, 'write');
    return { write: await take(Math.ceil(count / 32), 32, 'write'), fsync: await take(50, 8, 'fsync') };
  } finally {
    await log[Symbol.asyncDispose]();
  }
}

export function targets({ write }) {
  return [target('audit record', write, 0.005, duration)];
}

export function rows({ write, fsync }) {
  return [
    ['one record', 'median'],
    ['hash, link, one `write`', duration(write)],
    ['with `durability: fsync`', duration(fsync)],
  ];
}

export const plots = () => [];

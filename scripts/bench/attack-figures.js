// Measures what a session, or a client of the daemon's socket, does to a quiet session: its calls, one a millisecond, and the
// daemon's memory, before and during it; and the same beside a daemon of its own, which is what it does to the machine.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { attacks } from './attacks.js';
import { duration, mebibytes, median } from './figures.js';
import { peakResident, resetPeak, resident } from './machine.js';
import { Host, initialize, LOST } from './session-host.js';

const MIB = 2 ** 20;
/** What to reach: times the quiet p50, milliseconds of the worst call, bytes above quiet. */
export const limits = { ratio: 1.5, worst: 100, memory: 150 * MIB };

/** The quiet session, in a process of its own. */
export class Quiet {
  #child;
  #lines;

  constructor(command, env) {
    const program = join(import.meta.dirname, 'quiet.js');
    this.#child = spawn(process.execPath, [program, ...command], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Milliseconds of calls, one after the other, for a time. */
  async callFor(ms) {
    this.#child.stdin.write(`${ms}\n`);
    const { value } = await this.#lines.next();
    return JSON.parse(value);
  }

  end() {
    this.#child.stdin.end();
  }
}

/** Attacks the daemon of a Warder. Resolves once that has begun to what ends it, which throws if it has failed. */
async function attack(warder, kind) {
  const stop = new AbortController();
  const begun = Promise.withResolvers();
  const socket = join(warder.home, 'run/daemon.sock');
  const attacking = attacks[kind].start({
    run: warder.run(kind),
    env: warder.env,
    socket,
    begun: begun.resolve,
    stop: stop.signal,
  });
  let failure;
  attacking.catch((error) => {
    failure = error;
    begun.resolve();
  });
  await begun.promise;
  return () => {
    stop.abort();
    if (failure !== undefined) throw failure;
  };
}

/**
 * The figures of attacks by their names, each with fresh daemons. `prepare` writes the profiles of a Warder: `quiet`, and one
 * with the name of each attack that is a session.
 */
export async function measureAttacks(bench, kinds, prepare) {
  const ms = bench.quick ? 800 : 1800;
  using attacked = bench.warder();
  using beside = bench.warder();
  for (const warder of [attacked, beside]) prepare(warder);
  const figures = {};
  for (const kind of kinds) {
    const machine = await measureAttack(attacked, beside, kind, ms);
    figures[kind] = { ...(await measureAttack(attacked, attacked, kind, ms)), machine };
  }
  return figures;
}

/** The figures of one attack on the daemon of `attacked`, with the quiet session at that of `warder`. */
async function measureAttack(warder, attacked, kind, ms) {
  const all = new Set([warder, attacked]);
  for (const each of all) each.start();
  const quiet = new Quiet(warder.run('quiet'), warder.env);
  let stop;
  try {
    await quiet.callFor(ms / 4);
    const before = await quiet.callFor(ms);
    const memory = resident(warder.pid);
    resetPeak(warder.pid);
    stop = await attack(attacked, kind);
    await sleep(ms / 8);
    const during = await quiet.callFor(ms);
    const opened = await opensSession(warder);
    stop();
    return {
      quiet: median(before),
      p50: median(during),
      worst: Math.max(...during),
      memory: peakOf(warder.pid) - memory,
      opened,
    };
  } finally {
    quiet.end();
    for (const each of all) each.kill();
    await sleep(300);
    stop?.();
  }
}

/** Whether another session opens meanwhile. */
async function opensSession(warder) {
  const host = new Host(warder.run('quiet'), warder.env).read();
  const ms = await host.call('initialize', initialize);
  host.kill();
  return ms < LOST;
}

/** More than any memory where the daemon has ended: JSON has no infinity. */
function peakOf(pid) {
  try {
    return peakResident(pid);
  } catch {
    return Number.MAX_SAFE_INTEGER;
  }
}

const ended = (memory) => memory > 2 ** 50;
const times = (ms, quiet) => `${duration(ms)} (${(ms / quiet).toFixed(2)} ×)`;
const lost = (ms) => (ms >= LOST ? 'lost' : duration(ms));

/** A limit that the same attack on another daemon exceeds too is not met, and says nothing of this daemon. */
export function verdict({ quiet, p50, worst, memory, opened, machine }) {
  const slow = p50 > limits.ratio * quiet;
  const late = worst > limits.worst;
  if (opened && !slow && !late && memory <= limits.memory) return 'met';
  const isMachine =
    opened &&
    memory <= limits.memory &&
    (!slow || machine.p50 > limits.ratio * machine.quiet) &&
    (!late || machine.worst > limits.worst);
  return isMachine ? '**not met**, nor beside' : '**not met**';
}

export function attackRows(figures) {
  const head = [
    ...['attack', 'quiet p50', 'p50', 'p50 beside', 'worst call', 'worst call beside', 'memory above quiet'],
    ...['a session opens', ''],
  ];
  return [
    head,
    ...Object.entries(figures).map(([kind, row]) => [
      attacks[kind].title,
      duration(row.quiet),
      times(row.p50, row.quiet),
      times(row.machine.p50, row.machine.quiet),
      lost(row.worst),
      lost(row.machine.worst),
      ended(row.memory) ? 'the daemon ended' : mebibytes(row.memory),
      row.opened ? 'yes' : '**no**',
      verdict(row),
    ]),
  ];
}

/** The bars of a plot: the p50 during each attack, and beside, in times of the quiet one. */
export function attackBars(figures) {
  return Object.entries(figures).flatMap(([kind, { p50, quiet, machine }]) => [
    { label: kind, kind: 'warder', value: p50 / quiet },
    { label: 'beside', kind: 'plain', value: machine.p50 / machine.quiet },
  ]);
}

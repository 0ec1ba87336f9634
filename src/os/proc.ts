// What the system says of a process. A pid alone names nobody for long: with its start time it does. Where
// there is no /proc (macOS) only the pid is known here. No package and no heavy module is imported: the
// launcher reads this file.
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import type { HostProcess, ServerIdentity } from '../wire/hello.ts';

/** The parts of `/proc/PID/stat` that are used here. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Ended, and not yet asked for by its parent. */
  readonly zombie: boolean;
  /** Start time in clock ticks since boot. */
  readonly started: number;
}

/**
 * What is read of a process goes here, again and again: `readFileSync` takes 8 KiB anew for each read of a
 * file of unknown size, and reads twice, which over all processes of a machine brings the garbage collector.
 * 52 numbers and a name of at most 64 bytes fit, and the kernel gives them in one read.
 */
const STAT_BUFFER = Buffer.alloc(2048);

/** Looks at a process; `undefined` where there is none, or no /proc. */
export function statOf(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    const file = openSync(`/proc/${pid}/stat`, 'r');
    try {
      text = STAT_BUFFER.toString('latin1', 0, readSync(file, STAT_BUFFER));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  // The name in the second field may hold spaces and parentheses: the fields count from behind the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    zombie: fields[0] === 'Z' || fields[0] === 'X',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    started: Number(fields[19]),
  };
}

/** All processes that can be seen; none where there is no /proc. */
function processes(): ProcessStat[] {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  const found: ProcessStat[] = [];
  for (const name of names) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined;
    if (stat !== undefined) found.push(stat);
  }
  return found;
}

/**
 * The processes of servers: of each its leader with that one's group and session, all that have its marker in
 * their environment, `known` ones of before, and all that descend from any of these. Where a leader has gone,
 * its group could be another's by now, and does not count. Not found is who left in all three ways.
 */
export function findServerProcesses(
  servers: readonly ServerIdentity[],
  known: readonly ProcessStat[],
): ProcessStat[] {
  const all = processes();
  const alike = (stat: ProcessStat, pid?: number, started?: number): boolean =>
    stat.pid === pid && stat.started === started;
  const leaders = servers.filter(({ pid, started }) => all.some((stat) => alike(stat, pid, started)));
  const belongs = (stat: ProcessStat): boolean =>
    leaders.some(({ pid }) => stat.group === pid || stat.session === pid) ||
    known.some(({ pid, started }) => alike(stat, pid, started)) ||
    servers.some(({ started = 0, marker }) => stat.started >= started && hasEntry(stat.pid, marker));
  const tree = new Map<number, ProcessStat>();
  const add = (stat: ProcessStat): void => {
    if (tree.has(stat.pid)) return;
    tree.set(stat.pid, stat);
    for (const child of all) if (child.parent === stat.pid) add(child);
  };
  for (const stat of all) if (belongs(stat)) add(stat);
  return [...tree.values()];
}

/** Whether an entry stands in the environment that a process was started with. */
function hasEntry(pid: number, entry: string | undefined): boolean {
  if (entry === undefined) return false;
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${entry}\0`);
  } catch {
    // Another user's, or gone.
    return false;
  }
}

/** Whether the very process that `stat` described still runs. */
export function isRunning(stat: Pick<ProcessStat, 'pid' | 'started'>): boolean {
  const now = statOf(stat.pid);
  return now !== undefined && !now.zombie && now.started === stat.started;
}

/** How many processes of a chain are looked at. */
const MAX_ANCESTORS = 16;

/** The processes above `pid`, nearest first; what another user's process hides is left out. */
export function ancestorsOf(pid: number): HostProcess[] {
  const chain: HostProcess[] = [];
  let stat = statOf(pid);
  while (stat !== undefined && stat.parent > 0 && chain.length < MAX_ANCESTORS) {
    stat = statOf(stat.parent);
    if (stat === undefined) break;
    const { pid, started } = stat;
    let exe: string | undefined;
    try {
      exe = readlinkSync(`/proc/${pid}/exe`);
    } catch {}
    chain.push({ pid, started, ...(exe !== undefined && { exe }) });
  }
  return chain;
}

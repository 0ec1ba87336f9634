// Reads processes from /proc. A pid is reused after a while; a pid together with a start time identifies a process for
// good. Without /proc (macOS) only the pid is known here. Imports no package and no heavy module, because the launcher
// loads this file.
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { resolve } from 'node:path';
import type { HostProcess, ServerIdentity } from '../wire/hello.ts';

/** The parts of `/proc/PID/stat` that are used here. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Ended, but not yet waited for by its parent. */
  readonly zombie: boolean;
  /** Start time in clock ticks since boot. */
  readonly started: number;
}

/**
 * One buffer for all reads of a `stat` file: `readFileSync` allocates 8 KiB for each read of a file of unknown size,
 * and reads twice, which over all processes of a machine triggers the garbage collector. 52 numbers and a name of at
 * most 64 bytes fit, and the kernel returns them in one read.
 */
const STAT_BUFFER = Buffer.alloc(2048);

/** Reads a process; `undefined` if it does not exist, or without /proc. */
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
  // The name in the second field may contain spaces and parentheses, so the fields are counted after the last ")".
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

/** All visible processes; none without /proc. */
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
 * Finds the processes of servers: each server's leader with its process group and session, all processes with its
 * marker in their environment, those in `known` (found before), and the descendants of all of these. If a leader has
 * ended, its group could belong to another process by now, and does not count. A process that left the group, the
 * chain of parents and the marker is not found.
 */
export function findServerProcesses(
  servers: readonly ServerIdentity[],
  known: readonly ProcessStat[],
): ProcessStat[] {
  const all = processes();
  const isSame = (stat: ProcessStat, pid?: number, started?: number): boolean =>
    stat.pid === pid && stat.started === started;
  const leaders = servers.filter(({ pid, started }) => all.some((stat) => isSame(stat, pid, started)));
  const belongs = (stat: ProcessStat): boolean =>
    leaders.some(({ pid }) => stat.group === pid || stat.session === pid) ||
    known.some(({ pid, started }) => isSame(stat, pid, started)) ||
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

/** Whether the environment that a process was started with contains an entry (`NAME=value`). */
function hasEntry(pid: number, entry: string | undefined): boolean {
  if (entry === undefined) return false;
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${entry}\0`);
  } catch {
    // Another user's process, or it has ended.
    return false;
  }
}

/** Whether the process that `stat` describes still runs: this one, not a later one with its pid. */
export function isRunning(stat: Pick<ProcessStat, 'pid' | 'started'>): boolean {
  const now = statOf(stat.pid);
  return now !== undefined && !now.zombie && now.started === stat.started;
}

/** How many processes of a chain are read. */
export const MAX_ANCESTORS = 16;

/** Programs whose first file among the arguments is what really runs. */
const INTERPRETER = /\/(?:node|nodejs|bun|deno|python[\d.]*|ruby[\d.]*|perl[\d.]*)$/;

/** The script that an interpreter runs: the first of its arguments that names a file. */
function scriptOf(pid: number): string | undefined {
  try {
    const [, ...words] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return scriptAmong(words, readlinkSync(`/proc/${pid}/cwd`));
  } catch {
    // Another user's process, or it has ended.
  }
  return undefined;
}

/** The first of the words that names a file, from a folder. */
export function scriptAmong(words: readonly string[], folder: string): string | undefined {
  for (const word of words) {
    if (word === '' || word.startsWith('-')) continue;
    const path = resolve(folder, word);
    if (existsSync(path)) return realpathSync.native(path);
  }
  return undefined;
}

/** When a process began, and its ancestors, nearest first. What cannot be read of another user's process is left out. */
export function lineageOf(pid: number): { readonly began?: number; readonly chain: HostProcess[] } {
  const chain: HostProcess[] = [];
  let stat = statOf(pid);
  const began = stat?.started;
  while (stat !== undefined && stat.parent > 0 && chain.length < MAX_ANCESTORS) {
    stat = statOf(stat.parent);
    if (stat === undefined) break;
    const { pid, started } = stat;
    let exe: string | undefined;
    try {
      exe = readlinkSync(`/proc/${pid}/exe`);
    } catch {}
    const script = exe !== undefined && INTERPRETER.test(exe) ? scriptOf(pid) : undefined;
    chain.push({ pid, started, ...(exe !== undefined && { exe }), ...(script !== undefined && { script }) });
  }
  return { chain, ...(began !== undefined && { began }) };
}

/** Whether there is a process with this id, or one that has ended and nobody has waited for. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

// How a plan's limits are held on a machine: which of the kernel's means there are, and what they are told.
import type { Machine } from '../machine.ts';
import type { Plan } from '../plan/plan.ts';
import type { ProcessLimit } from './kernel.ts';

/** Programs that hold on to all they may open ask for the soft limit. */
const SOFT_FILES = 1024;

/**
 * Programs that set aside tens of gigabytes of address space at their start, as written to, and end if they
 * may not: a bound on a process' data is none for these.
 */
const RESERVES = /\/bunx?$/;

/**
 * What a process may hold beyond the plan's memory where each is bounded alone: runtimes set address space
 * aside that they never use. Node 24 does so with 512 MiB for code, counted as data from its start.
 */
const ASIDE = 768 << 20;

/** The bound on one process' data. */
export function dataOf({ limits }: Plan): number {
  return limits.memory.most + ASIDE;
}

/** How the plan's memory and processes are bounded on this machine, as far as is known before the start. */
export interface Bounds {
  readonly memory: 'group' | 'process' | 'none';
  readonly processes: 'group' | 'user' | 'none';
}

/** How a plan's limits can be held here. */
export function boundsOf({ program }: Plan, { groups, countsProcesses }: Machine): Bounds {
  const held = groups?.kind === 'systemd' ? { memory: true, processes: true } : groups;
  return {
    memory: held?.memory ? 'group' : RESERVES.test(program.file) ? 'none' : 'process',
    processes: countsProcesses ? 'user' : held?.processes ? 'group' : 'none',
  };
}

/** The limits of a plan's processes here. */
export function limitsFor(plan: Plan, machine: Machine): ProcessLimit[] {
  const { limits } = plan;
  const bounds = boundsOf(plan, machine);
  const files = Math.min(limits.files, machine.hard.files);
  const processes = Math.min(limits.processes.most, machine.hard.processes);
  const both = (name: ProcessLimit['name'], most: number): ProcessLimit => ({ name, soft: most, hard: most });
  return [
    both('core', 0),
    { name: 'nofile', soft: Math.min(SOFT_FILES, files), hard: files },
    ...(bounds.processes === 'user' ? [both('nproc', processes)] : []),
    ...(bounds.memory === 'process' ? [both('data', dataOf(plan))] : []),
  ];
}

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
const OVER_RESERVING = /\/bunx?$/;

/**
 * What a process may hold beyond the plan's memory where each is bounded alone: runtimes set address space
 * aside that they never use. Node 24 does so with 512 MiB for code, counted as data from its start.
 */
const DATA_HEADROOM = 768 << 20;

/** The bound on one process' data. */
export function dataLimitOf({ limits }: Plan): number {
  return limits.memory.max + DATA_HEADROOM;
}

/** How the plan's memory and processes are bounded on this machine, as far as is known before the start. */
export interface Enforcement {
  readonly memory: 'group' | 'process' | 'none';
  readonly processes: 'group' | 'user' | 'none';
}

/** How a plan's limits can be held here. */
export function enforcementOf(
  { program }: Plan,
  { cgroups, countsProcessesByNamespace }: Machine,
): Enforcement {
  const held = cgroups?.kind === 'systemd' ? { memory: true, processes: true } : cgroups;
  return {
    memory: held?.memory ? 'group' : OVER_RESERVING.test(program.file) ? 'none' : 'process',
    processes: countsProcessesByNamespace ? 'user' : held?.processes ? 'group' : 'none',
  };
}

/** The limits of a plan's processes here. */
export function processLimitsFor(plan: Plan, machine: Machine): ProcessLimit[] {
  const { limits } = plan;
  const bounds = enforcementOf(plan, machine);
  const files = Math.min(limits.files, machine.hardLimits.files);
  const processes = Math.min(limits.processes.max, machine.hardLimits.processes);
  const both = (name: ProcessLimit['name'], most: number): ProcessLimit => ({ name, soft: most, hard: most });
  return [
    both('core', 0),
    { name: 'nofile', soft: Math.min(SOFT_FILES, files), hard: files },
    ...(bounds.processes === 'user' ? [both('nproc', processes)] : []),
    ...(bounds.memory === 'process' ? [both('data', dataLimitOf(plan))] : []),
  ];
}

// How a plan's limits are enforced on a machine: which of the kernel's mechanisms exist, and with which values.
import type { Machine } from '../machine.ts';
import type { Plan } from '../plan/plan.ts';
import type { ProcessLimit } from './kernel.ts';

/** The soft limit. Some programs prepare for as many open files as it allows. */
const SOFT_FILES = 1024;

/** Signals that wait, and bytes of message queues: the kernel counts both for the user too. */
const SIGNALS = 1024;
const QUEUES = 100 << 10;

/**
 * Programs that reserve tens of gigabytes of writable address space when they start, and exit if they cannot. A limit on
 * a process's data segment is impossible for them.
 */
const OVER_RESERVING = /\/bunx?$/;

/**
 * How much a process's data segment may exceed the plan's memory if each process is limited separately: runtimes reserve
 * address space that they never use. Node 24 reserves 512 MiB for code, which counts as data from the start.
 */
const DATA_HEADROOM = 768 << 20;

/** The limit on one process's data segment, in bytes. */
export function dataLimitOf({ limits }: Plan): number {
  return limits.memory.max + DATA_HEADROOM;
}

/** What enforces the limits on memory and processes, as far as is known before the start. As in `AppliedLimits`. */
export interface Enforcement {
  readonly memory: 'group' | 'process' | 'none';
  readonly processes: 'group' | 'user' | 'none';
}

/** What can enforce a plan's limits on this machine. */
export function enforcementOf(
  { program }: Plan,
  { cgroups, countsProcessesByNamespace }: Machine,
): Enforcement {
  const available = cgroups?.kind === 'systemd' ? { memory: true, processes: true } : cgroups;
  return {
    memory: available?.memory ? 'group' : OVER_RESERVING.test(program.file) ? 'none' : 'process',
    processes: countsProcessesByNamespace ? 'user' : available?.processes ? 'group' : 'none',
  };
}

/** The limits to set for a plan's processes on this machine. */
export function processLimitsFor(plan: Plan, machine: Machine): ProcessLimit[] {
  const { limits } = plan;
  const bounds = enforcementOf(plan, machine);
  const files = Math.min(limits.files, machine.hardLimits.files);
  const processes = Math.min(limits.processes.max, machine.hardLimits.processes);
  const both = (name: ProcessLimit['name'], max: number): ProcessLimit => ({ name, soft: max, hard: max });
  return [
    both('core', 0),
    both('sigpending', Math.min(SIGNALS, machine.hardLimits.signals)),
    both('msgqueue', Math.min(QUEUES, machine.hardLimits.queues)),
    { name: 'nofile', soft: Math.min(SOFT_FILES, files), hard: files },
    ...(bounds.processes === 'user' ? [both('nproc', processes)] : []),
    ...(bounds.memory === 'process' ? [both('data', dataLimitOf(plan))] : []),
  ];
}

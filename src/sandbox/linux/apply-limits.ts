// Puts a sandbox' limits in place before its server begins, and tells afterwards which of them hold.
import { writeFileSync } from 'node:fs';
import { WarderError } from '../../errors.ts';
import type { AppliedLimits, Measured } from '../layers.ts';
import type { Machine } from '../machine.ts';
import type { Plan } from '../plan/plan.ts';
import { boundsOfGroup, type Group, makeGroup } from './cgroup.ts';
import { type Bounds, boundsOf, dataOf, limitsFor } from './limits.ts';

/** Who is ended first when the machine's memory is short: of all programs, the sandboxed. */
const EXPENDABLE = '1000';

/** The hold on one sandbox. Disposed of once all in it has ended. */
export class Hold implements AsyncDisposable {
  readonly #plan: Plan;
  readonly #machine: Machine;
  readonly #bounds: Bounds;
  #group: Group | undefined;

  /** Throws `sandbox-unavailable` where a limit that the profile names cannot be held. */
  constructor(plan: Plan, machine: Machine) {
    this.#plan = plan;
    this.#machine = machine;
    this.#bounds = boundsOf(plan, machine);
    this.#demand({ memory: { by: this.#bounds.memory }, processes: { by: this.#bounds.processes } });
  }

  /** Takes a process, and what it will start. Throws the system's error where a limit is not taken. */
  async take(pid: number): Promise<void> {
    const { limit } = this.#machine;
    const limits = limit === undefined ? [] : limitsFor(this.#plan, this.#machine);
    const refused = limits.find((one) => limit?.(pid, one) === false);
    if (refused !== undefined) throw new Error(`the limit "${refused.name}" is not taken`);
    await this.group(pid);
  }

  /** Takes it into a control group alone, where there is one to be had. */
  async group(pid: number): Promise<void> {
    const { groups } = this.#machine;
    try {
      writeFileSync(`/proc/${pid}/oom_score_adj`, EXPENDABLE);
    } catch {
      // A help where there is no control group, and no limit.
    }
    if (groups?.kind !== 'direct') return;
    this.#group = makeGroup(groups, this.#plan.limits);
    await this.#group.add(pid);
  }

  /**
   * Which limits hold: those that the kernel shows of a measured process, no wider than the plan's. Throws
   * `sandbox-unavailable` where one that the profile names does not.
   */
  measured(pid: number, { limits }: Measured): AppliedLimits {
    const group = boundsOfGroup(pid);
    const { memory, processes } = this.#plan.limits;
    const shown = <By extends string>(by: By, value: number | undefined, most: number) =>
      by !== 'none' && value !== undefined && value <= most
        ? { most: value, by }
        : { most: undefined, by: 'none' as const };
    const by = this.#bounds;
    const holds: AppliedLimits = {
      files: limits.files,
      core: limits.core,
      processes: shown(
        by.processes,
        by.processes === 'group' ? group.processes : limits.processes,
        processes.most,
      ),
      memory:
        by.memory === 'group'
          ? shown(by.memory, group.memory, memory.most)
          : shown(by.memory, limits.data, dataOf(this.#plan)),
    };
    this.#demand(holds);
    return holds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group?.[Symbol.asyncDispose]();
  }

  #demand(held: Record<'memory' | 'processes', { readonly by: string }>): void {
    const { profile, limits } = this.#plan;
    for (const name of ['memory', 'processes'] as const) {
      if (!limits[name].said || held[name].by !== 'none') continue;
      throw new WarderError(
        'sandbox-unavailable',
        `cannot start "${profile}": "sandbox.${name}" cannot be held here`,
        { hint: `run Warder where it may make control groups, or take "${name}" out of the profile` },
      );
    }
  }
}

// Puts a sandbox' limits in place before its server begins, and tells afterwards which of them hold.
import { writeFileSync } from 'node:fs';
import { WarderError } from '../../errors.ts';
import type { AppliedLimits, Measurement } from '../layers.ts';
import type { Machine } from '../machine.ts';
import type { Plan } from '../plan/plan.ts';
import { type Cgroup, cgroupLimitsOf, createCgroup } from './cgroup.ts';
import { dataLimitOf, type Enforcement, enforcementOf, processLimitsFor } from './limits.ts';

/** Who is ended first when the machine's memory is short: of all programs, the sandboxed. */
const OOM_SCORE = '1000';

/** The hold on one sandbox. Disposed of once all in it has ended. */
export class LimitApplier implements AsyncDisposable {
  readonly #plan: Plan;
  readonly #machine: Machine;
  readonly #enforcement: Enforcement;
  #group: Cgroup | undefined;

  /** Throws `sandbox-unavailable` where a limit that the profile names cannot be held. */
  constructor(plan: Plan, machine: Machine) {
    this.#plan = plan;
    this.#machine = machine;
    this.#enforcement = enforcementOf(plan, machine);
    this.#requireEnforced({
      memory: { enforcedBy: this.#enforcement.memory },
      processes: { enforcedBy: this.#enforcement.processes },
    });
  }

  /** Takes a process, and what it will start. Throws the system's error where a limit is not taken. */
  async apply(pid: number): Promise<void> {
    const { setLimit } = this.#machine;
    const limits = setLimit === undefined ? [] : processLimitsFor(this.#plan, this.#machine);
    const refused = limits.find((one) => setLimit?.(pid, one) === false);
    if (refused !== undefined) throw new Error(`the limit "${refused.name}" is not taken`);
    await this.joinCgroup(pid);
  }

  /** Takes it into a control group alone, where there is one to be had. */
  async joinCgroup(pid: number): Promise<void> {
    const { cgroups } = this.#machine;
    try {
      writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE);
    } catch {
      // A help where there is no control group, and no limit.
    }
    if (cgroups?.kind !== 'direct') return;
    this.#group = createCgroup(cgroups, this.#plan.limits);
    await this.#group.add(pid);
  }

  /**
   * Which limits hold: those that the kernel shows of a measured process, no wider than the plan's. Throws
   * `sandbox-unavailable` where one that the profile names does not.
   */
  verify(pid: number, { limits }: Measurement): AppliedLimits {
    const group = cgroupLimitsOf(pid);
    const { memory, processes } = this.#plan.limits;
    const ifEffective = <EnforcedBy extends string>(
      enforcedBy: EnforcedBy,
      value: number | undefined,
      max: number,
    ) =>
      enforcedBy !== 'none' && value !== undefined && value <= max
        ? { max: value, enforcedBy }
        : { max: undefined, enforcedBy: 'none' as const };
    const enforcement = this.#enforcement;
    const applied: AppliedLimits = {
      files: limits.files,
      core: limits.core,
      processes: ifEffective(
        enforcement.processes,
        enforcement.processes === 'group' ? group.processes : limits.processes,
        processes.max,
      ),
      memory:
        enforcement.memory === 'group'
          ? ifEffective(enforcement.memory, group.memory, memory.max)
          : ifEffective(enforcement.memory, limits.data, dataLimitOf(this.#plan)),
    };
    this.#requireEnforced(applied);
    return applied;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group?.[Symbol.asyncDispose]();
  }

  #requireEnforced(enforced: Record<'memory' | 'processes', { readonly enforcedBy: string }>): void {
    const { profile, limits } = this.#plan;
    for (const name of ['memory', 'processes'] as const) {
      if (!limits[name].required || enforced[name].enforcedBy !== 'none') continue;
      throw new WarderError(
        'sandbox-unavailable',
        `cannot start "${profile}": "sandbox.${name}" cannot be held here`,
        { hint: `run Warder where it may make control cgroups, or take "${name}" out of the profile` },
      );
    }
  }
}

// Applies a sandbox's limits before its server runs, and verifies afterwards which of them are in force.
import { writeFileSync } from 'node:fs';
import { WarderError } from '../../errors.ts';
import type { AppliedLimits, Measurement } from '../layers.ts';
import type { Machine } from '../machine.ts';
import type { Plan } from '../plan/plan.ts';
import { type Cgroup, type CgroupLimits, createCgroup } from './cgroup.ts';
import { dataLimitOf, type Enforcement, enforcementOf, processLimitsFor } from './limits.ts';

/** Bytes as a profile names them. */
function sizeOf(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20}MiB` : `${bytes}B`;
}

/** How Warder gets control groups. */
export const CONTROL_GROUP_HINT =
  'log in where systemd runs for you ("loginctl enable-linger" starts it), or give Warder a control group of its own (systemd: Delegate=yes; a container: root with a writable /sys/fs/cgroup)';

/** The highest score: if the machine runs out of memory, the kernel kills sandboxed processes first. */
const OOM_SCORE = '1000';

/** Applies the limits of one sandbox. Dispose after all its processes have ended. */
export class LimitApplier implements AsyncDisposable {
  readonly #plan: Plan;
  readonly #machine: Machine;
  readonly #enforcement: Enforcement;
  #group: Cgroup | undefined;

  /** Throws `sandbox-unavailable` if a limit that the profile names cannot be enforced. */
  constructor(plan: Plan, machine: Machine) {
    this.#plan = plan;
    this.#machine = machine;
    this.#enforcement = enforcementOf(plan, machine);
    this.#requireEnforced({
      memory: { enforcedBy: this.#enforcement.memory },
      processes: { enforcedBy: this.#enforcement.processes },
    });
  }

  /**
   * Makes the control group before there is a process. Returns the files by which the process enters it (`Cgroup.entrances`);
   * undefined: `apply` moves it. Throws `sandbox-unavailable`.
   */
  openCgroup(): readonly string[] | undefined {
    const { cgroups } = this.#machine;
    if (cgroups?.kind !== 'direct') return undefined;
    try {
      this.#group = createCgroup(cgroups, this.#plan.limits);
    } catch (cause) {
      throw new WarderError(
        'sandbox-unavailable',
        `cannot start "${this.#plan.profile}": its limits cannot be set`,
        { hint: 'see "warder doctor"', cause },
      );
    }
    return this.#group.entrances;
  }

  /** Applies the limits to a process and its future children. Throws the system's error if one is refused. */
  async apply(pid: number): Promise<void> {
    const { setLimit } = this.#machine;
    const limits = setLimit === undefined ? [] : processLimitsFor(this.#plan, this.#machine);
    const refused = limits.find((limit) => setLimit?.(pid, limit) === false);
    if (refused !== undefined) throw new Error(`the system refuses the limit "${refused.name}"`);
    await this.joinCgroup(pid);
  }

  /** Only moves a process into its control group, where Warder can make one and it has not entered it. */
  async joinCgroup(pid: number): Promise<void> {
    const { cgroups } = this.#machine;
    try {
      writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE);
    } catch {
      // This is only an extra where there is no control group. It is not a limit.
    }
    if (cgroups?.kind !== 'direct') return;
    const entered = this.#group?.entrances !== undefined;
    this.#group ??= createCgroup(cgroups, this.#plan.limits);
    if (!entered) await this.#group.add(pid);
  }

  /**
   * Returns the limits that are in force: those that the kernel reports for a measured process, if they are no wider
   * than the plan's. `group`: those of its control groups. Throws `sandbox-unavailable` if a limit that the profile names is not in force.
   */
  verify({ limits }: Measurement, group: CgroupLimits): AppliedLimits {
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
    const refuse = (what: string, otherwise: string): WarderError =>
      new WarderError('sandbox-unavailable', `cannot start "${profile}": ${what}`, {
        hint: `${CONTROL_GROUP_HINT}; or ${otherwise}`,
      });
    if (limits.processes.required && enforced.processes.enforcedBy === 'none') {
      throw refuse('"sandbox.processes" cannot be held here', 'take "processes" out of the profile');
    }
    // The limit on the data of each process counts neither shared memory nor several processes together.
    if (limits.memory.required && enforced.memory.enforcedBy !== 'group') {
      throw refuse(
        '"sandbox.memory" cannot be held here without a control group: shared memory and the number of processes would not count',
        `say "memory: {most: ${sizeOf(limits.memory.max)}, best-effort: true}"`,
      );
    }
  }
}

// The weaker sandbox, for machines that forbid user namespaces but have Landlock (landlock(7), Linux 6.2). A stage in
// Node restricts itself with rules for files and with a system call filter, and then becomes the server. The server can
// open no file outside the plan, make no socket, and gain no privilege. Weaker than bubblewrap's sandbox: the server
// sees the machine's users and host name, it can signal other processes on kernels before 6.12, its children may outlive
// it, and it can read the name and size of any file.
import { WarderError } from '../../errors.ts';
import type { Launch } from '../launch.ts';
import type { Machine } from '../machine.ts';
import type { Plan, Step } from '../plan/plan.ts';
import { DEVICES } from '../plan/root.ts';
import type { ProcessLimit } from './kernel.ts';
import { processLimitsFor } from './limits.ts';
import { seccompFilter } from './seccomp.ts';

/** The first version of the ABI that controls truncating files. */
export const MIN_LANDLOCK_VERSION = 3;

/** The configuration that the stage reads. */
export interface StageConfig {
  readonly program: Plan['program'];
  readonly env: Plan['env'];
  readonly cwd: string;
  /** Paths that may be read and executed. Paths that do not exist are skipped. */
  readonly read: readonly string[];
  /** Paths that may also be changed. */
  readonly write: readonly string[];
  /** Devices that may be read and written. */
  readonly devices: readonly string[];
  readonly limits: readonly ProcessLimit[];
  /** Base64. */
  readonly filter: string;
}

/** Entries of `/proc` that every program reads. The stage adds its own folder, `/proc/PID`. */
const PROC = [
  'cpuinfo',
  'filesystems',
  'loadavg',
  'meminfo',
  'stat',
  'sys/vm/overcommit_memory',
  'uptime',
  'version',
];

/**
 * Renders a plan whose private folders are on the disk (`PlanInputs.privateFolders`). `node` runs the program file
 * `stage`. Throws `sandbox-unavailable` if the machine's Landlock is missing or too old, and if the plan lists hosts,
 * or supplies files.
 */
export function renderLandlock(plan: Plan, machine: Machine, node: string, stage: string): Launch {
  const { architecture } = machine;
  const refuse = (what: string, hint: string): WarderError =>
    new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, { hint });
  if (architecture === undefined || machine.landlock < MIN_LANDLOCK_VERSION) {
    throw refuse("the kernel's Landlock is missing or too old", 'run Linux 6.2 or later, or use bubblewrap');
  }
  if (machine.uid === 0) {
    throw refuse(
      'root keeps its capabilities under Landlock',
      'use bubblewrap, or run Warder as an ordinary user',
    );
  }
  if (plan.network.length > 0) {
    throw refuse(
      'under Landlock it cannot reach the hosts that it lists',
      'allow user namespaces ("warder doctor" says how), or take "network" and sealed credentials out of the profile',
    );
  }
  const supplied = plan.steps.find((step) => step.kind === 'supplied');
  if (supplied?.kind === 'supplied') {
    throw refuse(`Landlock cannot supply the file "${supplied.at}"`, 'use bubblewrap: see "warder doctor"');
  }
  const config: StageConfig = {
    program: plan.program,
    env: plan.env,
    cwd: plan.cwd,
    read: [...plan.steps.flatMap(readable), ...PROC.map((name) => `/proc/${name}`)],
    write: plan.steps.flatMap((step) => (step.kind === 'bind' && step.write ? [step.path] : [])),
    devices: [...DEVICES],
    limits: processLimitsFor(plan, machine),
    filter: seccompFilter(architecture, 'none').toString('base64'),
  };
  return {
    file: node,
    args: [stage],
    env: {},
    cwd: '/',
    descriptors: [{ kind: 'data', data: Buffer.from(JSON.stringify(config)) }, { kind: 'report' }],
  };
}

/** The path of a step, if it exists on this machine and may be read there. */
function readable(step: Step): string[] {
  if (step.kind === 'bind') return step.write || step.path === '/proc/sys' ? [] : [step.path];
  return step.kind === 'copy' || step.kind === 'file' ? [step.at] : [];
}

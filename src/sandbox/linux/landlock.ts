// The weaker sandbox, for machines that forbid user namespaces but have Landlock (landlock(7), Linux 6.2): a
// stage in Node binds itself to rules for files and to a system call filter, and then becomes the server. No
// file outside the plan's can be opened, no socket be made at all, no privilege be gained. What it does not do,
// and bubblewrap does: the server sees the machine's users and host name, other processes may be signalled on
// kernels before 6.12, what it starts may outlive it, and a file's name and size can be asked for.
import { WarderError } from '../../errors.ts';
import type { Launch } from '../launch.ts';
import type { Machine } from '../machine.ts';
import type { Plan, Step } from '../plan/plan.ts';
import { DEVICES } from '../plan/root.ts';
import type { ProcessLimit } from './kernel.ts';
import { processLimitsFor } from './limits.ts';
import { seccompFilter } from './seccomp.ts';

/** The interface's version from which on cutting a file short is an access of its own. */
export const MIN_LANDLOCK_VERSION = 3;

/** What the stage reads. */
export interface StageConfig {
  readonly program: Plan['program'];
  readonly env: Plan['env'];
  readonly cwd: string;
  /** Paths that may be read, and run. What is not there is passed over. */
  readonly read: readonly string[];
  /** Paths that may be changed as well. */
  readonly write: readonly string[];
  /** Devices: read and written to, nothing made. */
  readonly devices: readonly string[];
  readonly limits: readonly ProcessLimit[];
  /** Base64. */
  readonly filter: string;
}

/** What of `/proc` every program asks for; `/proc/self` is added by the stage. */
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
 * Renders a plan whose private folders are on the disk (`Facts.own`). `node` runs the stage, a program file.
 * Throws `sandbox-unavailable` where the machine has no such Landlock, or the plan lists hosts, brings files,
 * or hides what lies below a folder that it shows: Landlock can only allow.
 */
export function renderLandlock(plan: Plan, machine: Machine, node: string, stage: string): Launch {
  const { architecture } = machine;
  const refuse = (what: string, hint: string): WarderError =>
    new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, { hint });
  if (architecture === undefined || machine.landlock < MIN_LANDLOCK_VERSION) {
    throw refuse(
      'the kernel has no Landlock that is new enough',
      'run Linux 6.2 or later, or use bubblewrap',
    );
  }
  if (machine.uid === 0) {
    throw refuse(
      'root keeps its capabilities under Landlock',
      'use bubblewrap, or run Warder as an ordinary user',
    );
  }
  if (plan.network.length > 0) {
    throw refuse(
      'under Landlock there is no way to the hosts that it lists',
      'allow user namespaces ("warder doctor" says how), or take "network" and sealed credentials out of the profile',
    );
  }
  const supplied = plan.steps.find((step) => step.kind === 'supplied');
  if (supplied?.kind === 'supplied') {
    throw refuse(`Landlock cannot put in "${supplied.at}"`, 'use bubblewrap: see "warder doctor"');
  }
  const shown = plan.steps.flatMap((step) => (step.kind === 'bind' && !step.write ? [step.path] : []));
  const inside = plan.steps.find(
    (step) =>
      step.kind === 'hide' && shown.some((path) => step.at.startsWith(`${path}/`) && path !== '/proc/sys'),
  );
  if (inside !== undefined && inside.kind === 'hide') {
    throw refuse(
      `Landlock cannot hide "${inside.at}" in a folder that may be read`,
      'list the folders in it that the server needs, or use bubblewrap',
    );
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

/** Where a step puts something of this machine's, it may be read there. */
function readable(step: Step): string[] {
  if (step.kind === 'bind') return step.write || step.path === '/proc/sys' ? [] : [step.path];
  return step.kind === 'copy' || step.kind === 'file' ? [step.at] : [];
}

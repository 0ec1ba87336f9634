// Renders a plan for bubblewrap. Its own arguments go by a descriptor, so that nothing of the plan shows in a
// process list; so do the filter and the files of `/etc`. bubblewrap tells by another descriptor which process
// it made, and waits at a third until the sandbox' limits are in place.
import { WarderError } from '../errors.ts';
import type { Machine } from './machine.ts';
import type { Plan, Step } from './plan.ts';
import { seccompFilter } from './seccomp.ts';

/** What stands at a descriptor of a program that is to be started. */
export type Descriptor =
  /** A pipe: these bytes are written, then its end. */
  | { readonly kind: 'data'; readonly data: Buffer }
  /** This descriptor of ours. */
  | { readonly kind: 'open'; readonly descriptor: number }
  /** A pipe to read from: JSON, one value a line. */
  | { readonly kind: 'report' }
  /** A pipe: it goes on when a byte comes. */
  | { readonly kind: 'gate' };

/** A program to start, with what it finds at its descriptors. */
export interface Launch {
  /** Absolute. */
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** From descriptor 3 on. */
  readonly descriptors: readonly Descriptor[];
}

const NUL = Buffer.from([0]);
/** One page: the smallest file system in memory. */
const PAGE = 4096;
/** Programs that hold on to all they may open ask for the soft limit. */
const SOFT_FILES = 1024;

/**
 * Programs that set aside tens of gigabytes of address space at their start, as written to, and end if they
 * may not: a bound on a process' data is none for these.
 */
const RESERVES = /\/bunx?$/;

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

/**
 * Renders a plan. `descriptorOf` gives the descriptor that holds what is at a path, where it was looked at
 * before. Throws `sandbox-unavailable` where the machine lacks what the plan wants.
 */
export function bubblewrap(
  plan: Plan,
  machine: Machine,
  descriptorOf: (path: string) => number | undefined,
): Launch {
  const { bubblewrap: program, architecture, prlimit } = machine;
  if (program === undefined || program.missing.length > 0) throw missing(plan, program);
  if (architecture === undefined) {
    throw new WarderError(
      'sandbox-unavailable',
      `cannot start "${plan.profile}": there is no system call filter for this machine's processor`,
      { hint: 'x86-64 and arm64 have one; elsewhere say "sandbox: {off: true}"' },
    );
  }
  if (prlimit === undefined) {
    throw new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": there is no "prlimit"`, {
      hint: 'install it: sudo apt install util-linux',
    });
  }

  const descriptors: Descriptor[] = [
    { kind: 'data', data: Buffer.alloc(0) },
    { kind: 'report' },
    { kind: 'gate' },
  ];
  const [ARGUMENTS, REPORT, GATE] = [3, 4, 5];
  const at = (descriptor: Descriptor): string => String(descriptors.push(descriptor) + 2);
  const bind = (path: string, write: boolean): string[] => {
    const held = descriptorOf(path);
    if (held === undefined) return [write ? '--bind' : '--ro-bind', path, path];
    return [write ? '--bind-fd' : '--ro-bind-fd', at({ kind: 'open', descriptor: held }), path];
  };
  const render = (step: Step): string[] => {
    switch (step.do) {
      case 'bind':
        return bind(step.path, step.write);
      case 'link':
        return ['--symlink', step.to, step.at];
      case 'file':
        return ['--perms', '0444', '--file', at({ kind: 'data', data: Buffer.from(step.text) }), step.at];
      case 'memory':
        return ['--perms', '0700', '--size', String(step.bytes), '--tmpfs', step.at];
      case 'proc':
        return ['--proc', step.at];
      case 'devices':
        return ['--dev', step.at];
      case 'hide':
        return step.folder
          ? ['--perms', '0555', '--size', String(PAGE), '--tmpfs', step.at]
          : ['--ro-bind', '/dev/null', step.at];
      case 'seal':
        return ['--remount-ro', step.at];
    }
  };

  const filter = at({ kind: 'data', data: seccompFilter(architecture, plan.sockets) });
  const options = [
    ...[
      '--unshare-user',
      '--unshare-pid',
      '--unshare-ipc',
      '--unshare-uts',
      '--unshare-net',
      '--unshare-cgroup-try',
    ],
    ...(program.disablesUsers ? ['--disable-userns'] : []),
    ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--clearenv'],
    ...['--uid', String(plan.uid), '--gid', String(plan.gid), '--hostname', plan.hostname],
    ...plan.steps.flatMap(render),
    ...Object.entries(plan.env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', plan.cwd, '--seccomp', filter],
    ...['--json-status-fd', String(REPORT), '--block-fd', String(GATE)],
  ];
  descriptors[ARGUMENTS - 3] = {
    kind: 'data',
    data: Buffer.concat(options.flatMap((option) => [Buffer.from(option), NUL])),
  };
  const bounds = boundsOf(plan, machine);
  const [file = '', ...args] = [
    ...scope(plan, machine),
    ...[program.file, '--args', String(ARGUMENTS), '--'],
    ...[prlimit, ...limitOptions(plan, machine, bounds), '--', plan.program.file, ...plan.program.args],
  ];
  return {
    file,
    args,
    env: machine.groups?.kind === 'systemd' ? machine.groups.env : {},
    cwd: '/',
    descriptors,
  };
}

/** Asks systemd for a group of the sandbox' own. It then runs the rest in its own place. */
function scope({ limits }: Plan, { groups }: Machine): string[] {
  if (groups?.kind !== 'systemd') return [];
  const properties = {
    MemoryMax: limits.memory.most,
    MemorySwapMax: 0,
    TasksMax: limits.processes.most,
  };
  return [
    ...groups.command,
    ...Object.entries(properties).map(([name, value]) => `--property=${name}=${value}`),
    '--',
  ];
}

function limitOptions({ limits }: Plan, { hard }: Machine, bounds: Bounds): string[] {
  const files = Math.min(limits.files, hard.files);
  return [
    '--core=0:0',
    `--nofile=${Math.min(SOFT_FILES, files)}:${files}`,
    ...(bounds.processes === 'user' ? [`--nproc=${Math.min(limits.processes.most, hard.processes)}`] : []),
    ...(bounds.memory === 'process' ? [`--data=${limits.memory.most}`] : []),
  ];
}

function missing(plan: Plan, program: Machine['bubblewrap']): WarderError {
  const what =
    program === undefined
      ? 'there is no bubblewrap'
      : `bubblewrap ${program.version} is too old: it does not know ${program.missing.join(', ')}`;
  return new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, {
    hint: `${program === undefined ? 'install' : 'upgrade'} it: sudo apt install bubblewrap (or dnf, pacman, zypper, apk)`,
  });
}

// Which layers confine a process: measured at the process itself, in what the kernel says of it, and not
// taken from what was asked for. A session's record and `status` list the names that stand here.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import type { Enforcement } from './linux/limits.ts';

/** Layers of a sandbox. */
export type Layer =
  /** A root of its own, with a plan's files and no others. */
  | 'files'
  | 'users'
  | 'processes'
  | 'network'
  /** The namespace that `network` tells of is one whose only way out is a gate of the daemon's. */
  | 'egress-gate'
  | 'ipc'
  | 'hostname'
  | 'cgroups'
  | 'no-capabilities'
  | 'no-new-privileges'
  | 'system-calls'
  /** Of the weaker sandbox: files by the kernel's rules, and signals that stay inside. */
  | 'landlock'
  | 'signals'
  /** macOS: taken from what was asked for, since nothing there tells. */
  | 'seatbelt-unmeasured';

/** What a session is not let through without. Kernels before 4.6 have no namespace for control groups. */
export const REQUIRED_LAYERS: readonly Layer[] = [
  'files',
  'users',
  'processes',
  'network',
  'ipc',
  'hostname',
  'no-capabilities',
  'no-new-privileges',
  'system-calls',
];

/** What a session under Landlock is not let through without. */
export const LANDLOCK_LAYERS: readonly Layer[] = ['landlock', 'no-new-privileges', 'system-calls'];

/** Limits of a process, in the kernel's words. `undefined`: unlimited. */
export interface Measurement {
  readonly layers: readonly Layer[];
  readonly limits: {
    readonly core: number | undefined;
    readonly files: number | undefined;
    readonly processes: number | undefined;
    readonly data: number | undefined;
  };
}

/** How each limit is held. */
export interface AppliedLimits {
  readonly files: number | undefined;
  /** Bytes of core dumps: 0. */
  readonly core: number | undefined;
  /** `group`: a control group counts; `user`: the sandbox' own user namespace; `none`: nobody. */
  readonly processes: { readonly max: number | undefined; readonly enforcedBy: Enforcement['processes'] };
  /** `group`: all processes together; `process`: the data of each; `none`: Node's own heap limit at most. */
  readonly memory: { readonly max: number | undefined; readonly enforcedBy: Enforcement['memory'] };
}

const NAMESPACES = {
  user: 'users',
  pid: 'processes',
  net: 'network',
  ipc: 'ipc',
  uts: 'hostname',
  cgroup: 'cgroups',
} as const satisfies Record<string, Layer>;

/**
 * Looks at a process, compared with this one. `network`: the kernel's name of the network that it should be in.
 * Throws the system's error where it has ended.
 */
export function measure(pid: number, network?: string): Measurement {
  const layers: Layer[] = [];
  const differs = (name: string): boolean => {
    const own = namespace('self', name);
    // A process that is ending has let go of its namespaces before it is gone.
    return own !== undefined && demand(namespace(pid, name)) !== own;
  };
  const root = statSync(`/proc/${pid}/root/`);
  const own = statSync('/');
  if (differs('mnt') && (root.dev !== own.dev || root.ino !== own.ino)) layers.push('files');
  for (const [name, layer] of Object.entries(NAMESPACES)) if (differs(name)) layers.push(layer);
  if (network !== undefined && demand(namespace(pid, 'net')) === network) layers.push('egress-gate');
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1];
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(field);
  if (sets.every((set) => set !== undefined && /^0+$/.test(set))) layers.push('no-capabilities');
  if (field('NoNewPrivs') === '1') layers.push('no-new-privileges');
  // 2: a filter. 1 is the old strict mode, which no server survives.
  if (field('Seccomp') === '2') layers.push('system-calls');
  const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
  const limit = (name: string): number | undefined => {
    const hard = new RegExp(`^${name} +\\S+ +(\\d+)`, 'm').exec(limits)?.[1];
    return hard === undefined ? undefined : Number(hard);
  };
  return {
    layers,
    limits: {
      core: limit('Max core file size'),
      files: limit('Max open files'),
      processes: limit('Max processes'),
      data: limit('Max data size'),
    },
  };
}

function demand(name: string | undefined): string {
  if (name === undefined) throw new Error('it has ended');
  return name;
}

function namespace(pid: number | 'self', name: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch (error) {
    // No such kind of namespace in this kernel: the same for both. A process that has ended is another matter.
    statSync(`/proc/${pid}/ns`);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

// Which layers confine a process. They are measured: read from what the kernel reports of the process, not assumed
// from what was requested. The session record and `status` list these names.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import type { Enforcement } from './linux/limits.ts';

/** A layer of a sandbox. */
export type Layer =
  /** Its own root, with the plan's files and no others. */
  | 'files'
  | 'users'
  | 'processes'
  | 'network'
  /** Its network namespace is the one whose only way out is the daemon's egress gate. */
  | 'egress-gate'
  | 'ipc'
  | 'hostname'
  | 'cgroups'
  | 'no-capabilities'
  | 'no-new-privileges'
  | 'system-calls'
  /** Before the server runs, the process that becomes it has no variable of this process. */
  | 'environment'
  /** The weaker sandbox: files restricted by Landlock rules, signals confined to the sandbox. */
  | 'landlock'
  | 'signals'
  /** macOS: assumed from what was requested, since macOS does not report it. */
  | 'seatbelt-unmeasured'
  | 'environment-unmeasured';

/** Layers that every session must have. `cgroups` is not among them: kernels before 4.6 have no cgroup namespace. */
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
  'environment',
];

/** Layers that every session under Landlock must have. */
export const LANDLOCK_LAYERS: readonly Layer[] = [
  'landlock',
  'no-new-privileges',
  'system-calls',
  'environment',
];

/** What was measured of a process. Its limits are the kernel's hard limits; `undefined` is unlimited. */
export interface Measurement {
  readonly layers: readonly Layer[];
  readonly limits: {
    readonly core: number | undefined;
    readonly files: number | undefined;
    readonly processes: number | undefined;
    readonly data: number | undefined;
  };
}

/** Which limits are in force, and what enforces them. `undefined`: none. */
export interface AppliedLimits {
  readonly files: number | undefined;
  /** Bytes of core dumps: 0. */
  readonly core: number | undefined;
  /** `group`: a control group counts; `user`: the sandbox's own user namespace counts; `none`: not limited. */
  readonly processes: { readonly max: number | undefined; readonly enforcedBy: Enforcement['processes'] };
  /** `group`: all processes together; `process`: the data segment of each; `none`: at most Node's own heap limit. */
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
 * Measures a process by comparing it with this one. `network` is the kernel's name of the network namespace that it
 * should be in. Throws the system's error if the process has ended.
 */
export function measure(pid: number, network?: string): Measurement {
  const layers: Layer[] = [];
  const differs = (name: string): boolean => {
    const own = namespace('self', name);
    // An ending process leaves its namespaces before it disappears.
    return own !== undefined && present(namespace(pid, name)) !== own;
  };
  const root = statSync(`/proc/${pid}/root/`);
  const own = statSync('/');
  if (differs('mnt') && (root.dev !== own.dev || root.ino !== own.ino)) layers.push('files');
  for (const [name, layer] of Object.entries(NAMESPACES)) if (differs(name)) layers.push(layer);
  if (network !== undefined && present(namespace(pid, 'net')) === network) layers.push('egress-gate');
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1];
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(field);
  if (sets.every((set) => set !== undefined && /^0+$/.test(set))) layers.push('no-capabilities');
  if (field('NoNewPrivs') === '1') layers.push('no-new-privileges');
  if (hasOwnFilter(status, readFileSync('/proc/self/status', 'latin1'))) layers.push('system-calls');
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

/**
 * Whether a process has a system call filter that this one does not have, by their `/proc/PID/status`. One that both
 * inherited, in a container or from a service's settings, is not the sandbox's. Before Linux 5.9 the kernel does not
 * count filters: then there is a filter of its own only where this process has none.
 */
export function hasOwnFilter(status: string, own: string): boolean {
  const number = (text: string, name: string): number | undefined => {
    const found = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  // 2 is a filter. 1 is the old strict mode, in which no server could run.
  if (number(status, 'Seccomp') !== 2) return false;
  const [theirs, ours] = [number(status, 'Seccomp_filters'), number(own, 'Seccomp_filters')];
  if (theirs !== undefined && ours !== undefined) return theirs > ours;
  return number(own, 'Seccomp') === 0;
}

/**
 * Whether a process that has not become the server yet is free of this process's environment. `passed` are the variables
 * that it was given on purpose. A launcher may add others, which the sandbox's program clears.
 */
export function hasOwnEnvironment(
  pid: number,
  passed: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  return !Object.entries(own).some(
    ([name, value]) => passed[name] !== value && variables.includes(latin1(`${name}=${value}`)),
  );
}

/** The layer of a server that runs without a sandbox: its environment. `passed` is the whole of it. */
export function environmentLayers(pid: number, passed: Readonly<Record<string, string>>): readonly Layer[] {
  if (process.platform !== 'linux') return ['environment-unmeasured'];
  try {
    return hasOwnEnvironment(pid, passed) ? ['environment'] : [];
  } catch {
    // It has ended.
    return [];
  }
}

/** Text as `/proc` shows it when it is read byte by byte. */
function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function present(name: string | undefined): string {
  if (name === undefined) throw new Error('it has ended');
  return name;
}

function namespace(pid: number | 'self', name: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch (error) {
    // This kernel has no such namespace, for either process; but if the process has ended, this throws.
    statSync(`/proc/${pid}/ns`);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

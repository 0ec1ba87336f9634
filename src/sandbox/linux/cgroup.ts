// Control groups that Warder makes itself, where systemd does not run and the daemon may write to its own group: as root
// in a container or on a small machine. They limit all processes of a sandbox together, and their memory, including its
// files in memory. Versions 1 and 2 (cgroups(7)).
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { rmdir, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Limits } from '../plan/plan.ts';

/** The daemon's own control groups, by controller. New groups are made in them. */
export interface CgroupParents {
  readonly kind: 'direct';
  readonly version: 1 | 2;
  readonly memory: string | undefined;
  readonly processes: string | undefined;
}

/** A group for one sandbox. */
export interface Cgroup extends AsyncDisposable {
  /** Which limits it enforces. */
  readonly limits: { readonly memory: boolean; readonly processes: boolean };
  /** The files by which a process enters the group when it writes 0 to them; undefined where it would wait for that. */
  readonly entrances: readonly string[] | undefined;
  /**
   * Moves a process into the group; its future children are in it too. The kernel may take ten milliseconds. Throws
   * the system's error.
   */
  add(pid: number): Promise<void>;
}

const NAME = /^warder-\d+-[0-9a-f]{12}$/;

/** The daemon's groups, if it may make groups in them. Removes groups that killed daemons left behind. */
export function findCgroupParents(): CgroupParents | undefined {
  try {
    const folders = foldersOf('self');
    if (folders.version === 2 && folders.memory !== undefined) {
      const folder = writableFolder(folders.memory);
      if (folder === undefined) return undefined;
      enableControllers(folder);
      const enabled = readFileSync(`${folder}/cgroup.subtree_control`, 'utf8').trim().split(' ');
      const has = (controller: string): string | undefined =>
        enabled.includes(controller) ? folder : undefined;
      return unlessEmpty({ kind: 'direct', version: 2, memory: has('memory'), processes: has('pids') });
    }
    const { version, memory, processes } = folders;
    return unlessEmpty({
      kind: 'direct',
      version,
      memory: writableFolder(memory),
      processes: writableFolder(processes),
    });
  } catch {
    return undefined;
  }
}

function unlessEmpty(groups: CgroupParents): CgroupParents | undefined {
  return (groups.memory ?? groups.processes) === undefined ? undefined : groups;
}

/** Limits of control groups, in bytes and tasks. `undefined`: unlimited. */
export interface CgroupLimits {
  readonly memory: number | undefined;
  readonly processes: number | undefined;
}

/** The limits of a process's control groups, as the kernel reports them. */
export function cgroupLimitsOf(pid: number): CgroupLimits {
  try {
    const { version, memory, processes } = foldersOf(pid);
    return {
      memory: readLimit(memory, version === 1 ? 'memory.limit_in_bytes' : 'memory.max'),
      processes: readLimit(processes, 'pids.max'),
    };
  } catch {
    return { memory: undefined, processes: undefined };
  }
}

/** Version 1 represents "unlimited" as the largest possible number of pages. */
const UNLIMITED = 2 ** 62;

function readLimit(folder: string | undefined, name: string): number | undefined {
  if (folder === undefined) return undefined;
  try {
    const value = Number(readFileSync(`${folder}/${name}`, 'utf8'));
    return Number.isFinite(value) && value < UNLIMITED ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The folders of a process's control groups: version 1 if a controller is mounted so, otherwise version 2. */
function foldersOf(pid: number | 'self'): Omit<CgroupParents, 'kind'> {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(isCgroupMount);
  const own = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).filter((match) => match !== null);
  const version1 = (controller: string): string | undefined => {
    const path = own.find(([, names = '']) => names.split(',').includes(controller))?.[2];
    return path === undefined ? undefined : folderOf(mounts, 'cgroup', path, controller);
  };
  const [memory, processes] = [version1('memory'), version1('pids')];
  if (memory !== undefined || processes !== undefined) return { version: 1, memory, processes };
  const path = own.find(([, names]) => names === '')?.[2];
  const folder = path === undefined ? undefined : folderOf(mounts, 'cgroup2', path);
  return { version: 2, memory: folder, processes: folder };
}

/** Makes a control group with these limits. Throws the system's error, and then leaves no group behind. */
export function createCgroup(groups: CgroupParents, limits: Limits): Cgroup {
  const name = `warder-${process.pid}-${randomBytes(6).toString('hex')}`;
  const folders = new Set([groups.memory, groups.processes].filter((folder) => folder !== undefined));
  const made = [...folders].map((folder) => `${folder}/${name}`);
  const dispose = async (): Promise<void> => {
    await Promise.all(made.map(remove));
  };
  try {
    for (const folder of made) mkdirSync(folder);
    const memory = groups.memory === undefined ? undefined : `${groups.memory}/${name}`;
    const processes = groups.processes === undefined ? undefined : `${groups.processes}/${name}`;
    if (memory !== undefined) limitMemory(memory, groups.version, limits.memory.max);
    if (processes !== undefined) writeFileSync(`${processes}/pids.max`, String(limits.processes.max));
    return {
      limits: { memory: memory !== undefined, processes: processes !== undefined },
      // A process that moves the only thread it has waits for nobody. Version 2 moves whole processes only.
      entrances: groups.version === 1 ? made.map((folder) => `${folder}/tasks`) : undefined,
      add: async (pid) => {
        await Promise.all(made.map((folder) => writeFile(`${folder}/cgroup.procs`, String(pid))));
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    void dispose();
    throw error;
  }
}

function limitMemory(folder: string, version: 1 | 2, bytes: number): void {
  writeFileSync(`${folder}/${version === 1 ? 'memory.limit_in_bytes' : 'memory.max'}`, String(bytes));
  // Without swap accounting this file does not exist, and the limit applies to memory alone.
  const swap = version === 1 ? ['memory.memsw.limit_in_bytes', String(bytes)] : ['memory.swap.max', '0'];
  try {
    writeFileSync(`${folder}/${swap[0]}`, `${swap[1]}`);
  } catch {
    // Then version 1 can at least keep the group from swapping before it has to.
    if (version === 1) writeFileSync(`${folder}/memory.swappiness`, '0');
  }
}

function isCgroupMount(line: string): boolean {
  return line.includes(' - cgroup');
}

/** The folder of a control group, found by its mount. Octal escapes in mount points do not occur here. */
function folderOf(
  mounts: readonly string[],
  type: string,
  path: string,
  controller?: string,
): string | undefined {
  for (const mount of mounts) {
    const [left = '', right = ''] = mount.split(' - ');
    const [, , , root = '', point = ''] = left.split(' ');
    const [kind, , options = ''] = right.split(' ');
    if (kind !== type || (controller !== undefined && !options.split(',').includes(controller))) continue;
    if (path === root) return point;
    if (root === '/' || path.startsWith(`${root}/`))
      return `${point}${root === '/' ? path : path.slice(root.length)}`;
  }
  return undefined;
}

/** The folder, if Warder can make groups in it. */
function writableFolder(folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  try {
    const own = folder.replace(/\/+$/, '');
    accessSync(own, constants.W_OK);
    const probe = `${own}/warder-${process.pid}-${randomBytes(6).toString('hex')}`;
    mkdirSync(probe);
    rmdirSync(probe);
    removeLeftovers(own);
    return own;
  } catch {
    return undefined;
  }
}

function enableControllers(folder: string): void {
  try {
    writeFileSync(`${folder}/cgroup.subtree_control`, '+memory +pids');
  } catch {
    // Forbidden if the group itself contains processes, or by a group above. Controllers that are enabled already are used.
  }
}

/** Removes empty groups whose daemon no longer runs. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!NAME.test(name) || existsSync(`/proc/${name.split('-')[1]}`)) continue;
    try {
      rmdirSync(`${folder}/${name}`);
    } catch {
      // A process in it is still alive.
    }
  }
}

/** Removes a group. It is busy until the kernel has cleaned up its last process, so this retries. */
async function remove(folder: string): Promise<void> {
  for (let wait = 1; wait < 1000; wait *= 2) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return;
      await setTimeout(wait);
    }
  }
}

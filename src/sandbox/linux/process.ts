// Reads what sandboxes need to know about processes from `/proc`. Linux only.
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** A process: its pid and its start time (clock ticks since boot). Together they identify it, although pids are reused. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

/** The process with this pid, if there is one. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = Number(statOf(pid)?.[19]);
  return Number.isNaN(startTime) ? undefined : { pid, startTime };
}

/** Whether a process has not ended yet. A zombie has ended. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  return stat !== undefined && Number(stat[19]) === startTime && stat[0] !== 'Z' && stat[0] !== 'X';
}

/** Sends a signal to a process, unless it has ended. */
export function sendSignal({ pid, startTime }: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    if (identify(pid)?.startTime === startTime) process.kill(pid, name);
  } catch {
    // It ended between the check and the signal.
  }
}

/** The path of a process's executable, in its own root. `undefined`: it has ended, or is ending. */
export function executableOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** The kernel's name of a process's namespace: `net:[4026532008]`. `undefined`: it has ended. */
export function namespaceOf(pid: number | 'self', name: 'net'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch {
    return undefined;
  }
}

/** Whether a process has a descriptor of a namespace, through which it could join that namespace. */
export function hasOpenNamespace(pid: number): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((descriptor) => NAMESPACE.test(linkOf(`${folder}/${descriptor}`)));
  } catch {
    // It has ended.
    return false;
  }
}

/** Links to namespaces, as in `/proc/PID/ns`. */
const NAMESPACE = /^(cgroup|ipc|mnt|net|pid|time|user|uts):/;

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/**
 * The pids of a process's children, whichever of its threads started them, in this process's pid namespace. Nothing that a process does
 * makes it read more than its own threads: not those that end while they are read, and not its own end.
 */
export function childrenOf(pid: number): number[] {
  if (!LISTS_CHILDREN) {
    return readdirSync('/proc')
      .map(Number)
      .filter((candidate) => Number.isInteger(candidate) && Number(statOf(candidate)?.[1]) === pid);
  }
  const found = new Set<number>();
  // Another thread, which may have been read before, has the children of one that has ended.
  for (let time = 0; time < 2 && !readChildren(pid, found); time++);
  return [...found];
}

/** Whether the kernel lists the children of a thread. */
const LISTS_CHILDREN = existsSync('/proc/thread-self/children');

/** Adds the children of all threads of a process. Returns whether no thread has ended meanwhile. */
function readChildren(pid: number, found: Set<number>): boolean {
  const threads = `/proc/${pid}/task`;
  let isWhole = true;
  for (const thread of namesIn(threads)) {
    try {
      const text = readFileSync(`${threads}/${thread}/children`, 'latin1');
      for (const child of text.split(' ').filter(Boolean)) found.add(Number(child));
    } catch {
      isWhole = false;
    }
  }
  return isWhole;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // It has ended.
    return [];
  }
}

/** All descendants of a process. Of a sandbox's init process these are all other processes in the sandbox. */
export function descendantsOf(ancestor: number): ProcessIdentity[] {
  const descendants: ProcessIdentity[] = [];
  const pending = childrenOf(ancestor);
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
    const identity = identify(pid);
    if (identity !== undefined) descendants.push(identity);
    pending.push(...childrenOf(pid));
  }
  return descendants;
}

/** The fields of `/proc/PID/stat` from the third on. The second, the name, may contain spaces. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** How many descriptors are looked at in one turn of the event loop. */
const SLICE = 128;

/** The bytes of a device's files that have no name any more, but that these processes hold open. Each file counts once. */
export async function unlinkedBytes(processes: readonly ProcessIdentity[], device: bigint): Promise<number> {
  const files = new Map<bigint, number>();
  let looked = 0;
  for (const { pid } of processes) {
    const folder = `/proc/${pid}/fd`;
    for (const descriptor of namesIn(folder)) {
      if (++looked % SLICE === 0) await setImmediate();
      try {
        const file = statSync(`${folder}/${descriptor}`, { bigint: true, throwIfNoEntry: false });
        if (file?.dev === device && file.nlink === 0n && file.isFile())
          files.set(file.ino, Number(file.blocks) * 512);
      } catch {
        // It is closed.
      }
    }
  }
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}

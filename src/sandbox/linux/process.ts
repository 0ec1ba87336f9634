// What the kernel tells of processes, as far as sandboxes need it. Linux only.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process by its pid and start time (clock ticks since boot), which together name it for good. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

/** The process of this pid, if there is one. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = Number(statOf(pid)?.[19]);
  return Number.isNaN(startTime) ? undefined : { pid, startTime };
}

/** Whether a process has not ended yet. One that waits for its parent only has. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  return stat !== undefined && Number(stat[19]) === startTime && stat[0] !== 'Z' && stat[0] !== 'X';
}

/** Sends a signal to a process, unless it has ended. */
export function sendSignal({ pid, startTime }: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    if (identify(pid)?.startTime === startTime) process.kill(pid, name);
  } catch {
    // Ended between the look and the signal.
  }
}

/** The file that a process runs, as its own root names it. `undefined`: it has ended, or is ending. */
export function executableOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** The kernel's name of a namespace that a process is in: `net:[4026532008]`. `undefined`: it has ended. */
export function namespaceOf(pid: number | 'self', name: 'net'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch {
    return undefined;
  }
}

/** Whether a process has a namespace open, by which it could enter that one. */
export function hasOpenNamespace(pid: number): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((descriptor) => NAMESPACE.test(linkOf(`${folder}/${descriptor}`)));
  } catch {
    // It has ended.
    return false;
  }
}

/** As `/proc/PID/ns` shows them. */
const NAMESPACE = /^(cgroup|ipc|mnt|net|pid|time|user|uts):/;

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The children of a process, by their pids here. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    // A kernel without that list, or no such process.
    return readdirSync('/proc')
      .map(Number)
      .filter((one) => Number.isInteger(one) && Number(statOf(one)?.[1]) === pid);
  }
}

/** All processes in the pid namespace whose first process is `init`, but for that one. */
export function descendantsOf(init: number): ProcessIdentity[] {
  const inside: ProcessIdentity[] = [];
  const open = childrenOf(init);
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const known = identify(pid);
    if (known !== undefined) inside.push(known);
    open.push(...childrenOf(pid));
  }
  return inside;
}

/** The fields of `/proc/PID/stat` from the third on: the second, the name, may hold spaces. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

// The machine's processes, as far as ending a process tree needs them. They are read from /proc on Linux, elsewhere
// from `ps`, which reports no session, no environment, and start times in whole seconds only.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { statOf } from './proc.ts';
import { type Beginning, beginningsCounter, recentPids } from './recent-processes.ts';

export type { Beginning } from './recent-processes.ts';

/** A process. `pid` and `started` together identify it for good; a pid alone may be reused. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** 0 if the system does not report it. */
  readonly session: number;
  /** Linux: clock ticks since boot. Elsewhere: seconds since the epoch. */
  readonly started: number;
}

/** The machine's processes. */
export interface Processes {
  /**
   * Lists all that still run, without zombies. Rejects if they cannot be listed. Those who ask at the same time share a listing,
   * which begins after each of them has asked: many trees that end together do not each read all processes of the machine. With `since`
   * it may leave out those that began before.
   */
  list(since?: Beginning): Promise<readonly Process[]>;
  /** The moment at which a process began, for one that just has; `undefined` where the system does not tell. */
  beginning(pid: number): Beginning | undefined;
  /** The process with this pid, if it runs. Also undefined where that cannot be determined. */
  find(pid: number): Process | undefined;
  /** Whether a listed process still runs. */
  isRunning(process: Process): boolean;
  /** Whether a process group has a member; true where that cannot be determined. */
  hasGroup(group: number): boolean;
  /**
   * A variable of the environment that a listed process was started with; undefined if this user may not read it. It is read once
   * for each listing.
   */
  readVariable(process: Process, name: string): string | undefined;
  /** Sends a signal; to a process group if `pid` is negative. `false`: it is gone, or may not be signalled. */
  signal(pid: number, signal: NodeJS.Signals): boolean;
  /** Changes with each boot, after which older pids and start times mean nothing. Empty if unknown. */
  readonly boot: string;
}

/** How many processes are read before the event loop runs other work: about a millisecond. */
const BATCH = 64;

/** The processes of this machine. */
export function processes(platform: NodeJS.Platform = process.platform): Processes {
  if (platform !== 'linux') {
    return {
      list: sharedListing(async () => parsePs(await ps())),
      beginning: () => undefined,
      find: () => undefined,
      isRunning: ({ pid }) => signal(pid, 0),
      hasGroup,
      readVariable: () => undefined,
      signal,
      boot: '',
    };
  }
  const find = (pid: number): Process | undefined => {
    const stat = statOf(pid);
    return stat === undefined || stat.zombie ? undefined : stat;
  };
  const begunSoFar = beginningsCounter();
  const variables = new WeakMap<Process, Map<string, string | undefined>>();
  return {
    list: sharedListing(async (since) => {
      const found: Process[] = [];
      let count = 0;
      const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
      const isWanted = since === undefined ? undefined : recentPids(since);
      for (const pid of isWanted === undefined ? pids : pids.filter(isWanted)) {
        if (++count % BATCH === 0) await setImmediate();
        const entry = find(pid);
        if (entry !== undefined) found.push(entry);
      }
      return found;
    }),
    beginning(pid) {
      const begun = begunSoFar();
      return begun === undefined ? undefined : { pid, begun };
    },
    find,
    isRunning: ({ pid, started }) => find(pid)?.started === started,
    hasGroup,
    readVariable(entry, name) {
      const read = variables.get(entry) ?? new Map<string, string | undefined>();
      variables.set(entry, read);
      if (!read.has(name)) read.set(name, variableOf(entry.pid, name));
      return read.get(name);
    },
    signal,
    boot: bootId(),
  };
}

/**
 * A listing that all share who ask before it begins. One begins when the one before it has ended. `list` is told since when each of them
 * wants to know; `undefined`: one wants to know all.
 */
export function sharedListing(
  list: (since: readonly Beginning[] | undefined) => Promise<Process[]>,
): (since?: Beginning) => Promise<readonly Process[]> {
  let next: { readonly listing: Promise<Process[]>; readonly wanted: (Beginning | undefined)[] } | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return (since) => {
    if (next !== undefined) {
      next.wanted.push(since);
      return next.listing;
    }
    const wanted = [since];
    const listing = last.then(() => {
      next = undefined;
      const each = wanted.filter((one) => one !== undefined);
      const begun = list(each.length < wanted.length ? undefined : each);
      last = begun.catch(() => {});
      return begun;
    });
    next = { listing, wanted };
    return listing;
  };
}

function variableOf(pid: number, name: string): string | undefined {
  try {
    return entryOf(readFileSync(`/proc/${pid}/environ`), `${name}=`);
  } catch {
    return undefined;
  }
}

/** Parses the output of `ps -o pid=,ppid=,pgid=,state=,lstart=` in the C locale. */
export function parsePs(text: string): Process[] {
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, group, state = 'Z', started = ''] =
      /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line) ?? [];
    const seconds = Date.parse(`${started} UTC`) / 1000;
    if (state.startsWith('Z') || !Number.isFinite(seconds)) return [];
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), session: 0, started: seconds }];
  });
}

function ps(): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: { LC_ALL: 'C', TZ: 'UTC' }, maxBuffer: 2 ** 24, timeout: 5000 };
    execFile('/bin/ps', ['-A', '-o', 'pid=,ppid=,pgid=,state=,lstart='], options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(new Error('ps failed', { cause: error }));
    });
  });
}

/** The value that follows `prefix` in a NUL-separated list. */
function entryOf(list: Buffer, prefix: string): string | undefined {
  let at = list.indexOf(prefix);
  while (at > 0 && list[at - 1] !== 0) at = list.indexOf(prefix, at + 1);
  if (at < 0) return undefined;
  const end = list.indexOf(0, at);
  return list.toString('utf8', at + prefix.length, end < 0 ? list.length : end);
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Members of other users count: a signal to them is refused in another way. */
function hasGroup(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

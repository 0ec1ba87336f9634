// Which processes may have begun after another one, by their pids alone: the kernel gives them out upwards, and begins again from below at
// the end. To read every process of a machine takes milliseconds, and those of one server began after it. Linux only.
import { readFileSync, readlinkSync } from 'node:fs';

/** A process that had just begun, and how many had begun on the machine about then, with threads. */
export interface Beginning {
  readonly pid: number;
  readonly begun: number;
}

/** Milliseconds for which a count is as good as a new one: with an earlier one `recentPids` only gives up sooner. */
const KEPT = 10_000;

/** Tells how many processes and threads have begun since boot, or some seconds ago; `undefined` where the system does not tell. */
export function beginningsCounter(): () => number | undefined {
  let kept: { readonly count: number; readonly until: number } | undefined;
  return () => {
    const now = performance.now();
    if (kept === undefined || now >= kept.until) {
      const count = readBegun();
      kept = count === undefined ? undefined : { count, until: now + KEPT };
    }
    return kept?.count;
  };
}

/**
 * Whether a process may have begun after one of `beginnings`, by its pid. Call it for processes that were listed before. `undefined`: so
 * many have begun meanwhile that pids say nothing, or the system does not tell.
 */
export function recentPids(beginnings: readonly Beginning[]): ((pid: number) => boolean) | undefined {
  const begun = readBegun();
  // The fifth field is the last pid that was given out in this process's pid namespace.
  const last = numberIn('/proc/loadavg', /(\d+)\s*$/);
  const most = numberIn('/proc/sys/kernel/pid_max', /^(\d+)/);
  if (begun === undefined || last === undefined || most === undefined || !isOwnNamespace()) return undefined;
  return recentBy(beginnings, { begun, last, most });
}

/** As `recentPids`. `last`: the pid that was given out last; `most`: their number. */
export function recentBy(
  beginnings: readonly Beginning[],
  { begun, last, most }: { readonly begun: number; readonly last: number; readonly most: number },
): ((pid: number) => boolean) | undefined {
  // Pids in use are passed over, so that fewer beginnings than pids lead once around.
  if (beginnings.some((one) => begun - one.begun >= most / 2)) return undefined;
  return (pid) =>
    beginnings.some((one) =>
      last >= one.pid ? pid >= one.pid && pid <= last : pid >= one.pid || pid <= last,
    );
}

function readBegun(): number | undefined {
  return numberIn('/proc/stat', /^processes (\d+)/m);
}

/** Whether /proc shows the pids of this process's own namespace. */
function isOwnNamespace(): boolean {
  try {
    return readlinkSync('/proc/self') === String(process.pid);
  } catch {
    return false;
  }
}

function numberIn(file: string, pattern: RegExp): number | undefined {
  try {
    const [, digits] = pattern.exec(readFileSync(file, 'latin1')) ?? [];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    return undefined;
  }
}

// Ends a server with all processes that it started. They are found in three ways, because a process can escape
// each one alone: the process group and session that the server leads (escaped by setsid), the chain of parents
// (broken when a parent ends), and the marker in the environment (lost by starting with a clean environment). A
// process that escapes all three is not found; only a sandbox with a pid namespace contains it.
//
// A process's start time is compared right before each signal, so that a pid that the system has meanwhile given
// to another process is left alone. The race is not closed: microseconds lie between the comparison and the signal.
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Log } from '../os/log.ts';
import type { Beginning, Process, Processes } from '../os/processes.ts';
import { MARKER } from './environment.ts';

/** How the processes of a server are recognised. */
export interface Tree {
  /** The server, which leads its process group and session. Undefined if only the marker is known. */
  readonly pid: number | undefined;
  readonly started: number | undefined;
  readonly marker: string;
  /**
   * Whether the group still counts when its leader is gone. True for a daemon that has supervised the server since
   * its start; false after a restart, because the leader's pid may have belonged to another process meanwhile.
   */
  readonly supervised: boolean;
  /** When the server began, where that was seen: then no older process is looked at. */
  readonly beginning?: Beginning | undefined;
}

/** How long to wait for a tree to end, in milliseconds: by itself, after SIGTERM, and after SIGKILL. */
export interface StopTimeouts {
  readonly end: number;
  readonly term: number;
  /** A killed process that takes longer is blocked in the kernel, for example on a dead network mount. */
  readonly kill: number;
}

/** The timeouts that apply to servers. */
export const STOP_TIMEOUTS: StopTimeouts = { end: 2000, term: 2000, kill: 2000 };

/**
 * Selects the processes of a tree from all processes. `marked`: the pids that carry the tree's marker. Never returns
 * `self` or an ancestor of `self`.
 */
export function findTreeProcesses(
  tree: Tree,
  all: readonly Process[],
  marked: ReadonlySet<number>,
  self: number,
): Process[] {
  const byPid = new Map(all.map((entry) => [entry.pid, entry]));
  const excluded = new Set<number>([0, 1]);
  for (let pid = self; !excluded.has(pid); pid = byPid.get(pid)?.parent ?? 0) excluded.add(pid);

  const leader = tree.pid === undefined ? undefined : byPid.get(tree.pid);
  const pidReused = leader !== undefined && tree.started !== undefined && leader.started !== tree.started;
  const groupCounts = !pidReused && (tree.supervised || (leader !== undefined && tree.started !== undefined));
  const inGroup = ({ group, session }: Process): boolean =>
    groupCounts && tree.pid !== undefined && (group === tree.pid || session === tree.pid);

  const children = Map.groupBy(all, ({ parent }) => parent);
  const found = new Set<Process>();
  const queue = all.filter(
    (entry) => entry.started >= (tree.started ?? 0) && (inGroup(entry) || marked.has(entry.pid)),
  );
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    if (found.has(entry) || excluded.has(entry.pid)) continue;
    found.add(entry);
    queue.push(...(children.get(entry.pid) ?? []));
  }
  return [...found];
}

/** How many environments are read before the event loop runs other work. */
const BATCH = 32;

/** Reads the markers of all processes that could belong to a tree that was started at `since`, by pid. */
export async function readMarkers(
  all: readonly Process[],
  processes: Processes,
  since = 0,
): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  let count = 0;
  for (const entry of all) {
    // Group 0: the kernel's own threads.
    if (entry.started < since || entry.group === 0) continue;
    if (++count % BATCH === 0) await setImmediate();
    const marker = processes.readVariable(entry, MARKER);
    if (marker !== undefined) found.set(entry.pid, marker);
  }
  return found;
}

/** What ending a tree needs. */
export interface TreeParts {
  readonly processes: Processes;
  readonly log: Log;
  readonly timeouts: StopTimeouts;
}

/**
 * Ends a tree: waits, SIGTERM, waits, SIGKILL. Settles when no process of it is left, with the number of processes
 * that had to be sent a signal. Gives up on processes that SIGKILL does not end, and logs that. `ended` settles
 * when the server itself has ended. `close` closes the input of a server that still runs. It is called after a first
 * scan of the tree, because a parent that ends at the end of its input breaks the chain to its children.
 */
export async function endTree(
  tree: Tree,
  { processes, log, timeouts }: TreeParts,
  ended: Promise<unknown>,
  close?: () => void,
): Promise<number> {
  // A process that was found once stays in the tree, even when the parent by which it was found is gone.
  const known = new Map<number, number>();
  const look = async (since?: Beginning): Promise<Process[]> => {
    const all = await processes.list(since);
    const marked = new Set<number>();
    for (const [pid, marker] of await readMarkers(all, processes, tree.started)) {
      if (marker === tree.marker) marked.add(pid);
    }
    for (const { pid, started } of all) if (known.get(pid) === started) marked.add(pid);
    const found = findTreeProcesses(tree, all, marked, process.pid);
    for (const { pid, started } of found) known.set(pid, started);
    return found;
  };
  const scan = async (): Promise<Process[]> => {
    const { beginning } = tree;
    const found = await look(beginning);
    // The group says for itself whether that was all of it.
    return found.length === 0 && beginning !== undefined && processes.hasGroup(beginning.pid)
      ? await look()
      : found;
  };

  const own = processes.find(process.pid)?.group;
  const signalled = new Set<string>();
  const send = (left: readonly Process[], signal: NodeJS.Signals): void => {
    const running = left.filter((entry) => processes.isRunning(entry));
    // The whole group at once, so that none of it can start another process meanwhile; then those that left it.
    const group =
      tree.pid !== own && running.some((entry) => entry.group === tree.pid) ? tree.pid : undefined;
    if (group !== undefined) processes.signal(-group, signal);
    for (const entry of running) {
      if (entry.group !== group) processes.signal(entry.pid, signal);
      signalled.add(`${entry.pid}.${entry.started}`);
    }
  };

  /** Waits up to `ms` for the tree to end, polling at first every `interval` ms; returns what is left of it. */
  const wait = async (ms: number, interval: number): Promise<Process[]> => {
    const deadline = performance.now() + ms;
    let found = await scan();
    for (
      let step = interval;
      found.length > 0 && performance.now() < deadline;
      step = Math.min(step * 2, 100)
    ) {
      await setTimeout(Math.min(step, Math.max(deadline - performance.now(), 0)));
      found = found.filter((entry) => processes.isRunning(entry));
      if (found.length === 0) found = await scan();
    }
    return found;
  };

  if (close !== undefined) {
    await scan();
    close();
  }
  const closedAt = performance.now();
  await settlesWithin(ended, timeouts.end);
  let found = await wait(timeouts.end - (performance.now() - closedAt), 10);
  if (found.length > 0) {
    send(await scan(), 'SIGTERM');
    await settlesWithin(ended, Math.min(timeouts.term, 10));
    found = await wait(timeouts.term, 5);
  }
  const deadline = performance.now() + timeouts.kill;
  while (found.length > 0 && performance.now() < deadline) {
    send(await scan(), 'SIGKILL');
    found = await wait(20, 1);
  }
  if (found.length > 0) {
    log.warn({ pids: found.map(({ pid }) => pid) }, 'processes of a server do not end');
  }
  return signalled.size;
}

/** Waits for `event`, but no longer than `ms` milliseconds. Returns whether it settled in time. */
export async function settlesWithin(event: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const timeout = setTimeout(ms, false, { signal: timer.signal }).catch(() => false);
  const settled = await Promise.race([event.then(() => true), timeout]);
  timer.abort();
  return settled;
}

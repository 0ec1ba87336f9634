// Ending a server with all it started. What belongs to a server is found in three ways, because each alone
// can be left: the process group and session that the server leads (left by setsid), the line of parents
// (left when a parent ends), and the marker in the environment (left by starting with a clean one). A process
// that has gone all three ways is not found: only a sandbox with a pid namespace holds it.
//
// Every signal goes to a process whose start time was just compared, so that a pid which the system has given
// to somebody else meanwhile is left alone. Between the comparison and the signal lie microseconds, not none.
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Log } from '../os/log.ts';
import type { Process, Processes } from '../os/processes.ts';
import { MARKER } from './environment.ts';

/** A server's tree, as it is found again. */
export interface Tree {
  /** The server: its group's and session's leader. Undefined where only the marker is known. */
  readonly pid: number | undefined;
  readonly started: number | undefined;
  readonly marker: string;
  /**
   * The group still counts when its leader is gone. True for a daemon that has watched the server all along;
   * false after a restart, when the leader's pid may have been another's meanwhile.
   */
  readonly supervised: boolean;
}

/** How long a tree is given, in milliseconds: to end by itself, after SIGTERM, and after SIGKILL. */
export interface StopTimeouts {
  readonly end: number;
  readonly term: number;
  /** A killed process that takes longer is held by the kernel, in a dead network mount for one. */
  readonly kill: number;
}

/** What servers are given. */
export const STOP_TIMEOUTS: StopTimeouts = { end: 2000, term: 2000, kill: 2000 };

/**
 * The members of a tree among all processes. `marked` holds the pids that carry the tree's marker. Never
 * `self`, nor what `self` descends from.
 */
export function findTreeProcesses(
  tree: Tree,
  all: readonly Process[],
  marked: ReadonlySet<number>,
  self: number,
): Process[] {
  const byPid = new Map(all.map((one) => [one.pid, one]));
  const spared = new Set<number>([0, 1]);
  for (let pid = self; !spared.has(pid); pid = byPid.get(pid)?.parent ?? 0) spared.add(pid);

  const leader = tree.pid === undefined ? undefined : byPid.get(tree.pid);
  const reused = leader !== undefined && tree.started !== undefined && leader.started !== tree.started;
  const led = !reused && (tree.supervised || (leader !== undefined && tree.started !== undefined));
  const inGroup = (one: Process): boolean =>
    led && tree.pid !== undefined && (one.group === tree.pid || one.session === tree.pid);

  const children = Map.groupBy(all, (one) => one.parent);
  const found = new Set<Process>();
  const open = all.filter(
    (one) => one.started >= (tree.started ?? 0) && (inGroup(one) || marked.has(one.pid)),
  );
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (found.has(one) || spared.has(one.pid)) continue;
    found.add(one);
    open.push(...(children.get(one.pid) ?? []));
  }
  return [...found];
}

/** How many environments are read before other work gets its turn. */
const BATCH = 32;

/** The markers of all processes that could belong to a tree begun at `since`, by pid. */
export async function readMarkers(
  all: readonly Process[],
  processes: Processes,
  since = 0,
): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  let count = 0;
  for (const { pid, group, started } of all) {
    // Group 0 is the kernel's own threads.
    if (started < since || group === 0) continue;
    if (++count % BATCH === 0) await setImmediate();
    const marker = processes.readVariable(pid, MARKER);
    if (marker !== undefined) found.set(pid, marker);
  }
  return found;
}

/** What ending a tree takes. */
export interface TreeParts {
  readonly processes: Processes;
  readonly log: Log;
  readonly timeouts: StopTimeouts;
}

/**
 * Ends a tree: waits, SIGTERM, waits, SIGKILL. Settles when nothing of it is left, with how many processes
 * had to be sent a signal; or gives up on what SIGKILL does not end, and says so in the log. `ended` settles
 * when the server itself has ended. `close` ends the input of one that still runs: it is called when its tree
 * is known, since a parent that heeds it takes with it what tied its children to the tree.
 */
export async function endTree(
  tree: Tree,
  { processes, log, timeouts }: TreeParts,
  ended: Promise<unknown>,
  close?: () => void,
): Promise<number> {
  // Once a member, always a member, also when the parent is gone by which it was found.
  const known = new Map<number, number>();
  const scan = async (): Promise<Process[]> => {
    const all = await processes.list();
    const marked = new Set<number>();
    for (const [pid, marker] of await readMarkers(all, processes, tree.started)) {
      if (marker === tree.marker) marked.add(pid);
    }
    for (const { pid, started } of all) if (known.get(pid) === started) marked.add(pid);
    const found = findTreeProcesses(tree, all, marked, process.pid);
    for (const { pid, started } of found) known.set(pid, started);
    return found;
  };

  const own = processes.find(process.pid)?.group;
  const signalled = new Set<string>();
  const send = (left: readonly Process[], signal: NodeJS.Signals): void => {
    const still = left.filter((one) => processes.isRunning(one));
    // The group at one blow, so that none of it can start another meanwhile; then those that left it.
    const group = tree.pid !== own && still.some((one) => one.group === tree.pid) ? tree.pid : undefined;
    if (group !== undefined) processes.signal(-group, signal);
    for (const one of still) {
      if (one.group !== group) processes.signal(one.pid, signal);
      signalled.add(`${one.pid}.${one.started}`);
    }
  };

  /** Waits up to `ms` for the tree to be gone; gives back what is left of it. */
  const wait = async (ms: number, first: number): Promise<Process[]> => {
    const until = performance.now() + ms;
    let found = await scan();
    for (let step = first; found.length > 0 && performance.now() < until; step = Math.min(step * 2, 100)) {
      await setTimeout(Math.min(step, Math.max(until - performance.now(), 0)));
      found = found.filter((one) => processes.isRunning(one));
      if (found.length === 0) found = await scan();
    }
    return found;
  };

  if (close !== undefined) {
    await scan();
    close();
  }
  const begun = performance.now();
  await settlesWithin(ended, timeouts.end);
  let found = await wait(timeouts.end - (performance.now() - begun), 10);
  if (found.length > 0) {
    send(await scan(), 'SIGTERM');
    await settlesWithin(ended, Math.min(timeouts.term, 10));
    found = await wait(timeouts.term, 5);
  }
  const until = performance.now() + timeouts.kill;
  while (found.length > 0 && performance.now() < until) {
    send(await scan(), 'SIGKILL');
    found = await wait(20, 1);
  }
  if (found.length > 0) {
    log.warn({ pids: found.map(({ pid }) => pid) }, 'processes of a server do not end');
  }
  return signalled.size;
}

/** Waits for `event`, but not longer than `ms`. False: it has not come. */
export async function settlesWithin(event: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const timeout = setTimeout(ms, false, { signal: timer.signal }).catch(() => false);
  const came = await Promise.race([event.then(() => true), timeout]);
  timer.abort();
  return came;
}

// Servers whose daemon is dead: the launcher ends them, since nobody else would before the next daemon starts. Imports no
// package and no heavy module, because the launcher loads this file.
import type { ServerIdentity } from '../wire/hello.ts';
import { findServerProcesses, isRunning, type ProcessStat } from './proc.ts';

/** How long a server has between SIGTERM and SIGKILL, in milliseconds. */
const GRACE_PERIOD = 2000;

/** Ends the servers of a dead daemon: SIGTERM to each server and all its processes, SIGKILL to those that remain. */
export async function endServers(servers: readonly ServerIdentity[]): Promise<void> {
  if (servers.length === 0) return;
  const signalAll = process.platform === 'linux' ? signalTrees(servers) : signalGroups(servers);
  signalAll('SIGTERM');
  const deadline = performance.now() + GRACE_PERIOD;
  while (performance.now() < deadline && signalAll()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // A killed process starts no other; one that it started just before is found in the next round.
  while (performance.now() < deadline + GRACE_PERIOD && signalAll('SIGKILL')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Sends `signal`, if any, to all processes of the servers. Returns whether any is left. */
type SignalTree = (signal?: 'SIGTERM' | 'SIGKILL') => boolean;

function signalTrees(servers: readonly ServerIdentity[]): SignalTree {
  // A process that was found once stays in the list, even when the parent by which it was found is gone.
  let found: ProcessStat[] = [];
  return (signal) => {
    found = findServerProcesses(servers, found).filter(isRunning);
    if (signal !== undefined) for (const { pid } of found) kill(pid, signal);
    return found.length > 0;
  };
}

/** For systems on which only the leader's pid is known. */
function signalGroups(servers: readonly ServerIdentity[]): SignalTree {
  return (signal) => servers.filter(({ pid }) => pid !== undefined && kill(-pid, signal ?? 0)).length > 0;
}

/** Sends a signal. Returns whether there was a process to receive it. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

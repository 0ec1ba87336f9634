// What is left behind when a daemon is killed: servers that do not heed the end of their input, and their
// private folders. Every server's folder is there before the server is, and its name is the server's marker;
// so the next daemon finds by it what still runs. The record adds the process itself, for servers that write
// over their own environment.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Log } from '../os/log.ts';
import type { Processes } from '../os/processes.ts';
import {
  endTree,
  findTreeProcesses,
  readMarkers,
  STOP_TIMEOUTS,
  type StopTimeouts,
  type Tree,
  type TreeParts,
} from './process-tree.ts';
import {
  isPrivateFolder,
  MARKER_NAME,
  type RuntimeRoots,
  removeFolder,
  removeFolderSync,
  removeIfEmpty,
} from './runtime-folder.ts';

const FILE = 'server.json';

const record = z.object({
  pid: z.number().int().positive(),
  /** As `Process.started`. */
  started: z.number(),
  /** As `Processes.boot`. */
  boot: z.string(),
});

/** Notes which process runs for a private folder. */
export function writeRecord(folder: string, server: z.infer<typeof record>): void {
  writeFileSync(join(folder, FILE), JSON.stringify(server), { mode: 0o600 });
}

/**
 * Ends what a killed daemon left running, and removes what it left lying. To be called at the daemon's start,
 * by the holder of its lock only, and before it makes anything of its own or in the same turn: what is there
 * at the call is taken for left behind. Credential files are gone when the call returns; the promise settles
 * when the rest is, and never rejects.
 */
export async function sweep(
  { sessions, secrets }: RuntimeRoots,
  processes: Processes,
  log: Log,
  timeouts: StopTimeouts = { ...STOP_TIMEOUTS, end: 0 },
): Promise<void> {
  for (const base of secrets) {
    if (!isPrivateFolder(base)) continue;
    for (const name of markersIn(base)) removeFolderSync(join(base, name));
    removeIfEmpty(base);
  }
  const left = markersIn(sessions);
  if (left.length === 0) return;
  try {
    const ended = await endOrphans(
      left.map((marker) => readTree(sessions, marker, processes.boot)),
      { processes, log, timeouts },
    );
    for (const marker of left) {
      for (const base of secrets) await removeFolder(join(base, marker));
      await removeFolder(join(sessions, marker));
    }
    log.info({ servers: left.length, processes: ended }, 'cleared away what the daemon before left behind');
  } catch (error) {
    // The folders stay, for the next daemon to find what runs by them.
    log.error({ err: error }, 'cannot look for what the daemon before left running');
  }
}

/** Ends those of the trees that still have members, found in one look; gives back how many processes. */
async function endOrphans(trees: readonly Tree[], parts: TreeParts): Promise<number> {
  const all = await parts.processes.list();
  const marks = await readMarkers(all, parts.processes);
  const alive = trees.filter((tree) => {
    const marked = [...marks].filter(([, marker]) => marker === tree.marker).map(([pid]) => pid);
    return findTreeProcesses(tree, all, new Set(marked), process.pid).length > 0;
  });
  const counts = await Promise.all(alive.map((tree) => endTree(tree, parts, Promise.resolve())));
  return counts.reduce((sum, count) => sum + count, 0);
}

function markersIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => MARKER_NAME.test(name));
  } catch {
    return [];
  }
}

function readTree(sessions: string, marker: string, boot: string): Tree {
  const unknown = { pid: undefined, started: undefined, marker, supervised: false };
  try {
    const text = readFileSync(join(sessions, marker, FILE), 'utf8');
    const { pid, started, boot: then } = record.parse(JSON.parse(text));
    return then === boot ? { pid, started, marker, supervised: false } : unknown;
  } catch {
    return unknown;
  }
}

// Finds what a killed daemon leaves behind: servers that ignore the end of their input, and their private
// folders. Each server's folder exists before the server does and is named after the server's marker, so the next
// daemon finds by it which processes still run. The record in the folder also names the process itself, for
// servers that overwrite their own environment.
import { closeSync, constants, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
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
import { removeFolder } from './remove-folder.ts';
import {
  isPrivateFolder,
  MARKER_NAME,
  RECORD,
  type RuntimeRoots,
  removeFolderSync,
  removeIfEmpty,
} from './runtime-folder.ts';

const record = z.object({
  pid: z.number().int().positive(),
  /** As `Process.started`. */
  started: z.number(),
  /** As `Processes.boot`. */
  boot: z.string(),
});

/** Records have one length, which is more than they need: one may be written over another. */
const RECORD_LENGTH = 128;

/** Writes down which process a private folder belongs to. */
export function writeRecord(folder: string, server: z.infer<typeof record>): void {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW } = constants;
  const file = openSync(join(folder, RECORD), O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    writeSync(file, JSON.stringify(server).padEnd(RECORD_LENGTH));
  } finally {
    closeSync(file);
  }
}

/**
 * Ends the processes that a killed daemon left running, and removes the folders that it left. Call it at the
 * daemon's start, only while the daemon's lock is held, and before the daemon creates folders of its own (or in the
 * same turn of the event loop): everything that exists at the call counts as left behind. Credential files are gone
 * when the call returns; the promise settles when the rest is gone, and never rejects.
 */
export async function sweep(
  { sessions, secrets }: RuntimeRoots,
  processes: Processes,
  log: Log,
  timeouts: StopTimeouts = { ...STOP_TIMEOUTS, end: 0 },
): Promise<void> {
  for (const root of secrets) {
    if (!isPrivateFolder(root)) continue;
    for (const marker of markersIn(root)) removeFolderSync(join(root, marker));
    removeIfEmpty(root);
  }
  const left = markersIn(sessions);
  if (left.length === 0) {
    removeIfEmpty(sessions);
    return;
  }
  try {
    const ended = await endOrphans(
      left.map((marker) => readTree(sessions, marker, processes.boot)),
      { processes, log, timeouts },
    );
    for (const marker of left) {
      for (const root of secrets) await removeFolder(join(root, marker));
      await removeFolder(join(sessions, marker));
    }
    removeIfEmpty(sessions);
    log.info({ servers: left.length, processes: ended }, 'removed what the previous daemon left behind');
  } catch (error) {
    // The folders stay, so that the next daemon can find by them what still runs.
    log.error({ err: error }, 'cannot look for processes that the previous daemon left running');
  }
}

/** Ends those trees that still have processes, by one listing of all processes; returns how many were ended. */
async function endOrphans(trees: readonly Tree[], parts: TreeParts): Promise<number> {
  const all = await parts.processes.list();
  const markers = await readMarkers(all, parts.processes);
  const alive = trees.filter((tree) => {
    const marked = [...markers].filter(([, marker]) => marker === tree.marker).map(([pid]) => pid);
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
    const text = readFileSync(join(sessions, marker, RECORD), 'utf8');
    const { pid, started, boot: then } = record.parse(JSON.parse(text));
    return then === boot ? { pid, started, marker, supervised: false } : unknown;
  } catch {
    return unknown;
  }
}

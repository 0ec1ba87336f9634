// The build that this program belongs to. All files of a build lie in one folder, dist/, and end in its id; `current` names
// the programs of the newest build (scripts/build.js). A daemon loads parts and starts programs long after its own start,
// also when a newer build is there, so it keeps its build's files: a lock in dist/, `ID.PID.lock`, says that it uses them.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acquireLock, ownerOf } from './lock.ts';

const FILE = /-([A-Z2-7]{8})(?:\.c?js)?$/;
const LOCK = /^([A-Z2-7]{8})\.\d+\.lock$/;
const here = fileURLToPath(import.meta.url);
const folder = dirname(here);
/** Undefined when the program runs from its source. */
const own = FILE.exec(here)?.[1];

/** The file of the daemon's program; undefined when it runs from its source. */
export const daemonFile: string | undefined =
  own === undefined ? undefined : join(folder, `daemon-${own}.js`);

/** The path of another program of the same build. */
export function programFile(name: string): string {
  return join(folder, own === undefined ? `${name}.js` : `${name}-${own}.js`);
}

/** The file of the newest daemon's program in this program's folder. Throws where there is none. */
export function newestDaemonFile(): string {
  const { daemon } = JSON.parse(readFileSync(join(folder, 'current'), 'utf8'));
  return join(folder, basename(String(daemon)));
}

/** Whether the build is still the newest of its folder, has been followed by another, or was removed. */
export function buildState(): 'current' | 'replaced' | 'removed' {
  if (own === undefined) return 'current';
  if (!existsSync(here)) return 'removed';
  try {
    const { daemon } = JSON.parse(readFileSync(join(folder, 'current'), 'utf8'));
    return FILE.exec(daemon)?.[1] === own ? 'current' : 'replaced';
  } catch {
    return 'removed';
  }
}

/**
 * Says that this process uses its build, and removes the builds that no living process uses. Returns the lock. In a
 * folder that this user cannot write to, nothing is removed by anybody, and no lock is needed.
 */
export function useBuild(): Disposable | undefined {
  if (own === undefined) return undefined;
  try {
    const lock = acquireLock(join(folder, `${own}.${process.pid}.lock`));
    sweepBuilds(own);
    return 'owner' in lock ? lock : undefined;
  } catch {
    return undefined;
  }
}

function sweepBuilds(used: string): void {
  const names = readdirSync(folder);
  const kept = new Set([used]);
  const { daemon } = JSON.parse(readFileSync(join(folder, 'current'), 'utf8'));
  const newest = FILE.exec(basename(daemon))?.[1];
  if (newest !== undefined) kept.add(newest);
  for (const name of names) {
    const [, id] = LOCK.exec(name) ?? [];
    if (id === undefined) continue;
    if (ownerOf(join(folder, name)) === undefined) rmSync(join(folder, name), { force: true });
    else kept.add(id);
  }
  for (const name of names) {
    const [, id] = FILE.exec(name) ?? [];
    if (id !== undefined && !kept.has(id)) rmSync(join(folder, name), { force: true });
  }
}

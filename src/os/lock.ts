// A lock file, so that only one daemon runs. It names its owner by pid and start time, because pids are reused. `link`
// creates it whole, and only if it does not exist. A stale lock, whose owner is dead, may be removed. But two
// processes that saw the same dead owner must not both remove it: the second would remove the first one's new lock. So
// removal needs a lock of its own, named after the dead owner; if the owner of that lock dies too, the same rule
// applies to it. Whoever has the removal lock reads the lock again, and removes it only if it is still the stale one.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { statOf } from './proc.ts';

/** A process, identified so that it cannot be mistaken for a later one with the same pid. */
interface Owner {
  readonly pid: number;
  /** The boot id and the start time: the same text for as long as the process lives. */
  readonly born: string;
}

/** An acquired lock. Disposing releases it, once. */
export interface Lock extends Disposable {
  readonly owner: Owner;
}

/** The living owner of the lock at `path`; `undefined` if there is none. */
export function ownerOf(path: string): Owner | undefined {
  const owner = read(path);
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

/**
 * Acquires the lock at `path`, whose folder must exist. The file has the members of `details` beside the owner. Returns the lock, or its present owner. Throws the system's
 * error if the folder is not writable.
 */
export function acquireLock(path: string, details: object = {}): Lock | Owner {
  const owner: Owner = { pid: process.pid, born: startOf(process.pid) ?? '' };
  const draft = `${path}.${owner.pid}.${randomBytes(6).toString('hex')}.tmp`;
  writeFileSync(draft, JSON.stringify({ ...owner, ...details }), { mode: 0o600, flag: 'wx' });
  try {
    const other = acquire(path, draft);
    if (other !== undefined) return other;
  } finally {
    rmSync(draft, { force: true });
  }
  removeStaleDrafts(path);
  let released = false;
  return {
    owner,
    [Symbol.dispose]() {
      // Only once: it may be another's lock by then.
      if (!released) rmSync(path, { force: true });
      released = true;
    },
  };
}

/** Milliseconds between two tries for a lock that another process has. */
const RETRY = 20;

/** Like `acquireLock`, and waits for as long as `timeout`, in milliseconds, says. Rejects with the reason of `signal`. */
export async function awaitLock(path: string, timeout: number, signal?: AbortSignal): Promise<Lock | Owner> {
  const until = performance.now() + timeout;
  for (;;) {
    signal?.throwIfAborted();
    const acquired = acquireLock(path);
    if ('owner' in acquired || performance.now() > until) return acquired;
    await delay(RETRY, undefined, signal === undefined ? {} : { signal });
  }
}

/** Links `draft` to `path`, and removes stale locks. Returns the living owner if there is one. */
function acquire(path: string, draft: string): Owner | undefined {
  for (;;) {
    try {
      linkSync(draft, path);
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = read(path);
    // It was released between the two calls.
    if (other === undefined) continue;
    if (isAlive(other)) return other;
    const removalLock = `${path}.${other.pid}-${other.born.replace(/[^\w-]/g, '_')}`;
    const remover = acquire(removalLock, draft);
    if (remover !== undefined) return remover;
    const present = read(path);
    if (present?.pid === other.pid && present.born === other.born) rmSync(path, { force: true });
    rmSync(removalLock, { force: true });
  }
}

/** Reads the owner of the lock at `path`; `undefined` if there is no lock. */
function read(path: string): Owner | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { pid, born } = JSON.parse(text);
    if (Number.isInteger(pid) && typeof born === 'string') return { pid, born };
  } catch {
    // Not written by `acquireLock`, whose files appear whole: nobody can own this lock.
  }
  return { pid: 0, born: 'unreadable' };
}

function isAlive({ pid, born }: Owner): boolean {
  return pid > 0 && startOf(pid) === born;
}

/** Identifies a process by its start: constant for as long as it lives, different for the next one with its pid. */
function startOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = statOf(pid);
    if (stat === undefined || stat.zombie) return undefined;
    return `${bootId()}-${stat.started}`;
  }
  try {
    const text = execFileSync('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 5000,
    });
    return text.trim() || undefined;
  } catch {
    return undefined;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** Removes the files that killed processes left beside the lock. The caller must own the lock. */
function removeStaleDrafts(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix)) continue;
    const file = join(dirname(path), name);
    const owner = read(file);
    // A draft may be half-written, so its owner is taken from its name.
    const draft = /\.(\d+)\.[0-9a-f]+\.tmp$/.exec(name)?.[1];
    const inUse = draft === undefined ? owner && isAlive(owner) : startOf(Number(draft)) !== undefined;
    if (inUse === false) rmSync(file, { force: true });
  }
}

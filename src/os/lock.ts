// One daemon at a time: a lock file that names its owner (pid, and when that process was born, since pids
// come back). `link` makes it, whole and only if there is none. A lock whose owner is dead may be taken away,
// but two that saw the same dead owner must not both do so: the second would take away the first one's new
// lock. So taking away needs a lock of its own, named after the dead owner; and if its owner dies in turn,
// the same rule holds for that one. Under it one looks again: only the very lock that was seen dead is removed.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { statOf } from './proc.ts';

/** A process that cannot be mistaken for a later one of the same pid. */
interface Owner {
  readonly pid: number;
  /** The boot and the time since when it runs; the same text as long as it lives. */
  readonly born: string;
}

/** A lock that is held. */
export interface Lock extends Disposable {
  readonly owner: Owner;
}

/** The owner that lives and holds the lock at `path`; `undefined` where there is none. */
export function ownerOf(path: string): Owner | undefined {
  const owner = read(path);
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

/**
 * Takes the lock at `path`, whose folder exists. Returns the lock, or the owner that has it. Throws the
 * system's error where the folder cannot be written.
 */
export function acquireLock(path: string): Lock | Owner {
  const owner: Owner = { pid: process.pid, born: startOf(process.pid) ?? '' };
  const draft = `${path}.${owner.pid}.${randomBytes(6).toString('hex')}.tmp`;
  writeFileSync(draft, JSON.stringify(owner), { mode: 0o600, flag: 'wx' });
  try {
    const other = acquire(path, draft);
    if (other !== undefined) return other;
  } finally {
    rmSync(draft, { force: true });
  }
  removeStaleDrafts(path);
  return { owner, [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

/** Links `draft` to `path`, past dead owners. Returns the living owner that has it, if so. */
function acquire(path: string, draft: string): Owner | undefined {
  for (;;) {
    try {
      linkSync(draft, path);
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = read(path);
    // Let go between the two calls.
    if (other === undefined) continue;
    if (isAlive(other)) return other;
    const removalLock = `${path}.${other.pid}-${other.born.replace(/[^\w-]/g, '_')}`;
    const remover = acquire(removalLock, draft);
    if (remover !== undefined) return remover;
    const seen = read(path);
    if (seen?.pid === other.pid && seen.born === other.born) rmSync(path, { force: true });
    rmSync(removalLock, { force: true });
  }
}

/** What the lock at `path` says; `undefined` where there is none. */
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
    // Not written by `takeLock`, whose files appear whole: nobody can hold it.
  }
  return { pid: 0, born: 'unreadable' };
}

function isAlive({ pid, born }: Owner): boolean {
  return pid > 0 && startOf(pid) === born;
}

/** When a process was born: the same for as long as it lives, another for the next one of its pid. */
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

/** Removes what starts that were killed half-way have left beside the lock, which the caller holds. */
function removeStaleDrafts(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix)) continue;
    const file = join(dirname(path), name);
    const owner = read(file);
    // A draft may be half-written: its name says whose it is.
    const draft = /\.(\d+)\.[0-9a-f]+\.tmp$/.exec(name)?.[1];
    const wanted = draft === undefined ? owner && isAlive(owner) : startOf(Number(draft)) !== undefined;
    if (wanted === false) rmSync(file, { force: true });
  }
}

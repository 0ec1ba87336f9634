// Locks that are folders, for the locks of other programs: whoever makes the folder holds it. A holder shows that it lives by
// the folder's time; one that is older than ten seconds is of a program that was killed, and is taken over. Programs on Node
// have it from the package proper-lockfile; Claude Code locks its file so.
import { mkdirSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { WarderError } from '../errors.ts';

/** Milliseconds after which a lock that nobody has touched is nobody's. */
const STALE = 10_000;
const TOUCH = 3000;
const RETRY = 50;

/**
 * Makes the folder at `path`, which must not be there, and waits for that at most `patience` milliseconds. Disposing removes
 * it. Undefined: the folder above is not there, so nobody can hold it. Throws `refused` if another program keeps it, and
 * `cannot-write` where it cannot be made.
 */
export async function lockFolder(path: string, patience: number): Promise<Disposable | undefined> {
  const deadline = performance.now() + patience;
  for (;;) {
    const made = make(path);
    if (made === 'no-folder') return undefined;
    // Of two that find it stale, one removes it, and one makes the next.
    if (made === 'made' || (isStale(path) && remove(path) && make(path) === 'made')) break;
    if (performance.now() >= deadline) {
      throw new WarderError('refused', `another program has locked ${path}`, {
        hint: 'quit it, and try again',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
  const touching = setInterval(() => touch(path), TOUCH);
  touching.unref();
  let held = true;
  return {
    [Symbol.dispose]() {
      if (!held) return;
      held = false;
      clearInterval(touching);
      remove(path);
    },
  };
}

function make(path: string): 'made' | 'there' | 'no-folder' {
  try {
    mkdirSync(path, { mode: 0o700 });
    return 'made';
  } catch (cause) {
    const { code } = Object(cause);
    if (code === 'EEXIST') return 'there';
    if (code === 'ENOENT') return 'no-folder';
    throw new WarderError('cannot-write', `cannot make the lock ${path}`, { cause });
  }
}

/** Whether a folder's time is long ago. What is no folder is never taken over. */
function isStale(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && Math.abs(Date.now() - stats.mtimeMs) > STALE;
}

function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // Another program has taken it over: this one was stopped for too long.
  }
}

/** False: it is gone, or another program has put something into it. */
function remove(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

// Holds a host's file for an edit: refused while a host runs that would write over it, under the host's own lock where it
// has one, and without what a killed write has left.
import { execFile } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { WarderError } from '../../errors.ts';
import { lockFile } from '../../os/flock.ts';
import { lockFolder } from '../../os/folder-lock.ts';
import type { Host } from '../table.ts';
import { removeLeftovers } from './file.ts';

/** Milliseconds to wait for a host's lock. */
const LOCK_PATIENCE = 5000;

/**
 * Does work on a host's file, which is at `path` for the host, while nobody else of whom this program knows writes it. Throws
 * `refused` if that is not to be had.
 */
export async function holdingHostFile<T>(
  host: Host | undefined,
  path: string,
  work: () => T | Promise<T>,
): Promise<T> {
  if (host !== undefined) await refuseRunning(host);
  using _lock = await hostLock(host, path);
  removeLeftovers(path);
  return await work();
}

/** A host's own lock of a file; undefined where it has none for it. */
async function hostLock(host: Host | undefined, path: string): Promise<Disposable | undefined> {
  const lock = host?.lock;
  if (lock === undefined || basename(path) !== lock.of) return undefined;
  const at = join(dirname(path), lock.name);
  return await (lock.kind === 'folder' ? lockFolder(at, LOCK_PATIENCE) : lockFile(at, LOCK_PATIENCE));
}

/** Throws `refused` while a host runs that writes its file from what it has in memory. */
async function refuseRunning({ title, running = [] }: Host): Promise<void> {
  if (running.length === 0) return;
  let names: string;
  try {
    const ps = await promisify(execFile)('/bin/ps', ['-A', '-o', 'comm='], { timeout: 5000 });
    names = ps.stdout;
  } catch (cause) {
    throw new WarderError('refused', `cannot see whether ${title} runs, and it would write over its file`, {
      hint: 'the program "ps" is needed',
      cause,
    });
  }
  const found = names.split('\n').some((line) => running.includes(line.trim().split('/').at(-1) ?? ''));
  if (!found) return;
  throw new WarderError('refused', `${title} runs, and would write over its file`, {
    hint: `quit ${title}, and try again`,
  });
}

// flock(2), for the locks of other programs. Node has no function for it; the call is made through koffi, an optional
// dependency.
import { closeSync, constants, openSync } from 'node:fs';
import { WarderError } from '../errors.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;
const RETRY = 50;

/**
 * Takes an existing file's lock alone, and waits for it at most `patience` milliseconds. Disposing releases it. Undefined: there is no such
 * file. Throws `refused` if another program keeps it, and `unsupported` where the call is not available.
 */
export async function lockFile(path: string, patience: number): Promise<Disposable | undefined> {
  let handle: number;
  try {
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if (Object(cause).code === 'ENOENT') return undefined;
    throw new WarderError('refused', `cannot open the lock ${path}`, { cause });
  }
  let held = true;
  const lock = {
    [Symbol.dispose]() {
      // Only once: the descriptor may be another file's by then.
      if (held) closeSync(handle);
      held = false;
    },
  };
  try {
    const flock = await bind();
    const deadline = performance.now() + patience;
    while (flock(handle, LOCK_EX | LOCK_NB) !== 0) {
      if (performance.now() >= deadline) {
        throw new WarderError('refused', `another program has locked ${path}`, {
          hint: 'quit it, and try again',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

async function bind(): Promise<(handle: number, operation: number) => number> {
  try {
    return (await import('koffi')).default.load(null).func('int flock(int fd, int operation)');
  } catch (cause) {
    throw new WarderError('unsupported', 'this installation cannot take the locks of other programs', {
      hint: 'install the optional dependency "koffi"',
      cause,
    });
  }
}

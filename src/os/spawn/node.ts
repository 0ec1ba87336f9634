// Starts programs by Node. It copies the page tables of this process for that, which takes the longer the larger it is.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Child, Ending, SpawnOptions } from '../program.ts';

/** As `Spawn`. */
export async function spawnByNode({ file, args, cwd, env, descriptors = [] }: SpawnOptions): Promise<Child> {
  const stdio = ['pipe', 'pipe', 'pipe', ...descriptors] as ['pipe', 'pipe', 'pipe', ...('pipe' | number)[]];
  // It leads a group of its own; `server/process-tree.ts` ends that.
  const child = spawn(file, args, { cwd, env, stdio, detached: true }) as ChildProcessWithoutNullStreams;
  const { pid, stdin, stdout, stderr } = child;
  if (pid === undefined) throw await once(child, 'error').then(([error]) => error);
  // A child that closes its stdin, or ends, is not an error here.
  stdin.on('error', () => {});
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  return { pid, stdin, direct: undefined, stdout, isRead: false, stderr, stdio: child.stdio, ended };
}

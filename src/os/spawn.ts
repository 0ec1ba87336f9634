// Starts programs, with settings that isolate the child: exactly the environment that is passed, no shell, three pipes and
// only those other descriptors that are named, a session and process group of its own. On Linux by posix_spawn(3), whose
// time does not grow with this process's memory; elsewhere, and where the C library cannot be called, by Node.
import type { Spawn } from './program.ts';
import { spawnByNode } from './spawn/node.ts';
import { loadPosixSpawn } from './spawn/posix.ts';

export type { Child, Ending, Reader, Spawn, SpawnOptions } from './program.ts';

/** The way of starting programs that this machine offers. */
export async function loadSpawn(): Promise<Spawn> {
  return (await loadPosixSpawn()) ?? spawnByNode;
}

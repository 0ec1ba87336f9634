// Starts programs through execa, with settings that isolate the child: exactly the environment that is passed, no
// shell, three pipes and only those other descriptors that are named, a session and process group of its own. execa's
// own error is never shown or logged, because its message can contain a command line.
import type { Readable, Writable } from 'node:stream';

/** A program to start. */
export interface SpawnOptions {
  /** The executable's absolute path. */
  readonly file: string;
  readonly args: readonly string[];
  /** An absolute path. */
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The descriptors from 3 on: a new pipe, or a descriptor of this process. */
  readonly descriptors?: readonly ('pipe' | number)[];
}

/** How a process ended: its exit code, or the signal that ended it. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A started program: the leader of a session and process group of its own. */
export interface Child {
  readonly pid: number;
  readonly stdin: Writable;
  /** Paused, like `stderr`: attach a listener, then resume. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** By descriptor; pipes as Node gives them. */
  readonly stdio: readonly unknown[];
  /** Settles when the process has ended; never rejects. What it wrote may still be in the pipes. */
  readonly ended: Promise<Ending>;
}

/** Starts a program, or throws an error with the system's `code` (`ENOENT`, `EACCES`, `EAGAIN`, …). */
export type Spawn = (options: SpawnOptions) => Promise<Child>;

/**
 * Loads execa, the daemon's heaviest package. It is needed only when a session opens, so call this once the daemon
 * listens.
 */
export async function loadSpawn(): Promise<Spawn> {
  const { execa } = await import('execa');
  return async ({ file, args, cwd, env, descriptors = [] }) => {
    const subprocess = execa(file, args, {
      cwd,
      env,
      extendEnv: false,
      shell: false,
      // execa accepts descriptors by number, but its types know only the standard ones.
      stdio: ['pipe', 'pipe', 'pipe', ...(descriptors as 'pipe'[])],
      buffer: false,
      encoding: 'buffer',
      stripFinalNewline: false,
      reject: false,
      verbose: 'none',
      // The child leads a group of its own; `server/process-tree.ts` ends it more thoroughly than execa's clean-up would.
      detached: true,
      cleanup: false,
      forceKillAfterDelay: false,
    });
    const { pid, stdin, stdout, stderr, nodeChildProcess } = subprocess;
    if (pid === undefined) {
      const { code } = (await subprocess) as { code?: string };
      throw Object.assign(new Error('spawn failed'), { code });
    }
    // execa discards output that nobody reads by the next turn of the event loop.
    stdout.pause();
    stderr.pause();
    // A child that closes its stdin, or ends, is not an error here.
    stdin.on('error', () => {});
    const ended = new Promise<Ending>((resolve) => {
      nodeChildProcess.once('exit', (code, signal) => resolve({ code, signal }));
    });
    return { pid, stdin, stdout, stderr, stdio: nodeChildProcess.stdio, ended };
  };
}

// Starting programs, through execa, with the settings that keep a child's world small: exactly the
// environment that is given, no shell, three pipes and no other descriptor but those that are named, a session
// and process group of its own. execa's own error is never shown or logged: its message can hold a command line.
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
  /** From descriptor 3 on: a pipe, or a descriptor of ours. */
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
  /** Paused, and so is `stderr`: attach, then resume. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** By descriptor; pipes as Node gives them. */
  readonly stdio: readonly unknown[];
  /** Settles when the process has ended; never rejects. What it wrote may still be in the pipes. */
  readonly ended: Promise<Ending>;
}

/** Starts a program, or throws an error with the system's `code` (`ENOENT`, `EACCES`, `EAGAIN`, …). */
export type Spawn = (start: SpawnOptions) => Promise<Child>;

/**
 * Loads execa. It is the daemon's heaviest package and needed only when a session opens: call this once the
 * daemon listens.
 */
export async function loadSpawn(): Promise<Spawn> {
  const { execa } = await import('execa');
  return async ({ file, args, cwd, env, descriptors = [] }) => {
    const subprocess = execa(file, args, {
      cwd,
      env,
      extendEnv: false,
      shell: false,
      // execa takes descriptors by number, and its types know the standard ones only.
      stdio: ['pipe', 'pipe', 'pipe', ...(descriptors as 'pipe'[])],
      buffer: false,
      encoding: 'buffer',
      stripFinalNewline: false,
      reject: false,
      verbose: 'none',
      // Its own group, ended by `server/process-tree.ts`, which knows more of a tree than execa's clean-up does.
      detached: true,
      cleanup: false,
      forceKillAfterDelay: false,
    });
    const { pid, stdin, stdout, stderr, nodeChildProcess } = subprocess;
    if (pid === undefined) {
      const { code } = (await subprocess) as { code?: string };
      throw Object.assign(new Error('spawn failed'), { code });
    }
    // execa lets go of output that nobody has taken up by the next turn of the event loop.
    stdout.pause();
    stderr.pause();
    // A child that closes its stdin, or ends, is no error of ours.
    stdin.on('error', () => {});
    const ended = new Promise<Ending>((resolve) => {
      nodeChildProcess.once('exit', (code, signal) => resolve({ code, signal }));
    });
    return { pid, stdin, stdout, stderr, stdio: nodeChildProcess.stdio, ended };
  };
}

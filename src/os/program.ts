// A program that is started, and what is known of it: see spawn.ts.
import type { Readable, Writable } from 'node:stream';
import type { DirectWrites } from './direct-writes.ts';

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
  /** Where its standard output is read to, where the child's `stdout` can be: see `Child.isRead`. */
  readonly reader?: Reader;
}

/** Takes what a stream brings, and says where it is read to. */
export interface Reader {
  /** Where the next bytes go. Asked once at first, and then after each `take`. */
  room(): Buffer;
  /** Bytes have come, at the beginning of the room that was given last. */
  take(length: number, room: Buffer): void;
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
  /** Writes to `stdin` at once, where that can be. */
  readonly direct: DirectWrites | undefined;
  /** Paused, like `stderr`: attach a listener, then resume. */
  readonly stdout: Readable;
  /** The reader that was given takes what `stdout` brings, which has no `data` then. */
  readonly isRead: boolean;
  readonly stderr: Readable;
  /** By descriptor; pipes are sockets, to read and to write. */
  readonly stdio: readonly unknown[];
  /** Settles when the process has ended; never rejects. What it wrote may still be in the pipes. */
  readonly ended: Promise<Ending>;
}

/** Starts a program, or throws an error with the system's `code` (`ENOENT`, `EACCES`, `EAGAIN`, …). */
export type Spawn = (options: SpawnOptions) => Promise<Child>;

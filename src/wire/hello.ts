// What a client says first, in the HELLO frame. Types and constants only: the launcher reads this file, and
// must load no package. `src/control/hello.ts` holds the schema that the daemon checks it with.

/** A profile's name. Nothing with a path, a dot or a leading hyphen in it passes. */
export const PROFILE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** One process of the chain above a launcher. What cannot be read is left out. */
export interface HostProcess {
  readonly pid: number;
  /** The executable's absolute path. */
  readonly exe?: string;
  /** Start time: clock ticks since boot (field 22 of `/proc/PID/stat`). With `pid` it names one process for good. */
  readonly started?: number;
}

/** The first frame of a session's connection. */
export interface RunHello {
  readonly wire: number;
  readonly kind: 'run';
  readonly profile: string;
  /**
   * The launcher's own. The daemon looks up the chain above it, so that a client cannot pass for a host that it
   * is not; where the kernel tells who connected, its word counts and not this one.
   */
  readonly pid: number;
  readonly cwd: string;
}

/** The first frame of a control connection. */
export interface ControlHello {
  readonly wire: number;
  readonly kind: 'control';
}

export type Hello = RunHello | ControlHello;

/** What the daemon tells a launcher of each server that it starts for the session, if it is a process here. */
export interface ServerIdentity {
  /** The leader of the server's process group. */
  readonly pid?: number;
  /** The process' start time, as in `HostProcess.started`. */
  readonly started?: number;
  /** `NAME=value`: stands in the environment of all processes of the server, and of no other. */
  readonly marker?: string;
}

/** Why a connection was refused. `exit` is the exit code that the client ends with. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly exit: number;
}

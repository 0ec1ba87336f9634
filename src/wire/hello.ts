// The payloads of the HELLO, OPEN and REFUSE frames. Types and constants only: the launcher loads this file, and must
// load no package. The schema by which the daemon checks a HELLO is in `src/control/hello.ts`.

/** A profile's name. Excludes paths, dots and a leading hyphen. */
export const PROFILE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** A credential's name in a store, of 200 characters at most, and the rule in words. */
export const CREDENTIAL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
export const CREDENTIAL_NAME_RULE = 'words of letters, digits, ".", "_" and "-" with "/" between';

/** One ancestor process of a launcher. What cannot be read is left out. */
export interface HostProcess {
  readonly pid: number;
  /** The executable's absolute path. */
  readonly exe?: string;
  /** The absolute path of the script that it runs, where the executable is an interpreter. */
  readonly script?: string;
  /** The start time in clock ticks since boot (field 22 of `/proc/PID/stat`). Identifies a process together with `pid`. */
  readonly started?: number;
}

/** Where a client finds the user's D-Bus session bus. The daemon may have been started without one. */
export interface SessionBus {
  /** DBUS_SESSION_BUS_ADDRESS. */
  readonly address: string;
  /** XDG_RUNTIME_DIR. */
  readonly runtime?: string;
}

/** The first frame of a session's connection. */
export interface RunHello {
  readonly wire: number;
  readonly kind: 'run';
  readonly profile: string;
  /**
   * The launcher's own pid. The daemon looks up its ancestors itself, so that a client cannot pretend to be another
   * host. Where the kernel reports the pid of the client, that one is used instead of this one.
   */
  readonly pid: number;
  readonly cwd: string;
  readonly bus?: SessionBus;
  /** The number of the host's descriptors, which the launcher offers: 32 hexadecimal digits. */
  readonly descriptors?: string;
}

/** The first frame of a control connection. */
export interface ControlHello {
  readonly wire: number;
  readonly kind: 'control';
  readonly bus?: SessionBus;
}

export type Hello = RunHello | ControlHello;

/** Identifies the processes of a server that the daemon has started for the session, if they are on this machine. */
export interface ServerIdentity {
  /** The leader of the server's process group. */
  readonly pid?: number;
  /** The process's start time, as in `HostProcess.started`. */
  readonly started?: number;
  /** `NAME=value`: in the environment of all processes of the server, and of no others. */
  readonly marker?: string;
}

/** What a daemon's lock says beside its owner: by this a client sees, before it connects, that it is newer. */
export interface DaemonProgram {
  readonly wire: number;
  /** The absolute path of the daemon's program file; its folder's `current` names the newest one. */
  readonly build: string;
}

/** What a client of any version may ask a daemon of any version. */
export interface HandOver {
  readonly wire: number;
  /**
   * `hand-over`: let go of the lock and the socket, keep the sessions until they end. The rest is for a daemon that has
   * done so. `refresh`: locks, or what is named, have changed. `end`: end the session that is named. `questions`: tell the open
   * questions to people, as the control API does, at once or as `watch` and `seen` say. `answer`: answer one of them.
   * `grants`: tell what people have answered for more than one call.
   */
  readonly ask: 'hand-over' | 'status' | 'stop' | 'refresh' | 'end' | 'questions' | 'answer' | 'grants';
  /** The id of a session. */
  readonly session?: string;
  readonly credential?: string;
  /** The credential was revoked: take it from the sessions. */
  readonly revoked?: boolean;
  /** Something else is accepted of this profile's server, or nothing. */
  readonly trust?: string;
  /** Answers of people were taken back: some of those that outlive a daemon, or all. */
  readonly grants?: 'some' | 'all';
  /** The id of the one answer that was taken back, also where only this daemon has it. */
  readonly grant?: string;
  readonly watch?: boolean;
  readonly seen?: readonly string[];
  /** The parameters of `approvals.answer`. */
  readonly answer?: unknown;
}

/** The answer. Later versions may leave out or add members. */
export interface HandOverAnswer {
  readonly pid: number;
  readonly version?: string;
  readonly sessions?: number;
  /** Of `status`: the sessions, each as `status` of the daemon's own version shows them. */
  readonly list?: readonly unknown[];
  /** Of `refresh`: sessions that have the new value, that kept the old one, connections that were cut, servers that ended. */
  readonly moved?: number;
  readonly kept?: number;
  readonly cut?: number;
  readonly ended?: number;
  /** Of `refresh`: what `trust` and `grants` name was read again. Daemons that know neither do not say so. */
  readonly reread?: boolean;
  /** Of `refresh`: answers for a session that were taken back, as the control API shows them. */
  readonly revoked?: readonly unknown[];
  /** Of `questions` and `grants`, as the control API shows them. */
  readonly questions?: readonly unknown[];
  readonly grants?: readonly unknown[];
}

/** What a daemon passes to the one that it starts in its own place, by a pipe: what the user would have to give again. */
export interface Inheritance {
  /** The keys of an open vault in base64, the `sum` of its file, and the highest counter that was seen in it. */
  readonly vault: {
    readonly sum: string;
    readonly box: string;
    readonly mac: string;
    readonly counter: number;
  };
}

/** Why a connection was refused. `exit` is the exit code of the client. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly exit: number;
}

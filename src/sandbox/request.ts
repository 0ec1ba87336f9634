// A request for a sandbox.
import type { PlanInputs, SuppliedFile } from './plan/inputs.ts';

/** How many bytes may be in a kept home whose profile names no size. */
export const KEPT_HOME_BYTES: number = 2 ** 30;

/** What the start of a server knows. Paths are absolute. */
export interface SandboxRequest {
  /** The profile's name, for messages. */
  readonly profile: string;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly home: string;
  /** The executable that was found, and its arguments. */
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** As in the profile, with `~` expanded. */
  readonly sandbox: {
    readonly read: readonly string[];
    readonly write: readonly string[];
    /** Names of `PLANTABLE` that the server may write. By default none. */
    readonly mayPlant?: readonly string[];
    /** Unix sockets of its own. By default only where no socket of another program can be in its folders. */
    readonly unixSockets?: boolean | undefined;
    readonly network: readonly string[];
    /** Bytes that may be in the server's home. */
    readonly homeSize?: number | undefined;
    readonly memory: number | undefined;
    /** Whether it starts also where memory cannot be limited for all processes together. By default not. */
    readonly memoryBestEffort?: boolean;
    readonly processes: number | undefined;
  };
  /** Read-only, added by Warder: package trees, the folder of a session's credential files. */
  readonly roots: readonly string[];
  /** Folders to write to, added by Warder: the tree whose install scripts run. */
  readonly writableRoots?: readonly string[];
  /** Read-only, added by Warder: usually certificates to trust. */
  readonly files?: readonly SuppliedFile[];
  /** The Node that Warder runs on. It comes first in a server's PATH. */
  readonly node: string;
  /** Warder's own folders: of the configuration, the state, the runtime files, and the socket. */
  readonly warder: readonly string[];
  /** The folder that is the server's home, if it is kept. Warder's own, and this server's alone. */
  readonly keptHome?: string | undefined;
  /** As `PlanInputs.privateFolders`. */
  readonly privateFolders?: PlanInputs['privateFolders'];
}

// What a sandbox is asked for.
import type { PlanInputs, SuppliedFile } from './plan/inputs.ts';

/** What a server's start knows. Paths are absolute. */
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
  /** As in the profile, with `~` in words. */
  readonly sandbox: {
    readonly read: readonly string[];
    readonly write: readonly string[];
    readonly network: readonly string[];
    readonly memory: number | undefined;
    readonly processes: number | undefined;
  };
  /** Read-only, from Warder itself: package trees, the folder of a session's credential files. */
  readonly roots: readonly string[];
  /** Read-only, from Warder itself: whom to trust, most often. */
  readonly files?: readonly SuppliedFile[];
  /** The node that Warder runs on: it comes first in a server's PATH. */
  readonly node: string;
  /** Warder's own folders: configuration, state, run, the socket's. */
  readonly warder: readonly string[];
  /** As `Facts.own`. */
  readonly privateFolders?: PlanInputs['privateFolders'];
}

// The inputs of a plan: plain data about a profile, a user and a machine.
import type { SystemPath } from './root.ts';
import type { SecretPlace } from './secret-places.ts';

/** A file or folder that a profile lists, or that its command needs. It is opened once, and stays open until the start. */
export interface ListedPath {
  /** As it was written, but absolute. It may contain links. */
  readonly requested: string;
  /** The real path. */
  readonly path: string;
  readonly folder: boolean;
  readonly write: boolean;
  /** Whether the server's command needs it, and the profile does not list it. */
  readonly implied: boolean;
  /** The entries of this folder that the sandbox contains. `undefined`: the whole folder, as it is at any time. */
  readonly entries?: readonly FolderEntry[];
  /** The names in this folder that the sandbox does not contain. */
  readonly omitted?: readonly string[];
}

/** A file or folder in a folder, opened as `ListedPath` is. */
export interface FolderEntry {
  readonly path: string;
  readonly folder: boolean;
}

/** An existing path to hide. `path` is the real path. */
export interface HiddenPath {
  readonly path: string;
  readonly folder: boolean;
}

/** A small file that Warder puts into a sandbox. Everything in the sandbox can read it. */
export interface SuppliedFile {
  /** Its path inside: absolute, without links. It may be new, or a file that the sandbox has anyway. */
  readonly path: string;
  readonly data: Buffer;
}

/** A symbolic link that a path leads through. */
export interface SymbolicLink {
  readonly at: string;
  /** Absolute. */
  readonly to: string;
}

/** Everything that determines a plan. Paths are absolute. */
export interface PlanInputs {
  /** The profile's name, for messages. */
  readonly profile: string;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly home: string;
  /** The executable as it is called, its real path, and its arguments. */
  readonly program: { readonly file: string; readonly path: string; readonly args: readonly string[] };
  /** As `FollowedCommand.unread`. */
  readonly unread: string | undefined;
  /** As `ProgramNeeds.unlisted`, without what the profile lists. */
  readonly unlisted: readonly string[];
  /** The working folder as written, and its real path. `undefined`: the private home. */
  readonly cwd: { readonly requested: string; readonly path: string } | undefined;
  /** The whole environment, before HOME and TMPDIR are set to paths inside. */
  readonly env: Readonly<Record<string, string>>;
  /** The paths that the profile lists, and those that the command needs. */
  readonly listed: readonly ListedPath[];
  /** Added by Warder and not by a profile, read-only unless `write`: package trees, a session's credential files. */
  readonly roots: readonly (Pick<ListedPath, 'path' | 'folder'> & { readonly write?: boolean })[];
  readonly files: readonly SuppliedFile[];
  readonly links: readonly SymbolicLink[];
  readonly system: readonly SystemPath[];
  /** The entries of `PROC_OF_ROOT` that exist. Empty if the user is not root. */
  readonly hiddenProc: readonly HiddenPath[];
  readonly secrets: readonly SecretPlace[];
  /** Those of `secrets` that exist, by their real paths. */
  readonly hidden: readonly (HiddenPath & { readonly kind: SecretPlace['kind'] })[];
  /** Home folders on this machine. */
  readonly homes: readonly string[];
  /** Names of `PLANTABLE` that the server may write, as in the profile. */
  readonly mayPlant: readonly string[];
  /** Existing paths with such a name directly in a writable folder, opened as `ListedPath` is. */
  readonly guarded: readonly FolderEntry[];
  /** As in the profile. */
  readonly unixSockets: boolean | undefined;
  /** A socket in a folder that the command needs, or such a folder that has too many entries to look at. */
  readonly foreignSocket: string | undefined;
  /** As in the profile. */
  readonly network: readonly string[];
  /** The folder on the disk that is the server's home, by its real path; `undefined` if the home is not kept. */
  readonly keptHome: string | undefined;
  /** Bytes that may be in the server's home. */
  readonly homeSize: number | undefined;
  readonly memory: number | undefined;
  readonly memoryBestEffort: boolean;
  readonly processes: number | undefined;
  /** Bytes of the machine's memory. */
  readonly machine: { readonly memory: number };
  /** A folder of device files to use instead of the machine's own. */
  readonly devices: string | undefined;
  /** Folders on the disk, for sandboxes without a file system in memory. Each is empty and belongs to the session alone. */
  readonly privateFolders?: { readonly home: string; readonly tmp: string };
}

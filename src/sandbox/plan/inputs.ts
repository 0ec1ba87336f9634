// What a plan follows from: plain facts of a profile, a user and a machine.
import type { SystemPath } from './root.ts';
import type { SecretPlace } from './secret-places.ts';

/** A file or folder that a profile lists, or that its command needs; looked at once, and held. */
export interface ListedPath {
  /** As it was written, absolute: a link may stand in it. */
  readonly requested: string;
  /** Where it really is. */
  readonly path: string;
  readonly folder: boolean;
  readonly write: boolean;
  /** Not listed by the profile: it belongs to the server's command. */
  readonly implied: boolean;
}

/** A secret place that is there, and where it really is. */
export interface HiddenPath {
  readonly path: string;
  readonly folder: boolean;
}

/** A small file that Warder puts into a sandbox, to be read by anybody there. */
export interface SuppliedFile {
  /** Where it is inside, absolute and without links: a new place, or a file that a sandbox has otherwise. */
  readonly path: string;
  readonly data: Buffer;
}

/** A symbolic link that a path led through. */
export interface SymbolicLink {
  readonly at: string;
  /** Absolute. */
  readonly to: string;
}

/** All that a plan follows from. Paths are absolute. */
export interface PlanInputs {
  /** The profile's name, for messages. */
  readonly profile: string;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly home: string;
  /** The executable as it is to be called, where it really is, and its arguments. */
  readonly program: { readonly file: string; readonly path: string; readonly args: readonly string[] };
  /** The folder to work in, as it was said and where it really is. `undefined`: the private home. */
  readonly cwd: { readonly requested: string; readonly path: string } | undefined;
  /** The whole environment, before HOME and TMPDIR are moved inside. */
  readonly env: Readonly<Record<string, string>>;
  /** What the profile lists, and the command's own files. */
  readonly listed: readonly ListedPath[];
  /** Read-only, from Warder itself and not from a profile: package trees, a session's credential files. */
  readonly roots: readonly Pick<ListedPath, 'path' | 'folder'>[];
  readonly files: readonly SuppliedFile[];
  readonly links: readonly SymbolicLink[];
  readonly system: readonly SystemPath[];
  /** Entries of `PROC_OF_ROOT` that the machine has; none where the user is not root. */
  readonly hiddenProc: readonly HiddenPath[];
  readonly secrets: readonly SecretPlace[];
  /** Those of `secrets` that are there, and where their links lead. */
  readonly hidden: readonly (HiddenPath & { readonly kind: SecretPlace['kind'] })[];
  /** Home folders of this machine. */
  readonly homes: readonly string[];
  /** As in the profile. */
  readonly network: readonly string[];
  readonly memory: number | undefined;
  readonly processes: number | undefined;
  /** Bytes that the machine has. */
  readonly machine: { readonly memory: number };
  /** A folder of devices to use instead of the machine's own. */
  readonly devices: string | undefined;
  /** Folders to use where no file system in memory can be made: each is empty and the session's own. */
  readonly privateFolders?: { readonly home: string; readonly tmp: string };
}

// Where Warder keeps what. Hosts strip the environment of the servers that they start, so every place
// follows from the home folder and the uid alone; what else the environment says only refines it.

/** Absolute paths. Folders are created 0700 by whoever writes there first. */
export interface Places {
  /** Folder of Warder's own settings (`warder.yaml`). */
  readonly config: string;
  /** Folder of `<name>.yaml`, one a profile. */
  readonly profiles: string;
  readonly state: string;
  /** Folder of the audit log's segments. */
  readonly audit: string;
  /** Folder of what lives as long as the daemon. */
  readonly run: string;
  readonly socket: string;
  readonly lock: string;
  /** The daemon's own log. */
  readonly log: string;
}

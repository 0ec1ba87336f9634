// The part of a child's environment that follows from the machine and its user. Servers and the commands of
// credentials get it alike. Pure: the caller hands in its own environment.

/** Where a system keeps its programs. */
export const SYSTEM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'] as const;

/** What is the same for every child of this machine and user. */
export interface UserEnvironment {
  /** Folder of the node that runs Warder. */
  readonly nodeDir: string;
  readonly home: string;
  readonly user: string;
  readonly lang: string;
  /** Undefined leaves TZ out: programs then follow the machine. */
  readonly tz: string | undefined;
}

/**
 * Derives it from the daemon's own process and environment. A language or time zone of an odd shape counts as
 * not set: both are names of files that every program opens.
 */
export function userEnvironment(input: {
  readonly execPath: string;
  readonly home: string;
  readonly user: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}): UserEnvironment {
  const { LC_ALL, LANG, TZ } = input.env;
  return {
    nodeDir: input.execPath.slice(0, Math.max(input.execPath.lastIndexOf('/'), 1)),
    home: input.home,
    user: input.user,
    lang: [LC_ALL, LANG].find((lang) => lang !== undefined && /^[\w.@-]{1,64}$/.test(lang)) ?? 'C.UTF-8',
    tz: TZ !== undefined && /^[\w+-]+(\/[\w+-]+){0,2}$/.test(TZ) && TZ.length <= 64 ? TZ : undefined,
  };
}

/** A value of PATH: each folder once. A folder with a colon in its name cannot be in it and is left out. */
export function searchPath(folders: readonly string[]): string {
  return folders
    .filter((folder, index) => !folder.includes(':') && folders.indexOf(folder) === index)
    .join(':');
}

// The paths of Warder's files and folders. Hosts strip the environment of the servers that they start, so every path
// follows from the home folder and the uid alone. Other variables of the environment only refine them; `variables`
// contains those that a host's configuration must repeat for the launcher to find the same daemon.
import { WarderError } from '../errors.ts';

/** What the paths are derived from. */
interface PlacesInput {
  /** As `process.platform`. */
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The home folder, absolute. */
  readonly home: string;
  readonly uid: number;
}

/** Absolute paths. A folder is created, 0700, by the first writer. */
export interface Places {
  /** Folder of Warder's own settings (`warder.yaml`). */
  readonly config: string;
  /** Folder of the profiles, `<name>.yaml` each. */
  readonly profiles: string;
  readonly state: string;
  /** Folder of the audit log's segments. */
  readonly audit: string;
  /** Folder of files that exist only while the daemon runs. */
  readonly run: string;
  readonly socket: string;
  readonly lock: string;
  /** The daemon's own log. */
  readonly log: string;
  /** The launch command: what a host's configuration names. In a folder of its own, and no path of Node's is in it. */
  readonly launchCommand: string;
  /** Warder's own folders, those of the socket and of the launch command included: no server may see them. */
  readonly own: readonly string[];
  /** The environment's variables that changed a path from the one that follows from the home folder. */
  readonly variables: Readonly<Record<string, string>>;
}

/** The longest path of a socket that `bind` accepts, in bytes, without the final NUL. */
const SOCKET_LIMIT: Readonly<Record<string, number>> = { darwin: 103, freebsd: 103, openbsd: 103 };
const SOCKET_LIMIT_LINUX = 107;

/**
 * Derives every path. Throws `usage` if a folder from the environment or the account is not absolute. XDG variables
 * that are not absolute are ignored, as the XDG Base Directory specification says.
 */
export function places({ platform, env, home, uid }: PlacesInput): Places {
  const variables: Record<string, string> = {};
  const { config, state, run, bin } = roots();
  const socket = `${run}/daemon.sock`;
  const limit = SOCKET_LIMIT[platform] ?? SOCKET_LIMIT_LINUX;
  const folder = Buffer.byteLength(socket) <= limit ? run : `/tmp/warder-${uid}-${digest(run)}`;
  return {
    config,
    profiles: `${config}/profiles`,
    state,
    audit: `${state}/audit`,
    run,
    socket: `${folder}/daemon.sock`,
    lock: `${run}/daemon.lock`,
    log: `${state}/daemon.log`,
    launchCommand: `${bin}/warder`,
    own: [...new Set([config, state, run, folder, bin])],
    variables,
  };

  function roots(): { config: string; state: string; run: string; bin: string } {
    const own = env.WARDER_HOME;
    if (own) {
      const base = absolute('WARDER_HOME', own);
      variables.WARDER_HOME = own;
      return { config: `${base}/config`, state: `${base}/state`, run: `${base}/run`, bin: `${base}/bin` };
    }
    const base = absolute('the home folder', home);
    if (platform === 'darwin') {
      const library = `${base}/Library/Application Support/warder`;
      return {
        config: `${library}/config`,
        state: `${library}/state`,
        run: `${library}/run`,
        bin: `${library}/bin`,
      };
    }
    const config = `${xdg('XDG_CONFIG_HOME', `${base}/.config`)}/warder`;
    const state = `${xdg('XDG_STATE_HOME', `${base}/.local/state`)}/warder`;
    const data = `${xdg('XDG_DATA_HOME', `${base}/.local/share`)}/warder`;
    return { config, state, run: `${state}/run`, bin: `${data}/bin` };
  }

  function xdg(name: string, usual: string): string {
    const value = env[name];
    if (!value?.startsWith('/')) return usual;
    const folder = trimmed(value);
    if (folder !== usual) variables[name] = value;
    return folder;
  }
}

function absolute(name: string, path: string): string {
  if (path.startsWith('/')) return trimmed(path);
  throw new WarderError('usage', `${name} is "${path}", which is not an absolute path`);
}

function trimmed(path: string): string {
  return path.replace(/\/+$/, '');
}

/** FNV-1a, 64 bits, hex. It only has to distinguish one user's own instances. */
function digest(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}

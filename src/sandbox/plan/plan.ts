// The plan of a sandbox: everything that a server will find in it, as plain data, made before anything is started.
// Renderers (bubblewrap, Landlock, Seatbelt) translate it for the system; `check` prints it.
//
// A sandbox contains only what a step of the plan puts there. A profile that lists what no sandbox may contain is
// refused here.
import { WarderError } from '../../errors.ts';
import type { SocketPolicy } from '../linux/seccomp.ts';
import { KEPT_HOME_BYTES } from '../request.ts';
import { checkListedPaths } from './allowed-paths.ts';
import type { FolderEntry, ListedPath, PlanInputs } from './inputs.ts';
import { below, byDepth, within } from './path.ts';
import { DEVICES, etcFiles, HOSTNAME, KERNEL_SETTINGS, type SystemPath } from './root.ts';
import { decideUnixSockets, socketPolicy, type UnixSockets } from './sockets.ts';

/** One change to the sandbox's root. Steps are done in order. */
export type Step =
  | { readonly kind: 'bind'; readonly path: string; readonly folder: boolean; readonly write: boolean }
  /** The folder that is a server's kept home. */
  | { readonly kind: 'home'; readonly path: string; readonly at: string }
  /** A copy of one of this machine's files, as it is now. */
  | { readonly kind: 'copy'; readonly at: string }
  | { readonly kind: 'link'; readonly at: string; readonly to: string }
  | { readonly kind: 'file'; readonly at: string; readonly text: string }
  /** A file that Warder supplies. `over`: it covers a file that exists, which does not change for others. */
  | { readonly kind: 'supplied'; readonly at: string; readonly data: Buffer; readonly over: boolean }
  /** A private file system in memory, limited to `bytes`. */
  | { readonly kind: 'tmpfs'; readonly at: string; readonly bytes: number }
  | { readonly kind: 'proc'; readonly at: string }
  | { readonly kind: 'devices'; readonly at: string }
  /** A device file, over one that exists. */
  | { readonly kind: 'device'; readonly path: string; readonly at: string }
  /** Something empty and read-only, over something that exists. */
  | { readonly kind: 'hide'; readonly at: string; readonly folder: boolean }
  /** Makes a mount read-only. */
  | { readonly kind: 'remount-read-only'; readonly at: string };

type Bind = Extract<Step, { kind: 'bind' }>;

/**
 * Limits on what a server may use. `required`: the profile names this limit, so the server must not start where it is
 * not held as a whole.
 */
export interface Limits {
  /** Open files of one process. */
  readonly files: number;
  readonly processes: { readonly max: number; readonly required: boolean };
  /** Bytes: of all processes together where the system can count that, otherwise of each. */
  readonly memory: { readonly max: number; readonly required: boolean };
}

/** A sandbox that is not made yet. */
export interface Plan {
  readonly profile: string;
  readonly steps: readonly Step[];
  readonly program: {
    readonly file: string;
    readonly args: readonly string[];
    /** As `FollowedCommand.unread`. */
    readonly unread?: string | undefined;
    /** As `PlanInputs.unlisted`. */
    readonly unlisted?: readonly string[];
  };
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** As the server sees it. */
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** The folder on the disk that the home is, if it is kept, and how many bytes may be in the home. */
  readonly kept: string | undefined;
  readonly homeBytes: number;
  readonly tmp: string;
  readonly hostname: string;
  readonly sockets: SocketPolicy;
  readonly unixSockets: UnixSockets;
  /** Hosts that it may reach, as the profile lists them. */
  readonly network: readonly string[];
  readonly limits: Limits;
  /** The folders that the server may write, what it may write there although programs outside obey it, and what exists of that. */
  readonly planting: {
    readonly folders: readonly string[];
    readonly mayPlant: readonly string[];
    readonly guarded: readonly FolderEntry[];
  };
  /** Folders of which the sandbox contains only some entries, and the names that it does not contain. */
  readonly partial: readonly { readonly path: string; readonly omitted: readonly string[] }[];
}

const MIB = 1 << 20;
/** How much may be in a home that is not kept. */
const HOME_BYTES = 64 * MIB;
const TMP_BYTES = 256 * MIB;
const SHM_BYTES = 64 * MIB;
/** A folder that contains nothing but what is mounted in it. */
const PARTIAL_BYTES = 4096;

/** The limits where the profile names none. Threads count as processes. */
const DEFAULT_LIMITS = { files: 8192, processes: 512, memory: 4096 * MIB };

/** Root gets another uid inside: programs that see uid 0 assume rights that they do not have there. */
const ROOT_INSIDE = { id: 1000, user: 'user' };

/** Where the private folders are if the real home folder or `/tmp` is in the sandbox. */
const FALLBACK_FOLDERS = { home: '/run/home', tmp: '/run/tmp' };

/**
 * Makes the plan. Throws `profile-invalid` for a listed path that no sandbox may contain, and for a working folder or a
 * program that would not be in the sandbox.
 */
export function makePlan(inputs: PlanInputs): Plan {
  checkListedPaths(inputs);
  const root = inputs.uid === 0;
  const uid = root ? ROOT_INSIDE.id : inputs.uid;
  const gid = root ? ROOT_INSIDE.id : inputs.gid;
  const user = root ? ROOT_INSIDE.user : inputs.user;

  const binds = [...inputs.system.flatMap(systemBind), ...bindsOf(inputs)];
  const isBound = (path: string): boolean => binds.some((bind) => within(path, bind.path));
  const home =
    inputs.privateFolders?.home ??
    // A kept home is always at the same place, and nothing is ever mounted below it: the server can write there.
    (inputs.keptHome !== undefined ||
    inputs.home === '/' ||
    within('/tmp', inputs.home) ||
    isBound(inputs.home)
      ? FALLBACK_FOLDERS.home
      : inputs.home);
  const tmp = inputs.privateFolders?.tmp ?? (isBound('/tmp') ? FALLBACK_FOLDERS.tmp : '/tmp');
  const partial = inputs.listed.flatMap(({ path, entries, omitted = [] }) =>
    entries === undefined ? [] : [{ path, omitted }],
  );
  const supplied = new Set(inputs.files.map(({ path }) => path));
  const placed = [
    ...binds,
    ...inputs.system.filter(({ path }) => !supplied.has(path)).flatMap(systemEntry),
    ...inputs.files.map(
      ({ path, data }) => ({ kind: 'supplied', at: path, data, over: isBound(path) }) as const,
    ),
    ...Object.entries(etcFiles(user, uid, gid, home, inputs.network.length > 0)).map(
      ([at, text]) => ({ kind: 'file', at, text }) as const,
    ),
    { kind: 'proc', at: '/proc' },
    { kind: 'bind', path: KERNEL_SETTINGS, folder: true, write: false },
    { kind: 'devices', at: '/dev' },
    { kind: 'tmpfs', at: '/dev/shm', bytes: SHM_BYTES },
    ...privateSteps(inputs, home, tmp),
    ...partial.map(({ path }) => ({ kind: 'tmpfs', at: path, bytes: PARTIAL_BYTES }) as const),
    ...inputs.hiddenProc.map(({ path, folder }) => ({ kind: 'hide', at: path, folder }) as const),
    ...deviceSteps(inputs),
  ] satisfies Step[];
  const taken = new Set(placed.map(destinationOf));
  const links = inputs.links
    .filter(({ at }) => !taken.has(at) && !isBound(at))
    .map(({ at, to }) => ({ kind: 'link', at, to }) as const);
  // A real path leads through no link, so a link above one was made while the paths were looked at. A mount point must
  // not be made through it.
  const raced = links.find(({ at }) =>
    [...taken, ...links.map((link) => link.at)].some((path) => below(path, at)),
  );
  if (raced !== undefined) {
    throw invalid(inputs.profile, `"${raced.at}" was replaced with a link in the meantime`, {
      hint: 'try again; if it happens again, find out what changes it',
    });
  }
  // Each folder comes before its contents.
  const steps: Step[] = [...placed, ...links].sort((a, b) => byDepth(destinationOf(a), destinationOf(b)));
  // Nothing in /proc is for a server to write: not `oom_score_adj`, by which others would be killed before it.
  const readOnly = ['/dev', '/proc', ...partial.map(({ path }) => path), '/'];

  const isInside = (path: string): boolean =>
    within(path, home) ||
    within(path, tmp) ||
    isBound(path) ||
    partial.some((folder) => folder.path === path);
  const cwd = inputs.keptHome !== undefined && inputs.cwd?.path === inputs.home ? undefined : inputs.cwd;
  if (cwd !== undefined && !isInside(cwd.path)) {
    throw invalid(inputs.profile, `its folder "${cwd.requested}" is not in the sandbox`, {
      hint: `list it under "sandbox.read" or "sandbox.write", or take "server.cwd" out`,
    });
  }
  if (!isInside(inputs.program.path)) {
    throw invalid(inputs.profile, `its program "${inputs.program.file}" is not in the sandbox`, {
      hint: 'list the folder of the program under "sandbox.read"',
    });
  }
  const limits = limitsOf(inputs);
  const unixSockets = decideUnixSockets(inputs);
  return {
    profile: inputs.profile,
    steps: [...steps, ...readOnly.map((at) => ({ kind: 'remount-read-only', at }) as const)],
    program: {
      file: inputs.program.file,
      args: inputs.program.args,
      unread: inputs.unread,
      unlisted: inputs.unlisted,
    },
    cwd: cwd?.requested ?? home,
    env: environmentOf(inputs, { home, tmp, user }, limits),
    uid,
    gid,
    home,
    kept: inputs.keptHome,
    homeBytes: inputs.homeSize ?? (inputs.keptHome === undefined ? HOME_BYTES : KEPT_HOME_BYTES),
    tmp,
    hostname: HOSTNAME,
    sockets: socketPolicy(unixSockets),
    unixSockets,
    network: inputs.network,
    limits,
    partial,
    planting: {
      folders: binds.filter(({ write, folder }) => write && folder).map(({ path }) => path),
      mayPlant: inputs.mayPlant,
      guarded: inputs.guarded,
    },
  };
}

/** The path in the sandbox that a step changes. */
export function destinationOf(step: Step): string {
  return step.kind === 'bind' ? step.path : step.at;
}

function invalid(profile: string, what: string, detail: { hint: string }): WarderError {
  return new WarderError('profile-invalid', `cannot start "${profile}": ${what}`, detail);
}

function systemBind(found: SystemPath): Bind[] {
  return found.kind === 'folder' ? [{ kind: 'bind', path: found.path, folder: true, write: false }] : [];
}

function systemEntry(found: SystemPath): Step[] {
  if (found.kind === 'link') return [{ kind: 'link', at: found.path, to: found.target }];
  return found.kind === 'file' ? [{ kind: 'copy', at: found.path }] : [];
}

function deviceSteps({ devices }: PlanInputs): Step[] {
  if (devices === undefined) return [];
  return DEVICES.map((at) => ({ kind: 'device', path: at.replace('/dev', devices), at }));
}

/** One bind for each path. It is writable if any line of the profile lists it for writing. */
function bindsOf({ listed, roots }: PlanInputs): Bind[] {
  const binds = new Map<string, Bind>();
  const add = ({ path, folder }: Pick<ListedPath, 'path' | 'folder'>, write: boolean): void => {
    binds.set(path, { kind: 'bind', path, folder, write: write || binds.get(path)?.write === true });
  };
  for (const listedPath of listed) {
    // A program inside a listed folder is there already, as the profile lists it.
    const covered = listed.some(
      (explicit) => !explicit.implied && explicit.folder && within(listedPath.path, explicit.path),
    );
    if (listedPath.implied && covered) continue;
    for (const entry of listedPath.entries ?? [listedPath]) add(entry, listedPath.write);
  }
  for (const root of roots) binds.set(root.path, { kind: 'bind', write: false, ...root });
  return [...binds.values()];
}

function privateSteps(
  { privateFolders: folders, keptHome, homeSize }: PlanInputs,
  home: string,
  tmp: string,
): Step[] {
  if (folders === undefined) {
    return [
      { kind: 'tmpfs', at: tmp, bytes: TMP_BYTES },
      keptHome === undefined
        ? { kind: 'tmpfs', at: home, bytes: homeSize ?? HOME_BYTES }
        : { kind: 'home', path: keptHome, at: home },
    ];
  }
  return [home, tmp].map((path) => ({ kind: 'bind', path, folder: true, write: true }));
}

function limitsOf({ memory, memoryBestEffort, processes, machine }: PlanInputs): Limits {
  return {
    files: DEFAULT_LIMITS.files,
    processes: { max: processes ?? DEFAULT_LIMITS.processes, required: processes !== undefined },
    memory: {
      max: memory ?? Math.min(DEFAULT_LIMITS.memory, Math.floor(machine.memory / 2)),
      required: memory !== undefined && !memoryBestEffort,
    },
  };
}

/**
 * The environment inside. HOME and TMPDIR are the private folders, unless the profile sets them to a listed path. Node
 * gets an explicit heap limit, because it sees the machine's memory and not the sandbox's limit.
 */
function environmentOf(
  { env, listed }: PlanInputs,
  { home, tmp, user }: { home: string; tmp: string; user: string },
  { memory }: Limits,
): Record<string, string> {
  const kept = (value: string | undefined): boolean =>
    value !== undefined && listed.some(({ implied, path }) => !implied && within(value, path));
  return {
    NODE_OPTIONS: `--max-old-space-size=${Math.max(Math.floor((memory.max * 0.75) / MIB), 32)}`,
    ...env,
    USER: user,
    ...(kept(env.HOME) ? {} : { HOME: home }),
    ...(kept(env.TMPDIR) ? {} : { TMPDIR: tmp }),
  };
}

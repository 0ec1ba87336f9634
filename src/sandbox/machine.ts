// What this machine offers for making sandboxes. The daemon finds it out once, when it starts. Programs are searched
// only in the system's own folders, whatever PATH says.
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CgroupParents, findCgroupParents } from './linux/cgroup.ts';
import { type DeviceFiles, makeDevices, ownsDevices, sweepDevices } from './linux/devices.ts';
import type { NativeProgram } from './linux/hold.ts';
import { type Kernel, openKernel } from './linux/kernel.ts';
import { followsLinks } from './linux/mount-points.ts';
import { identify } from './linux/process.ts';
import type { Architecture } from './linux/seccomp.ts';

/** The installed bubblewrap. */
export interface Bubblewrap {
  readonly file: string;
  readonly version: string;
  /** Required options that this version does not know. */
  readonly missing: readonly string[];
  /** Whether it knows `--disable-userns` (0.8 and later). The seccomp filter refuses new namespaces as well. */
  readonly canDisableUserNamespaces: boolean;
  /** Whether it is a set-user-ID program. Then it makes mount points with root's rights, and no sandbox uses it. */
  readonly setUserId: boolean;
  /** Whether it follows symbolic links when it makes a mount point (CVE-2026-87766). Tried, not read from the version. */
  readonly followsLinks: boolean;
}

/** What fixes a bubblewrap that follows links. */
export const UPGRADE = 'upgrade bubblewrap to 0.12 or later, or to a package with the fix of CVE-2026-87766';

/** Why root's servers cannot have device files of their own, and what fixes it. */
export const NO_DEVICES = "a server could change the modes of the machine's devices, /dev/null among them";
export const DEVICES_HINT =
  'run Warder as an ordinary user; or as root with its state on a file system that takes devices (not "nodev"), the capability to make them, and its optional dependency koffi';

/** What this machine offers. */
export interface Machine {
  readonly uid: number;
  /** `undefined`: there is no seccomp filter for this processor. */
  readonly architecture: Architecture | undefined;
  readonly bubblewrap: Bubblewrap | undefined;
  /** Whether servers would own the machine's device files, so that each needs some of its own. */
  readonly ownsDevices: boolean;
  /** Makes device files for one sandbox; `undefined` if that is not possible. */
  readonly makeDevices: (() => DeviceFiles | undefined) | undefined;
  /** The native program that takes part in a start; `undefined` where there is none. */
  readonly native: NativeProgram | undefined;
  /** Sets a limit of a process; `undefined` where the C library cannot be called. */
  readonly setLimit: Kernel['setLimit'] | undefined;
  /** util-linux's `prlimit`, used inside the sandbox where `setLimit` is missing. It costs the start of one more program. */
  readonly prlimit: string | undefined;
  /** util-linux's `nsenter`, which starts a sandbox in a network that exists already. */
  readonly nsenter: string | undefined;
  /** iproute2's `ip`, which adds a route in a sandbox's network. */
  readonly ip: string | undefined;
  /** Copies a descriptor of another process; `undefined` where the C library cannot be called. */
  readonly copyDescriptor: Kernel['copyDescriptor'] | undefined;
  /** The version of Landlock's ABI; 0 where there is none, or the C library cannot be called. */
  readonly landlock: number;
  /** The daemon's own hard limits. No child can have higher ones. */
  readonly hardLimits: {
    readonly files: number;
    readonly processes: number;
    /** Signals that wait. */
    readonly signals: number;
    /** Bytes of POSIX message queues. */
    readonly queues: number;
  };
  /** Whether a user namespace counts its processes for itself: since Linux 5.14. Root's are never counted. */
  readonly countsProcessesByNamespace: boolean;
  /** How a sandbox gets its own control group: from systemd, made by Warder in its own groups, or not at all. */
  readonly cgroups:
    | CgroupParents
    | {
        readonly kind: 'systemd';
        readonly command: readonly string[];
        readonly env: Readonly<Record<string, string>>;
      }
    | undefined;
}

/** Folders of the system's programs. The last two are NixOS's. */
const FOLDERS = [
  '/usr/bin',
  '/bin',
  '/usr/sbin',
  '/sbin',
  '/usr/local/bin',
  '/run/current-system/sw/bin',
  '/run/wrappers/bin',
];

/** Options that every sandbox needs. `--ro-bind-fd` came with the fix of CVE-2024-42472. */
const REQUIRED_OPTIONS = [
  '--args',
  '--bind-fd',
  '--block-fd',
  '--clearenv',
  '--json-status-fd',
  '--perms',
  '--ro-bind-fd',
  '--seccomp',
  '--size',
];

const run = promisify(execFile);

/**
 * Finds out what the machine offers. `run` is the daemon's runtime folder, `native` finds the native program. Never throws: what is missing is `undefined`
 * in the result. Linux only.
 */
export async function inspectMachine(
  uid: number,
  run: string,
  native: () => Promise<NativeProgram | undefined> = async () => undefined,
): Promise<Machine> {
  const architecture = process.arch === 'x64' || process.arch === 'arm64' ? process.arch : undefined;
  const devices = join(run, 'devices');
  sweepDevices(devices, (pid) => identify(pid) !== undefined);
  const [bubblewrap, cgroups, kernel, program] = await Promise.all([
    findBubblewrap(),
    findCgroups(uid),
    openKernel(architecture),
    native(),
  ]);
  return {
    uid,
    architecture,
    bubblewrap,
    ownsDevices: ownsDevices(uid),
    makeDevices: () => makeDevices(devices, kernel),
    native: program,
    setLimit: kernel?.setLimit,
    landlock: Math.max(kernel?.landlockVersion() ?? 0, 0),
    prlimit: findProgram('prlimit'),
    nsenter: findProgram('nsenter'),
    ip: findProgram('ip'),
    copyDescriptor: kernel?.copyDescriptor,
    hardLimits: hardLimits(),
    countsProcessesByNamespace: uid !== 0 && isAtLeast(release(), 5, 14),
    cgroups,
  };
}

/** The path of a system program; `undefined` if it is not installed. */
export function findProgram(name: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find((file) => {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
  });
}

/** Finds and tries bubblewrap; `undefined` if it is not installed, or does not run at all. */
export async function findBubblewrap(): Promise<Bubblewrap | undefined> {
  const file = findProgram('bwrap');
  return file === undefined ? undefined : inspectBubblewrap(file);
}

/** Tries a bubblewrap; `undefined` if it does not run at all. A set-user-ID one is not tried any further. */
export async function inspectBubblewrap(file: string): Promise<Bubblewrap | undefined> {
  try {
    const setUserId = (statSync(file).mode & 0o4000) !== 0;
    const [version, help, follows] = await Promise.all([
      run(file, ['--version']),
      run(file, ['--help']),
      setUserId || followsLinks(file),
    ]);
    const options = new Set(help.stdout.match(/--[a-z][a-z0-9-]*/g));
    return {
      file,
      version: version.stdout.replace('bubblewrap', '').trim(),
      missing: REQUIRED_OPTIONS.filter((option) => !options.has(option)),
      canDisableUserNamespaces: options.has('--disable-userns'),
      setUserId,
      followsLinks: follows,
    };
  } catch {
    return undefined;
  }
}

/** systemd where it runs, because it owns the control groups there; otherwise Warder's own groups, where it may make some. */
export async function findCgroups(uid: number): Promise<Machine['cgroups']> {
  if (statSync('/run/systemd/system', { throwIfNoEntry: false }) === undefined) return findCgroupParents();
  const file = findProgram('systemd-run');
  if (file === undefined) return undefined;
  const env: Record<string, string> = uid === 0 ? {} : { XDG_RUNTIME_DIR: `/run/user/${uid}` };
  // The description would otherwise be the command line, and with it in the journal.
  const command = [
    ...[file, ...(uid === 0 ? [] : ['--user']), '--scope', '--quiet', '--collect'],
    '--description=a server that Warder runs',
  ];
  try {
    await run(file, [...command.slice(1), '--', '/bin/true'], { env, timeout: 3000 });
    return { kind: 'systemd', command, env };
  } catch {
    return undefined;
  }
}

function hardLimits(): Machine['hardLimits'] {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = (name: string): number =>
    Number(new RegExp(`^${name} +\\S+ +(\\d+)`, 'm').exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  return {
    files: hard('Max open files'),
    processes: hard('Max processes'),
    signals: hard('Max pending signals'),
    queues: hard('Max msgqueue size'),
  };
}

/** Whether a release such as `6.1.0-13-amd64` is at least this one. */
function isAtLeast(text: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = text.split(/[.-]/).map(Number);
  return first > major || (first === major && second >= minor);
}

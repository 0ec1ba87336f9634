// What this machine has to make sandboxes with: asked once, when the daemon starts. Programs are looked for in
// the system's own folders only, whatever PATH says.
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CgroupParents, findCgroupParents } from './linux/cgroup.ts';
import { makeDevices } from './linux/devices.ts';
import { type Kernel, openKernel } from './linux/kernel.ts';
import type { Architecture } from './linux/seccomp.ts';

/** bubblewrap, and what it can do. */
export interface Bubblewrap {
  readonly file: string;
  readonly version: string;
  /** Options that sandboxes cannot do without and this one does not know. */
  readonly missing: readonly string[];
  /** Knows `--disable-userns` (0.8 and later). The filter refuses new namespaces as well. */
  readonly canDisableUserNamespaces: boolean;
}

/** What the machine has. */
export interface Machine {
  readonly uid: number;
  /** `undefined`: there is no filter for this one. */
  readonly architecture: Architecture | undefined;
  readonly bubblewrap: Bubblewrap | undefined;
  /** A folder of devices for root's servers, who would own the machine's. */
  readonly devices: string | undefined;
  /** Sets a limit of a process, where the C library can be called. */
  readonly setLimit: Kernel['setLimit'] | undefined;
  /** Else util-linux' `prlimit` does, inside the sandbox, which costs a program's start. */
  readonly prlimit: string | undefined;
  /** util-linux' `nsenter`, which starts a sandbox in a network that was made before. */
  readonly nsenter: string | undefined;
  /** Copies a descriptor of another process, where the C library can be called. */
  readonly copyDescriptor: Kernel['copyDescriptor'] | undefined;
  /** The version of Landlock's interface; 0 where there is none, or the C library cannot be called. */
  readonly landlock: number;
  /** The daemon's own hard limits: no child's are higher. */
  readonly hardLimits: { readonly files: number; readonly processes: number };
  /** Since Linux 5.14 a user namespace counts its processes for itself. Root's are never counted. */
  readonly countsProcessesByNamespace: boolean;
  /** How processes are put into a control group with limits of its own: by systemd, by hand, or not. */
  readonly cgroups:
    | CgroupParents
    | {
        readonly kind: 'systemd';
        readonly command: readonly string[];
        readonly env: Readonly<Record<string, string>>;
      }
    | undefined;
}

/** Folders of the system's programs: NixOS keeps them elsewhere. */
const FOLDERS = [
  '/usr/bin',
  '/bin',
  '/usr/sbin',
  '/usr/local/bin',
  '/run/current-system/sw/bin',
  '/run/wrappers/bin',
];

/** Without these there is no sandbox as it is meant. `--ro-bind-fd` came with the repair of CVE-2024-42472. */
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
 * Looks at the machine. `run` is the daemon's own folder. Never throws: what is missing is said by what it
 * returns. Linux only.
 */
export async function inspectMachine(uid: number, run: string): Promise<Machine> {
  const architecture = process.arch === 'x64' || process.arch === 'arm64' ? process.arch : undefined;
  const [bubblewrap, cgroups, kernel] = await Promise.all([
    findBubblewrap(),
    findCgroups(uid),
    openKernel(architecture),
  ]);
  return {
    uid,
    architecture,
    bubblewrap,
    devices: uid === 0 ? makeDevices(join(run, 'devices'), kernel) : undefined,
    setLimit: kernel?.setLimit,
    landlock: Math.max(kernel?.landlockVersion() ?? 0, 0),
    prlimit: findProgram('prlimit'),
    nsenter: findProgram('nsenter'),
    copyDescriptor: kernel?.copyDescriptor,
    hardLimits: hardLimits(),
    countsProcessesByNamespace: uid !== 0 && isAtLeast(release(), 5, 14),
    cgroups,
  };
}

/** The system's program of this name. */
export function findProgram(name: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find((file) => {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
  });
}

async function findBubblewrap(): Promise<Bubblewrap | undefined> {
  const file = findProgram('bwrap');
  if (file === undefined) return undefined;
  try {
    const [version, help] = await Promise.all([run(file, ['--version']), run(file, ['--help'])]);
    const options = new Set(help.stdout.match(/--[a-z][a-z0-9-]*/g));
    return {
      file,
      version: version.stdout.replace('bubblewrap', '').trim(),
      missing: REQUIRED_OPTIONS.filter((option) => !options.has(option)),
      canDisableUserNamespaces: options.has('--disable-userns'),
    };
  } catch {
    return undefined;
  }
}

/** systemd where it runs, since the groups are its own there; else by hand where that is allowed. */
async function findCgroups(uid: number): Promise<Machine['cgroups']> {
  if (statSync('/run/systemd/system', { throwIfNoEntry: false }) === undefined) return findCgroupParents();
  const file = findProgram('systemd-run');
  if (file === undefined) return undefined;
  const env: Record<string, string> = uid === 0 ? {} : { XDG_RUNTIME_DIR: `/run/user/${uid}` };
  const command = [file, ...(uid === 0 ? [] : ['--user']), '--scope', '--quiet', '--collect'];
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
  return { files: hard('Max open files'), processes: hard('Max processes') };
}

/** Whether a release such as `6.1.0-13-amd64` is at least this one. */
function isAtLeast(text: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = text.split(/[.-]/).map(Number);
  return first > major || (first === major && second >= minor);
}

// System calls that Node has no function for, through the C library and koffi: limits of a process (prlimit(2)),
// Landlock (landlock(7)), seccomp (seccomp(2)), and a socket that sees the segments in a network namespace (raw(7)). koffi is an optional dependency. Without it util-linux's `prlimit` sets the limits, Landlock is not
// available, and refused connections are not recorded.
import { closeSync } from 'node:fs';
import type { Architecture } from './seccomp.ts';

/** A limit of a process (setrlimit(2)), by `prlimit`'s name for it. */
export interface ProcessLimit {
  readonly name: 'core' | 'nofile' | 'nproc' | 'data' | 'sigpending' | 'msgqueue';
  readonly soft: number;
  readonly hard: number;
}

/** The calls. Those that return a number return -1 if the kernel refuses. */
export interface Kernel {
  /** Sets a limit of a process of the same user; pid 0 is this process. `false`: the system refused it. */
  setLimit(pid: number, limit: ProcessLimit): boolean;
  /** Makes a character device. Only root may. */
  makeDevice(path: string, mode: number, device: number): boolean;
  /** The version of Landlock's ABI; 0 or less if there is none. */
  landlockVersion(): number;
  /** Creates a ruleset that handles these accesses. Returns its descriptor. */
  landlockCreateRuleset(handled: {
    readonly files: bigint;
    readonly tcp: bigint;
    readonly scoped: bigint;
  }): number;
  /** Allows these accesses to the file or folder of a descriptor, and to everything below it. */
  landlockAddRule(rules: number, descriptor: number, accesses: bigint): number;
  /** Restricts this thread, and the programs it becomes, to a ruleset. */
  landlockRestrictSelf(rules: number): number;
  /** Sets `no_new_privs`: no program that this process becomes gains privileges. */
  setNoNewPrivileges(): number;
  /** Makes the kernel kill this process when its parent ends. */
  setParentDeathSignal(): number;
  /** Restricts this thread, and the programs it becomes, to a filter from `seccompFilter`. */
  setSeccompFilter(program: Buffer): number;
  /**
   * Opens a socket that receives a copy of each TCP segment over IPv4 that arrives in this network namespace and that a
   * classic BPF program passes. A copy starts with the IP header. Reading never waits. Needs CAP_NET_RAW.
   */
  openSegmentSocket(program: Buffer): number;
  /** Copies a descriptor of another process of this user. The copy is close-on-exec. Linux 5.6. */
  copyDescriptor(pid: number, descriptor: number): number;
}

/** RLIMIT_* (asm-generic/resource.h): the same on x86-64 and arm64. */
const RESOURCE = { data: 2, core: 4, nproc: 6, nofile: 7, sigpending: 11, msgqueue: 12 } as const;

/** Numbers of calls that the C library has no function for. Landlock's are the same on both architectures. */
const LANDLOCK_CREATE = 444;
const LANDLOCK_ADD = 445;
const LANDLOCK_RESTRICT = 446;
const SECCOMP = { x64: 317, arm64: 277 } as const;
const MKNODAT = { x64: 259, arm64: 33 } as const;
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

const LANDLOCK_CREATE_RULESET_VERSION = 1;
const LANDLOCK_RULE_PATH_BENEATH = 1;
const SECCOMP_SET_MODE_FILTER = 1;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const SIGKILL = 9;
const AT_FDCWD = -100;
const S_IFCHR = 0o020000;
const AF_INET = 2;
/** `SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC` */
const SOCK_RAW = 3 | 0o4000 | 0o2000000;
const IPPROTO_TCP = 6;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

/** Loads the C library. Never throws: `undefined` if it cannot be called. */
export async function openKernel(architecture: Architecture | undefined): Promise<Kernel | undefined> {
  if (architecture === undefined) return undefined;
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(null);
    const prlimit = library.func('int prlimit(int pid, int resource, const void *limit, void *before)');
    const prctl = library.func(
      'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
    );
    // A system call's arguments are words: this declaration passes each at full width.
    const call = library.func('long syscall(long number, const void *a, unsigned long b, unsigned long c)');
    const words = library.func(
      'long syscall(long number, unsigned long a, unsigned long b, const void *c, unsigned long d)',
    );
    const node = library.func(
      'long syscall(long number, long folder, const char *path, unsigned long mode, unsigned long device)',
    );
    const socket = library.func('int socket(int family, int type, int protocol)');
    const setsockopt = library.func(
      'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
    );
    return {
      makeDevice: (path, mode, device) =>
        Number(node(MKNODAT[architecture], AT_FDCWD, path, S_IFCHR | mode, device)) === 0,
      setLimit: (pid, { name, soft, hard }) =>
        prlimit(pid, RESOURCE[name], packed(BigInt(soft), BigInt(hard)), null) === 0,
      landlockVersion: () => Number(call(LANDLOCK_CREATE, null, 0, LANDLOCK_CREATE_RULESET_VERSION)),
      landlockCreateRuleset: ({ files, tcp, scoped }) =>
        // An older kernel accepts the longer structure if the fields that it does not know are zero.
        Number(call(LANDLOCK_CREATE, packed(files, tcp, scoped), 24, 0)),
      landlockAddRule: (rules, descriptor, accesses) => {
        const rule = Buffer.alloc(12);
        rule.writeBigUInt64LE(accesses);
        rule.writeInt32LE(descriptor, 8);
        return Number(words(LANDLOCK_ADD, rules, LANDLOCK_RULE_PATH_BENEATH, rule, 0));
      },
      landlockRestrictSelf: (rules) => Number(words(LANDLOCK_RESTRICT, rules, 0, null, 0)),
      setNoNewPrivileges: () => prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
      setParentDeathSignal: () => prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0),
      setSeccompFilter: (program) => {
        const header = headerOf(program, koffi.address(program));
        return Number(words(SECCOMP[architecture], SECCOMP_SET_MODE_FILTER, 0, header, 0));
      },
      openSegmentSocket: (program) => {
        const descriptor = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
        const header = headerOf(program, koffi.address(program));
        const bound =
          descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, header, 16) === 0;
        if (!bound && descriptor >= 0) closeSync(descriptor);
        return bound ? descriptor : -1;
      },
      copyDescriptor: (pid, descriptor) => {
        const process = Number(words(PIDFD_OPEN, pid, 0, null, 0));
        if (process < 0) return -1;
        const copy = Number(words(PIDFD_GETFD, process, descriptor, null, 0));
        closeSync(process);
        return copy;
      },
    };
  } catch {
    return undefined;
  }
}

/** `struct sock_fprog`: the number of instructions, and their address. */
function headerOf(program: Buffer, address: bigint): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length / 8);
  header.writeBigUInt64LE(address, 8);
  return header;
}

function packed(...words: bigint[]): Buffer {
  return Buffer.from(BigUint64Array.from(words).buffer);
}

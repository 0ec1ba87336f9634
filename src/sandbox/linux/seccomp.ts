// The system calls that a server may make, as a seccomp filter in classic BPF (linux/seccomp.h). Calls that are not named
// here are allowed up to the newest call that was known when this was written; newer calls get ENOSYS. A call of another
// architecture ends the process, because its number would be looked up in the wrong table.
//
// ENOSYS (not implemented) is the answer where programs fall back to another call: clone3 (its flags are in memory, which
// a filter cannot read; glibc then calls clone), io_uring, openat2. All other refused calls get EPERM.
import { Assembler } from './bpf.ts';

export type Architecture = 'x64' | 'arm64';

/**
 * Which sockets may be made. `none`: only socket pairs, which serve as pipes; `ip`: IP and rtnetlink sockets too; `all`: Unix
 * sockets of every kind too. A filter does not see the path that a Unix socket is connected to, so `all` is only for a
 * sandbox in which no path leads to a socket of another program.
 */
export type SocketPolicy = 'none' | 'ip' | 'all';

/** The audit architecture that the kernel reports with each call (linux/audit.h). */
const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

/** `file_setattr`, Linux 6.17. */
const NEWEST = 469;

/** Calls of the x32 table carry this bit. */
const X32 = 0x40000000;

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Offsets in `struct seccomp_data`. Arguments are 64 bits wide; the low word is enough for the checks here. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (n: number): number => 16 + 8 * n;

/** Call numbers by architecture: `[x64, arm64]`. `undefined`: the architecture does not have the call. */
type Numbers = readonly [number | undefined, number | undefined];

/** Calls that always get EPERM. */
export const DENIED_CALLS = {
  // other processes' memory, registers and descriptors
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  move_pages: [279, 239],
  migrate_pages: [256, 238],
  // the kernel's keyrings
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // programs and events inside the kernel
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  // mounts and roots
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  // files past the mount tree
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  fanotify_init: [300, 262],
  fanotify_mark: [301, 263],
  // namespaces
  setns: [308, 268],
  // the kernel itself, the machine's clock, names, swap and accounting
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  create_module: [174, undefined],
  get_kernel_syms: [177, undefined],
  query_module: [178, undefined],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  syslog: [103, 116],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  vhangup: [153, 58],
  iopl: [172, undefined],
  ioperm: [173, undefined],
  modify_ldt: [154, undefined],
  lookup_dcookie: [212, 18],
  nfsservctl: [180, 42],
  uselib: [134, undefined],
  ustat: [136, undefined],
  sysfs: [139, undefined],
  _sysctl: [156, undefined],
  vserver: [236, undefined],
} as const satisfies Record<string, Numbers>;

/** Calls that always get ENOSYS. */
export const MISSING_CALLS = {
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  clone3: [435, 435],
  openat2: [437, 437],
} as const satisfies Record<string, Numbers>;

/** Calls that are allowed or refused by their arguments. */
export const CONDITIONAL_CALLS = {
  socket: [41, 198],
  socketpair: [53, 199],
  clone: [56, 220],
  unshare: [272, 97],
  ioctl: [16, 29],
  fcntl: [72, 25],
  personality: [135, 92],
  open: [2, undefined],
  openat: [257, 56],
  creat: [85, undefined],
  chmod: [90, undefined],
  fchmod: [91, 52],
  fchmodat: [268, 53],
  fchmodat2: [452, 452],
  mknod: [133, undefined],
  mknodat: [259, 33],
} as const satisfies Record<string, Numbers>;

/** The index of the mode argument of calls that make a file or set a mode. `open` and `openat` also have flags. */
const MODES = { creat: 1, chmod: 1, fchmod: 1, fchmodat: 2, fchmodat2: 2, mknod: 1, mknodat: 2 } as const;
const OPENS = { open: { flags: 1, mode: 2 }, openat: { flags: 2, mode: 3 } } as const;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_TYPE = 0xf;
/** Every `CLONE_NEW*` except `CLONE_NEWTIME`, which `clone` does not accept. */
const CLONE_NEW = 0x7e020000;
const CLONE_NEWTIME = 0x80;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** `O_CREAT | __O_TMPFILE`: the same on both architectures. */
const CREATES = 0o100 | 0o20000000;
const SETID = 0o6000;
const F_SETPIPE_SZ = 1031;
/** Bytes that every pipe has. */
const PIPE_SIZE = 65_536;
/** Allowed arguments of `personality`: Linux, 32-bit Linux, both with UNAME26, and the query 0xffffffff. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/**
 * The filter for one architecture, as bytes for `bwrap --seccomp` or `SECCOMP_SET_MODE_FILTER`.
 *
 * - No AF_UNIX socket can be made, unless `sockets` says so: no socket with a path can be connected to. `socketpair` is
 *   allowed, because programs use it for pipes to their children, but not for datagrams: a datagram socket can send to
 *   any path.
 * - No set-user-ID or set-group-ID file can be made: it would outlive the sandbox, with the user's rights.
 */
export function seccompFilter(architecture: Architecture, sockets: SocketPolicy): Buffer {
  const key = `${architecture} ${sockets}` as const;
  const filter = FILTERS.get(key) ?? assembleFilter(architecture, sockets);
  FILTERS.set(key, filter);
  return filter;
}

/** Each filter is made once. */
const FILTERS = new Map<`${Architecture} ${SocketPolicy}`, Buffer>();

function assembleFilter(architecture: Architecture, sockets: SocketPolicy): Buffer {
  const column = architecture === 'x64' ? 0 : 1;
  const program = new Assembler();
  program.load(ARCHITECTURE);
  program.jumpIf('equal', AUDIT[architecture], undefined, 'kill');
  program.load(NUMBER);
  if (architecture === 'x64') program.jumpIf('atLeast', X32, 'enosys');
  program.jumpIf('above', NEWEST, 'enosys');
  const conditional = new Set<keyof typeof CONDITIONAL_CALLS>();
  for (const [name, numbers] of Object.entries(CONDITIONAL_CALLS)) {
    const number = numbers[column];
    if (number === undefined) continue;
    conditional.add(name as keyof typeof CONDITIONAL_CALLS);
    program.jumpIf('equal', number, name);
  }
  for (const numbers of Object.values(DENIED_CALLS)) {
    const number = numbers[column];
    if (number !== undefined) program.jumpIf('equal', number, 'eperm');
  }
  for (const numbers of Object.values(MISSING_CALLS)) program.jumpIf('equal', numbers[column], 'enosys');
  program.ret(ALLOW);

  program.label('socketpair');
  program.load(argument(0));
  program.jumpIf('equal', AF_UNIX, sockets === 'all' ? 'allow' : undefined, 'family');
  program.load(argument(1));
  program.and(SOCK_TYPE);
  program.jumpIf('equal', SOCK_STREAM, 'allow');
  program.jumpIf('equal', SOCK_SEQPACKET, 'allow', 'eperm');

  program.label('socket');
  program.load(argument(0));
  if (sockets === 'all') program.jumpIf('equal', AF_UNIX, 'allow');
  if (sockets !== 'none') {
    program.jumpIf('equal', AF_INET, 'allow');
    program.jumpIf('equal', AF_INET6, 'allow');
    program.jumpIf('equal', AF_NETLINK, undefined, 'family');
    program.load(argument(2));
    program.jumpIf('equal', NETLINK_ROUTE, 'allow');
  }
  program.label('family');
  program.ret(ERRNO | EAFNOSUPPORT);

  program.label('clone');
  program.load(argument(0));
  program.jumpIf('anyBit', CLONE_NEW, 'eperm', 'allow');
  program.label('unshare');
  program.load(argument(0));
  program.jumpIf('anyBit', CLONE_NEW | CLONE_NEWTIME, 'eperm', 'allow');

  program.label('ioctl');
  program.load(argument(1));
  program.jumpIf('equal', TIOCSTI, 'eperm');
  program.jumpIf('equal', TIOCLINUX, 'eperm', 'allow');

  // A pipe's size counts for the user.
  program.label('fcntl');
  program.load(argument(1));
  program.jumpIf('equal', F_SETPIPE_SZ, undefined, 'allow');
  program.load(argument(2));
  program.jumpIf('above', PIPE_SIZE, 'eperm', 'allow');

  program.label('personality');
  program.load(argument(0));
  for (const persona of PERSONALITIES) program.jumpIf('equal', persona, 'allow');
  program.ret(ERRNO | EPERM);

  for (const [name, { flags, mode }] of Object.entries(OPENS)) {
    if (!conditional.has(name as keyof typeof CONDITIONAL_CALLS)) continue;
    program.label(name);
    program.load(argument(flags));
    program.jumpIf('anyBit', CREATES, undefined, 'allow');
    program.load(argument(mode));
    program.jumpIf('anyBit', SETID, 'eperm', 'allow');
  }
  for (const [name, mode] of Object.entries(MODES)) {
    if (!conditional.has(name as keyof typeof CONDITIONAL_CALLS)) continue;
    program.label(name);
    program.load(argument(mode));
    program.jumpIf('anyBit', SETID, 'eperm', 'allow');
  }

  program.label('allow');
  program.ret(ALLOW);
  program.label('eperm');
  program.ret(ERRNO | EPERM);
  program.label('enosys');
  program.ret(ERRNO | ENOSYS);
  program.label('kill');
  program.ret(KILL);
  return program.assemble();
}

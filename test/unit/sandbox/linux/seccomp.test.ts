// The filter, run call by call in a small interpreter of classic BPF, for both architectures. The tests of hostile servers
// check the kernel's own answers.
import { describe, expect, test } from 'vitest';
import {
  type Architecture,
  CONDITIONAL_CALLS,
  DENIED_CALLS,
  MISSING_CALLS,
  type SocketPolicy,
  seccompFilter,
} from '../../../../src/sandbox/linux/seccomp.ts';

const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
const COLUMN = { x64: 0, arm64: 1 } as const;
const ALLOW = 'allow';
const EPERM = 'errno 1';
const ENOSYS = 'errno 38';
const EAFNOSUPPORT = 'errno 97';

/** Runs a filter on one call, as the kernel does (seccomp_data, linux/filter.h). */
function ask(
  filter: Buffer,
  architecture: number,
  number: number,
  args: readonly (number | bigint)[] = [],
): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(architecture, 4);
  args.forEach((arg, at) => {
    data.writeBigUInt64LE(BigInt.asUintN(64, BigInt(arg)), 16 + 8 * at);
  });
  let word = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const code = filter.readUInt16LE(at * 8);
    const [yes = 0, no = 0] = [filter[at * 8 + 2], filter[at * 8 + 3]];
    const k = filter.readUInt32LE(at * 8 + 4);
    switch (code) {
      case 0x20:
        word = data.readUInt32LE(k);
        break;
      case 0x54:
        word = (word & k) >>> 0;
        break;
      case 0x15:
        at += word === k ? yes : no;
        break;
      case 0x25:
        at += word > k ? yes : no;
        break;
      case 0x35:
        at += word >= k ? yes : no;
        break;
      case 0x45:
        at += (word & k) !== 0 ? yes : no;
        break;
      case 0x06:
        return told(k);
      default:
        throw new Error(`instruction ${code.toString(16)}`);
    }
  }
  throw new Error('the program does not end');
}

function told(answer: number): string {
  if (answer === 0x7fff0000) return ALLOW;
  if (answer === 0x80000000) return 'kill';
  return `errno ${answer & 0xffff}`;
}

describe.each(['x64', 'arm64'] as const)('%s', (architecture: Architecture) => {
  const filters = {
    all: seccompFilter(architecture, 'all'),
    ip: seccompFilter(architecture, 'ip'),
    none: seccompFilter(architecture, 'none'),
  };
  const call = (
    name: keyof typeof CONDITIONAL_CALLS,
    args: readonly (number | bigint)[],
    sockets: SocketPolicy = 'ip',
  ): string | undefined => {
    const number = CONDITIONAL_CALLS[name][COLUMN[architecture]];
    return number === undefined ? undefined : ask(filters[sockets], AUDIT[architecture], number, args);
  };
  const plain = (number: number): string => ask(filters.ip, AUDIT[architecture], number);

  test('W-BOX-11 every call of another architecture ends the process', () => {
    for (const other of [0x40000003, 0xc00000b7, 0xc000003e, 0x40000028, 0].filter(
      (one) => one !== AUDIT[architecture],
    )) {
      for (const number of [0, 1, 39, 200]) expect(ask(filters.ip, other, number)).toBe('kill');
    }
  });

  test('W-BOX-10 each denied call is refused', () => {
    for (const [name, numbers] of Object.entries(DENIED_CALLS)) {
      const number = numbers[COLUMN[architecture]];
      if (number !== undefined) expect([name, plain(number)]).toEqual([name, EPERM]);
    }
    for (const [name, numbers] of Object.entries(MISSING_CALLS)) {
      expect([name, plain(numbers[COLUMN[architecture]])]).toEqual([name, ENOSYS]);
    }
  });

  test('W-BOX-10 calls that are newer than the filter get ENOSYS', () => {
    for (const number of [470, 471, 1000, 0x3fffffff]) expect(plain(number)).toBe(ENOSYS);
    expect(plain(469)).toBe(ALLOW);
  });

  test('common calls are allowed', () => {
    // read, write, close, mmap, execve, exit_group, futex, epoll_wait or epoll_pwait, getrandom, statx, rseq
    const usual = {
      x64: [0, 1, 3, 9, 59, 231, 202, 232, 318, 332, 334],
      arm64: [63, 64, 57, 222, 221, 94, 98, 22, 278, 291, 293],
    };
    expect(usual[architecture].map(plain)).toEqual(usual[architecture].map(() => ALLOW));
  });

  test('W-BOX-8 no AF_UNIX socket, and only stream socket pairs', () => {
    for (const type of [1, 2, 5, 1 | 0o2004000]) {
      expect(call('socket', [1, type, 0])).toBe(EAFNOSUPPORT);
      expect(call('socket', [1, type, 0], 'none')).toBe(EAFNOSUPPORT);
    }
    // The kernel reads only the low half of the word as the family, and so does the filter.
    expect(call('socket', [0x100000001n, 1, 0])).toBe(EAFNOSUPPORT);
    for (const type of [1, 5, 1 | 0o2004000]) expect(call('socketpair', [1, type, 0])).toBe(ALLOW);
    for (const type of [2, 3, 2 | 0o2004000]) expect(call('socketpair', [1, type, 0])).toBe(EPERM);
    expect(call('socketpair', [2, 1, 0])).toBe(EAFNOSUPPORT);
  });

  test('W-BOX-8 Unix sockets of every kind where the plan allows them, and nothing else more', () => {
    for (const type of [1, 2, 3, 5, 2 | 0o2004000]) {
      expect(call('socket', [1, type, 0], 'all')).toBe(ALLOW);
      expect(call('socketpair', [1, type, 0], 'all')).toBe(ALLOW);
    }
    for (const family of [2, 10]) expect(call('socket', [family, 1, 0], 'all')).toBe(ALLOW);
    expect(call('socket', [16, 3, 15], 'all')).toBe(EAFNOSUPPORT);
    for (const family of [0, 3, 9, 11, 15, 17, 29, 38, 40, 44])
      expect(call('socket', [family, 1, 0], 'all')).toBe(EAFNOSUPPORT);
    expect(call('socketpair', [2, 1, 0], 'all')).toBe(EAFNOSUPPORT);
  });

  test('W-BOX-9 only IP and rtnetlink sockets, or none', () => {
    for (const family of [2, 10]) {
      expect(call('socket', [family, 1, 0])).toBe(ALLOW);
      expect(call('socket', [family, 1, 0], 'none')).toBe(EAFNOSUPPORT);
    }
    expect(call('socket', [16, 3, 0])).toBe(ALLOW);
    expect(call('socket', [16, 3, 15])).toBe(EAFNOSUPPORT);
    expect(call('socket', [16, 3, 0], 'none')).toBe(EAFNOSUPPORT);
    for (let family = 3; family < 64; family++) {
      if (![10, 16].includes(family)) expect(call('socket', [family, 1, 0])).toBe(EAFNOSUPPORT);
    }
  });

  test('W-BOX-12 threads and processes can be made, namespaces cannot', () => {
    expect(call('clone', [17])).toBe(ALLOW);
    expect(call('clone', [0x003d0f00])).toBe(ALLOW);
    for (const flag of [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]) {
      expect(call('clone', [flag | 17])).toBe(EPERM);
      expect(call('unshare', [flag])).toBe(EPERM);
    }
    expect(call('unshare', [0x80])).toBe(EPERM);
    expect(call('unshare', [0x400])).toBe(ALLOW);
  });

  test('W-BOX-13 no set-user-ID or set-group-ID file can be made', () => {
    for (const mode of [0o4755, 0o2755, 0o6000]) {
      expect(call('fchmod', [3, mode])).toBe(EPERM);
      expect(call('fchmodat', [-100, 0, mode])).toBe(EPERM);
      expect(call('fchmodat2', [-100, 0, mode, 0])).toBe(EPERM);
      expect(call('mknodat', [-100, 0, mode, 0])).toBe(EPERM);
      expect(call('openat', [-100, 0, 0o101, mode])).toBe(EPERM);
      expect(call('openat', [-100, 0, 0o20200002, mode])).toBe(EPERM);
      // Without O_CREAT the fourth argument is whatever was in the register.
      expect(call('openat', [-100, 0, 0, mode])).toBe(ALLOW);
      if (architecture === 'x64') {
        expect(call('chmod', [0, mode])).toBe(EPERM);
        expect(call('creat', [0, mode])).toBe(EPERM);
        expect(call('mknod', [0, mode, 0])).toBe(EPERM);
        expect(call('open', [0, 0o101, mode])).toBe(EPERM);
      }
    }
    expect(call('fchmodat', [-100, 0, 0o755])).toBe(ALLOW);
    expect(call('openat', [-100, 0, 0o101, 0o644])).toBe(ALLOW);
  });

  test('W-BOX-10 nothing can be put into a terminal’s input, also not with the high bits of the request set', () => {
    for (const request of [0x5412, 0x541c, 0x100005412n]) expect(call('ioctl', [0, request, 0])).toBe(EPERM);
    expect(call('ioctl', [0, 0x5401, 0])).toBe(ALLOW);
  });

  test('W-BOX-10 only the common personalities are allowed', () => {
    expect([0, 8, 0x20000, 0xffffffff].map((one) => call('personality', [one]))).toEqual([
      ALLOW,
      ALLOW,
      ALLOW,
      ALLOW,
    ]);
    expect([0x40000, 0x400000].map((one) => call('personality', [one]))).toEqual([EPERM, EPERM]);
  });

  test('W-BOX-31 no pipe can be made larger than every pipe is', () => {
    expect([65_536, 65_537, 1 << 20].map((size) => call('fcntl', [3, 1031, size]))).toEqual([
      ALLOW,
      EPERM,
      EPERM,
    ]);
    // F_GETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ
    expect([3, 1030, 1032].map((command) => call('fcntl', [3, command, 1 << 20]))).toEqual([
      ALLOW,
      ALLOW,
      ALLOW,
    ]);
  });
});

test('W-BOX-11 calls of the x32 table get ENOSYS', () => {
  const filter = seccompFilter('x64', 'ip');
  for (const number of [0x40000000, 0x40000027, 0x40000209, 0xffffffff])
    expect(ask(filter, AUDIT.x64, number)).toBe(ENOSYS);
});

// The numbers are those of the kernel's headers (asm/unistd_64.h, asm-generic/unistd.h).
test('the filter starts with the check of the architecture and ends with a kill, byte for byte', () => {
  for (const architecture of ['x64', 'arm64'] as const) {
    const filter = seccompFilter(architecture, 'ip');
    const audit = Buffer.alloc(4);
    audit.writeUInt32LE(AUDIT[architecture]);
    expect(filter.subarray(0, 8).toString('hex')).toBe('2000000004000000');
    expect(filter.subarray(8, 10).toString('hex')).toBe('1500');
    expect(filter.subarray(12, 16)).toEqual(audit);
    expect(filter.subarray(-8).toString('hex')).toBe('0600000000000080');
    expect(filter.length % 8).toBe(0);
    expect(filter.length / 8).toBeLessThan(255);
  }
});

test('the numbers on arm64 are those of its table', () => {
  const column = Object.fromEntries(
    Object.entries({ ...DENIED_CALLS, ...MISSING_CALLS, ...CONDITIONAL_CALLS }).flatMap(
      ([name, [, number]]) => (number === undefined ? [] : [[name, number]]),
    ),
  );
  expect(column).toEqual({
    ptrace: 117,
    process_vm_readv: 270,
    process_vm_writev: 271,
    kcmp: 272,
    pidfd_getfd: 438,
    move_pages: 239,
    migrate_pages: 238,
    add_key: 217,
    request_key: 218,
    keyctl: 219,
    bpf: 280,
    perf_event_open: 241,
    userfaultfd: 282,
    mount: 40,
    umount2: 39,
    pivot_root: 41,
    chroot: 51,
    open_tree: 428,
    move_mount: 429,
    fsopen: 430,
    fsconfig: 431,
    fsmount: 432,
    fspick: 433,
    mount_setattr: 442,
    open_tree_attr: 467,
    name_to_handle_at: 264,
    open_by_handle_at: 265,
    fanotify_init: 262,
    fanotify_mark: 263,
    setns: 268,
    kexec_load: 104,
    kexec_file_load: 294,
    init_module: 105,
    finit_module: 273,
    delete_module: 106,
    reboot: 142,
    swapon: 224,
    swapoff: 225,
    acct: 89,
    quotactl: 60,
    quotactl_fd: 443,
    syslog: 116,
    settimeofday: 170,
    clock_settime: 112,
    sethostname: 161,
    setdomainname: 162,
    vhangup: 58,
    lookup_dcookie: 18,
    nfsservctl: 42,
    io_uring_setup: 425,
    io_uring_enter: 426,
    io_uring_register: 427,
    clone3: 435,
    openat2: 437,
    socket: 198,
    socketpair: 199,
    clone: 220,
    unshare: 97,
    ioctl: 29,
    fcntl: 25,
    personality: 92,
    openat: 56,
    fchmod: 52,
    fchmodat: 53,
    fchmodat2: 452,
    mknodat: 33,
  });
});

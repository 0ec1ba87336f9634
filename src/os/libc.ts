// The few calls to the C library that Node has no function for: who is at the other end of a socket, and no
// core dumps. They go through koffi, an optional dependency: without it the socket's folder alone keeps others
// out, and dumps are only kept empty. `status` and `doctor` say which is in force.
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/** A process at the other end of a socket, as the kernel names it. */
interface Peer {
  /** -1, which no user has, if the kernel does not tell. */
  readonly uid: number;
  readonly pid: number | undefined;
}

/** Who connects, as far as this machine can tell. */
export interface PeerCheck {
  readonly kind: 'so_peercred' | 'local_peercred' | 'folder permissions';
  /** The process that connected. `undefined`: cannot be told, where `kind` is the folder's permissions. */
  identify(socket: Socket): Peer | undefined;
}

/** What of the C library is to be had. */
interface Libc {
  readonly peer: PeerCheck;
  /** Keeps this process' memory out of core dumps, and from debuggers of the same user. `false`: only in part. */
  disableCoreDumps(): boolean;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const RLIMIT_CORE = 4;
const PR_SET_DUMPABLE = 4;

/** Binds the calls. Never throws: what is missing is said by what it returns. */
export async function openLibc(platform: string): Promise<Libc> {
  let library: import('koffi').LibraryHandle;
  try {
    library = (await import('koffi')).default.load(null);
  } catch {
    return {
      peer: { kind: 'folder permissions', identify: () => undefined },
      disableCoreDumps: emptyCoreDumps,
    };
  }
  const setrlimit = library.func('int setrlimit(int resource, const void *limit)');
  const noCore = (): boolean => setrlimit(RLIMIT_CORE, Buffer.alloc(16)) === 0;
  if (platform === 'darwin') {
    const getpeereid = library.func('int getpeereid(int fd, void *uid, void *gid)');
    return {
      peer: {
        kind: 'local_peercred',
        identify(socket) {
          const uid = Buffer.alloc(4);
          const told = getpeereid(descriptorOf(socket), uid, Buffer.alloc(4)) === 0;
          return { uid: told ? uid.readUInt32LE() : NOBODY, pid: undefined };
        },
      },
      disableCoreDumps: noCore,
    };
  }
  const getsockopt = library.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
  const prctl = library.func(
    'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
  );
  return {
    peer: {
      kind: 'so_peercred',
      identify(socket) {
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
        const credentials = Buffer.alloc(12);
        const length = Buffer.from(Uint32Array.of(credentials.length).buffer);
        const told = getsockopt(descriptorOf(socket), SOL_SOCKET, SO_PEERCRED, credentials, length) === 0;
        return {
          uid: told ? credentials.readUInt32LE(4) : NOBODY,
          // 0: of a pid namespace that cannot be seen from here.
          pid: told ? credentials.readUInt32LE(0) || undefined : undefined,
        };
      },
    },
    disableCoreDumps() {
      // First, because it needs /proc/self, which the last closes.
      emptyCoreDumps();
      return noCore() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) === 0;
    },
  };
}

/** No user has it: whoever cannot be asked is refused. */
const NOBODY = -1;

/** Lets a core dump hold no memory at all. */
function emptyCoreDumps(): boolean {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // Not Linux, or no right to it.
  }
  return false;
}

function descriptorOf(socket: Socket): number {
  // Node has no public way to a socket's descriptor. As of Node 24 the handle of a Unix socket has `fd`.
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
  return handle?.fd ?? -1;
}

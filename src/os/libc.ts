// The few calls to the C library that Node has no function for: which user is at the other end of a socket, disabling core
// dumps, and receiving descriptors. They are made through koffi, an optional dependency. Without it only the permissions of the
// socket's folder keep other users out, core dumps are kept empty but not disabled, and no descriptors are received. `status` and `doctor` show
// which applies.
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type DescriptorCalls, descriptorCalls } from './descriptor-calls.ts';
import { checkSocketDescriptor, socketDescriptor } from './socket-descriptor.ts';

/** A process at the other end of a socket, as the kernel reports it. */
interface Peer {
  /** -1, which is no user's uid, if the kernel does not report it. */
  readonly uid: number;
  readonly pid: number | undefined;
}

/** Identifies clients, as far as this machine can. */
export interface PeerCheck {
  readonly kind: 'so_peercred' | 'local_peercred' | 'folder permissions';
  /** The process that connected. `undefined` if `kind` is `folder permissions`: it cannot be determined then. */
  identify(socket: Socket): Peer | undefined;
}

/** The calls to the C library that are available. */
interface Libc {
  readonly peer: PeerCheck;
  /** Linux only. */
  readonly descriptors?: DescriptorCalls;
  /** Keeps this process's memory out of core dumps, and away from the same user's debuggers. `false`: only in part. */
  disableCoreDumps(): boolean;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const RLIMIT_CORE = 4;
const PR_SET_DUMPABLE = 4;

/** Binds the calls; the result shows what is missing. Throws `unsupported` on a Node whose sockets show no descriptor. */
export async function openLibc(platform: string): Promise<Libc> {
  let koffi: typeof import('koffi').default;
  let library: import('koffi').LibraryHandle;
  try {
    koffi = (await import('koffi')).default;
    library = koffi.load(null);
  } catch {
    return {
      peer: { kind: 'folder permissions', identify: () => undefined },
      disableCoreDumps: emptyCoreDumps,
    };
  }
  checkSocketDescriptor();
  const setrlimit = library.func('int setrlimit(int resource, const void *limit)');
  const noCore = (): boolean => setrlimit(RLIMIT_CORE, Buffer.alloc(16)) === 0;
  if (platform === 'darwin') {
    const getpeereid = library.func('int getpeereid(int fd, void *uid, void *gid)');
    return {
      peer: {
        kind: 'local_peercred',
        identify(socket) {
          const uid = Buffer.alloc(4);
          const known = getpeereid(socketDescriptor(socket), uid, Buffer.alloc(4)) === 0;
          return { uid: known ? uid.readUInt32LE() : NOBODY, pid: undefined };
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
    descriptors: descriptorCalls(library, (buffer) => koffi.address(buffer)),
    peer: {
      kind: 'so_peercred',
      identify(socket) {
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
        const credentials = Buffer.alloc(12);
        const length = Buffer.from(Uint32Array.of(credentials.length).buffer);
        const known =
          getsockopt(socketDescriptor(socket), SOL_SOCKET, SO_PEERCRED, credentials, length) === 0;
        return {
          uid: known ? credentials.readUInt32LE(4) : NOBODY,
          // 0: in a pid namespace that is not visible from here.
          pid: known ? credentials.readUInt32LE(0) || undefined : undefined,
        };
      },
    },
    disableCoreDumps() {
      // This comes first because it needs /proc/self, which PR_SET_DUMPABLE closes.
      emptyCoreDumps();
      return noCore() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) === 0;
    },
  };
}

/** The uid of no user: a client whose user is unknown is refused. */
const NOBODY = -1;

/** Leaves all memory out of core dumps. */
function emptyCoreDumps(): boolean {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // Not Linux, or not permitted.
  }
  return false;
}

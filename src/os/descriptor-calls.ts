// Receives descriptors (unix(7), SCM_RIGHTS), for which Node has no function, through the C library. Linux, 64 bits.
import { closeSync } from 'node:fs';

/** A datagram with descriptors, which are the receiver's to close. */
export interface DescriptorMessage {
  readonly text: string;
  /** The process that sent it, as the kernel says: 0 where its namespace cannot be seen from here. */
  readonly pid: number;
  readonly uid: number;
  readonly descriptors: readonly number[];
  /** Whether nothing of it was cut off. */
  readonly isWhole: boolean;
}

/** The calls of the C library that handing over needs. */
export interface DescriptorCalls {
  /** A socket at `path` for datagrams, which are read without waiting. -1 on failure. */
  open(path: string): number;
  /** The next datagram; undefined where none is there. */
  receive(socket: number): DescriptorMessage | undefined;
  /** The flags of a descriptor's description (F_GETFL). */
  flags(descriptor: number): number;
  /** Whether it is a stream socket of this machine, connected to one without a name, as those of a socketpair(2) are. */
  isNamelessStream(descriptor: number): boolean;
  /** Bounds how long a write or read waits where somebody takes O_NONBLOCK away. Returns whether it does. */
  limitWaiting(descriptor: number): boolean;
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
/** `SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC` */
const SOCK_DGRAM = 2 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_PASSCRED = 16;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SO_DOMAIN = 39;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const F_GETFL = 3;
/** `MSG_DONTWAIT | MSG_CMSG_CLOEXEC` */
const RECEIVE = 0x40 | 0x40000000;
/** `MSG_CTRUNC | MSG_TRUNC` */
const CUT_OFF = 0x8 | 0x20;
/** The length of a path in `struct sockaddr_un`, with the NUL. */
const MAX_PATH = 108;
/** The length of the address of a socket without a name: there is only its family. */
const FAMILY = 2;
/** `struct cmsghdr { size_t cmsg_len; int cmsg_level, cmsg_type; }`, aligned to 8 bytes. */
const HEADER = 16;
/** Room for credentials and for two descriptors: of more the kernel keeps none for this process. */
const CONTROL = HEADER + 16 + HEADER + 8;
const MAX_TEXT = 32;
/** A millisecond, as `struct timeval`. */
const MOMENT = Buffer.from(BigInt64Array.of(0n, 1000n).buffer);

/** `address`: of a buffer's bytes. */
export function descriptorCalls(
  library: import('koffi').LibraryHandle,
  address: (buffer: Buffer) => bigint,
): DescriptorCalls {
  const socket = library.func('int socket(int family, int type, int protocol)');
  const bind = library.func('int bind(int fd, const void *address, unsigned int length)');
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  );
  const getsockopt = library.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
  const recvmsg = library.func('long recvmsg(int fd, void *message, int flags)');
  const getpeername = library.func('int getpeername(int fd, void *address, void *length)');
  const fcntl = library.func('int fcntl(int fd, int command, long argument)');

  const option = (descriptor: number, name: number): number => {
    const value = Buffer.alloc(4);
    const length = Buffer.from(Uint32Array.of(value.length).buffer);
    return getsockopt(descriptor, SOL_SOCKET, name, value, length) === 0 ? value.readInt32LE() : -1;
  };
  const text = Buffer.alloc(MAX_TEXT);
  const control = Buffer.alloc(CONTROL);
  // struct iovec { void *base; size_t length; }
  const vector = Buffer.alloc(16);
  // struct msghdr { void *name; socklen_t namelen; struct iovec *iov; size_t iovlen; void *control; size_t controllen; int flags; }
  const message = Buffer.alloc(56);

  return {
    open(path) {
      const name = Buffer.from(`${path}\0`);
      if (name.length > MAX_PATH) return -1;
      const descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
      if (descriptor < 0) return -1;
      const family = Buffer.from(Uint16Array.of(AF_UNIX).buffer);
      const where = Buffer.concat([family, name]);
      const on = Buffer.from(Int32Array.of(1).buffer);
      if (
        setsockopt(descriptor, SOL_SOCKET, SO_PASSCRED, on, on.length) === 0 &&
        bind(descriptor, where, where.length) === 0
      )
        return descriptor;
      closeSync(descriptor);
      return -1;
    },
    receive(descriptor) {
      vector.writeBigUInt64LE(address(text));
      vector.writeBigUInt64LE(BigInt(MAX_TEXT), 8);
      message.fill(0);
      message.writeBigUInt64LE(address(vector), 16);
      message.writeBigUInt64LE(1n, 24);
      message.writeBigUInt64LE(address(control), 32);
      message.writeBigUInt64LE(BigInt(CONTROL), 40);
      const length = Number(recvmsg(descriptor, message, RECEIVE));
      if (length < 0) return undefined;
      const isWhole = (message.readUInt32LE(48) & CUT_OFF) === 0;
      const rest = { pid: 0, uid: -1, descriptors: [] as number[] };
      readControl(control.subarray(0, Number(message.readBigUInt64LE(40))), rest);
      return { text: text.toString('latin1', 0, length), isWhole, ...rest };
    },
    flags: (descriptor) => fcntl(descriptor, F_GETFL, 0),
    isNamelessStream(descriptor) {
      if (option(descriptor, SO_DOMAIN) !== AF_UNIX || option(descriptor, SO_TYPE) !== SOCK_STREAM)
        return false;
      const length = Buffer.from(Uint32Array.of(MAX_PATH + 2).buffer);
      if (getpeername(descriptor, Buffer.alloc(MAX_PATH + 2), length) !== 0) return false;
      return length.readUInt32LE() <= FAMILY;
    },
    limitWaiting: (descriptor) =>
      [SO_RCVTIMEO, SO_SNDTIMEO].every(
        (name) => setsockopt(descriptor, SOL_SOCKET, name, MOMENT, MOMENT.length) === 0,
      ),
  };
}

/** Reads the control messages (cmsg(3)). */
function readControl(bytes: Buffer, into: { pid: number; uid: number; descriptors: number[] }): void {
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const type = bytes.readInt32LE(at + 12);
    const isOwn = bytes.readInt32LE(at + 8) === SOL_SOCKET;
    const data = bytes.subarray(at + HEADER, at + length);
    if (isOwn && type === SCM_CREDENTIALS && data.length >= 12) {
      // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
      into.pid = data.readInt32LE();
      into.uid = data.readUInt32LE(4);
    } else if (isOwn && type === SCM_RIGHTS)
      for (let from = 0; from + 4 <= data.length; from += 4) into.descriptors.push(data.readInt32LE(from));
    if (length < HEADER) return;
    at += Math.ceil(length / 8) * 8;
  }
}

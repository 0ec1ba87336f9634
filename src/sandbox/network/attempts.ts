// Records connections that a sandbox tries to make to ports without a listener. The kernel refuses them at once and
// reports them to nobody. A raw socket in the sandbox's network (raw(7)) receives copies of these segments; a classic
// BPF filter drops all others (linux/filter.h). The namespace's stage opens it while it has the capability. The
// socket's buffer is the kernel's and has a fixed size: a flood makes the record incomplete, but nothing grows.
import { readSync } from 'node:fs';

/** A refused connection. */
export interface ConnectionAttempt {
  /** IPv4. */
  readonly address: string;
  readonly port: number;
}

/** The maximum of attempts that one read returns. The rest is dropped. */
const MAX_ATTEMPTS = 1024;

/** The bytes to read of each segment: the longest IP header, and the ports of the TCP header. */
const HEADER_BYTES = 60 + 4;

/** 127.0.0.1, the server's own loopback: connections there are not recorded. */
const LOOPBACK = 0x7f000001;

/** `struct sock_filter`: opcode, jump if true, jump if false, constant. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

/** A filter that passes only the first segment of a connection, unless it goes to one of these ports or to 127.0.0.1. */
export function attemptFilter(ports: readonly number[]): Buffer {
  const DROP: Instruction = [0x06, 0, 0, 0];
  const program: Instruction[] = [
    [0x20, 0, 0, 16], // the destination
    [0x15, 0, 1, LOOPBACK],
    DROP,
    [0xb1, 0, 0, 0], // X = the length of the IP header
    [0x50, 0, 0, 13], // TCP's flags
    [0x54, 0, 0, 0x12], // SYN and ACK
    [0x15, 1, 0, 0x02],
    DROP,
    [0x48, 0, 0, 2], // the destination's port
    ...ports.flatMap((port): Instruction[] => [[0x15, 0, 1, port], DROP]),
    [0x06, 0, 0, HEADER_BYTES],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  for (const [at, [code, ifTrue, ifFalse, k]] of program.entries()) {
    bytes.writeUInt16LE(code, at * 8);
    bytes[at * 8 + 2] = ifTrue;
    bytes[at * 8 + 3] = ifFalse;
    bytes.writeUInt32LE(k, at * 8 + 4);
  }
  return bytes;
}

/** The attempts since the last read, oldest first. Never waits. */
export function readAttempts(descriptor: number): ConnectionAttempt[] {
  const attempts: ConnectionAttempt[] = [];
  const segment = Buffer.alloc(HEADER_BYTES);
  for (let read = 0; read < MAX_ATTEMPTS; read++) {
    let length: number;
    try {
      length = readSync(descriptor, segment);
    } catch {
      // Nothing more to read.
      return attempts;
    }
    const header = ((segment[0] ?? 0) & 0xf) * 4;
    if (length < header + 4) continue;
    attempts.push({ address: segment.subarray(16, 20).join('.'), port: segment.readUInt16BE(header + 2) });
  }
  discard(descriptor, segment);
  return attempts;
}

/** Empties the socket. The kernel buffers a few hundred segments; the limit is for a server that refills it as fast. */
function discard(descriptor: number, segment: Buffer): void {
  for (let read = 0; read < MAX_ATTEMPTS; read++) {
    try {
      readSync(descriptor, segment);
    } catch {
      return;
    }
  }
}

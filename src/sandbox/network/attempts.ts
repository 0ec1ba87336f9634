// What a sandbox tries to connect to and nobody listens on: the kernel refuses it at once, and tells nobody. A raw
// socket in the sandbox' network (raw(7)), made by `listen` while it may, sees those segments; a classic BPF filter
// lets no others through (linux/filter.h). Its buffer is the kernel's and bounded: who floods it loses attempts
// from the record, and nothing grows.
import { closeSync, readSync } from 'node:fs';

/** A connection that was tried and refused. */
export interface ConnectionAttempt {
  /** IPv4. */
  readonly address: string;
  readonly port: number;
}

/** So many are told at a time; the rest is dropped. */
const MAX_ATTEMPTS = 1024;

/** The longest IP header, and of TCP's the ports. */
const HEADER_BYTES = 60 + 4;

/** The server's own loopback: what it does there is its own affair. */
const LOOPBACK = 0x7f000001;

/** `struct sock_filter`: code, jump if true, jump if false, constant. */
type Instruction = readonly [code: number, yes: number, no: number, k: number];

/** Lets only the first segment of a connection through, to no port of these, and not to 127.0.0.1. */
export function attemptFilter(ports: readonly number[]): Buffer {
  const DROP: Instruction = [0x06, 0, 0, 0];
  const program: Instruction[] = [
    [0x20, 0, 0, 16], // the destination
    [0x15, 0, 1, LOOPBACK],
    DROP,
    [0xb1, 0, 0, 0], // x: the length of the IP header
    [0x50, 0, 0, 13], // TCP's flags
    [0x54, 0, 0, 0x12], // SYN and ACK
    [0x15, 1, 0, 0x02],
    DROP,
    [0x48, 0, 0, 2], // the destination's port
    ...ports.flatMap((port): Instruction[] => [[0x15, 0, 1, port], DROP]),
    [0x06, 0, 0, HEADER_BYTES],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  for (const [at, [code, yes, no, k]] of program.entries()) {
    bytes.writeUInt16LE(code, at * 8);
    bytes[at * 8 + 2] = yes;
    bytes[at * 8 + 3] = no;
    bytes.writeUInt32LE(k, at * 8 + 4);
  }
  return bytes;
}

/** What such a socket has seen since the last look, oldest first. Never waits. */
export function readAttempts(descriptor: number): ConnectionAttempt[] {
  const attempts: ConnectionAttempt[] = [];
  const segment = Buffer.alloc(HEADER_BYTES);
  for (let read = 0; read < MAX_ATTEMPTS; read++) {
    let length: number;
    try {
      length = readSync(descriptor, segment);
    } catch {
      // Nothing more is there.
      return attempts;
    }
    const header = ((segment[0] ?? 0) & 0xf) * 4;
    if (length < header + 4) continue;
    attempts.push({ address: segment.subarray(16, 20).join('.'), port: segment.readUInt16BE(header + 2) });
  }
  discard(descriptor, segment);
  return attempts;
}

/** The kernel holds a few hundred: this ends unless somebody fills it as fast as it is read. */
function discard(descriptor: number, segment: Buffer): void {
  for (let read = 0; read < MAX_ATTEMPTS; read++) {
    try {
      readSync(descriptor, segment);
    } catch {
      return;
    }
  }
}

/** Lets go of such a socket. */
export function close(descriptor: number): void {
  closeSync(descriptor);
}

// Frames between a launcher (or the command line) and the daemon, on one Unix socket:
//
//     u8 type | u32 little-endian length | payload
//
// HELLO opens every connection and says what it is. On a session's connection DATA, EOF and STDERR carry
// bytes as they are; nothing on the byte path is JSON. A C program can speak this with two read calls.

/** Version of this wire. The daemon refuses any other. */
export const WIRE_VERSION = 1;

/** Bytes of a frame's head. */
export const HEAD = 5;

/** The longest payload of one frame. Longer data goes in several DATA frames. */
export const MAX_PAYLOAD = 0x1000000;

/** Frame types. */
export const Frame = {
  /** client to daemon, JSON: `Hello` */
  HELLO: 1,
  /** both ways, bytes: the server's stdin and stdout */
  DATA: 2,
  /** both ways, empty: the end of the server's stdin or stdout */
  EOF: 3,
  /** daemon to client, bytes: the server's stderr */
  STDERR: 4,
  /** daemon to client, JSON: `{pid?, start?}`: the session is open, and this process group is to be ended if the daemon dies */
  OPEN: 5,
  /** daemon to client, JSON: `{exit: number}`: the last frame of a session */
  EXIT: 6,
  /** daemon to client, JSON: `{code, message, hint?, exit}`: the last frame of a refused connection */
  REFUSE: 7,
  /** client to daemon, JSON: `{id, verb, params}` */
  REQUEST: 8,
  /** daemon to client, JSON: `{id, result}` or `{id, error: {code, message, hint?}}` */
  RESPONSE: 9,
} as const;

/** Writes a frame's head for a payload of `length` bytes. */
export function head(type: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD);
  bytes[0] = type;
  bytes.writeUInt32LE(length, 1);
  return bytes;
}

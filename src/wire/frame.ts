// Frames between a launcher (or the command line) and the daemon, on one Unix socket:
//
//     u8 type | u32 little-endian length | payload
//
// HELLO opens every connection and states its kind. On a session's connection DATA, EOF and STDERR carry bytes
// unchanged; nothing on the byte path is JSON. A C program can speak this protocol with two read calls.

import { WarderError } from '../errors.ts';

/** The version of this protocol. The daemon refuses any other. */
export const WIRE_VERSION = 1;

/** The length of a frame's header, in bytes. */
export const HEADER_LENGTH = 5;

/** The longest payload of one frame, in bytes. Longer data is sent in several DATA frames. */
export const MAX_PAYLOAD = 0x1000000;

/** Frame types. */
export const Frame = {
  /** client to daemon, JSON: `Hello` */
  HELLO: 1,
  /**
   * both ways, bytes: the server's stdin and stdout. An empty one is the daemon's answer to a launcher's HELLO, before which
   * the launcher reads nothing from its host
   */
  DATA: 2,
  /** both ways, empty: the end of the server's stdin or stdout */
  EOF: 3,
  /** daemon to client, bytes: the server's stderr */
  STDERR: 4,
  /** daemon to client, JSON: `Opened`: a server of the session, which the launcher ends if the daemon dies */
  OPEN: 5,
  /** daemon to client, JSON: `{exit: number}`: the last frame of a session */
  EXIT: 6,
  /** daemon to client, JSON: `Refusal`: the last frame of a connection that is refused, or that Warder ends */
  REFUSE: 7,
  /** client to daemon, JSON: `{id, verb, params}` */
  REQUEST: 8,
  /** daemon to client, JSON: `{id, result}` or `{id, error: {code, message, hint?}}` */
  RESPONSE: 9,
  /**
   * client to daemon, in place of HELLO, JSON `HandOver`; daemon to client, JSON `HandOverAnswer`, its last frame. Programs
   * of any two versions understand each other here: this type, the header, and the members of these payloads and of
   * REFUSE stay as they are for ever, whatever WIRE_VERSION is.
   */
  HAND_OVER: 10,
  /**
   * daemon to client, empty: the first frame in place of an empty DATA, to a launcher whose HELLO names descriptors: the daemon
   * has taken them and reads and writes the host itself. No DATA follows, either way.
   */
  TAKEN: 11,
} as const;

/** Makes a frame's header for a payload of `length` bytes. */
function header(type: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_LENGTH);
  bytes[0] = type;
  bytes.writeUInt32LE(length, 1);
  return bytes;
}

/** A stream to write frames to, which can combine several writes into one. */
export interface Sink {
  cork(): void;
  uncork(): void;
  write(bytes: Uint8Array): boolean;
}

/** Up to this many bytes, copying the payload behind the header is cheaper than a gathered write. */
const COPY_LIMIT = 0x2000;

/**
 * Writes `chunks` as one frame, or, if they do not fit into one (DATA and STDERR only), as several. Does not copy long
 * payloads. Returns what the sink's last `write` returned.
 */
export function writeFrame(sink: Sink, type: number, chunks: readonly Uint8Array[]): boolean {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  if (length <= COPY_LIMIT) {
    const bytes = Buffer.allocUnsafe(HEADER_LENGTH + length);
    bytes[0] = type;
    bytes.writeUInt32LE(length, 1);
    let at = HEADER_LENGTH;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return sink.write(bytes);
  }
  let more = true;
  sink.cork();
  for (const part of length > MAX_PAYLOAD ? splitPayload(chunks) : [chunks]) {
    sink.write(header(type, part === chunks ? length : part.reduce((sum, chunk) => sum + chunk.length, 0)));
    for (const chunk of part) more = sink.write(chunk);
  }
  sink.uncork();
  return more;
}

/** Splits chunks into lists that each fit into one frame. */
function splitPayload(chunks: readonly Uint8Array[]): Uint8Array[][] {
  const lists: Uint8Array[][] = [];
  let list: Uint8Array[] = [];
  let room = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      if (room === 0) {
        list = [];
        lists.push(list);
        room = MAX_PAYLOAD;
      }
      const slice = chunk.subarray(at, at + room);
      list.push(slice);
      at += slice.length;
      room -= slice.length;
    }
  }
  return lists;
}

/** Writes a frame whose payload is JSON. Throws `wire-malformed` if it is too long for one frame. */
export function writeJson(sink: Sink, type: number, value: unknown): boolean {
  const payload = Buffer.from(JSON.stringify(value));
  if (payload.length > MAX_PAYLOAD) {
    throw new WarderError('wire-malformed', `${payload.length} bytes do not fit into one frame`);
  }
  return writeFrame(sink, type, [payload]);
}

/** Receives what a decoder reads. */
export interface FrameListener {
  /** A complete frame other than DATA and STDERR. The payload is valid until the call returns. */
  frame(type: number, payload: Buffer): void;
  /** The next bytes of a DATA or STDERR frame: slices of what was pushed, never copied, never empty. */
  bytes(type: number, slice: Buffer): void;
}

/**
 * Decodes frames, however their bytes are chunked. DATA and STDERR are passed on as they arrive; other frames are
 * buffered until they are complete, up to `limit` bytes of payload.
 */
export class FrameDecoder {
  readonly #listener: FrameListener;
  /** The longest payload of a buffered frame, in bytes. May change between frames. */
  limit: number;
  readonly #head = Buffer.alloc(HEADER_LENGTH);
  #headLength = 0;
  #type = 0;
  #left = 0;
  #gathered: Buffer[] = [];

  constructor(listener: FrameListener, limit: number = MAX_PAYLOAD) {
    this.#listener = listener;
    this.limit = limit;
  }

  /**
   * Decodes the next bytes. Throws `wire-malformed` for an unknown type or a length over the limit; the stream cannot be
   * used after that.
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headLength < HEADER_LENGTH) {
        if (this.#headLength === 0 && chunk.length - at >= HEADER_LENGTH) {
          this.#begin(chunk[at] ?? 0, chunk.readUInt32LE(at + 1));
          at += HEADER_LENGTH;
        } else {
          const taken = chunk.copy(this.#head, this.#headLength, at, at + HEADER_LENGTH - this.#headLength);
          this.#headLength += taken;
          at += taken;
          if (this.#headLength < HEADER_LENGTH) return;
          this.#begin(this.#head[0] ?? 0, this.#head.readUInt32LE(1));
        }
        if (this.#left > 0) continue;
        this.#headLength = 0;
        if (this.#streams()) continue;
        this.#listener.frame(this.#type, Buffer.alloc(0));
        continue;
      }
      const slice = chunk.subarray(at, at + this.#left);
      at += slice.length;
      this.#left -= slice.length;
      const whole = this.#left === 0;
      if (whole) this.#headLength = 0;
      if (this.#streams()) {
        this.#listener.bytes(this.#type, slice);
      } else if (!whole || this.#gathered.length > 0) {
        this.#gathered.push(slice);
        if (!whole) continue;
        const payload = Buffer.concat(this.#gathered);
        this.#gathered = [];
        this.#listener.frame(this.#type, payload);
      } else {
        this.#listener.frame(this.#type, slice);
      }
    }
  }

  #begin(type: number, length: number): void {
    this.#headLength = HEADER_LENGTH;
    this.#type = type;
    this.#left = length;
    if (type < Frame.HELLO || type > Frame.TAKEN)
      throw new WarderError('wire-malformed', `frame of unknown type ${type}`);
    const limit = this.#streams() ? MAX_PAYLOAD : this.limit;
    if (length > limit)
      throw new WarderError('wire-malformed', `frame of ${length} bytes where ${limit} are allowed`);
  }

  #streams(): boolean {
    return this.#type === Frame.DATA || this.#type === Frame.STDERR;
  }
}

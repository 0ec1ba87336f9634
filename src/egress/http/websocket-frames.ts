// Frames of WebSocket (RFC 6455 5): reading them strictly, and writing them. Nothing but the base protocol is read: no
// extension, so no reserved bit and no unknown opcode.
import { randomBytes } from 'node:crypto';

export const TEXT = 1;
const BINARY = 2;
export const CLOSE = 8;
const CONTINUATION = 0;
const PONG = 10;
const MAX_CONTROL = 125;

/** What arrived: a control frame, or a piece of a message, whose last piece may be empty. */
export type Received =
  | { readonly kind: 'control'; readonly opcode: number; readonly payload: Buffer }
  | {
      readonly kind: 'data';
      /** Of the message. */
      readonly opcode: number;
      readonly piece: Buffer;
      readonly first: boolean;
      readonly last: boolean;
    };

/** Bytes that are not WebSocket. */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}

interface FrameHead {
  readonly opcode: number;
  readonly fin: boolean;
  readonly length: number;
  readonly mask: Buffer | undefined;
}

/** Reads one direction. */
export class FrameReader {
  readonly #masked: boolean;
  #buffered: Buffer = Buffer.alloc(0);
  #frame: FrameHead | undefined;
  /** Bytes of the frame's payload that have arrived. */
  #read = 0;
  #control: Buffer[] = [];
  /** The opcode of the message that is open. */
  #message: number | undefined;
  #first = true;

  /** `masked`: as a client's frames must be, and a server's must not. */
  constructor(masked: boolean) {
    this.#masked = masked;
  }

  /** Throws `MalformedFrame`. */
  push(chunk: Buffer): Received[] {
    const received: Received[] = [];
    let rest = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    for (;;) {
      if (this.#frame === undefined) {
        const length = this.#readHead(rest);
        if (length === 0) break;
        rest = rest.subarray(length);
      }
      const frame = this.#frame as FrameHead | undefined;
      if (frame === undefined) break;
      const piece = this.#unmask(rest.subarray(0, frame.length - this.#read), frame);
      rest = rest.subarray(piece.length);
      this.#read += piece.length;
      const ended = this.#read === frame.length;
      this.#take(frame, piece, ended, received);
      if (!ended) break;
      this.#frame = undefined;
      this.#read = 0;
    }
    this.#buffered = Buffer.from(rest);
    return received;
  }

  #take(frame: FrameHead, piece: Buffer, ended: boolean, received: Received[]): void {
    if (frame.opcode >= CLOSE) {
      this.#control.push(piece);
      if (!ended) return;
      received.push({ kind: 'control', opcode: frame.opcode, payload: Buffer.concat(this.#control) });
      this.#control = [];
      return;
    }
    const last = ended && frame.fin;
    // Frames without content say nothing.
    if (piece.length > 0 || last) {
      received.push({ kind: 'data', opcode: this.#message ?? TEXT, piece, first: this.#first, last });
      this.#first = last;
    }
    if (last) this.#message = undefined;
  }

  /** The length of the head at the start of the bytes; 0 while it is incomplete. */
  #readHead(bytes: Buffer): number {
    const [flags, short] = bytes;
    if (flags === undefined || short === undefined) return 0;
    const size = short & 0x7f;
    const extended = size === 126 ? 2 : size === 127 ? 8 : 0;
    const masked = (short & 0x80) !== 0;
    const end = 2 + extended + (masked ? 4 : 0);
    const opcode = flags & 0x0f;
    const fin = (flags & 0x80) !== 0;
    if ((flags & 0x70) !== 0) throw new MalformedFrame('a reserved bit is set');
    if (masked !== this.#masked) throw new MalformedFrame('a frame is masked or not against the rules');
    if (opcode >= CLOSE ? opcode > PONG || !fin || size > MAX_CONTROL : opcode > BINARY)
      throw new MalformedFrame('an unknown or malformed frame');
    if (opcode < CLOSE && (opcode === CONTINUATION) !== (this.#message !== undefined))
      throw new MalformedFrame('fragments of messages are out of order');
    if (bytes.length < end) return 0;
    const length =
      extended === 2 ? bytes.readUInt16BE(2) : extended === 8 ? Number(bytes.readBigUInt64BE(2)) : size;
    if (!Number.isSafeInteger(length)) throw new MalformedFrame('a frame is too long');
    if ((extended === 2 && length < 126) || (extended === 8 && length < 65_536))
      throw new MalformedFrame('a length is written in more bytes than it needs');
    this.#frame = {
      opcode,
      fin,
      length,
      mask: masked ? Buffer.from(bytes.subarray(end - 4, end)) : undefined,
    };
    if (opcode === TEXT || opcode === BINARY) {
      this.#message = opcode;
      this.#first = true;
    }
    return end;
  }

  #unmask(bytes: Buffer, { mask }: FrameHead): Buffer {
    if (mask === undefined) return bytes;
    const from = this.#read;
    return Buffer.from(bytes.map((byte, at) => byte ^ (mask[(from + at) & 3] ?? 0)));
  }
}

/** Writes a frame; masked with a fresh key, as a client must. */
export function writeFrame(opcode: number, fin: boolean, payload: Buffer, masked: boolean): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, at) => byte ^ (mask[at & 3] ?? 0))]);
}

/** A piece of a message as a frame: the first has the message's opcode. */
export function writePiece(
  opcode: number,
  first: boolean,
  last: boolean,
  piece: Buffer,
  masked: boolean,
): Buffer {
  return writeFrame(first ? opcode : CONTINUATION, last, piece, masked);
}

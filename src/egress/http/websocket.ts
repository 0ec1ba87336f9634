// WebSocket (RFC 6455) to a host of a sealed credential. The request that opens it is one like any other, so the
// credential is usually in its head. After that both directions are read frame by frame, without extensions, so that
// nothing is compressed. From the host: each message is searched for secrets. From the server: a placeholder in a
// message that is JSON becomes the secret where the credential may be in a body, and each such message is a use; in any
// other message it ends the connection.
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';
import { type ResponseSealer, sealWithLatest } from '../../credential/redact.ts';
import { BUDGETS } from '../budgets.ts';
import type { GateTurns } from '../turns.ts';
import { replaceInJson } from './request-body.ts';
import { fieldValues } from './request-head.ts';
import { Denial, type Field, type RequestContext } from './substitution.ts';
import {
  CLOSE,
  FrameReader,
  MalformedFrame,
  type Received,
  TEXT,
  writeFrame,
  writePiece,
} from './websocket-frames.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const GOING_AWAY = 1001;
const PROTOCOL_ERROR = 1002;
const POLICY_VIOLATION = 1008;
/** Bytes of a close frame's reason. */
const MAX_REASON = 123;

/** Throws `Denial` unless a request opens a WebSocket as the gate supports it. */
export function checkOpening(method: string, fields: readonly Field[]): void {
  const upgrade = fieldValues(fields, 'upgrade').map((value) => value.trim().toLowerCase());
  if (upgrade.length !== 1 || upgrade[0] !== 'websocket')
    throw new Denial(501, 'a change to another protocol than WebSocket is not supported');
  const [key = '', ...others] = fieldValues(fields, 'sec-websocket-key');
  const version = fieldValues(fields, 'sec-websocket-version');
  const wellFormed =
    method === 'GET' &&
    others.length === 0 &&
    /^[A-Za-z0-9+/]{22}==$/.test(key) &&
    version.length === 1 &&
    version[0] === '13' &&
    fieldValues(fields, 'content-length').length === 0 &&
    fieldValues(fields, 'transfer-encoding').length === 0;
  if (!wellFormed) throw new Denial(400, 'the request does not open a WebSocket as RFC 6455 says');
}

/** Throws `Denial` unless the host has accepted what was asked for, and nothing else. */
export function checkAccepted(asked: readonly Field[], answered: readonly Field[]): void {
  const [key = ''] = fieldValues(asked, 'sec-websocket-key');
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  const accepted =
    fieldValues(answered, 'upgrade').join().trim().toLowerCase() === 'websocket' &&
    fieldValues(answered, 'sec-websocket-accept').join().trim() === accept &&
    fieldValues(answered, 'sec-websocket-extensions').length === 0;
  if (!accepted) throw new Denial(502, 'the host does not accept the WebSocket as it was asked for');
}

export interface WebSocketParts {
  readonly sealing: () => ResponseSealer;
  readonly turns: GateTurns;
  /** Makes the context of one message of the server. */
  readonly context: () => RequestContext;
  /** Aborted when the server has gone. */
  readonly gone: AbortSignal;
  /** Called with why a connection was ended. */
  readonly onRefused: (reason: string) => void;
  /** Called with the bytes that a message takes in memory, and takes no more; may throw `Denial`. */
  readonly reserve: (bytes: number) => void;
}

/** Joins both sides. Settles when the connection has ended; never rejects. */
export async function joinWebSocket(server: Duplex, host: Duplex, parts: WebSocketParts): Promise<void> {
  let ended = false;
  /** Ends both sides; the server is told why. */
  const end = (error: unknown): void => {
    if (ended) return;
    ended = true;
    const denied = error instanceof Denial;
    const reason = denied || error instanceof MalformedFrame ? error.message : 'a fault in the gate';
    parts.onRefused(denied ? reason : `its WebSocket cannot be read: ${reason}`);
    closeWith(server, denied ? POLICY_VIOLATION : PROTOCOL_ERROR, `warder: ${reason}`, false);
    closeWith(host, GOING_AWAY, '', true);
  };
  const inward = new Inward(server, parts);
  const outward = new Outward(host, parts);
  await Promise.all([
    pump(host, server, (chunk) => inward.take(chunk), end),
    pump(server, host, (chunk) => outward.take(chunk), end),
  ]);
}

function closeWith(socket: Duplex, code: number, reason: string, masked: boolean): void {
  if (!socket.writable) return;
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  const frame = writeFrame(
    CLOSE,
    true,
    Buffer.concat([payload, Buffer.from(reason).subarray(0, MAX_REASON)]),
    masked,
  );
  socket.end(frame);
  setTimeout(() => socket.destroy(), LINGER).unref();
}

/** Milliseconds for the other side to read why it is closed. */
const LINGER = 1000;

/** Hands over one side's bytes, one piece after the other, and passes its end on. */
async function pump(
  from: Duplex,
  to: Duplex,
  take: (chunk: Buffer) => Promise<void>,
  fail: (error: unknown) => void,
): Promise<void> {
  try {
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      await take(chunk as Buffer);
      if (to.destroyed || to.writableEnded) break;
    }
    to.end();
  } catch (error) {
    if (error instanceof Denial || error instanceof MalformedFrame) fail(error);
    else to.destroy();
  }
  if (from.destroyed) to.destroy();
}

/** Writes, and waits while the other side does not read. */
async function write(to: Duplex, bytes: Buffer): Promise<void> {
  if (!to.writable || to.write(bytes)) return;
  await new Promise<void>((resolve) => {
    to.once('drain', resolve);
    to.once('close', resolve);
  });
}

/** From the host to the server. */
class Inward {
  readonly #to: Duplex;
  readonly #parts: WebSocketParts;
  readonly #reader = new FrameReader(false);
  #message: ByteTransform | undefined;
  /** The message's opcode has been written. */
  #begun = false;

  constructor(to: Duplex, parts: WebSocketParts) {
    this.#to = to;
    this.#parts = parts;
  }

  async take(chunk: Buffer): Promise<void> {
    const { turns } = this.#parts;
    for (let at = 0; at < chunk.length; at += BUDGETS.slice) {
      const frames = await turns.slice(() =>
        this.#reader.push(chunk.subarray(at, at + BUDGETS.slice)).map((each) => this.#seal(each)),
      );
      await write(this.#to, Buffer.concat(frames));
    }
  }

  #seal(received: Received): Buffer {
    const { sealing } = this.#parts;
    if (received.kind === 'control') {
      const transform = sealing().transform(true);
      const payload = Buffer.concat([...transform.push(received.payload), ...transform.flush()]);
      return writeFrame(received.opcode, true, payload, false);
    }
    const { opcode, piece, first, last } = received;
    if (first) {
      this.#message = sealWithLatest(sealing, false);
      this.#begun = false;
    }
    const message = this.#message ?? sealWithLatest(sealing, false);
    const sealed = Buffer.concat([...message.push(piece), ...(last ? message.flush() : [])]);
    if (sealed.length === 0 && !last) return sealed;
    const begins = !this.#begun;
    this.#begun = true;
    return writePiece(opcode, begins, last, sealed, false);
  }
}

/** From the server to the host. */
class Outward {
  readonly #to: Duplex;
  readonly #parts: WebSocketParts;
  readonly #reader = new FrameReader(true);
  /** A text that is not complete yet, while it is short. */
  #pieces: Buffer[] | undefined;
  #length = 0;
  #search: ByteTransform | undefined;
  #begun = false;

  constructor(to: Duplex, parts: WebSocketParts) {
    this.#to = to;
    this.#parts = parts;
  }

  async take(chunk: Buffer): Promise<void> {
    const { turns } = this.#parts;
    for (let at = 0; at < chunk.length; at += BUDGETS.slice) {
      const received = await turns.slice(() => this.#reader.push(chunk.subarray(at, at + BUDGETS.slice)));
      for (const each of received) await write(this.#to, await turns.slice(() => this.#replace(each)));
    }
  }

  #replace(received: Received): Buffer | Promise<Buffer> {
    const { context, reserve } = this.#parts;
    if (received.kind === 'control') {
      const [found] = context().finder.find(received.payload);
      if (found !== undefined) throw context().denyMisplaced(found.index, 'it is in a control frame');
      return writeFrame(received.opcode, true, received.payload, true);
    }
    const { opcode, piece, first, last } = received;
    if (first) {
      this.#begun = false;
      this.#length = 0;
      this.#search = undefined;
      this.#pieces = opcode === TEXT ? [] : undefined;
    }
    this.#length += piece.length;
    if (this.#pieces !== undefined) {
      reserve(piece.length);
      this.#pieces.push(piece);
      if (!last && this.#length <= BUDGETS.bufferedBody) return Buffer.alloc(0);
      const text = Buffer.concat(this.#pieces);
      this.#pieces = undefined;
      reserve(-text.length);
      if (last) return this.#replaceWhole(text, context());
      return this.#searchPiece(opcode, text, false);
    }
    return this.#searchPiece(opcode, piece, last);
  }

  /** A message that was read as a whole. What a person has to confirm is waited for. */
  async #replaceWhole(text: Buffer, context: RequestContext): Promise<Buffer> {
    const { gone, turns } = this.#parts;
    const replace = (): Promise<Buffer> => turns.slice(() => replaceInJson(text, context));
    await context.confirm(await context.rehearse(async () => void (await replace())), gone);
    return writeFrame(TEXT, true, await replace(), true);
  }

  /** A piece of a message that is not read as a whole: no placeholder may be in it. */
  #searchPiece(opcode: number, piece: Buffer, last: boolean): Buffer {
    const context = this.#parts.context();
    this.#search ??= context.finder.stream(({ index }) => {
      throw context.denyMisplaced(index, 'it is in a message that is not JSON, or too long');
    });
    const searched = Buffer.concat([...this.#search.push(piece), ...(last ? this.#search.flush() : [])]);
    if (searched.length === 0 && !last) return searched;
    const begins = !this.#begun;
    this.#begun = true;
    return writePiece(opcode, begins, last, searched, true);
  }
}

// Reads the first message of a TLS client, so that the gate knows which name a server means before any byte leaves.
// RFC 8446 4.1.2 and 5.1 (the message and its records), RFC 6066 3 (the name), RFC 7301 3.1 (the protocols). What two
// readers could read differently is broken: here and at the far end the hello must say the same.

/** What the bytes that came so far are. Once it is not `more`, further bytes change nothing. */
export type Hello =
  | { readonly kind: 'more' }
  /** No TLS. */
  | { readonly kind: 'other' }
  | { readonly kind: 'broken'; readonly why: string }
  /** `name` is in lower case and without the root's dot; `protocols` in the client's order. */
  | { readonly kind: 'hello'; readonly name: string | undefined; readonly protocols: readonly string[] };

/** No hello is longer, its records' heads included. */
export const MAX_HELLO = 65_536;
/** No hello comes in more records: each look at a hello that comes in pieces walks over all of them. */
const MAX_RECORDS = 2048;
const MAX_RECORD = 16_384;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const PROTOCOLS = 16;

/** Lengths that do not fit, and what must not be. */
class Broken extends Error {}

/** Reads all bytes of a connection so far. Never throws. */
export function readHello(bytes: Buffer): Hello {
  try {
    const message = assemble(bytes);
    return message instanceof Uint8Array ? parse(message) : message;
  } catch (error) {
    if (error instanceof Broken) return { kind: 'broken', why: error.message };
    throw error;
  }
}

/** The body of the hello, out of its records. */
function assemble(bytes: Buffer): Buffer | Hello {
  if (bytes.length === 0) return { kind: 'more' };
  if (bytes[0] !== HANDSHAKE || (bytes.length > 1 && bytes[1] !== 3)) return { kind: 'other' };
  const pieces: Buffer[] = [];
  let records = 0;
  let offset = 0;
  let had = 0;
  let head = Buffer.alloc(0);
  while (offset + 5 <= bytes.length) {
    if (bytes[offset] !== HANDSHAKE || bytes[offset + 1] !== 3)
      throw new Broken('another record inside the hello');
    const length = bytes.readUInt16BE(offset + 3);
    if (length === 0 || length > MAX_RECORD) throw new Broken('a record of a wrong length');
    records += 1;
    if (records > MAX_RECORDS) throw new Broken('too many records');
    const piece = bytes.subarray(offset + 5, offset + 5 + length);
    pieces.push(piece);
    had += piece.length;
    // The message's own head may itself be cut over records.
    if (head.length < 4) head = Buffer.concat([head, piece.subarray(0, 4 - head.length)]);
    if (head.length > 0 && head[0] !== CLIENT_HELLO)
      throw new Broken('a handshake that begins with no hello');
    offset += 5 + length;
    if (head.length === 4) {
      const whole = 4 + head.readUIntBE(1, 3);
      if (whole > MAX_HELLO || offset > MAX_HELLO) throw new Broken('too long');
      // It ends where its record ends (RFC 8446 5.1): what would come behind it is no part of this flight.
      if (had > whole || (had === whole && offset > bytes.length))
        throw new Broken('something behind the hello');
      if (had === whole) return Buffer.concat(pieces).subarray(4);
    }
  }
  if (bytes.length >= MAX_HELLO) throw new Broken('too long');
  return { kind: 'more' };
}

function parse(message: Buffer): Hello {
  const hello = new Reader(message);
  if (hello.take(2)[0] !== 3) throw new Broken('an unknown version');
  hello.take(32);
  if (hello.block(1).length > 32) throw new Broken('a session id that is too long');
  const suites = hello.block(2).length;
  if (suites === 0 || suites % 2 !== 0) throw new Broken('cipher suites of a wrong length');
  if (hello.block(1).length === 0) throw new Broken('no compression method');
  let name: string | undefined;
  let protocols: readonly string[] = [];
  if (!hello.done) {
    const extensions = new Reader(hello.block(2));
    hello.end();
    const seen = new Set<number>();
    while (!extensions.done) {
      const type = extensions.take(2).readUInt16BE();
      const data = extensions.block(2);
      if (seen.has(type)) throw new Broken('an extension that is there twice');
      seen.add(type);
      if (type === SERVER_NAME) name = serverName(data);
      if (type === PROTOCOLS) protocols = protocolNames(data);
    }
  }
  return { kind: 'hello', name, protocols };
}

/** RFC 6066 3: a list of one name. No other type of name was ever given out. */
function serverName(data: Buffer): string {
  const extension = new Reader(data);
  const list = new Reader(extension.block(2));
  extension.end();
  const [type] = list.take(1);
  const name = list.block(2).toString('latin1');
  if (type !== 0 || !list.done) throw new Broken('more than one name, or no name of a host');
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,253}$/.test(name)) throw new Broken('a name that is none');
  return name.replace(/\.$/, '').toLowerCase();
}

function protocolNames(data: Buffer): readonly string[] {
  const extension = new Reader(data);
  const list = new Reader(extension.block(2));
  extension.end();
  const names: string[] = [];
  while (!list.done) {
    const name = list.block(1);
    if (name.length === 0) throw new Broken('a protocol without a name');
    names.push(name.toString('latin1'));
  }
  if (names.length === 0) throw new Broken('no protocol where some are announced');
  return names;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new Broken('a length that does not fit');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Bytes with their length in front, a number of `size` bytes. */
  block(size: 1 | 2): Buffer {
    return this.take(this.take(size).readUIntBE(0, size));
  }

  end(): void {
    if (!this.done) throw new Broken('bytes behind the end');
  }
}

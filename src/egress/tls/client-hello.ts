// Reads the first message of a TLS client, so that the gate knows which name a server means before any byte leaves.
// RFC 8446 4.1.2 and 5.1 (the message and its records), RFC 6066 3 (the name), RFC 7301 3.1 (the protocols). What two
// readers could read differently is malformed: the hello must mean the same here and at the far end.

/** The result of reading the bytes so far. Once it is not `incomplete`, further bytes change nothing. */
export type ClientHello =
  | { readonly kind: 'incomplete' }
  /** Not TLS. */
  | { readonly kind: 'not-tls' }
  | { readonly kind: 'malformed'; readonly reason: string }
  /** `name` is in lower case and without the root's dot; `protocols` in the client's order. */
  | { readonly kind: 'hello'; readonly name: string | undefined; readonly protocols: readonly string[] };

/** The longest hello, the headers of its records included. */
const MAX_CLIENT_HELLO = 65_536;
/** The most records of a hello: each reading of an incomplete hello walks over all of them. */
const MAX_RECORDS = 2048;
const MAX_RECORD = 16_384;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const PROTOCOLS = 16;

/** A length that does not fit, or something that is not allowed. */
class MalformedHello extends Error {}

/** Reads all bytes of a connection so far. Never throws. */
export function parseClientHello(bytes: Buffer): ClientHello {
  try {
    const message = assembleRecords(bytes);
    return message instanceof Uint8Array ? parseMessage(message) : message;
  } catch (error) {
    if (error instanceof MalformedHello) return { kind: 'malformed', reason: error.message };
    throw error;
  }
}

/** The body of the hello, taken out of its records. */
function assembleRecords(bytes: Buffer): Buffer | ClientHello {
  if (bytes.length === 0) return { kind: 'incomplete' };
  if (bytes[0] !== HANDSHAKE || (bytes.length > 1 && bytes[1] !== 3)) return { kind: 'not-tls' };
  const pieces: Buffer[] = [];
  let records = 0;
  let offset = 0;
  let had = 0;
  let head = Buffer.alloc(0);
  while (offset + 5 <= bytes.length) {
    if (bytes[offset] !== HANDSHAKE || bytes[offset + 1] !== 3)
      throw new MalformedHello('another record inside the hello');
    const length = bytes.readUInt16BE(offset + 3);
    if (length === 0 || length > MAX_RECORD) throw new MalformedHello('a record with a wrong length');
    records += 1;
    if (records > MAX_RECORDS) throw new MalformedHello('too many records');
    const piece = bytes.subarray(offset + 5, offset + 5 + length);
    pieces.push(piece);
    had += piece.length;
    // The message's own header may itself be split over records.
    if (head.length < 4) head = Buffer.concat([head, piece.subarray(0, 4 - head.length)]);
    if (head.length > 0 && head[0] !== CLIENT_HELLO)
      throw new MalformedHello('a handshake that does not begin with a hello');
    offset += 5 + length;
    if (head.length === 4) {
      const whole = 4 + head.readUIntBE(1, 3);
      if (whole > MAX_CLIENT_HELLO || offset > MAX_CLIENT_HELLO) throw new MalformedHello('too long');
      // It ends where its record ends (RFC 8446 5.1): what follows is not part of this flight.
      if (had > whole || (had === whole && offset > bytes.length))
        throw new MalformedHello('data after the hello');
      if (had === whole) return Buffer.concat(pieces).subarray(4);
    }
  }
  if (bytes.length >= MAX_CLIENT_HELLO) throw new MalformedHello('too long');
  return { kind: 'incomplete' };
}

function parseMessage(message: Buffer): ClientHello {
  const hello = new Reader(message);
  if (hello.take(2)[0] !== 3) throw new MalformedHello('an unknown version');
  hello.take(32);
  if (hello.block(1).length > 32) throw new MalformedHello('a session id that is too long');
  const suites = hello.block(2).length;
  if (suites === 0 || suites % 2 !== 0) throw new MalformedHello('cipher suites with a wrong length');
  if (hello.block(1).length === 0) throw new MalformedHello('no compression method');
  let name: string | undefined;
  let protocols: readonly string[] = [];
  if (!hello.done) {
    const extensions = new Reader(hello.block(2));
    hello.end();
    const seen = new Set<number>();
    while (!extensions.done) {
      const type = extensions.take(2).readUInt16BE();
      const data = extensions.block(2);
      if (seen.has(type)) throw new MalformedHello('an extension that occurs twice');
      seen.add(type);
      if (type === SERVER_NAME) name = serverName(data);
      if (type === PROTOCOLS) protocols = protocolNames(data);
    }
  }
  return { kind: 'hello', name, protocols };
}

/** RFC 6066 3: a list of one name. No other type of name was ever assigned. */
function serverName(data: Buffer): string {
  const extension = new Reader(data);
  const list = new Reader(extension.block(2));
  extension.end();
  const [type] = list.take(1);
  const name = list.block(2).toString('latin1');
  if (type !== 0 || !list.done) throw new MalformedHello('more than one name, or not a host name');
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,253}$/.test(name)) throw new MalformedHello('an invalid name');
  return name.replace(/\.$/, '').toLowerCase();
}

function protocolNames(data: Buffer): readonly string[] {
  const extension = new Reader(data);
  const list = new Reader(extension.block(2));
  extension.end();
  const names: string[] = [];
  while (!list.done) {
    const name = list.block(1);
    if (name.length === 0) throw new MalformedHello('a protocol without a name');
    names.push(name.toString('latin1'));
  }
  if (names.length === 0) throw new MalformedHello('an empty list of protocols');
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
    if (this.#at + length > this.#bytes.length) throw new MalformedHello('a length that does not fit');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Bytes with their length in front, a number of `size` bytes. */
  block(size: 1 | 2): Buffer {
    return this.take(this.take(size).readUIntBE(0, size));
  }

  end(): void {
    if (!this.done) throw new MalformedHello('bytes after the end');
  }
}

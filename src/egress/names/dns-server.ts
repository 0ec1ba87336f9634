// The only name server that a sandbox has. It knows the listed names and asks nobody else: no question leaves the
// machine, so none carries anything out. RFC 1035 (messages, TCP), RFC 6891 (a client that speaks of EDNS hears of it),
// RFC 7766 (many questions a connection). An answer is hardly longer than its question.
import type { Socket as UdpSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import {
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  RECURSION_AVAILABLE,
} from 'dns-packet';
import type { Names } from './virtual-addresses.ts';

/** What is sent back, if anything is; `refused` is a name that was asked for and is not listed, fit to be shown. */
interface Answer {
  readonly reply: Buffer | undefined;
  readonly refused?: string;
}

const HEAD = 12;
/** Seconds. An address stays a name's own for the whole session; this only keeps clients from asking at each call. */
const TTL = 60;
/** The longest question over UDP (RFC 1035 4.2.1) and over TCP. */
const MAX_UDP = 512;
const MAX_TCP = 4096;
const MAX_CONNECTIONS = 64;
/** Milliseconds in which a connection must ask a whole question. */
const IDLE = 5000;
/** Answers that nobody takes: beyond this many bytes, or datagrams, no more is read. */
const MAX_UNREAD = 65_536;
const MAX_UNSENT = 64;

const NOERROR = 0;
const FORMERR = 1;
const NXDOMAIN = 3;
const NOTIMP = 4;
/** Bits of the head that an answer repeats: the opcode, and that recursion was wished for. */
const KEPT = 0x7900;

/** Answers one question. Any bytes may be given; it never throws. */
export function answer(query: Buffer, names: Names): Answer {
  // To an answer nothing is answered: two servers would talk for ever.
  if (query.length < HEAD || (query.readUInt16BE(2) & 0x8000) !== 0) return { reply: undefined };
  if ((query.readUInt16BE(2) & 0x7800) !== 0) return { reply: bare(query, NOTIMP) };
  const [questions, answers, authorities, more] = [4, 6, 8, 10].map((at) => query.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (more ?? 0) > 2) {
    return { reply: bare(query, FORMERR) };
  }
  const packet = read(query);
  const question = packet?.questions?.[0];
  if (packet === undefined || question === undefined) return { reply: bare(query, FORMERR) };
  const address = names.addressOf(question.name);
  const edns = packet.additionals?.some(({ type }) => type === 'OPT') ?? false;
  const reply = encode({
    type: 'response',
    id: packet.id,
    flags:
      (query.readUInt16BE(2) & KEPT) |
      AUTHORITATIVE_ANSWER |
      RECURSION_AVAILABLE |
      (address === undefined ? NXDOMAIN : NOERROR),
    questions: [question],
    additionals: edns ? [OPT] : [],
  });
  // The question goes back as it came, in its own case. What would not is no name: a dot inside a label, no UTF-8.
  const asked = HEAD + questionLength(question.name);
  const echoes = reply.subarray(HEAD, asked).equals(query.subarray(HEAD, asked));
  if (!echoes) return { reply: bare(query, FORMERR), refused: shown(question.name) };
  if (address === undefined) return { reply, refused: shown(question.name) };
  const wanted = question.type === 'A' && question.class === 'IN';
  return { reply: wanted ? withAddress(reply, asked, address) : reply };
}

/** Serves a session's names on sockets of its network. Disposed of, it closes them and all connections. */
export function serveNames(
  { udp, tcp }: { readonly udp: UdpSocket; readonly tcp: Server },
  names: Names,
  onRefused: (name: string) => void,
): Disposable {
  const open = new Set<Socket>();
  const told = (query: Buffer): Buffer | undefined => {
    const { reply, refused } = answer(query, names);
    if (refused !== undefined) onRefused(refused);
    return reply;
  };
  const datagram = (query: Buffer, { address, port }: { address: string; port: number }): void => {
    if (query.length > MAX_UDP || udp.getSendQueueCount() >= MAX_UNSENT) return;
    const reply = told(query);
    // One who has gone hears no answer; that is no fault of the server.
    if (reply !== undefined) udp.send(reply, port, address, () => {});
  };
  const connection = (socket: Socket): void => {
    socket.on('error', () => {});
    if (open.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    converse(socket, told);
  };
  const fault = (): void => {};
  udp.on('error', fault);
  tcp.on('error', fault);
  udp.on('message', datagram);
  tcp.on('connection', connection);
  let disposed = false;
  return {
    [Symbol.dispose]() {
      if (disposed) return;
      disposed = true;
      udp.off('message', datagram);
      tcp.off('connection', connection);
      udp.close();
      tcp.close(() => {});
      for (const socket of open) socket.destroy();
    },
  };
}

/** Questions with their length in front, one after the other, cut anywhere. */
function converse(socket: Socket, told: (query: Buffer) => Buffer | undefined): void {
  const timer = setTimeout(() => socket.destroy(), IDLE);
  socket.once('close', () => clearTimeout(timer));
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 2) {
      const length = rest.readUInt16BE(0);
      if (length < HEAD || length > MAX_TCP) {
        socket.destroy();
        return;
      }
      if (rest.length < 2 + length) break;
      const reply = told(rest.subarray(2, 2 + length));
      rest = rest.subarray(2 + length);
      timer.refresh();
      if (reply !== undefined) socket.write(Buffer.concat([lengthOf(reply), reply]));
    }
    if (socket.writableLength > MAX_UNREAD) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  // A network's connections come paused, and half-open.
  socket.once('end', () => socket.end());
  socket.resume();
}

const OPT: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: MAX_UDP,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function read(query: Buffer): DecodedPacket | undefined {
  try {
    const packet = decode(query);
    return decode.bytes === query.length ? packet : undefined;
  } catch {
    return undefined;
  }
}

/** An A record behind the question, whose name it points to (RFC 1035 4.1.4): dns-packet would write it out again. */
function withAddress(reply: Buffer, end: number, address: string): Buffer {
  const record = Buffer.from([0xc0, HEAD, 0, 1, 0, 1, 0, 0, 0, TTL, 0, 4, ...address.split('.').map(Number)]);
  reply.writeUInt16BE(1, 6);
  return Buffer.concat([reply.subarray(0, end), record, reply.subarray(end)]);
}

/** A head alone, with nothing but a code. */
function bare(query: Buffer, code: number): Buffer {
  const head = Buffer.alloc(HEAD);
  head.writeUInt16BE(query.readUInt16BE(0), 0);
  head.writeUInt16BE(0x8000 | (query.readUInt16BE(2) & KEPT) | code, 2);
  return head;
}

/** The name, which ends with an empty label, then type and class. */
function questionLength(name: string): number {
  return (name === '.' ? 1 : Buffer.byteLength(name) + 2) + 4;
}

/** Nothing that could steer a terminal, and no more than a name may have. */
function shown(name: string): string {
  return name.replace(/[^\x21-\x7e]/g, '?').slice(0, 253);
}

function lengthOf(reply: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(reply.length);
  return length;
}

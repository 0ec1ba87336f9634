// The only name server of a sandbox. It knows the listed names and forwards nothing: no query leaves the machine, so
// none carries data out. RFC 1035 (messages, TCP), RFC 6891 (a client that speaks EDNS gets an OPT record), RFC 7766
// (many queries on a connection). A response is hardly longer than its query.
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
import { BUDGETS } from '../budgets.ts';
import type { GateTurns } from '../turns.ts';
import type { VirtualAddresses } from './virtual-addresses.ts';

/**
 * What is sent back, if anything is; `refusedName` is a name that was asked for and is not listed, made safe to show,
 * and `refusedType` the type of record.
 */
interface QueryResult {
  readonly reply: Buffer | undefined;
  readonly refusedName?: string;
  readonly refusedType?: string;
}

const HEADER_SIZE = 12;
/** Seconds. An address belongs to a name for the whole session; this only keeps clients from asking at each call. */
const TTL = 60;
/** The longest query over UDP (RFC 1035 4.2.1) and over TCP. */
const MAX_UDP = 512;
const MAX_TCP = 4096;

/** The kinds of address. */
const BOTH = new Set(['A', 'AAAA']);

const NOERROR = 0;
const FORMERR = 1;
const NXDOMAIN = 3;
const NOTIMP = 4;
/** Header bits that a response repeats: the opcode, and that recursion was desired. */
const ECHOED_FLAGS = 0x7900;

/** Answers one query. It accepts any bytes and never throws. */
export function answerQuery(query: Buffer, addresses: VirtualAddresses): QueryResult {
  // A response gets no response: two servers would talk for ever.
  if (query.length < HEADER_SIZE || (query.readUInt16BE(2) & 0x8000) !== 0) return { reply: undefined };
  if ((query.readUInt16BE(2) & 0x7800) !== 0) return { reply: headerOnly(query, NOTIMP) };
  const [questions, answers, authorities, more] = [4, 6, 8, 10].map((at) => query.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (more ?? 0) > 2) {
    return { reply: headerOnly(query, FORMERR) };
  }
  const packet = decodeQuery(query);
  const question = packet?.questions?.[0];
  if (packet === undefined || question === undefined) return { reply: headerOnly(query, FORMERR) };
  const address = addresses.addressOf(question.name);
  const edns = packet.additionals?.some(({ type }) => type === 'OPT') ?? false;
  const reply = encode({
    type: 'response',
    id: packet.id,
    flags:
      (query.readUInt16BE(2) & ECHOED_FLAGS) |
      AUTHORITATIVE_ANSWER |
      RECURSION_AVAILABLE |
      (address === undefined ? NXDOMAIN : NOERROR),
    questions: [question],
    additionals: edns ? [OPT] : [],
  });
  // The question goes back as it came, in its own case. A name that would not is invalid: a dot inside a label, no
  // UTF-8.
  const questionEnd = HEADER_SIZE + questionLength(question.name);
  const echoes = reply.subarray(HEADER_SIZE, questionEnd).equals(query.subarray(HEADER_SIZE, questionEnd));
  const refused = { refusedName: printable(question.name), refusedType: question.type };
  if (!echoes) return { reply: headerOnly(query, FORMERR), ...refused };
  if (address === undefined) return { reply, ...refused };
  const asksForAddress = question.type === 'A' && question.class === 'IN';
  return { reply: asksForAddress ? withAddressRecord(reply, questionEnd, address) : reply };
}

/** Serves a session's names on sockets of its network. Disposing it closes them and all connections. */
export function serveDns(
  { udp, tcp }: { readonly udp: UdpSocket; readonly tcp: Server },
  addresses: VirtualAddresses,
  turns: GateTurns,
  onRefused: (name: string) => void,
): Disposable {
  const open = new Set<Socket>();
  /** A refused query for one kind of address, whose other kind was not looked up yet. */
  let last: { readonly name: string; readonly type: string } | undefined;
  const respond = (query: Buffer): Buffer | undefined => {
    const { reply, refusedName, refusedType = '' } = answerQuery(query, addresses);
    if (refusedName === undefined) return reply;
    // Programs look up both kinds of address at once: that is one refusal.
    const isSecond = last?.name === refusedName && last.type !== refusedType && BOTH.has(refusedType);
    last = isSecond || !BOTH.has(refusedType) ? undefined : { name: refusedName, type: refusedType };
    if (!isSecond) onRefused(refusedName);
    return reply;
  };
  const datagram = (query: Buffer, { address, port }: { address: string; port: number }): void => {
    if (query.length > MAX_UDP || udp.getSendQueueCount() >= BUDGETS.dnsUnsent) return;
    const reply = respond(query);
    // The client may have gone; that is not the server's failure.
    if (reply !== undefined) udp.send(reply, port, address, () => {});
  };
  const connection = (socket: Socket): void => {
    socket.on('error', () => {});
    if (open.size >= BUDGETS.dnsConnections) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    turns.watch(socket);
    serveTcp(socket, turns, respond);
  };
  const fault = (): void => {};
  turns.watch(udp);
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

/** Queries with their length in front, one after the other, in chunks cut anywhere. A chunk of many is answered in slices. */
function serveTcp(socket: Socket, turns: GateTurns, respond: (query: Buffer) => Buffer | undefined): void {
  const timer = setTimeout(() => socket.destroy(), BUDGETS.dnsQuery);
  socket.once('close', () => clearTimeout(timer));
  let rest: Buffer = Buffer.alloc(0);
  let waiting = false;
  const answer = (): void => {
    waiting = false;
    const replies: Buffer[] = [];
    for (let count = 0; rest.length >= 2 && !socket.destroyed; count++) {
      const length = rest.readUInt16BE(0);
      if (length < HEADER_SIZE || length > MAX_TCP) {
        socket.destroy();
        return;
      }
      if (rest.length < 2 + length) break;
      if (count === BUDGETS.dnsQueries) {
        waiting = true;
        break;
      }
      const reply = respond(rest.subarray(2, 2 + length));
      rest = rest.subarray(2 + length);
      timer.refresh();
      if (reply !== undefined) replies.push(lengthPrefix(reply), reply);
    }
    if (replies.length > 0 && !socket.destroyed) socket.write(Buffer.concat(replies));
    if (waiting) turns.run(answer);
    else if (socket.writableLength <= BUDGETS.dnsUnread) socket.resume();
  };
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    socket.pause();
    waiting = true;
    turns.run(answer);
  });
  socket.on('drain', () => {
    if (!waiting) socket.resume();
  });
  // A network's connections come paused and half-open.
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

function decodeQuery(query: Buffer): DecodedPacket | undefined {
  try {
    const packet = decode(query);
    return decode.bytes === query.length ? packet : undefined;
  } catch {
    return undefined;
  }
}

/**
 * An A record behind the question, pointing to its name (RFC 1035 4.1.4): dns-packet would write the name out again.
 */
function withAddressRecord(reply: Buffer, end: number, address: string): Buffer {
  const record = Buffer.from([
    0xc0,
    HEADER_SIZE,
    0,
    1,
    0,
    1,
    0,
    0,
    0,
    TTL,
    0,
    4,
    ...address.split('.').map(Number),
  ]);
  reply.writeUInt16BE(1, 6);
  return Buffer.concat([reply.subarray(0, end), record, reply.subarray(end)]);
}

/** A header alone, with nothing but a response code. */
function headerOnly(query: Buffer, code: number): Buffer {
  const head = Buffer.alloc(HEADER_SIZE);
  head.writeUInt16BE(query.readUInt16BE(0), 0);
  head.writeUInt16BE(0x8000 | (query.readUInt16BE(2) & ECHOED_FLAGS) | code, 2);
  return head;
}

/** The name, which ends with an empty label, then type and class. */
function questionLength(name: string): number {
  return (name === '.' ? 1 : Buffer.byteLength(name) + 2) + 4;
}

/** Replaces what could steer a terminal, and cuts to the length of a name. */
function printable(name: string): string {
  return name.replace(/[^\x21-\x7e]/g, '?').slice(0, 253);
}

function lengthPrefix(reply: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(reply.length);
  return length;
}

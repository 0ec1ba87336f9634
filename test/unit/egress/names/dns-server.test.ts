import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as net from 'node:net';
import { Duplex } from 'node:stream';
import { decode, encode, RECURSION_DESIRED, type RecordType } from 'dns-packet';
import { describe, expect, test, vi } from 'vitest';
import { Allowlist } from '../../../../src/egress/allowlist.ts';
import { answerQuery, serveDns } from '../../../../src/egress/names/dns-server.ts';
import { VirtualAddresses } from '../../../../src/egress/names/virtual-addresses.ts';
import { GateTurns } from '../../../../src/egress/turns.ts';
import { clock } from '../../../../src/os/clock.ts';
import { silentLog } from '../../../fixtures/gate.ts';
import { bindBoth } from '../../../fixtures/resolver.ts';

const make = (): VirtualAddresses =>
  new VirtualAddresses(new Allowlist(['api.test', '*.wild.test', 'localhost']));
const ask = (name: string, type: string = 'A', more: object = {}): Buffer =>
  encode({
    type: 'query',
    id: 4711,
    flags: RECURSION_DESIRED,
    questions: [{ type: type as RecordType, name, class: 'IN' }],
    ...more,
  });
/** A query whose labels are these bytes. */
const raw = (...labels: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    ask('.').subarray(0, 12),
    ...labels.flatMap((label) => [Buffer.of(Buffer.from(label).length), Buffer.from(label)]),
    Buffer.of(0, 0, 1, 0, 1),
  ]);
const rcode = (reply: Buffer | undefined): number => (reply?.readUInt16BE(2) ?? -1) & 15;
const NXDOMAIN = 3;

describe('answers', () => {
  test('an address for a listed name, with the question unchanged', () => {
    const query = ask('aPi.TeSt');
    const { reply, refusedName } = answerQuery(query, make());
    expect(refusedName).toBeUndefined();
    const read = decode(reply ?? Buffer.alloc(0));
    expect(read).toMatchObject({
      id: 4711,
      type: 'response',
      flag_rd: true,
      flag_ra: true,
      flag_aa: true,
      flag_tc: false,
    });
    expect(read.questions).toEqual([{ name: 'aPi.TeSt', type: 'A', class: 'IN' }]);
    expect(read.answers).toEqual([
      { name: 'aPi.TeSt', type: 'A', class: 'IN', ttl: 60, flush: false, data: '127.1.0.1' },
    ]);
    expect(decode.bytes).toBe(reply?.length);
    expect(reply?.length).toBe(query.length + 16);
  });

  test.each(['AAAA', 'UNKNOWN_65', 'TXT', 'MX', 'ANY', 'AXFR', 'CNAME', 'PTR', 'UNKNOWN_777'])(
    'nothing for %s of a listed name',
    (type) => {
      const { reply, refusedName } = answerQuery(ask('api.test', type), make());
      expect(refusedName).toBeUndefined();
      expect(rcode(reply)).toBe(0);
      expect(decode(reply ?? Buffer.alloc(0)).answers).toEqual([]);
    },
  );

  test.each([
    'other.test',
    'x.api.test',
    'wild.test',
    '4.3.2.1.in-addr.arpa',
    'c2VjcmV0.evil.test',
    '_dns.resolver.arpa',
  ])('%s is not listed: it does not exist, and is reported [W-EGR-2]', (name) => {
    for (const type of ['A', 'AAAA', 'TXT', 'UNKNOWN_65']) {
      const { reply, refusedName } = answerQuery(ask(name, type), make());
      expect(rcode(reply)).toBe(NXDOMAIN);
      expect(refusedName).toBe(name);
      expect(decode(reply ?? Buffer.alloc(0)).answers).toEqual([]);
    }
  });

  test('the root is not listed [W-EGR-2]', () => {
    const { reply, refusedName } = answerQuery(ask('.', 'NS'), make());
    expect([rcode(reply), refusedName]).toEqual([NXDOMAIN, '.']);
  });

  test('only a client that speaks EDNS gets an OPT record', () => {
    const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096, options: [] };
    const { reply } = answerQuery(ask('api.test', 'A', { additionals: [opt] }), make());
    const read = decode(reply ?? Buffer.alloc(0));
    expect(read.answers).toMatchObject([{ data: '127.1.0.1' }]);
    expect(read.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 512 }]);
    expect(decode(answerQuery(ask('api.test'), make()).reply ?? Buffer.alloc(0)).additionals).toEqual([]);
  });

  test('the longest name fits into a datagram', () => {
    const label = 'a'.repeat(63);
    const name = `${label}.${label}.${label}.${'b'.repeat(51)}.wild.test`;
    expect(name).toHaveLength(253);
    const { reply } = answerQuery(
      ask(name, 'A', { additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 4096, options: [] }] }),
      make(),
    );
    expect(decode(reply ?? Buffer.alloc(0)).answers).toMatchObject([{ name, data: '127.1.0.2' }]);
    expect(reply?.length).toBeLessThan(512);
  });
});

describe('what is not a query [W-EGR-2]', () => {
  const changed = (at: number, value: number): Buffer => {
    const query = ask('api.test');
    query.writeUInt16BE(value, at);
    return query;
  };
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['half a head', ask('api.test').subarray(0, 11)],
    ['an answer', changed(2, 0x8180)],
  ])('%s is dropped', (_name, query) => expect(answerQuery(query, make())).toEqual({ reply: undefined }));

  test.each([
    ['a notify', changed(2, 0x2000), 4],
    ['an update', changed(2, 0x2800), 4],
    ['no question', changed(4, 0), 1],
    ['two questions', changed(4, 2), 1],
    ['65535 questions', changed(4, 65535), 1],
    ['an answer beside it', changed(6, 1), 1],
    ['an authority beside it', changed(8, 1), 1],
    ['65535 more records', changed(10, 65535), 1],
    ['a record that is not there', changed(10, 1), 1],
    ['something behind it', Buffer.concat([ask('api.test'), Buffer.of(0)]), 1],
    ['a cut one', ask('api.test').subarray(0, -1), 1],
    ['a pointer for a name', Buffer.concat([ask('.').subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)]), 1],
  ])('%s gets a header with a response code', (_name, query, code) => {
    const { reply, refusedName } = answerQuery(query, make());
    expect(refusedName).toBeUndefined();
    expect(rcode(reply)).toBe(code);
    expect(reply).toHaveLength(12);
    expect(reply?.readUInt16BE(0)).toBe(4711);
  });

  test.each([
    [
      'a pointer into the head',
      Buffer.concat([ask('.').subarray(0, 12), Buffer.of(0xc0, 4, 0, 1, 0, 1)]),
      '.',
    ],
    ['a dot inside a label', raw('api.test'), 'api.test'],
    ['a dot inside a label of a wildcard', raw('x.wild', 'test'), 'x.wild.test'],
    ['bytes that are no text', raw(Buffer.of(0xff, 0xfe), 'wild', 'test'), '??.wild.test'],
    ['a line feed', raw('a\n.', 'wild', 'test'), 'a?..wild.test'],
  ])('%s gets no address, and is reported', (_name, query, name) => {
    const { reply, refusedName } = answerQuery(query, make());
    expect(rcode(reply)).toBe(1);
    expect(reply).toHaveLength(12);
    expect(refusedName).toBe(name);
  });

  test('what is reported cannot steer a terminal, and is no longer than a name', () => {
    expect(answerQuery(raw('a\x1b[31m', '\u202etest'), make()).refusedName).toBe('a?[31m.?test');
    expect(answerQuery(raw('\u212Aey', 'wild', 'test'), make()).refusedName).toBe('?ey.wild.test');
    const long = raw(...Array.from({ length: 126 }, () => '\x01'));
    expect(answerQuery(long, make()).refusedName?.length).toBeLessThanOrEqual(253);
  });

  test('a class other than IN has no addresses', () => {
    const query = ask('api.test');
    query.writeUInt16BE(3, query.length - 2);
    const { reply } = answerQuery(query, make());
    expect(rcode(reply)).toBe(0);
    expect(decode(reply ?? Buffer.alloc(0)).answers).toEqual([]);
  });
});

/** A server on loopback with its clients. */
async function serve() {
  // As a network's sockets are.
  const { udp, tcp } = await bindBoth({ allowHalfOpen: true, pauseOnConnect: true });
  const { port } = udp.address();
  const refused: string[] = [];
  const serving = serveDns(
    { udp, tcp },
    make(),
    new GateTurns({ session: 's', profile: 'p', clock, log: silentLog }),
    (name) => refused.push(name),
  );
  const dial = async (): Promise<net.Socket> => {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  return { serving, tcp, port, refused, dial, [Symbol.dispose]: () => serving[Symbol.dispose]() };
}
const framed = (query: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  return Buffer.concat([length, query]);
};
/** Reads `count` responses. */
async function readResponses(socket: net.Socket, count: number): Promise<Buffer[]> {
  const found: Buffer[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE()) {
      found.push(rest.subarray(2, 2 + rest.readUInt16BE()));
      rest = rest.subarray(2 + rest.readUInt16BE());
    }
    if (found.length >= count) break;
  }
  return found;
}

describe('served', () => {
  test('[W-EGR-11] a chunk of many queries is answered in order', async () => {
    using server = await serve();
    const socket = await server.dial();
    const queries = Array.from({ length: 1000 }, (_, id) => {
      const query = ask('api.test');
      query.writeUInt16BE(id, 0);
      return framed(query);
    });
    socket.write(Buffer.concat(queries));
    const answers = await readResponses(socket, 1000);
    expect(answers.map((answer) => answer.readUInt16BE(0))).toEqual(queries.map((_, id) => id));
    socket.destroy();
  });

  test('over UDP; junk and long queries are ignored [W-EGR-2] [W-EGR-7]', async () => {
    using server = await serve();
    const client = dgram.createSocket('udp4');
    const junk = [Buffer.alloc(0), Buffer.alloc(513), Buffer.concat([ask('long.test'), Buffer.alloc(1000)])];
    for (const query of [...junk, ask('other.test'), ask('api.test')])
      client.send(query, server.port, '127.0.0.1');
    const codes: number[] = [];
    while (codes.length < 2) codes.push(rcode((await once(client, 'message'))[0]));
    expect(codes).toEqual([NXDOMAIN, 0]);
    expect(server.refused).toEqual(['other.test']);
    client.close();
  });

  test('over TCP, many queries on a connection, cut anywhere', async () => {
    using server = await serve();
    const socket = await server.dial();
    const bytes = Buffer.concat(
      [ask('api.test'), ask('no.test'), ask('a.wild.test'), ask('b.wild.test')].map(framed),
    );
    const answers = readResponses(socket.setNoDelay(), 4);
    for (const byte of bytes) socket.write(Buffer.of(byte));
    expect((await answers).map((one) => decode(one).answers?.[0])).toMatchObject(
      [{ data: '127.1.0.1' }, {}, { data: '127.1.0.2' }, { data: '127.1.0.3' }].map((one) =>
        'data' in one ? one : undefined,
      ),
    );
    socket.write(Buffer.concat(Array.from({ length: 1000 }, () => framed(ask('api.test')))));
    expect(await readResponses(socket, 1000)).toHaveLength(1000);
    expect(server.refused).toEqual(['no.test']);
    socket.destroy();
  });

  test('over TCP, a client that has ended its side gets its response, and the connection ends', async () => {
    using server = await serve();
    const socket = await server.dial();
    const ended = once(socket, 'close');
    socket.end(framed(ask('api.test')));
    expect((await readResponses(socket, 1)).map(rcode)).toEqual([0]);
    socket.resume();
    await ended;
  });

  test.each([
    ['one that is too long', Buffer.of(0x10, 1)],
    ['one that is too short', Buffer.of(0, 11)],
  ])('%s ends the connection [W-EGR-7]', async (_name, bytes) => {
    using server = await serve();
    const socket = (await server.dial()).resume();
    socket.write(bytes);
    await once(socket, 'close');
  });

  test('64 connections at once, and more when these end [W-EGR-7]', async () => {
    using server = await serve();
    const sockets = await Promise.all(Array.from({ length: 70 }, async () => (await server.dial()).resume()));
    await expect.poll(() => sockets.filter(({ closed }) => closed).length).toBe(6);
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(async () => {
        const socket = await server.dial();
        socket.write(framed(ask('api.test')));
        const [reply] = await readResponses(socket, 1).catch(() => []);
        socket.destroy();
        return rcode(reply);
      })
      .toBe(0);
  });

  test('a client that reads no responses is not read from for ever [W-EGR-7]', async () => {
    using server = await serve();
    const held: (() => void)[] = [];
    const stuck = new Duplex({ read() {}, write: (_chunk, _encoding, done) => void held.push(done) });
    server.tcp.emit('connection', stuck);
    const flood = Buffer.concat(Array.from({ length: 3000 }, () => framed(ask('no.test'))));
    for (let round = 0; round < 50; round++) {
      stuck.push(flood);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stuck.isPaused()).toBe(true);
    expect(server.refused.length).toBeLessThan(3 * 3000);
    expect(stuck.writableLength).toBeLessThan(300_000);
    // It goes on when they are read.
    const before = server.refused.length;
    while (stuck.writableLength > 0) for (const done of held.splice(0)) done();
    await expect.poll(() => server.refused.length).toBeGreaterThan(before);
    stuck.destroy();
  });

  test('a client without a whole query in five seconds is closed, however slowly it sends [W-EGR-7]', async () => {
    using server = await serve();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const client = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      server.tcp.emit('connection', client);
      const push = async (bytes: Buffer, ms: number): Promise<void> => {
        client.push(bytes);
        await new Promise((resolve) => setImmediate(resolve));
        vi.advanceTimersByTime(ms);
      };
      await push(framed(ask('api.test')), 4900);
      await push(framed(ask('api.test')), 4900);
      expect(client.destroyed).toBe(false);
      for (let at = 0; at < 5; at++) await push(Buffer.of(0, 40).subarray(at === 0 ? 0 : 1), 30);
      expect(client.destroyed).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  test('nothing is left when it is closed', async () => {
    const server = await serve();
    const socket = (await server.dial()).resume();
    server.serving[Symbol.dispose]();
    server.serving[Symbol.dispose]();
    if (!socket.closed) await once(socket, 'close');
    await expect(server.dial()).rejects.toThrow('ECONNREFUSED');
  });
});

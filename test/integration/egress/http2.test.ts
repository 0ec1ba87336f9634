// HTTP/2 through the gate, against servers that want the secret. What is the same for all versions of HTTP is tested in
// gate.test.ts.
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { TestGate } from '../../fixtures/gate.ts';
import { ECHOES } from '../../fixtures/upstream.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';

interface Response {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: string;
  readonly code: number;
}

/** One request, by its own connection. */
async function ask(
  gate: TestGate,
  headers: http2.OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Response> {
  const session = await gate.http2();
  try {
    return await send(session, headers, body);
  } finally {
    session.destroy();
  }
}

async function send(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Response> {
  const stream = session.request(headers, { endStream: body === undefined });
  stream.on('error', () => {});
  if (body !== undefined) stream.end(body);
  let received: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders = {};
  stream.once('response', (given) => {
    received = given;
  });
  stream.once('trailers', (given) => {
    trailers = given;
  });
  const said = await text(stream).catch(() => '');
  if (!stream.closed) await once(stream, 'close');
  const status = Number(received[':status'] ?? 0);
  return { status, headers: received, trailers, body: said, code: stream.rstCode ?? 0 };
}

function expectNoSecret(told: unknown): void {
  const all = JSON.stringify(told);
  const hex = Buffer.from(SECRET).toString('hex');
  for (const form of [SECRET, hex, hex.toUpperCase(), Buffer.from(SECRET).toString('base64').slice(4, 40)])
    expect(all).not.toContain(form);
}

test.each(ECHOES)('by %s no secret comes back, over HTTP/2 [W-SEAL-3]', async (path) => {
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, upstream: { http2: true } });
  const join = path.includes('?') ? '&' : '?';
  const target = `${path}${path.startsWith('/echo') ? `${join}of=authorization` : ''}`;
  const answer = await ask(gate, { ':path': target, authorization: `Bearer ${gate.placeholder('TOKEN')}` });
  expectNoSecret(answer);
  expect(answer.status).toBeGreaterThan(0);
  expect(gate.upstream.requests[0]).toMatchObject({ version: '2.0' });
  expect(gate.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
});

test.each([
  ['a bearer', (p: string) => ({ headers: { authorization: `Bearer ${p}` } })],
  [
    'Basic',
    (p: string) => ({ headers: { authorization: `Basic ${Buffer.from(`me:${p}`).toString('base64')}` } }),
  ],
  ['a crumb of the cookies', (p: string) => ({ headers: { cookie: ['a=b', `t=${p}`] } })],
  ['the query', (p: string) => ({ headers: { ':path': `/echo?token=${p}` } })],
  ['JSON', (p: string) => ({ headers: { 'content-type': 'application/json' }, body: `{"token":"${p}"}` })],
  [
    'a form',
    (p: string) => ({ headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `t=${p}` }),
  ],
])(
  'a placeholder becomes the secret in %s, and nothing of it comes back [W-SEAL-1] [W-SEAL-7]',
  async (_name, make) => {
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      limits: { as: 'any' },
      upstream: { http2: true },
    });
    const placeholder = gate.placeholder('TOKEN');
    const made: { headers: http2.OutgoingHttpHeaders; body?: string } = make(placeholder);
    const method = made.body === undefined ? 'GET' : 'POST';
    const answer = await ask(gate, { ':path': '/echo', ':method': method, ...made.headers }, made.body);
    expect(answer).toMatchObject({ status: 200, code: 0 });
    expectNoSecret(answer);
    const [received] = gate.upstream.requests;
    const got = JSON.stringify([received?.target, received?.headers, received?.body.toString()]);
    expect(got.includes(SECRET) || got.includes(Buffer.from(`me:${SECRET}`).toString('base64'))).toBe(true);
    expect(got).not.toContain(placeholder);
    expect(gate.records.filter(({ event }) => event === 'credential.use')).toMatchObject([
      { action: 'use', outcome: 'sent', credential: 'test/TOKEN', method },
      { action: 'answer', outcome: 'ok', status: 200 },
    ]);
  },
);

test('a field with a secret enters no table of compression [W-SEAL-1]', async () => {
  const sensitive: unknown[] = [];
  await using gate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    upstream: {
      http2: (stream, headers) => {
        sensitive.push(headers[http2.sensitiveHeaders as unknown as string]);
        stream.respond({ ':status': 200 }, { endStream: true });
      },
    },
  });
  await ask(gate, { ':path': '/echo', authorization: `Bearer ${gate.placeholder('TOKEN')}`, 'x-plain': 'a' });
  expect(sensitive).toEqual([['authorization']]);
});

test.each([
  ['another host', { ':authority': 'other.test' }, 421],
  ['another host beside the right one', { ':authority': 'HOST', host: 'other.test' }, 421],
  ['the right host beside another one', { ':authority': 'other.test', host: 'HOST' }, 421],
  ['another port', { ':authority': 'api.test:1' }, 421],
  ['a user in the authority', { ':authority': 'me@HOST' }, 0],
  ['another scheme', { ':scheme': 'http' }, 400],
  ['CONNECT', { ':method': 'CONNECT', ':authority': 'other.test:443' }, 405],
  ['TRACE', { ':method': 'TRACE' }, 405],
  ['a target that is no path', { ':path': 'https://other.test/' }, 0],
  ['a target of two lines', { ':path': '/a HTTP/1.1\\r\\nhost: other.test' }, 0],
])('is refused: %s [W-SEAL-4] [W-EGR-40]', async (_name, headers, status) => {
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, upstream: { http2: true } });
  const host = `api.test:${gate.upstream.port}`;
  const given = Object.entries(headers).map(([name, value]) => [name, value.replace('HOST', host)]);
  const connect = headers[':method' as keyof typeof headers] === 'CONNECT';
  const answer = await ask(gate, { ...(connect ? {} : { ':path': '/echo' }), ...Object.fromEntries(given) });
  if (status > 0) {
    expect(answer.status).toBe(status);
    expect(answer.headers['warder-refused']).toBe('yes');
  } else expect(answer.status).not.toBe(200);
  expect(gate.upstream.requests).toEqual([]);
});

test('a placeholder that may not be used there is refused, and not passed on [W-SEAL-2]', async () => {
  await using gate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    limits: { paths: ['/other'] },
    upstream: { http2: true },
  });
  const session = await gate.http2();
  const headers = { authorization: `Bearer ${gate.placeholder('TOKEN')}` };
  const refused = await send(session, { ':path': '/echo', ...headers });
  expect(refused).toMatchObject({ status: 403, code: 0 });
  expect(JSON.parse(refused.body).message).toContain('the path is not one of its paths');
  // The connection goes on.
  expect(await send(session, { ':path': '/echo' })).toMatchObject({ status: 200 });
  session.destroy();
  expect(gate.upstream.requests).toHaveLength(1);
});

test('a body that is broken off by either side does not end as if it were whole [W-EGR-40]', async () => {
  const ends: string[] = [];
  let begun = 0;
  await using gate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    upstream: {
      http2: (stream, headers) => {
        if (headers[':path'] === '/half') {
          // Without trailers to wait for, Node would end the stream before it resets it.
          stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { waitForTrailers: true });
          stream.write('half of it');
          setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), 50);
        } else if (headers[':path'] === '/take') {
          stream.resume();
          begun++;
          stream.once('close', () => ends.push(`closed ${stream.rstCode}`));
        }
      },
    },
  });
  const session = await gate.http2();
  const half = await send(session, { ':path': '/half' });
  expect(half.code).toBe(http2.constants.NGHTTP2_CANCEL);
  for (const [before, code] of [
    http2.constants.NGHTTP2_CANCEL,
    http2.constants.NGHTTP2_INTERNAL_ERROR,
  ].entries()) {
    const cancelled = new AbortController();
    const upload = session.request({ ':path': '/take', ':method': 'POST' }, { signal: cancelled.signal });
    upload.on('error', () => {});
    upload.write('half of it');
    await expect.poll(() => begun).toBeGreaterThan(before);
    if (code === http2.constants.NGHTTP2_CANCEL) cancelled.abort();
    else upload.destroy(new Error('broken off'));
  }
  await expect.poll(() => ends).toHaveLength(2);
  expect(ends.every((end) => !end.endsWith(' 0'))).toBe(true);
  session.destroy();
});

test('what a host says in trailers comes back without secrets, and in bounds [W-SEAL-3] [W-EGR-41]', async () => {
  await using gate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    upstream: {
      http2: (stream, headers) => {
        const long = headers[':path'] === '/long';
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.once('wantTrailers', () =>
          stream.sendTrailers(
            long
              ? Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`x-${at}`, 'y'.repeat(100)]))
              : { 'x-echo': headers.authorization ?? '', 'x-coded': Buffer.from(SECRET).toString('base64') },
          ),
        );
        stream.end('body');
      },
    },
  });
  const session = await gate.http2();
  const authorization = `Bearer ${gate.placeholder('TOKEN')}`;
  const answer = await send(session, { ':path': '/', authorization });
  expect(answer).toMatchObject({ status: 200, body: 'body', trailers: { 'x-echo': authorization } });
  expectNoSecret(answer);
  const long = await send(session, { ':path': '/long', authorization });
  expect(Object.keys(long.trailers)).toEqual([]);
  expect(long.code).not.toBe(0);
  session.destroy();
});

test('a client of HTTP/2 gets HTTP/1.1 where its host has nothing else, and an answer where there is no host [W-EGR-40]', async () => {
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
  const both = await gate.secure('api.test', { ALPNProtocols: ['h2', 'http/1.1'] });
  expect(both.alpnProtocol).toBe('http/1.1');
  both.destroy();
  const answer = await ask(gate, { ':path': '/echo' });
  expect(answer).toMatchObject({ status: 502, headers: { 'warder-refused': 'no' } });
  expect(gate.upstream.requests).toEqual([]);
  expect(gate.records).toContainEqual(
    expect.objectContaining({ event: 'egress.connect', outcome: 'failed', host: 'api.test' }),
  );
});

test('a revocation cuts a connection that has carried the credential, and the next request is refused [W-SEAL-5]', async () => {
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, upstream: { http2: true } });
  const session = await gate.http2();
  const other = await gate.http2();
  const headers = { ':path': '/echo', authorization: `Bearer ${gate.placeholder('TOKEN')}` };
  expect(await send(session, headers)).toMatchObject({ status: 200 });
  expect(await send(other, { ':path': '/echo' })).toMatchObject({ status: 200 });
  gate.guards.gone.add('test/TOKEN');
  expect(await gate.disconnect('test/TOKEN')).toBe(1);
  if (!session.destroyed) await once(session, 'close');
  expect(await send(other, headers)).toMatchObject({ status: 403 });
  other.destroy();
});

test('a host that closes its connection ends that of the server, in order [W-EGR-40]', async () => {
  await using gate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    upstream: {
      http2: (stream) => {
        stream.session?.close();
        stream.respond({ ':status': 200 }, { endStream: true });
      },
    },
  });
  const session = await gate.http2();
  const closed = once(session, 'close');
  expect(await send(session, { ':path': '/echo' })).toMatchObject({ status: 200 });
  await closed;
});

/** A frame of HTTP/2 (RFC 9113 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]);
/** GET / over https of the host, by HPACK's static table and a literal. */
const head = (authority: string): Buffer =>
  Buffer.concat([Buffer.of(0x82, 0x84, 0x87, 0x41, authority.length), Buffer.from(authority)]);

const FLOODS: Readonly<Record<string, (authority: string) => Iterable<Buffer>>> = {
  *'requests that are reset at once'(authority) {
    for (let at = 0; at < 20_000; at++)
      yield Buffer.concat([
        frame(1, 5, 2 * at + 1, head(authority)),
        frame(3, 0, 2 * at + 1, Buffer.of(0, 0, 0, 8)),
      ]);
  },
  *'continuations without end'(authority) {
    yield frame(1, 1, 1, head(authority));
    for (let at = 0; at < 50_000; at++) yield frame(9, 0, 1, Buffer.of(0x40, 1, 0x78, 1, 0x79));
  },
  *'empty continuations'(authority) {
    yield frame(1, 1, 1, head(authority));
    for (let at = 0; at < 50_000; at++) yield frame(9, 0, 1);
  },
  *pings() {
    for (let at = 0; at < 200_000; at++) yield frame(6, 0, 0, Buffer.alloc(8));
  },
  *settings() {
    for (let at = 0; at < 100_000; at++) yield frame(4, 0, 0, Buffer.of(0, 3, 0, 0, 0, 100));
  },
  *'empty data'(authority) {
    yield frame(1, 4, 1, head(authority));
    for (let at = 0; at < 100_000; at++) yield frame(0, 0, 1);
  },
  *'entries of the table, each named again and again'(authority) {
    // One entry of 4,000 bytes, and 16,000 references to it.
    const value = Buffer.alloc(3900, 0x61);
    yield frame(
      1,
      4,
      1,
      Buffer.concat([
        head(authority),
        Buffer.of(0x40, 1, 0x78, 0x7f, 0xbd, 0x1d),
        value,
        Buffer.alloc(12_000, 0xbe),
      ]),
    );
    for (let at = 1; at < 2000; at++)
      yield frame(1, 5, 2 * at + 1, Buffer.concat([head(authority), Buffer.alloc(16_000, 0xbe)]));
  },
};

test.each(Object.entries(FLOODS))(
  'a flood of %s ends its own connection or is borne, and no other notices [W-EGR-41]',
  async (_name, flood) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, upstream: { http2: true } });
    const socket = await gate.secure('api.test', { ALPNProtocols: ['h2'] });
    let ended = false;
    socket.once('close', () => {
      ended = true;
    });
    socket.resume();
    const before = process.memoryUsage().rss;
    socket.write(PREFACE);
    let pieces: Buffer[] = [];
    let length = 0;
    for (const piece of flood(`api.test:${gate.upstream.port}`)) {
      pieces.push(piece);
      length += piece.length;
      if (length < 65_536) continue;
      const room = socket.write(Buffer.concat(pieces));
      pieces = [];
      length = 0;
      if (!room && !ended) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
      else await new Promise(setImmediate);
      if (ended) break;
    }
    expect(await ask(gate, { ':path': '/echo' })).toMatchObject({ status: 200 });
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(150);
    socket.destroy();
  },
);

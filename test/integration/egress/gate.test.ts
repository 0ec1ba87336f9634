// The gate, against servers that want the secret: what they send, and what comes back, byte for byte. There is no
// sandbox here; its network is tested in sandbox-network.test.ts, the whole in e2e/sealed.test.ts.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { readToEnd, resolvedCredential, TestGate } from '../../fixtures/gate.ts';
import { ECHOES, startEcho, startUpstream } from '../../fixtures/upstream.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';

/** Sends one request on its own connection; `head` lacks the final line break. */
async function say(gate: TestGate, text: string | Buffer, name = 'api.test'): Promise<string> {
  const socket = await gate.secure(name);
  socket.write(text);
  return (await readToEnd(socket)).toString('latin1');
}

/** A whole request, which ends its connection. */
function request(
  gate: TestGate,
  line: string,
  fields: readonly string[] = [],
  body: string | Buffer = '',
): Buffer {
  const host = `Host: api.test:${gate.upstream.port}`;
  const length = body.length > 0 ? [`Content-Length: ${Buffer.byteLength(body)}`] : [];
  const head = [`${line} HTTP/1.1`, host, 'Connection: close', ...length, ...fields].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]);
}

/** Checks every way in which the secret could be read in what arrived. */
function expectNoSecret(text: string, secret = SECRET): void {
  const forms = [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('hex'),
    Buffer.from(secret).toString('hex').toUpperCase(),
    ...[0, 1, 2].map((offset) =>
      Buffer.from(`${'x'.repeat(offset)}${secret}`)
        .toString('base64')
        .slice(4, 40),
    ),
  ];
  for (const form of forms) expect(text).not.toContain(form);
}

describe('a placeholder becomes the secret', () => {
  test.each([
    ['a bearer', (p: string) => ['GET /echo', [`Authorization: Bearer ${p}`], ''] as const],
    ['any header', (p: string) => ['GET /echo', [`X-Api-Key: ${p}`], ''] as const],
    ['a cookie', (p: string) => ['GET /echo', [`Cookie: a=b; token=${p}`], ''] as const],
    [
      'Basic, in base64',
      (p: string) =>
        ['GET /echo', [`Authorization: Basic ${Buffer.from(`me:${p}`).toString('base64')}`], ''] as const,
    ],
    ['the query', (p: string) => [`GET /echo?a=1&token=${p}&b=2`, [], ''] as const],
    [
      'the query, each letter encoded',
      (p: string) => [`GET /echo?token=%${hex(p).match(/../g)?.join('%')}`, [], ''] as const,
    ],
    ['the path', (p: string) => [`GET /echo/bot${p}/send`, [], ''] as const],
    [
      'a form',
      (p: string) =>
        ['POST /echo', ['Content-Type: application/x-www-form-urlencoded'], `a=1&token=${p}&b=2`] as const,
    ],
    ['JSON', (p: string) => ['POST /echo', ['Content-Type: application/json'], `{"token":"${p}"}`] as const],
    [
      'multipart',
      (p: string) =>
        [
          'POST /echo',
          ['Content-Type: multipart/form-data; boundary=x'],
          `--x\r\nContent-Disposition: form-data; name="t"\r\n\r\n${p}\r\n--x--\r\n`,
        ] as const,
    ],
  ])('in %s, and its echo comes back with the placeholder [W-SEAL-1] [W-SEAL-3]', async (_name, make) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const placeholder = gate.placeholder('TOKEN');
    const [line, fields, body] = make(placeholder);
    const answer = await say(gate, request(gate, line, fields, body));
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    const sent = gate.upstream.requests[0]?.raw.toString('latin1') ?? '';
    expect(sent.includes(SECRET) || sent.includes(Buffer.from(`me:${SECRET}`).toString('base64'))).toBe(true);
    expect(sent).not.toContain(placeholder);
    expectNoSecret(answer);
    expect(gate.records.filter(({ event }) => event === 'credential.use')).toMatchObject([
      { action: 'use', outcome: 'sent', credential: 'test/TOKEN', version: 'v1', host: 'api.test' },
      { action: 'answer', outcome: 'ok', status: 200 },
    ]);
    expect(JSON.stringify(gate.records)).not.toContain(SECRET);
  });

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
  ])('in a JSON body compressed by %s [W-SEAL-1]', async (coding, compress) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const body = compress(`{"token":"${gate.placeholder('TOKEN')}"}`);
    const fields = ['Content-Type: application/json', `Content-Encoding: ${coding}`];
    expect(await say(gate, request(gate, 'POST /upload', fields, body))).toMatch(/^HTTP\/1.1 200 /);
    expect(gate.upstream.text).not.toContain(gate.placeholder('TOKEN'));
  });

  test('in a long body that streams, with its length kept, cut anywhere [W-SEAL-1]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const placeholder = gate.placeholder('TOKEN');
    const body = Buffer.from(
      JSON.stringify({ fill: 'x'.repeat(600_000), token: placeholder, more: 'y'.repeat(50_000) }),
    );
    const wanted = Buffer.from(body.toString().replace(placeholder, SECRET));
    const socket = await gate.secure();
    const whole = request(gate, 'POST /upload', ['Content-Type: application/json'], body);
    for (let at = 0; at < whole.length; at += 10_007) socket.write(whole.subarray(at, at + 10_007));
    const answer = (await readToEnd(socket)).toString();
    const { createHash } = await import('node:crypto');
    expect(answer).toContain(createHash('sha256').update(wanted).digest('hex'));
    expect(gate.upstream.requests[0]?.headers['content-length']).toBe(String(body.length));
  });
});

describe('what a host sends back', () => {
  test.each(ECHOES)('by %s contains no secret [W-SEAL-3]', async (path) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const join = path.includes('?') ? '&' : '?';
    const fields = [
      `Authorization: Bearer ${gate.placeholder('TOKEN')}`,
      'Range: bytes=10-20',
      'Accept-Encoding: gzip, br, zstd, x',
    ];
    const answer = await say(
      gate,
      request(gate, `GET ${path}${path.startsWith('/echo') ? `${join}of=authorization` : ''}`, fields),
    );
    expect(answer).toMatch(/^HTTP\/1.1 (200|500) /);
    expect(gate.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
    expectNoSecret(answer);
    // Encoded twice.
    expect(answer).not.toContain(
      Buffer.from(Buffer.from(`Bearer ${SECRET}`).toString('base64'))
        .toString('base64')
        .slice(12, 60),
    );
    expect(answer).not.toContain(SECRET.slice(4, 20));
  });

  test('keeps its length where the host declares one [W-SEAL-3]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const answer = await say(
      gate,
      request(gate, 'GET /echo/raw?of=authorization', [`Authorization: Bearer ${gate.placeholder('TOKEN')}`]),
    );
    expect(answer).toContain(`\r\n\r\nBearer ${gate.placeholder('TOKEN')}`);
    expect(answer).toMatch(new RegExp(`content-length: ${SECRET.length + 7}`, 'i'));
  });

  test('streams: an event is not delayed until the next [W-SEAL-3]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const socket = await gate.secure();
    socket.write(request(gate, 'GET /events?n=2&ms=60000'));
    let text = '';
    while (!text.includes('"index":0')) text += (await once(socket, 'data'))[0];
    expect(text).toContain('text/event-stream');
    socket.destroy();
  });

  test.each(['compress', 'gzip, br'])(
    'in a coding that cannot be decoded (%s) is refused [W-SEAL-3]',
    async (coding) => {
      await using gate = await TestGate.open({
        secrets: { TOKEN: SECRET },
        upstream: {
          route: (_request, response) => {
            response.writeHead(200, { 'content-encoding': coding }).end(SECRET);
            return true;
          },
        },
      });
      const answer = await say(gate, request(gate, 'GET /'));
      expect(answer).toMatch(/^HTTP\/1.1 502 /);
      expectNoSecret(answer);
    },
  );

  test('arrives also when the server has ended its side', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const socket = await gate.secure();
    socket.end(request(gate, 'GET /echo'));
    expect((await readToEnd(socket)).toString()).toMatch(/^HTTP\/1.1 200 /);
  });

  test('when it breaks off is broken off, and does not look complete', async () => {
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      upstream: {
        route: (_, response) => {
          response.writeHead(200, { 'content-length': 100_001 });
          response.write('x'.repeat(100_000));
          return true;
        },
      },
    });
    const socket = await gate.secure();
    socket.write(request(gate, 'GET /'));
    let answer = '';
    socket.on('data', (piece: Buffer) => {
      answer += piece.toString('latin1');
      // What is still on its way is lost with the connection.
      if (answer.length > 95_000) gate.upstream.cut();
    });
    await once(socket, 'close');
    expect(answer).toContain('content-length: 100001');
    const [, body = ''] = answer.split('\r\n\r\n');
    expect(body).toMatch(/^x{90000,100000}$/);
  });

  test('arrives in the same pieces whether its end begins the secret or not [W-SEAL-1]', async () => {
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      upstream: {
        route: (request, response) => {
          response.writeHead(200).end(`a text that ends with ${request.url?.slice(1)}`);
          return true;
        },
      },
    });
    const chunks = async (guess: string): Promise<string> => {
      const answer = await say(gate, request(gate, `GET /${guess}`));
      expect(answer).toContain(guess);
      return answer.slice(answer.indexOf('\r\n\r\n')).replace(guess, '');
    };
    expect(await chunks(SECRET.slice(0, 12))).toBe(await chunks(`${SECRET.slice(0, 11)}_`));
  });

  test('that switches protocols is refused [W-SEAL-4]', async () => {
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      upstream: {
        route: ({ socket }) => {
          socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\nhello');
          return true;
        },
      },
    });
    expect(await say(gate, request(gate, 'GET /'))).toMatch(/^HTTP\/1.1 502 /);
  });

  test('is in memory once, however many more are requested and not read [W-EGR-7]', async () => {
    let asked = 0;
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      upstream: {
        route: (_request, response) => {
          asked++;
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify({ access_token: `token-${asked}`, fill: 'x'.repeat(1_000_000) }));
          return true;
        },
      },
    });
    const socket = await gate.secure();
    socket.pause();
    const one = `GET /?grant_type=x HTTP/1.1\r\nHost: api.test:${gate.upstream.port}\r\n\r\n`;
    socket.write(one.repeat(60));
    for (let before = -1; asked === 0 || asked !== before; ) {
      before = asked;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    // What the system's own buffers take, and one more.
    expect(asked).toBeLessThan(30);
    socket.destroy();
  });
});

describe('a placeholder that may not be used', () => {
  const bearer = (gate: TestGate): string[] => [`Authorization: Bearer ${gate.placeholder('TOKEN')}`];

  test.each([
    ['another method', { methods: ['GET'] }, 'POST /echo'],
    ['another path', { paths: ['/repos/acme/**'] }, 'GET /repos/other/x'],
    ['a path that leads elsewhere', { paths: ['/repos/acme/**'] }, 'GET /repos/acme/../other/x'],
    ['a path that leads elsewhere, encoded', { paths: ['/repos/acme/**'] }, 'GET /repos/acme/%2e%2e/other/x'],
    [
      'a path that leads elsewhere, encoded twice',
      { paths: ['/repos/acme/**'] },
      'GET /repos/acme/%252e%252e/other',
    ],
    ['another place', { as: 'basic' }, 'GET /echo'],
    ['a person who would have to be asked', { confirm: true }, 'GET /echo'],
    ['a lifetime that is over', { lifetime: 0 }, 'GET /echo'],
  ] as const)(
    'for %s is refused with 403 and recorded [W-SEAL-2] [W-SEAL-5]',
    async (_name, limits, line) => {
      await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits });
      const answer = await say(gate, request(gate, line, bearer(gate)));
      expect(answer).toMatch(/^HTTP\/1.1 403 /);
      expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
        error: expect.stringMatching(/^warder: the credential test\/TOKEN is not put in: /),
        status: 403,
      });
      expect(gate.upstream.requests).toEqual([]);
      expect(gate.records).toContainEqual(
        expect.objectContaining({ event: 'credential.use', action: 'use', outcome: 'refused' }),
      );
      expect(gate.records).toContainEqual(
        expect.objectContaining({ event: 'egress.connect', outcome: 'refused' }),
      );
    },
  );

  test.each([
    ['base64 in a header', (p: string) => request0('GET /echo', [`X-Key: ${b64(p)}`])],
    ['base64 in the query', (p: string) => request0(`GET /echo?k=${encodeURIComponent(b64(p))}`)],
    [
      'encoded twice in the query',
      (p: string) => request0(`GET /echo?k=%25${hex(p).match(/../g)?.join('%25')}`),
    ],
    [
      'hex in JSON',
      (p: string) => request0('POST /echo', ['Content-Type: application/json'], `{"k":"${hex(p)}"}`),
    ],
    [
      'raw in a body of another kind',
      (p: string) => request0('POST /echo', ['Content-Type: text/plain'], `k ${p}`),
    ],
    ['raw in a body without a kind', (p: string) => request0('POST /echo', [], `k ${p}`)],
    [
      'percent-written in JSON',
      (p: string) =>
        request0(
          'POST /echo',
          ['Content-Type: application/json'],
          `{"k":"%${hex(p).match(/../g)?.join('%')}"}`,
        ),
    ],
    ["a header's name", (p: string) => request0('GET /echo', [`${p}: x`])],
    [
      'a signed request',
      (p: string) => request0('GET /echo', [`Authorization: AWS4-HMAC-SHA256 Credential=${p}/2026`]),
    ],
  ])('as %s is refused, and not forwarded [W-SEAL-2]', async (_name, make) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const [line, fields, body] = make(gate.placeholder('TOKEN'));
    const answer = await say(gate, request(gate, line, fields, body));
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(gate.upstream.requests).toEqual([]);
  });

  test.each([
    'X-HTTP-Method-Override: DELETE',
    'x-method-override: PUT',
    'X-Original-URL: /admin',
    'X-Rewrite-Url: /admin',
  ])(
    'with a header that may name another method or path (%s) is refused where these are limited [W-SEAL-2]',
    async (field) => {
      for (const limits of [{ methods: ['POST'] }, { paths: ['/echo'] }, {}]) {
        await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits });
        const answer = await say(gate, request(gate, 'POST /echo', [...bearer(gate), field]));
        expect(answer).toMatch(Object.keys(limits).length === 0 ? /^HTTP\/1.1 200 / : /^HTTP\/1.1 403 /);
      }
    },
  );

  test('when it leaves is refused, though it was allowed when it arrived [W-SEAL-5]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const socket = await gate.secure();
    const whole = request(gate, 'POST /echo', [...bearer(gate), 'Content-Type: application/json'], '{}');
    socket.write(whole.subarray(0, -1));
    await expect.poll(() => gate.records.some(({ event }) => event === 'credential.use')).toBe(true);
    gate.guards.locked = true;
    socket.write(whole.subarray(-1));
    expect((await readToEnd(socket)).toString()).toMatch(/^HTTP\/1.1 403 [\s\S]*locked/);
    expect(gate.upstream.requests).toEqual([]);
  });

  test('while its connection is made is refused [W-SEAL-5]', async () => {
    const asked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      beforeDial: () => {
        asked.resolve();
        return gone.promise;
      },
    });
    const answer = say(gate, request(gate, 'GET /echo', bearer(gate)));
    await asked.promise;
    gate.guards.locked = true;
    gone.resolve();
    expect(await answer).toMatch(/^HTTP\/1.1 403 [\s\S]*locked/);
    expect(gate.upstream.requests).toEqual([]);
  });

  test('in a long body breaks off the request [W-SEAL-2]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const body = `${'x'.repeat(500_000)}${gate.placeholder('TOKEN')}${'x'.repeat(500_000)}`;
    const answer = await say(gate, request(gate, 'POST /upload', ['Content-Type: text/plain'], body));
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(gate.upstream.text).not.toContain(gate.placeholder('TOKEN'));
  });

  test('more often than it may be is refused; two places of one request are one use [W-SEAL-5]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits: { maxUses: 2 } });
    const twice = request(gate, `GET /echo?t=${gate.placeholder('TOKEN')}`, bearer(gate));
    expect(await say(gate, twice)).toMatch(/^HTTP\/1.1 200 /);
    expect(await say(gate, twice)).toMatch(/^HTTP\/1.1 200 /);
    expect(await say(gate, twice)).toMatch(/^HTTP\/1.1 403 /);
  });

  test('while credentials are locked, or it is revoked, is refused; a revocation closes open connections [W-SEAL-5]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const plain = request(gate, 'GET /echo', bearer(gate));
    gate.guards.locked = true;
    expect(await say(gate, plain)).toMatch(/^HTTP\/1.1 403 [\s\S]*locked/);
    gate.guards.locked = false;
    const open = await gate.secure();
    open.write(request(gate, 'GET /events?n=9&ms=60000', bearer(gate)));
    await once(open, 'data');
    gate.guards.gone.add('test/TOKEN');
    const closed = once(open, 'close');
    expect(await gate.disconnect('test/TOKEN')).toBe(1);
    await closed;
    expect(await say(gate, plain)).toMatch(/^HTTP\/1.1 403 [\s\S]*revoked/);
  });

  test('is not sent without a record, nor is anything else [W-EGR-5] [W-SEAL-7]', async () => {
    let writes = true;
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, isLogWritable: () => writes });
    const socket = await gate.secure();
    writes = false;
    socket.write(request(gate, 'GET /echo', bearer(gate)));
    expect((await readToEnd(socket)).toString()).toMatch(/^HTTP\/1.1 503 /);
    expect(gate.upstream.requests).toEqual([]);
    expect(await say(gate, request(gate, 'GET /echo'))).toMatch(/^HTTP\/1.1 502 /);
    expect(gate.upstream.accepted).toBe(0);
  });

  test('waits where they come in a flood, and each is on record [W-AUDIT-17] [W-SEAL-7]', async () => {
    const pace = { burst: 20, rate: 100 };
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, pace });
    const since = performance.now();
    const answers: string[] = [];
    while (answers.length < 40) answers.push(await say(gate, request(gate, 'GET /echo', bearer(gate))));
    const seconds = (performance.now() - since) / 1000;
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 200 /);
    const uses = gate.records.filter(({ event, action }) => event === 'credential.use' && action === 'use');
    expect(uses).toHaveLength(40);
    expect(gate.upstream.requests).toHaveLength(40);
    // 40 connections and 40 uses, with two records each; the last ones need not wait for what they spend.
    expect(seconds).toBeGreaterThan((160 - pace.burst - 4) / pace.rate);
  });
});

describe('a request that could be read in two ways', () => {
  test.each([
    ['two lengths', 'POST /echo HTTP/1.1\r\nHost: H\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde'],
    [
      'a length and chunks',
      'POST /echo HTTP/1.1\r\nHost: H\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'chunks under another name',
      'POST /echo HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'chunks twice',
      'POST /echo HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n',
    ],
    ['a folded line', 'GET /echo HTTP/1.1\r\nHost: H\r\nX-A: b\r\n c: d\r\n\r\n'],
    ['a space before the colon', 'GET /echo HTTP/1.1\r\nHost: H\r\nContent-Length : 4\r\n\r\nabcd'],
    ['a bare line feed', 'GET /echo HTTP/1.1\nHost: H\n\n'],
    ['an absolute target', 'GET https://other.test/echo HTTP/1.1\r\nHost: H\r\n\r\n'],
    ['an absolute target of the same host', 'GET https://H/echo HTTP/1.1\r\nHost: H\r\n\r\n'],
    ['another host', 'GET /echo HTTP/1.1\r\nHost: other.test\r\n\r\n'],
    ['another port', 'GET /echo HTTP/1.1\r\nHost: api.test:1\r\n\r\n'],
    ['two hosts', 'GET /echo HTTP/1.1\r\nHost: H\r\nHost: other.test\r\n\r\n'],
    ['no host', 'GET /echo HTTP/1.1\r\n\r\n'],
    ['CONNECT', 'CONNECT other.test:443 HTTP/1.1\r\nHost: H\r\n\r\n'],
    ['TRACE', 'TRACE /echo HTTP/1.1\r\nHost: H\r\n\r\n'],
    [
      'WebSocket without a key',
      'GET /echo HTTP/1.1\r\nHost: H\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    [
      'HTTP/2 by upgrade',
      'GET /echo HTTP/1.1\r\nHost: H\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
    ],
    ['HTTP/2 at once', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['gRPC', 'POST /x HTTP/1.1\r\nHost: H\r\nContent-Type: application/grpc\r\nContent-Length: 1\r\n\r\nx'],
    ['no HTTP at all', '\x00\x01\x02\x03 what is this\r\n\r\n'],
  ])('is refused: %s [W-SEAL-4] [W-EGR-4]', async (_name, text) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const answer = await say(
      gate,
      text
        .replaceAll('H\r', `api.test:${gate.upstream.port}\r`)
        .replaceAll('/H/', `/api.test:${gate.upstream.port}/`),
    );
    expect(answer).toMatch(/^HTTP\/1.1 (400|405|421|501) /);
    expect(gate.upstream.requests).toEqual([]);
    expect(gate.records).toContainEqual(
      expect.objectContaining({ event: 'egress.connect', outcome: 'refused' }),
    );
  });

  test('two requests in one piece are two, each with its own decision [W-SEAL-4] [W-SEAL-2]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits: { paths: ['/echo'] } });
    const one = (path: string): string =>
      `GET ${path} HTTP/1.1\r\nHost: api.test:${gate.upstream.port}\r\nAuthorization: Bearer ${gate.placeholder('TOKEN')}\r\n\r\n`;
    const answer = await say(gate, `${one('/echo')}${one('/other')}`);
    expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 403']);
    expect(gate.upstream.requests.map(({ target }) => target)).toEqual(['/echo']);
  });

  test('what follows a refused request is not forwarded [W-SEAL-4]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const one = (path: string, host = `api.test:${gate.upstream.port}`): string =>
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${gate.placeholder('TOKEN')}\r\n\r\n`;
    const answer = await say(gate, `${one('/echo')}${one('/echo', 'other.test')}${one('/echo')}`);
    expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 421']);
    expect(gate.upstream.requests).toHaveLength(1);
  });

  test('a body in a character set with other bytes is refused [W-SEAL-4] [W-SEAL-6]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const fields = ['Content-Type: application/x-www-form-urlencoded; charset=ibm037'];
    expect(await say(gate, request(gate, 'POST /token', fields, 'x'))).toMatch(/^HTTP\/1.1 415 /);
    expect(gate.upstream.requests).toEqual([]);
  });

  test('a compressed body is what this decoder reads: nothing behind its end is forwarded [W-SEAL-4] [W-SEAL-6]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const fields = ['Content-Type: application/x-www-form-urlencoded', 'Content-Encoding: gzip'];
    // Some readers skip zeros between two members.
    const body = Buffer.concat([gzipSync('a=1'), Buffer.alloc(4), gzipSync('&grant_type=x')]);
    await say(gate, request(gate, 'POST /echo', fields, body));
    expect(gunzipSync(gate.upstream.requests[0]?.body ?? '').toString()).toBe('a=1');
    expect(gate.upstream.requests[0]?.body.equals(body)).toBe(false);
  });

  test('an endless head is refused, and the daemon does not grow [W-EGR-7]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const answer = await say(gate, request(gate, 'GET /echo', [`X-Long: ${'a'.repeat(100_000)}`]));
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(gate.upstream.requests).toEqual([]);
  });

  test('a body in one-byte chunks takes no memory beyond its bytes [W-EGR-7]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const socket = await gate.secure();
    const before = used();
    socket.write(
      `POST /echo HTTP/1.1\r\nHost: api.test:${gate.upstream.port}\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    await new Promise<void>((resolve) => {
      socket.write('1\r\na\r\n'.repeat(1_000_000), () => resolve());
    });
    expect(used() - before).toBeLessThan(30_000_000);
    socket.destroy();
  });

  test('an endless form, and a body that decodes without end, are refused [W-EGR-7]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const form = ['Content-Type: application/x-www-form-urlencoded'];
    expect(await say(gate, request(gate, 'POST /echo', form, 'a'.repeat(1_200_000)))).toMatch(
      /^HTTP\/1.1 413 /,
    );
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const fields = ['Content-Type: application/json', 'Content-Encoding: gzip'];
    expect(await say(gate, request(gate, 'POST /echo', fields, bomb))).toMatch(/^HTTP\/1.1 400 /);
    expect(gate.upstream.requests).toEqual([]);
  });
});

describe('who is at the other end', () => {
  test('TLS that names another host, or none, is refused at once [W-EGR-4]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    await expect(gate.secure('api.test', { servername: 'other.test' })).rejects.toThrow();
    await expect(gate.secure('api.test', { servername: '' })).rejects.toThrow();
    const told = gate.records.filter(({ outcome }) => outcome === 'refused').map(({ reason }) => reason);
    expect(told).toEqual(['its TLS names another host', 'its TLS names no host']);
    expect(gate.upstream.accepted).toBe(0);
  });

  test('a host that is not listed is refused at once and recorded [W-EGR-1]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    for (const [name, port] of [
      ['other.test', gate.upstream.port],
      ['api.test', 1],
    ] as const) {
      await gate.connect(name, port).then(
        (socket) => new Promise((resolve) => socket.once('close', resolve)),
        () => {},
      );
      expect(gate.records).toContainEqual(
        expect.objectContaining({ outcome: 'refused', host: name, port, reason: 'not listed' }),
      );
    }
    expect(gate.upstream.accepted).toBe(0);
  });

  test("a host with another's certificate gets no request [W-EGR-8]", async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    await using other = await TestGate.open({
      secrets: { TOKEN: SECRET },
      resolve: () => [gate.upstream.address],
      upstream: { port: gate.upstream.port },
      network: [`${gate.upstream.address}/32`],
    });
    const fields = [`Authorization: Bearer ${other.placeholder('TOKEN')}`];
    expect(await say(other, request(other, 'GET /echo', fields))).toMatch(/^HTTP\/1.1 502 /);
    expect(gate.upstream.requests).toEqual([]);
    expect(other.records).toContainEqual(
      expect.objectContaining({ event: 'egress.connect', outcome: 'failed' }),
    );
  });

  test('each address that was tried is recorded, with its end [W-EGR-5]', async () => {
    const dead = ['127.83.1.1', '127.83.1.2'];
    let leads = dead;
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      network: ['127.83.1.0/24'],
      resolve: (_, { address }) => [...leads, address],
    });
    expect(await say(gate, request(gate, 'GET /echo'))).toMatch(/^HTTP\/1.1 200 /);
    const ways = (): unknown[] => gate.records.map(({ address, outcome }) => [address, outcome]);
    const tried = dead.flatMap((address) => [
      [address, 'open'],
      [address, 'closed'],
    ]);
    const { address } = gate.upstream;
    await expect.poll(ways).toEqual([...tried, [address, 'open'], [address, 'closed']]);
    leads = [];
    await gate.upstream[Symbol.asyncDispose]();
    expect(await say(gate, request(gate, 'GET /echo'))).toMatch(/^HTTP\/1.1 502 /);
    expect(ways().slice(-3)).toEqual([
      [address, 'open'],
      [address, 'closed'],
      [undefined, 'failed'],
    ]);
  });

  test("another session's placeholder means nothing here [W-EGR-9]", async () => {
    await using one = await TestGate.open({ secrets: { TOKEN: SECRET } });
    await using other = await TestGate.open({ secrets: { TOKEN: 'another-secret-of-this-session' } });
    await say(other, request(other, 'GET /echo', [`Authorization: Bearer ${one.placeholder('TOKEN')}`]));
    expect(other.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${one.placeholder('TOKEN')}`);
    expect(other.records.some(({ event }) => event === 'credential.use')).toBe(false);
    const socket = one.secure('api.test', { ca: other.authority.certificate });
    await expect(socket).rejects.toThrow();
  });

  test('a name that leads to a private address, now or later, is not dialled [W-EGR-3]', async () => {
    let leads = ['127.0.0.1'];
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, resolve: () => leads });
    for (const to of [
      '127.0.0.1',
      '169.254.169.254',
      '10.0.0.1',
      '::1',
      '::ffff:10.0.0.1',
      '64:ff9b::7f00:1',
      'fd00:ec2::254',
    ]) {
      leads = [to];
      expect(await say(gate, request(gate, 'GET /echo'))).toMatch(/^HTTP\/1.1 403 /);
    }
    leads = [gate.upstream.address];
    expect(await say(gate, request(gate, 'GET /echo'))).toMatch(/^HTTP\/1.1 200 /);
    leads = ['127.0.0.1'];
    expect(await say(gate, request(gate, 'GET /echo'))).toMatch(/^HTTP\/1.1 403 /);
  });
});

describe('without a sealed credential', () => {
  test('TLS goes from end to end, undecrypted: the host presents its own certificate [W-EGR-4]', async () => {
    await using gate = await TestGate.open({ network: ['api.test:PORT'] });
    const socket = await gate.secure('api.test', { ca: gate.upstream.ca });
    socket.write(request(gate, 'GET /echo/raw'));
    expect((await readToEnd(socket)).toString()).toMatch(/^HTTP\/1.1 200 /);
    await expect
      .poll(() =>
        gate.records.map(({ outcome, opened, bytes_in }) => [outcome, opened, (bytes_in ?? 0) > 100]),
      )
      .toEqual([
        ['open', false, false],
        ['closed', undefined, true],
      ]);
  });

  test('TLS that names another host is closed, though the port is open for any protocol [W-EGR-4]', async () => {
    await using gate = await TestGate.open({ network: ['api.test:PORT'] });
    await expect(gate.secure('api.test', { servername: 'other.test' })).rejects.toThrow();
    expect(gate.upstream.requests).toEqual([]);
    expect(gate.records).toContainEqual(expect.objectContaining({ reason: 'its TLS names another host' }));
  });

  test('what is sent late, or behind an empty line, is inspected all the same [W-EGR-4]', async () => {
    await using plain = await startUpstream({ names: ['api.test'], plain: 0 });
    await using gate = await TestGate.open({
      network: [`api.test:${plain.plain}`, `api.test:${plain.port}`, `${plain.address}/32`],
      resolve: () => [plain.address],
      // Its timers are the test's.
      here: true,
    });
    const line = await gate.connect('api.test', plain.plain);
    line.end('\r\n\r\nGET /echo HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n');
    expect((await readToEnd(line)).toString()).toMatch(/^HTTP\/1.1 421 /);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { accepted } = plain;
      const late = await gate.connect('api.test', plain.plain);
      while (plain.accepted === accepted) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      vi.advanceTimersByTime(3_600_000);
      // A gate that has worked for long waits by a timer.
      vi.useRealTimers();
      late.write('GET /echo HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n');
      expect(String((await once(late, 'data'))[0])).toMatch(/^HTTP\/1.1 421 /);
    } finally {
      vi.useRealTimers();
    }
    expect(plain.requests).toEqual([]);
  });

  test('a server that closes before its request is sent leaves no connection behind [W-EGR-7]', async () => {
    await using plain = await startUpstream({ names: ['api.test'], plain: 0 });
    await using gate = await TestGate.open({
      network: [`api.test:${plain.plain}`, `${plain.address}/32`],
      resolve: () => [plain.address],
    });
    for (const said of ['GET / HTTP/1.1\r\nHo', '']) {
      const socket = await gate.connect('api.test', plain.plain);
      socket.write(said);
      await expect.poll(() => plain.sockets).toBe(1);
      socket.destroy();
      await expect.poll(() => plain.sockets).toBe(0);
    }
  });

  test('a connection that the system cannot accept ends nothing [W-EGR-7]', async () => {
    await using gate = await TestGate.open({ network: ['api.test:PORT'] });
    const listener = net.createServer();
    gate.serve(listener);
    listener.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  });

  test('HTTP in the clear names its host in each request, and carries no secret [W-EGR-4] [W-SEAL-2]', async () => {
    await using plain = await startUpstream({ names: ['api.test'], plain: 0 });
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      network: [`api.test:${plain.plain}`, `${plain.address}/32`],
      resolve: () => [plain.address],
    });
    const one = async (fields: string): Promise<string> => {
      const socket = await gate.connect('api.test', plain.plain);
      socket.write(`GET /echo HTTP/1.1\r\nConnection: close\r\n${fields}\r\n\r\n`);
      return (await readToEnd(socket)).toString();
    };
    const host = `Host: api.test:${plain.plain}`;
    expect(await one(host)).toMatch(/^HTTP\/1.1 200 /);
    expect(await one('Host: other.test')).toMatch(/^HTTP\/1.1 421 /);
    expect(await one(`${host}\r\nAuthorization: Bearer ${gate.placeholder('TOKEN')}`)).toMatch(
      /^HTTP\/1.1 403 /,
    );
    expect(plain.requests).toHaveLength(1);
  });

  test('any other protocol passes on its own port, whoever speaks first', async () => {
    const greeting = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write('220 ready\r\n');
      socket.on('data', (piece) => socket.end(`got ${piece}`));
    });
    greeting.listen(0, '127.0.0.1');
    await once(greeting, 'listening');
    const { port } = greeting.address() as net.AddressInfo;
    await using echo = await startEcho();
    await using gate = await TestGate.open({
      network: [`api.test:${port}`, `api.test:${echo.port}`, '127.0.0.0/8'],
      resolve: () => ['127.0.0.1', echo.address],
    });
    const first = await gate.connect('api.test', port);
    expect(String((await once(first, 'data'))[0])).toBe('220 ready\r\n');
    first.write('hello');
    expect((await readToEnd(first)).toString()).toBe('got hello');
    const second = await gate.connect('api.test', echo.port);
    second.end('\x00\x01 not known to anybody');
    expect((await readToEnd(second)).toString()).toBe('\x00\x01 not known to anybody');
    greeting.close();
  });
});

describe('tokens and values', () => {
  test('new tokens of a token endpoint are sealed, and work through the gate [W-SEAL-6]', async () => {
    await using gate = await TestGate.open({
      secrets: { CLIENT: SECRET },
      upstream: { clientSecret: SECRET },
    });
    const form = `grant_type=client_credentials&client_id=me&client_secret=${gate.placeholder('CLIENT')}`;
    const answer = await say(
      gate,
      request(gate, 'POST /token', ['Content-Type: application/x-www-form-urlencoded'], form),
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(gate.upstream.tokens).toHaveLength(2);
    for (const token of gate.upstream.tokens) expectNoSecret(answer, token);
    const { access_token: access, refresh_token: refresh } = JSON.parse(/\{.*\}/s.exec(answer)?.[0] ?? '{}');
    expect(await say(gate, request(gate, 'GET /whoami', [`Authorization: Bearer ${access}`]))).toContain(
      '{"known":true}',
    );
    const again = `grant_type=refresh_token&refresh_token=${refresh}&client_secret=${gate.placeholder('CLIENT')}`;
    await say(gate, request(gate, 'POST /token', ['Content-Type: application/x-www-form-urlencoded'], again));
    expect(gate.upstream.requests.at(-1)?.body.toString()).toContain(gate.upstream.tokens[1] ?? '-');
  });

  test.each(['', 'Bearer '])(
    'what is called a token and contains the secret (behind "%s") gets no limits of its own [W-SEAL-2] [W-SEAL-6]',
    async (before) => {
      await using gate = await TestGate.open({
        secrets: { TOKEN: SECRET },
        limits: { paths: ['/allowed'], methods: ['POST'], maxUses: 1 },
        upstream: {
          route: (incoming, response) => {
            const body = JSON.stringify({ access_token: incoming.headers['x-token'] });
            response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
            response.end(body);
            return true;
          },
        },
      });
      const fields = [`X-Token: ${before}${gate.placeholder('TOKEN')}`];
      const answer = await say(gate, request(gate, 'POST /allowed?grant_type=x', fields));
      const washed = JSON.parse(/\{.*\}/s.exec(answer)?.[0] ?? '{}').access_token;
      expect(washed).toBe(`${before}${gate.placeholder('TOKEN')}`);
      const again = await say(gate, request(gate, 'DELETE /all', [`Authorization: ${washed}`]));
      expect(again).toMatch(/^HTTP\/1.1 403 /);
    },
  );

  test('no token is dropped for others: a response with too many is refused [W-SEAL-6] [W-EGR-7]', async () => {
    const token = 'ya29.a-token-that-the-server-must-not-have';
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      upstream: {
        route: (incoming, response) => {
          const many = Array.from({ length: 300 }, (_, index) => ({
            access_token: `another-token-${index}`,
          }));
          const said = { '/one': { access_token: token }, '/many': many }[incoming.url?.split('?')[0] ?? ''];
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(said ?? { kept: token }));
          return true;
        },
      },
    });
    expect(await say(gate, request(gate, 'GET /one?grant_type=x'))).toMatch(/^HTTP\/1.1 200 /);
    expect(await say(gate, request(gate, 'GET /many?grant_type=x'))).toMatch(/^HTTP\/1.1 502 [\s\S]*tokens/);
    expectNoSecret(await say(gate, request(gate, 'GET /kept')), token);
  });

  test('no connection is admitted before this Node was tested, and none on one that fails [W-EGR-9]', async () => {
    const begun = Promise.withResolvers<void>();
    const tested = Promise.withResolvers<void>();
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      checkNode: () => {
        begun.resolve();
        return tested.promise;
      },
    });
    const socket = await gate.connect();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await begun.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(gate.records).toEqual([]);
    tested.reject(new Error('this Node cannot'));
    await closed;
    expect(gate.records).toMatchObject([{ event: 'egress.connect', outcome: 'failed' }]);
  });

  test('a value that is added while a response streams is replaced in its rest [W-SEAL-8]', async () => {
    const stream = Promise.withResolvers<ServerResponse>();
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      upstream: {
        route: (incoming, response) => {
          if (incoming.url === '/stream') {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            response.write(': begin\n\n');
            stream.resolve(response);
          } else {
            void stream.promise.then((to) => {
              to.end(`data: ${incoming.headers.authorization}\n\n`);
              response.end();
            });
          }
          return true;
        },
      },
    });
    const open = await gate.secure();
    const closed = once(open, 'close');
    open.write(request(gate, 'GET /stream'));
    let text = '';
    open.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
    });
    await expect.poll(() => text).toContain('begin');
    const fresh = 'ghp_aNewValueThatIsAsLongAsTheOld0123456';
    await gate.update([resolvedCredential('TOKEN', fresh)]);
    await say(gate, request(gate, 'GET /other', [`Authorization: Bearer ${gate.placeholder('TOKEN')}`]));
    await expect.poll(() => text).toContain('data: Bearer ');
    await closed;
    expectNoSecret(text, fresh);
  });

  test('a new value reaches the next request on the same connection; the old one is still replaced in responses [W-SEAL-8]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const placeholder = gate.placeholder('TOKEN');
    const socket = await gate.secure();
    const one = `GET /echo HTTP/1.1\r\nHost: api.test:${gate.upstream.port}\r\nAuthorization: Bearer ${placeholder}\r\n\r\n`;
    let text = '';
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
    });
    const answers = (count: number) => expect.poll(() => text.match(/"body":""/g)?.length).toBe(count);
    socket.write(one);
    await answers(1);
    const fresh = resolvedCredential('TOKEN', 'ghp_aNewValueThatIsAsLongAsTheOld0123456');
    await gate.update([fresh]);
    expect(gate.placeholder('TOKEN')).toBe(placeholder);
    socket.write(one);
    await answers(2);
    expectNoSecret(text);
    expectNoSecret(text, fresh.value);
    socket.destroy();
    expect(gate.upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${SECRET}`,
      `Bearer ${fresh.value}`,
    ]);
    expectNoSecret(await say(gate, request(gate, `GET /echo?old=${SECRET}`)));
  });

  test('a host that refuses a credential is reported', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    for (const status of [401, 403, 200]) {
      await say(
        gate,
        request(gate, `GET /status/${status}`, [`Authorization: Bearer ${gate.placeholder('TOKEN')}`]),
      );
    }
    expect(gate.credentialResponses.map(({ status }) => status)).toEqual([401, 403, 200]);
  });

  test('a redirect elsewhere is forwarded, and the credential does not follow it [W-SEAL-2]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    const fields = [`Authorization: Bearer ${gate.placeholder('TOKEN')}`];
    expect(await say(gate, request(gate, 'GET /redirect?to=https%3A%2F%2Fother.test%2F', fields))).toContain(
      'https://other.test/',
    );
    expect(gate.records.some(({ host }) => host === 'other.test')).toBe(false);
  });

  test('a certificate that the server does not trust is recorded as such', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
    await expect(gate.secure('api.test', { ca: tls.rootCertificates[0] ?? '' })).rejects.toThrow();
    await expect
      .poll(() => gate.records.map(({ reason }) => String(reason)).join())
      .toContain('certificate of the gate');
  });
});

function b64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

function request0(
  line: string,
  fields: readonly string[] = [],
  body = '',
): readonly [string, readonly string[], string] {
  return [line, fields, body];
}

// Credentials with `confirm: true`: no request with one leaves without the word of a person.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { FakeConfirmations, NO, YES } from '../../fixtures/confirmations.ts';
import { until } from '../../fixtures/echo-home.ts';
import { TestGate, type TestGateOptions } from '../../fixtures/gate.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';

function open(
  confirmations: FakeConfirmations,
  limits: Exclude<TestGateOptions['limits'], (...args: never) => unknown> = {},
  more: Partial<TestGateOptions> = {},
): Promise<TestGate> {
  const secrets = { TOKEN: SECRET };
  return TestGate.open({ secrets, limits: { as: 'any', ...limits, confirm: true }, confirmations, ...more });
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

type Sent = readonly [line: string, headers?: http.OutgoingHttpHeaders, body?: string | Buffer];

async function send(gate: TestGate, ...[line, headers = {}, body = '']: Sent): Promise<Answer> {
  const [method = '', path = ''] = line.split(' ');
  const socket = await gate.secure();
  const host = `api.test:${gate.upstream.port}`;
  const request = http.request({
    createConnection: () => socket,
    method,
    path,
    headers: { host, ...headers },
  });
  request.end(body);
  const [response]: http.IncomingMessage[] = await once(request, 'response');
  const answer = { status: response?.statusCode ?? 0, body: await text(response as http.IncomingMessage) };
  socket.destroy();
  return answer;
}

const bearer = (gate: TestGate) => ({ authorization: `Bearer ${gate.placeholder('TOKEN')}` });
const usesOf = (gate: TestGate) =>
  gate.records.filter(({ event, action }) => event === 'credential.use' && action === 'use');

describe('a use waits for a person [W-CONS-40]', () => {
  test('who is asked which credential goes where, and holds up nothing else', async () => {
    const confirmations = new FakeConfirmations();
    await using gate = await open(confirmations);
    const waiting = send(gate, 'POST /echo/a?token=other&q=1', bearer(gate), 'x');
    await until(() => confirmations.asked.length > 0, 'a question');
    const host = { host: 'api.test', port: gate.upstream.port };
    expect(confirmations.asked).toEqual([
      { credential: 'test/TOKEN', ...host, method: 'POST', path: '/echo/a' },
    ]);
    // Nothing has left, and a request without the credential passes.
    expect(gate.upstream.requests).toEqual([]);
    expect((await send(gate, 'GET /echo')).status).toBe(200);
    expect(usesOf(gate)).toEqual([]);
    await confirmations.answer(YES);
    expect((await waiting).status).toBe(200);
    expect(gate.upstream.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(usesOf(gate)).toMatchObject([{ outcome: 'sent', rule: 'consent.4711' }]);
  });

  test('a no is an answer of the gate that says so, and is recorded', async () => {
    await using gate = await open(new FakeConfirmations(NO));
    const { status, body } = await send(gate, 'GET /echo', bearer(gate));
    expect(status).toBe(403);
    expect(body).toContain('the credential test/TOKEN is not put in: the user said no');
    expect(gate.upstream.requests).toEqual([]);
    expect(usesOf(gate)).toMatchObject([{ outcome: 'refused', reason: 'the user said no' }]);
  });

  test('each request is asked about, and an earlier answer counts without a question', async () => {
    const confirmations = new FakeConfirmations(YES);
    await using gate = await open(confirmations);
    for (const path of ['/echo', '/echo']) await send(gate, `GET ${path}`, bearer(gate));
    expect(confirmations.asked).toHaveLength(2);
    confirmations.earlier = { decision: 'allow', rule: 'grant.0a0a0a0a', reason: undefined };
    expect((await send(gate, 'GET /echo', bearer(gate))).status).toBe(200);
    expect(usesOf(gate).at(-1)).toMatchObject({ outcome: 'sent', rule: 'grant.0a0a0a0a' });
    confirmations.earlier = { decision: 'deny', rule: 'grant.0b0b0b0b', reason: 'the user has said no' };
    expect((await send(gate, 'GET /echo', bearer(gate))).status).toBe(403);
    expect(confirmations.asked).toHaveLength(2);
  });

  test('a server that goes away withdraws its question', async () => {
    const confirmations = new FakeConfirmations();
    await using gate = await open(confirmations);
    const socket = await gate.secure();
    const { authorization } = bearer(gate);
    socket.write(
      `GET /echo HTTP/1.1\r\nHost: api.test:${gate.upstream.port}\r\nAuthorization: ${authorization}\r\n\r\n`,
    );
    await until(() => confirmations.asked.length > 0, 'a question');
    socket.destroy();
    await until(() => confirmations.withdrawn.length > 0, 'its end');
    expect(gate.upstream.requests).toEqual([]);
  });

  test('streams of HTTP/2 wait alone, and one that is reset withdraws its question', async () => {
    const confirmations = new FakeConfirmations();
    await using gate = await open(confirmations, {}, { upstream: { http2: true } });
    const session = await gate.http2();
    const ask = (headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream => {
      const stream = session.request({ ':path': '/echo', ...headers });
      stream.on('error', () => {});
      return stream;
    };
    const [held, reset] = [ask(bearer(gate)), ask(bearer(gate))];
    await until(() => confirmations.asked.length === 2, 'two questions');
    const [plain] = await once(ask({}), 'response');
    expect(plain[':status']).toBe(200);
    reset.close(http2.constants.NGHTTP2_CANCEL);
    await until(() => confirmations.withdrawn.length === 1, 'the end of one');
    await confirmations.answer(YES);
    const [answered] = await once(held, 'response');
    expect(answered[':status']).toBe(200);
    expect(gate.upstream.requests).toHaveLength(2);
    session.destroy();
  });

  test('what was taken away while a person thought does not leave', async () => {
    const confirmations = new FakeConfirmations();
    await using gate = await open(confirmations);
    const waiting = send(gate, 'GET /echo', bearer(gate));
    await until(() => confirmations.asked.length > 0, 'a question');
    gate.guards.gone.add('test/TOKEN');
    await confirmations.answer(YES);
    expect(await waiting).toMatchObject({ status: 403, body: expect.stringContaining('revoked') });
    expect(gate.upstream.requests).toEqual([]);
  });
});

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = { 'content-type': 'application/json' };

describe('wherever the placeholder is [W-CONS-40]', () => {
  test.each<[string, (p: string) => Sent]>([
    ['Basic', (p) => ['GET /echo', { authorization: `Basic ${btoa(`me:${p}`)}` }]],
    ['a header', (p) => ['GET /echo', { 'x-api-key': p }]],
    ['the query', (p) => [`GET /echo?k=${p}`]],
    ['the path', (p) => [`GET /echo/${p}`]],
    ['a form', (p) => ['POST /echo', form, `a=1&k=${p}`]],
    ['JSON', (p) => ['POST /echo', json, JSON.stringify({ k: p })]],
    [
      'JSON that is compressed',
      (p) => ['POST /echo', { ...json, 'content-encoding': 'gzip' }, gzipSync(`{"k":"${p}"}`)],
    ],
    ['a refresh token', (p) => ['POST /token', form, `grant_type=refresh_token&refresh_token=${p}`]],
    ['a client secret', (p) => ['POST /token', form, `grant_type=client_credentials&client_secret=${p}`]],
    [
      'multipart',
      (p) => [
        'POST /echo',
        { 'content-type': 'multipart/form-data; boundary=b' },
        `--b\r\ncontent-disposition: form-data; name="k"\r\n\r\n${p}\r\n--b--\r\n`,
      ],
    ],
    [
      'a head and a body at once',
      (p) => ['POST /echo', { ...json, 'x-api-key': p }, JSON.stringify({ k: p })],
    ],
  ])('in %s: one question, and nothing before its answer', async (_name, make) => {
    const yes = new FakeConfirmations(YES);
    await using gate = await open(yes);
    await send(gate, ...make(gate.placeholder('TOKEN')));
    expect(yes.asked).toHaveLength(1);
    expect(yes.asked[0]?.path).not.toContain(SECRET);
    expect(gate.upstream.requests).toHaveLength(1);
    expect(usesOf(gate)).toMatchObject([{ outcome: 'sent', rule: 'consent.4711' }]);

    const no = new FakeConfirmations(NO);
    await using other = await open(no);
    expect((await send(other, ...make(other.placeholder('TOKEN')))).status).toBe(403);
    expect(no.asked).toHaveLength(1);
    expect(other.upstream.requests).toEqual([]);
  });

  test('in a token that was obtained with it', async () => {
    const confirmations = new FakeConfirmations(YES);
    await using gate = await open(
      confirmations,
      {},
      {
        upstream: {
          route: (incoming, response) => {
            if (incoming.url !== '/login') return false;
            response.setHeader('content-type', 'application/json');
            response.end('{"access_token":"gho_Wq2ErT4yUi6OpAs8DfGh0JkLzXcVbNm1QwErTy"}');
            return true;
          },
        },
      },
    );
    const { body } = await send(gate, 'GET /login', bearer(gate));
    const token = JSON.parse(body).access_token;
    confirmations.asked.length = 0;
    await send(gate, 'GET /echo', { authorization: `Bearer ${token}` });
    expect(confirmations.asked).toMatchObject([{ credential: 'test/TOKEN' }]);
    expect(gate.upstream.requests.at(-1)?.headers.authorization).toContain('gho_Wq2ErT4');
  });

  test('in a body that streams: only an answer from before counts', async () => {
    const confirmations = new FakeConfirmations(YES);
    await using gate = await open(confirmations);
    const body = JSON.stringify({ pad: 'x'.repeat(400_000), k: gate.placeholder('TOKEN') });
    const sent = [`POST /echo`, { ...json, 'content-length': Buffer.byteLength(body) }, body] as const;
    await send(gate, ...sent).catch(() => {});
    expect(gate.upstream.text).not.toContain(SECRET);
    expect(usesOf(gate)).toMatchObject([{ outcome: 'refused', reason: 'nobody has confirmed this use' }]);
    confirmations.earlier = YES;
    await send(gate, ...sent);
    expect(gate.upstream.requests.at(-1)?.body.toString()).toContain(SECRET);
    expect(confirmations.asked).toEqual([]);
  });

  test('in a message of a WebSocket: that message waits', async () => {
    const confirmations = new FakeConfirmations();
    const received: string[] = [];
    const sockets = new WebSocketServer({ noServer: true });
    await using gate = await open(
      confirmations,
      {},
      {
        upstream: {
          upgrade: (request, socket, head) =>
            sockets.handleUpgrade(request, socket, head, (ws) =>
              ws.on('message', (data) => received.push(String(data))),
            ),
        },
      },
    );
    const socket = await gate.secure();
    const ws = new WebSocket(`wss://api.test:${gate.upstream.port}/ws`, { createConnection: () => socket });
    ws.on('error', () => {});
    await once(ws, 'open');
    ws.send('{"plain":1}');
    ws.send(JSON.stringify({ auth: gate.placeholder('TOKEN') }));
    await until(() => confirmations.asked.length > 0, 'a question');
    await until(() => received.length > 0, 'the message before');
    await sleep(50);
    expect(received).toEqual(['{"plain":1}']);
    await confirmations.answer(YES);
    await until(() => received.length === 2, 'the message');
    expect(received[1]).toBe(JSON.stringify({ auth: SECRET }));
    ws.send(JSON.stringify({ auth: gate.placeholder('TOKEN') }));
    await confirmations.answer(NO);
    const [code, reason] = await once(ws, 'close');
    expect([code, String(reason)]).toEqual([1008, expect.stringContaining('the user said no')]);
    expect(received).toHaveLength(2);
  });
});

describe('what signs, and never leaves [W-CONS-40]', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const aws = {
    authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
  };

  test.each([
    [
      'for AWS',
      { scheme: 'aws-sigv4', services: ['s3'], regions: ['eu-central-1'] } as const,
      'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      () => aws,
    ],
    [
      'by HMAC',
      {
        ...({ scheme: 'hmac', algorithm: 'sha256', encoding: 'hex', key: 'text', prefix: '' } as const),
        ...{ header: 'X-Signature', query: undefined, message: '{method}' },
      },
      SECRET,
      () => ({ 'x-signature': createHmac('sha256', 'x').update('GET').digest('hex') }),
    ],
    [
      'a JWT',
      {
        ...({ scheme: 'jwt', algorithm: 'ES256', expires: 600_000 } as const),
        ...{ keyId: undefined, claims: { iss: 'me' } },
      },
      pem,
      (p: string) => ({ authorization: `Bearer ${p}` }),
    ],
  ])('%s', async (_name, sign, secret, headers) => {
    const more = { secrets: { TOKEN: secret } };
    const no = new FakeConfirmations(NO);
    await using refused = await open(no, { as: undefined, sign: sign as never }, more);
    expect((await send(refused, 'GET /echo', headers(refused.placeholder('TOKEN')))).status).toBe(403);
    expect(no.asked).toHaveLength(1);
    expect(refused.upstream.requests).toEqual([]);

    const yes = new FakeConfirmations(YES);
    await using gate = await open(yes, { as: undefined, sign: sign as never }, more);
    expect((await send(gate, 'GET /echo', headers(gate.placeholder('TOKEN')))).status).toBe(200);
    expect(yes.asked).toHaveLength(1);
    expect(usesOf(gate)).toMatchObject([{ outcome: 'sent', rule: 'consent.4711' }]);
  });
});

test('nobody is asked about what is refused anyway [W-CONS-40]', async () => {
  const confirmations = new FakeConfirmations(YES);
  await using gate = await open(confirmations, { methods: ['GET'], as: 'bearer', maxUses: 1 });
  const { authorization } = bearer(gate);
  const host = `api.test:${gate.upstream.port}`;
  for (const sent of [
    ['POST /echo', { authorization }],
    ['GET /echo', { 'x-key': gate.placeholder('TOKEN') }],
    ['GET /echo', { authorization, 'x-key': gate.placeholder('TOKEN') }],
    ['GET /echo', { authorization, 'x-http-method-override': 'DELETE' }],
    ['GET /echo', { authorization, host: `evil.test, ${host}` }],
    [
      'GET /echo',
      { authorization: `Bearer x${gate.placeholder('TOKEN')} ${'%'}`, expect: 'nothing', upgrade: 'x' },
    ],
  ] as Sent[])
    expect((await send(gate, ...sent)).status).toBeGreaterThanOrEqual(400);
  expect(confirmations.asked).toEqual([]);
  expect((await send(gate, 'GET /echo', { authorization })).status).toBe(200);
  // Its uses are over.
  expect((await send(gate, 'GET /echo', { authorization })).status).toBe(403);
  expect(confirmations.asked).toHaveLength(1);
});

test('a header that names another method or path is refused, since nobody was asked about that [W-CONS-40]', async () => {
  const confirmations = new FakeConfirmations(YES);
  await using gate = await open(confirmations);
  const headers = { ...bearer(gate), 'x-http-method-override': 'DELETE' };
  expect((await send(gate, 'GET /echo', headers)).status).toBe(403);
  expect(confirmations.asked).toEqual([]);
});

/** A request with placeholders in some places. */
interface Mixed {
  readonly header: readonly string[];
  readonly basic: string | undefined;
  readonly query: string | undefined;
  readonly body: 'none' | 'form' | 'json' | 'text';
  readonly inBody: readonly string[];
  readonly no: readonly string[];
}

const variable = fc.constantFrom('A', 'B');
const some = fc.uniqueArray(variable, { maxLength: 2 });
const mixed: fc.Arbitrary<Mixed> = fc.record({
  header: some,
  basic: fc.option(variable, { nil: undefined }),
  query: fc.option(variable, { nil: undefined }),
  body: fc.constantFrom('none', 'form', 'json', 'text'),
  inBody: some,
  no: some,
});

test(
  'whatever a request carries, each credential of it was confirmed, once, or nothing leaves [W-CONS-40]',
  async () => {
    const secrets = { A: 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO', B: 'xoxb-71b2c0Qw8eRt5yUi3oPa9sDf' };
    const asked: string[] = [];
    let no: readonly string[] = [];
    const confirmations = {
      known: () => undefined,
      ask: ({ credential }: { credential: string }) => {
        asked.push(credential);
        const answer = no.some((name) => credential.endsWith(name)) ? NO : YES;
        return { outcome: Promise.resolve(answer), withdraw: () => {} };
      },
    };
    await using gate = await TestGate.open({ secrets, limits: { as: 'any', confirm: true }, confirmations });
    const p = (name: string): string => gate.placeholder(name);
    await fc.assert(
      fc.asyncProperty(mixed, async (request) => {
        asked.length = 0;
        ({ no } = request);
        const before = gate.upstream.requests.length;
        const carried = [
          ...request.header,
          ...[request.basic, request.query].filter((name) => name !== undefined),
        ];
        const inBody = request.body === 'none' ? [] : request.inBody;
        const headers: http.OutgoingHttpHeaders = Object.fromEntries(
          request.header.map((name) => [`x-key-${name}`, `k ${p(name)}`]),
        );
        if (request.basic !== undefined) headers.authorization = `Basic ${btoa(`me:${p(request.basic)}`)}`;
        const types = { form: form['content-type'], json: json['content-type'], text: 'text/plain' };
        if (request.body !== 'none') headers['content-type'] = types[request.body];
        const bodies = {
          none: '',
          form: inBody.map((name) => `k${name}=${p(name)}`).join('&'),
          json: JSON.stringify(inBody.map(p)),
          text: inBody.map(p).join(' '),
        };
        const target = `/echo${request.query === undefined ? '' : `?k=${p(request.query)}`}`;
        const { status } = await send(gate, `POST ${target}`, headers, bodies[request.body]);
        const used = [...new Set([...carried, ...inBody])].map((name) => `test/${name}`).sort();
        const left = gate.upstream.requests.slice(before);
        const isFit = request.body !== 'text' || inBody.length === 0;
        if (isFit && used.every((name) => !no.some((refused) => name.endsWith(refused)))) {
          expect([status, [...asked].sort()]).toEqual([200, used]);
          expect(left).toHaveLength(1);
        } else {
          expect(status).toBe(403);
          expect(left).toEqual([]);
        }
        expect(new Set(asked).size).toBe(asked.length);
        expect(used).toEqual(expect.arrayContaining(asked));
      }),
      { numRuns: process.env.SLOW === '1' ? 3000 : 150 },
    );
  },
  process.env.SLOW === '1' ? 600_000 : 60_000,
);

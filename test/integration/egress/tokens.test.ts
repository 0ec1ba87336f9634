// Hosts that give out tokens, each in its own way: none reaches the server, and each works through the gate with the
// limits of the credential that it was obtained with.
import { once } from 'node:events';
import * as http from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type RecordedEvent, TestGate } from '../../fixtures/gate.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';
const TOKEN = 'gho_4fWq7Rt2YbN8mKc5XzLd1VhJ9sPg3AeU6iTo';
const OTHER = 'ghr_9kTz2LmW5vRq8XbNc1YdHf4JsPg7AeU3iMo0Qy6';

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Method and path, fields, and body. */
type Sent = readonly [line: string, headers?: http.OutgoingHttpHeaders, body?: string];

async function send(gate: TestGate, ...[line, headers = {}, body = '']: Sent): Promise<Answer> {
  const [method = '', path = ''] = line.split(' ');
  const socket = await gate.secure();
  const request = http.request({
    createConnection: () => socket,
    method,
    path,
    headers: { host: `api.test:${gate.upstream.port}`, ...headers },
  });
  request.end(body);
  const [response]: http.IncomingMessage[] = await once(request, 'response');
  const pieces: Buffer[] = [];
  response?.on('data', (piece: Buffer) => pieces.push(piece));
  await once(response as http.IncomingMessage, 'end');
  socket.destroy();
  return { status: response?.statusCode ?? 0, headers: response?.headers ?? {}, body: Buffer.concat(pieces) };
}

/** A gate before a host that answers every request in one way, and tells what it got. */
async function issuing(
  answer: {
    readonly headers?: http.OutgoingHttpHeaders;
    readonly body: string | Buffer;
    readonly pieces?: number;
  },
  limits: object = {},
): Promise<TestGate> {
  return await TestGate.open({
    secrets: { TOKEN: SECRET },
    limits,
    upstream: {
      route: (incoming, response) => {
        if (incoming.url?.startsWith('/echo')) return false;
        const body = Buffer.from(answer.body as string);
        response.writeHead(200, { ...answer.headers });
        const size = Math.ceil(body.length / (answer.pieces ?? 1));
        void (async () => {
          for (let at = 0; at < body.length; at += size) {
            response.write(body.subarray(at, at + size));
            await new Promise((resolve) => setTimeout(resolve, 3));
          }
          response.end();
        })();
        return true;
      },
    },
  });
}

const json = JSON.stringify({ access_token: TOKEN, token_type: 'bearer', refresh_token: OTHER });
const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');

const ANSWERS: readonly (readonly [string, Parameters<typeof issuing>[0]])[] = [
  ['JSON', { headers: { 'content-type': 'application/json' }, body: json }],
  [
    'JSON of a declared length',
    { headers: { 'content-type': 'application/json', 'content-length': json.length }, body: json },
  ],
  ['JSON without a type', { body: json }],
  ['JSON in pieces', { headers: { 'content-type': 'application/json' }, body: json, pieces: 40 }],
  ['JSON in UTF-16', { body: utf16(json), headers: { 'content-type': 'application/json' } }],
  ['JSON in UTF-16 with a byte order mark', { body: utf16(`\ufeff${json}`).swap16(), pieces: 7 }],
  [
    'an event stream',
    { headers: { 'content-type': 'text/event-stream' }, body: `event: login\ndata: ${json}\n\n`, pieces: 9 },
  ],
  ['octets', { headers: { 'content-type': 'application/octet-stream' }, body: json }],
  ['an image, as it says', { headers: { 'content-type': 'image/png' }, body: json }],
  ['gzip', { headers: { 'content-encoding': 'gzip' }, body: gzipSync(json) }],
  [
    'br',
    { headers: { 'content-encoding': 'br', 'content-type': 'text/plain' }, body: brotliCompressSync(json) },
  ],
  ['a form', { body: `scope=a&access_token=${TOKEN}&refresh_token=${OTHER}` }],
  ['JSON in JSON', { body: JSON.stringify({ body: JSON.stringify({ result: json }) }) }],
  [
    'members "token" and "refreshToken"',
    { body: JSON.stringify({ data: [{ token: TOKEN, refreshToken: OTHER }] }) },
  ],
  ['XML', { body: `<r><AccessToken>${TOKEN}</AccessToken><RefreshToken>${OTHER}</RefreshToken></r>` }],
];

describe('a token', () => {
  test.each(ANSWERS)(
    'in %s is sealed, without any grant_type, and works [W-SEAL-6]',
    async (_name, answer) => {
      await using gate = await issuing(answer);
      const { status, body } = await send(gate, 'GET /login/oauth?code=4fe1');
      expect(status).toBe(200);
      const text = body.toString('latin1').replaceAll('\0', '');
      for (const token of [TOKEN, OTHER]) expect(text).not.toContain(token.slice(6, 20));
      const placeholder = gate.sealed.all.find(({ value }) => value === TOKEN)?.placeholder ?? '-';
      expect(text).toContain(placeholder);
      const echo = await send(gate, 'GET /echo', { authorization: `Bearer ${placeholder}` });
      expect(gate.upstream.requests.at(-1)?.headers.authorization).toBe(`Bearer ${TOKEN}`);
      expect(echo.body.toString()).toContain(`Bearer ${placeholder}`);
    },
  );

  test('in UTF-16 is replaced by a placeholder in UTF-16 [W-SEAL-6]', async () => {
    await using gate = await issuing({ body: utf16(json) });
    const { body } = await send(gate, 'GET /login');
    expect(JSON.parse(body.toString('utf16le')).access_token).toMatch(/^gho_\w{36}$/);
  });

  test('of a name that only the profile knows is sealed too, for its path [W-SEAL-6]', async () => {
    const limits = {
      issues: { path: '/login/**', members: ['ticket'], as: undefined, paths: undefined, methods: undefined },
    };
    await using gate = await issuing({ body: JSON.stringify({ ticket: TOKEN }) }, limits);
    expect((await send(gate, 'GET /login/now')).body.toString()).not.toContain(TOKEN);
    await using other = await issuing({ body: JSON.stringify({ ticket: TOKEN }) }, limits);
    expect((await send(other, 'GET /other')).body.toString()).toContain(TOKEN);
  });

  test('that is a word or a number stays, and so does what is no 2xx answer [W-SEAL-6]', async () => {
    const body = JSON.stringify({ token: 'bearer', tokens: 12_345_678, token_type: 'bearer', next: TOKEN });
    await using gate = await issuing({ body });
    expect((await send(gate, 'GET /words')).body.toString()).toBe(body);
    expect(gate.sealed.all).toHaveLength(1);
  });

  test('keeps the place, the methods, the paths and the number of uses of what it was obtained with [W-SEAL-6] [W-SEAL-2]', async () => {
    const limits = { as: 'header', paths: ['/token', '/echo'], methods: ['POST', 'GET'], maxUses: 3 };
    await using gate = await issuing({ body: json }, limits);
    const mine = { authorization: `Bearer ${gate.placeholder('TOKEN')}` };
    const { body } = await send(gate, 'POST /token', mine);
    const { access_token: token } = JSON.parse(body.toString());
    const bearer = { authorization: `Bearer ${token}` };
    const refusals = [
      await send(gate, 'DELETE /echo', bearer),
      await send(gate, 'GET /admin', bearer),
      await send(gate, `GET /echo?token=${token}`),
      await send(gate, 'POST /echo', { 'content-type': 'application/x-www-form-urlencoded' }, `a=${token}`),
    ];
    expect(refusals.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    expect((await send(gate, 'GET /echo', bearer)).status).toBe(200);
    expect((await send(gate, 'GET /echo', bearer)).status).toBe(200);
    expect((await send(gate, 'GET /echo', bearer)).status).toBe(403);
    expect((await send(gate, 'GET /echo', mine)).status).toBe(403);
    expect(gate.upstream.requests.filter(({ target }) => target !== '/token')).toHaveLength(2);
  });
});

const form = { 'content-type': 'application/x-www-form-urlencoded' };

describe('without "as" a secret goes into a header', () => {
  test.each([
    ['the query', (p: string): Sent => [`GET /echo?key=${p}`, {}, '']],
    ['the path', (p: string): Sent => [`GET /echo/${p}`, {}, '']],
    ['a form', (p: string): Sent => ['POST /echo', form, `text=${p}`]],
    [
      'JSON',
      (p: string): Sent => [
        'POST /echo',
        { 'content-type': 'application/json' },
        JSON.stringify({ text: p }),
      ],
    ],
    ['a form that says a grant_type', (p: string): Sent => ['POST /echo', form, `grant_type=x&text=${p}`]],
    ['part of a parameter', (p: string): Sent => ['POST /echo', form, `grant_type=x&client_secret=a+${p}`]],
    [
      'a secret parameter and another place',
      (p: string): Sent => ['POST /echo', form, `grant_type=x&client_secret=${p}&text=${p}`],
    ],
    [
      'a parameter that is there twice',
      (p: string): Sent => ['POST /echo', form, `grant_type=x&client_secret=${p}&client_secret=b`],
    ],
  ])('and not into %s [W-SEAL-2]', async (_name, make) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits: { as: undefined } });
    const answer = await send(gate, ...make(gate.placeholder('TOKEN')));
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body.toString()).message).toContain('in a header only');
    expect(gate.upstream.requests).toEqual([]);
    expect(gate.records.filter(({ event }: RecordedEvent) => event === 'credential.use')).toMatchObject([
      { outcome: 'refused' },
    ]);
  });

  test.each([
    ['a form', (p: string): Sent => ['POST /echo', form, `grant_type=refresh_token&refresh_token=${p}`]],
    [
      'JSON',
      (p: string): Sent => [
        'POST /echo',
        { 'content-type': 'application/json' },
        JSON.stringify({ grant_type: 'x', client_secret: p }),
      ],
    ],
  ])('or into a secret parameter of a token request, in %s [W-SEAL-2]', async (_name, make) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits: { as: undefined } });
    expect((await send(gate, ...make(gate.placeholder('TOKEN')))).status).toBe(200);
    expect(gate.upstream.requests.at(-1)?.body.toString()).toContain(SECRET);
  });
});

describe('a refresh token that is exchanged', () => {
  const rotating = (answer: (count: number) => string, type = 'application/json') => {
    let count = 0;
    return {
      route: (incoming: http.IncomingMessage, response: http.ServerResponse) => {
        if (incoming.url?.startsWith('/echo')) return false;
        response.writeHead(200, { 'content-type': type });
        response.end(answer(++count));
        return true;
      },
    };
  };
  const grant = (placeholder: string): Sent => [
    'POST /token',
    form,
    `grant_type=refresh_token&refresh_token=${placeholder}`,
  ];
  const next = (count: number): string => `ghr_next${count}WmW5vRq8XbNc1YdHf4JsPg7AeU3iMo0Qy6`;

  test('becomes the value of its credential, is stored and recorded, and never seen [W-SEAL-10]', async () => {
    const stored: string[][] = [];
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      limits: { as: undefined },
      upstream: rotating((count) => JSON.stringify({ access_token: TOKEN, refresh_token: next(count) })),
      replace: async (...words) => {
        stored.push(words);
        return { version: `w${stored.length}` };
      },
    });
    const placeholder = gate.placeholder('TOKEN');
    for (const count of [1, 2]) {
      const { body } = await send(gate, ...grant(placeholder));
      const answer = JSON.parse(body.toString());
      expect(answer.refresh_token).toBe(placeholder);
      expect(answer.access_token).not.toBe(TOKEN);
      expect(gate.sealed.all[0]?.value).toBe(next(count));
    }
    const sent = gate.upstream.requests.map(({ body }) =>
      new URLSearchParams(body.toString()).get('refresh_token'),
    );
    expect(sent).toEqual([SECRET, next(1)]);
    expect(stored).toEqual([
      ['test/TOKEN', SECRET, next(1)],
      ['test/TOKEN', next(1), next(2)],
    ]);
    const records = gate.records.filter(({ action }) => action === 'exchange');
    expect(records).toMatchObject([
      { outcome: 'stored', version: 'w1', host: 'api.test' },
      { outcome: 'stored', version: 'w2' },
    ]);
    for (const value of [SECRET, next(1), next(2)]) expect(JSON.stringify(gate.records)).not.toContain(value);
    expect(gate.sealed.all).toHaveLength(2);
  });

  test('by two requests at once is exchanged one after the other [W-SEAL-10]', async () => {
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      limits: { as: undefined },
      upstream: rotating((count) => JSON.stringify({ access_token: TOKEN, refresh_token: next(count) })),
      replace: async () => ({ version: 'w' }),
    });
    await Promise.all([1, 2, 3].map(() => send(gate, ...grant(gate.placeholder('TOKEN')))));
    const sent = gate.upstream.requests.map(({ body }) =>
      new URLSearchParams(body.toString()).get('refresh_token'),
    );
    expect(sent).toEqual([SECRET, next(1), next(2)]);
  });

  test.each([
    ['an error', () => JSON.stringify({ error: 'invalid_grant', refresh_token: OTHER })],
    ['an answer without an access token', () => JSON.stringify({ refresh_token: OTHER })],
    [
      'an answer with two',
      () => `{"access_token":"${TOKEN}","refresh_token":"${OTHER}","refresh_token":"x"}`,
    ],
    ['a list', () => JSON.stringify([{ access_token: TOKEN, refresh_token: OTHER }])],
    ['an inner object', () => JSON.stringify({ access_token: TOKEN, json: { refresh_token: OTHER } })],
    [
      'a password that cannot be sealed',
      () => JSON.stringify({ access_token: TOKEN, refresh_token: `postgres://user:${OTHER}@db.test` }),
    ],
  ])('stays as it is with %s, whose tokens are sealed all the same [W-SEAL-10]', async (_name, answer) => {
    const stored: string[] = [];
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      limits: { as: undefined },
      upstream: rotating(answer),
      replace: async (_credential, _expected, value) => {
        stored.push(value);
        return { version: 'w' };
      },
    });
    const { body } = await send(gate, ...grant(gate.placeholder('TOKEN')));
    expect(body.toString()).not.toContain(OTHER);
    expect(stored).toEqual([]);
    expect(gate.sealed.all[0]?.value).toBe(SECRET);
  });

  test('stays as it is with a common word, which would be found in every text [W-SEAL-10]', async () => {
    const stored: string[] = [];
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      limits: { as: undefined },
      upstream: rotating(() => JSON.stringify({ access_token: TOKEN, refresh_token: 'undefined' })),
      replace: async (_credential, _expected, value) => {
        stored.push(value);
        return { version: 'w' };
      },
    });
    await send(gate, ...grant(gate.placeholder('TOKEN')));
    expect(stored).toEqual([]);
    expect(gate.sealed.all[0]?.value).toBe(SECRET);
  });

  test('in an event stream is sealed as a token of the session [W-SEAL-10]', async () => {
    await using gate = await TestGate.open({
      secrets: { TOKEN: SECRET },
      limits: { as: undefined },
      upstream: rotating(
        () => `data: ${JSON.stringify({ access_token: TOKEN, refresh_token: OTHER })}\n\n`,
        'text/event-stream',
      ),
    });
    const { body } = await send(gate, ...grant(gate.placeholder('TOKEN')));
    expect(body.toString()).not.toMatch(new RegExp(`${OTHER}|${TOKEN}`));
    expect(gate.sealed.all.map(({ value }) => value)).toEqual([SECRET, TOKEN, OTHER]);
  });

  test('with its parameter twice in JSON is not put in: the host may read the other one [W-SEAL-10] [W-SEAL-2]', async () => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits: { as: undefined } });
    const p = gate.placeholder('TOKEN');
    const body = `{"grant_type":"x","refresh_token":"another","refresh_token":"${p}"}`;
    const { status } = await send(gate, 'POST /echo', { 'content-type': 'application/json' }, body);
    expect(status).toBe(403);
  });
});

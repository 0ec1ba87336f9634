// Where the browser comes back to, attacked: by pages in the same browser, by programs on the machine, by names that lead
// here, by whoever has the address a second time.
import { once } from 'node:events';
import http from 'node:http';
import { connect, createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { PAGES } from '../../../../src/remote/sign-in/page.ts';
import {
  isSame,
  listenForRedirect,
  type RedirectServerParts,
} from '../../../../src/remote/sign-in/redirect-server.ts';

const STATE = 'state-7c1e';
const PATH = '/callback/9f8e7d6c5b4a';

async function listening(more: Partial<RedirectServerParts> = {}) {
  const arrived = vi.fn(async (_url: string) => PAGES.signedIn);
  const server = await listenForRedirect({
    port: 0,
    path: PATH,
    isState: (state) => isSame(state, STATE),
    arrived,
    ...more,
  });
  const request = (
    target: string,
    { method = 'GET', headers = {} }: { method?: string; headers?: http.OutgoingHttpHeaders } = {},
  ): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> =>
    new Promise((resolve, reject) => {
      const sent = http.request(
        { host: '127.0.0.1', port: server.port, path: target, method, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      sent.on('error', reject);
      sent.end();
    });
  return { server, arrived, request };
}

const GOOD = `${PATH}?code=secret-code&state=${STATE}`;
const NAVIGATION = {
  'sec-fetch-site': 'cross-site',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-user': '?1',
};

test('W-AUTH-37 the redirect of the authorization server is taken once; what comes after it changes nothing', async () => {
  const { server, arrived, request } = await listening();
  await using _server = server;
  const first = await request(GOOD, { headers: NAVIGATION });
  expect(first.status).toBe(200);
  expect(arrived).toHaveBeenCalledExactlyOnceWith(`http://127.0.0.1:${server.port}${GOOD}`);
  const second = await request(GOOD, { headers: NAVIGATION });
  expect([second.status, second.body]).toEqual([410, expect.stringContaining('This sign-in is over')]);
  expect((await request(`${PATH}?code=other&state=${STATE}`)).status).toBe(410);
  expect(arrived).toHaveBeenCalledTimes(1);
});

test('W-AUTH-38 the page tells nothing of the request, loads nothing, runs nothing, and is not kept', async () => {
  const { server, request } = await listening();
  await using _server = server;
  const { headers, body } = await request(GOOD, { headers: NAVIGATION });
  for (const secret of ['secret-code', STATE, '9f8e7d6c5b4a']) expect(body).not.toContain(secret);
  expect(body).not.toMatch(/<script|<link|<img|<a |<form|src=|href=|url\(/i);
  expect(headers).toMatchObject({
    'content-security-policy':
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'cross-origin-opener-policy': 'same-origin',
    'content-type': 'text/html; charset=utf-8',
  });
  for (const name of ['access-control-allow-origin', 'set-cookie', 'location', 'server', 'x-powered-by'])
    expect(headers[name]).toBeUndefined();
});

const ATTACKS: readonly [
  what: string,
  target: string,
  options: Parameters<Awaited<ReturnType<typeof listening>>['request']>[1],
  status: number,
][] = [
  ['another state', `${PATH}?code=evil&state=state-7c1f`, { headers: NAVIGATION }, 400],
  ['no state', `${PATH}?code=evil`, { headers: NAVIGATION }, 400],
  ['an empty state', `${PATH}?code=evil&state=`, { headers: NAVIGATION }, 400],
  ['two states, one of them right', `${PATH}?code=evil&state=x&state=${STATE}`, { headers: NAVIGATION }, 400],
  ['an error without the state', `${PATH}?error=access_denied`, { headers: NAVIGATION }, 400],
  ['another path', `/callback?code=evil&state=${STATE}`, { headers: NAVIGATION }, 404],
  ['the root', `/?code=evil&state=${STATE}`, { headers: NAVIGATION }, 404],
  ['the path and more', `${PATH}/?code=evil&state=${STATE}`, { headers: NAVIGATION }, 404],
  ['another spelling of the path', `${PATH.replace('c', '%63')}?code=evil&state=${STATE}`, {}, 404],
  ['dots in the path', `/x/..${GOOD}`, {}, 404],
  ['a favicon', '/favicon.ico', { headers: { ...NAVIGATION, 'sec-fetch-dest': 'image' } }, 404],
  ['a name that leads here', GOOD, { headers: { ...NAVIGATION, host: 'rebind.evil.example' } }, 421],
  ['localhost', GOOD, { headers: { ...NAVIGATION, host: 'localhost' } }, 421],
  ['another port in the host', GOOD, { headers: { ...NAVIGATION, host: '127.0.0.1:1' } }, 421],
  [
    'fetch of a page',
    GOOD,
    { headers: { ...NAVIGATION, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'empty' } },
    403,
  ],
  ['fetch with CORS', GOOD, { headers: { 'sec-fetch-mode': 'cors', origin: 'https://evil.example' } }, 403],
  ['an image of a page', GOOD, { headers: { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' } }, 403],
  ['a frame in a page', GOOD, { headers: { ...NAVIGATION, 'sec-fetch-dest': 'iframe' } }, 403],
  ['an origin', GOOD, { headers: { ...NAVIGATION, origin: 'https://evil.example' } }, 403],
  ['the origin null', GOOD, { headers: { ...NAVIGATION, origin: 'null' } }, 403],
  ['POST', GOOD, { method: 'POST' }, 405],
  ['HEAD', GOOD, { method: 'HEAD' }, 405],
  [
    'a preflight',
    GOOD,
    {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-private-network': 'true' },
    },
    405,
  ],
];

test.each(ATTACKS)(
  'W-AUTH-37 %s is refused, and the sign-in goes on',
  async (_what, target, options, status) => {
    const { server, arrived, request } = await listening();
    await using _server = server;
    const refused = await request(target, options);
    expect(refused.status).toBe(status);
    for (const name of ['access-control-allow-origin', 'access-control-allow-private-network'])
      expect(refused.headers[name]).toBeUndefined();
    expect(arrived).not.toHaveBeenCalled();
    expect((await request(GOOD, { headers: NAVIGATION })).status).toBe(200);
  },
);

test('W-AUTH-37 what is no HTTP, or too long, or never ends, holds up nobody', async () => {
  const { server, arrived, request } = await listening();
  await using _server = server;
  const junk = connect(server.port, '127.0.0.1');
  junk.on('error', () => {});
  junk.write('\x16\x03\x01 not http\r\n\r\n');
  await once(junk, 'close');
  const slow = connect(server.port, '127.0.0.1');
  slow.on('error', () => {});
  slow.write(`GET ${PATH} HTTP/1.1\r\n`);
  const long = await request(`${PATH}?${'x'.repeat(20_000)}`).catch(() => undefined);
  expect(long?.status ?? 431).toBe(431);
  expect((await request(GOOD, { headers: NAVIGATION })).status).toBe(200);
  expect(arrived).toHaveBeenCalledTimes(1);
  slow.destroy();
});

test('it listens on 127.0.0.1 alone, and a port that is taken is an error that names it', async () => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  try {
    await expect(listening({ port })).rejects.toMatchObject({
      code: 'sign-in-failed',
      message: `port ${port} on 127.0.0.1 is taken by another program`,
      hint: expect.stringContaining('callback-port'),
    });
  } finally {
    taken.close();
  }
  const { server } = await listening();
  await using _server = server;
  const other = connect({ host: '127.0.0.2', port: server.port });
  await expect(once(other, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('nothing listens any more once it is disposed of, also while a page is still loading', async () => {
  const never = Promise.withResolvers<(typeof PAGES)['signedIn']>();
  const { server, request } = await listening({ arrived: () => never.promise });
  const loading = request(GOOD, { headers: NAVIGATION }).catch((error: Error) => error);
  await expect.poll(async () => (await request(GOOD)).status).toBe(410);
  await server[Symbol.asyncDispose]();
  expect(await loading).toBeInstanceOf(Error);
  await expect(request(GOOD)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

// The client of remote servers: where it connects, what it sends, and what it takes.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { UpstreamProxy } from '../../../../src/egress/dial/upstream-proxy.ts';
import { clock } from '../../../../src/os/clock.ts';
import { openFetch, type RemoteFetch } from '../../../../src/remote/http/fetch.ts';
import { fetchMetadata } from '../../../../src/remote/oauth/metadata.ts';
import { TestAuthority } from '../../../fixtures/authority.ts';
import { Internet } from '../../../fixtures/internet.ts';
import { openHttp, type RouteOptions } from '../../../fixtures/remote/pipe.ts';
import { answerJson, listenAt } from '../../../fixtures/remote/place.ts';
import { TestResolver } from '../../../fixtures/resolver.ts';

const open: Disposable[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one[Symbol.dispose]();
});

function client(options: RouteOptions = {}): {
  fetch: RemoteFetch;
  records: ReturnType<typeof openHttp>['records'];
} {
  const { http, records } = openHttp(options);
  open.push(http);
  return { fetch: openFetch(http), records };
}

const metadata = (fetch: RemoteFetch, url: string): ReturnType<typeof fetchMetadata> =>
  fetchMetadata({ fetch, clock, random: randomBytes, insecureLoopback: true }, url, 'metadata');

const CLOSED = { allowPrivate: [], insecureLoopback: false };

test.for([
  ['169.254.169.254', "a cloud's metadata service", {}],
  ['169.254.169.254', "a cloud's metadata service", { allowPrivate: ['169.254.0.0/16'] }],
  ['127.0.0.1', 'a loopback address', {}],
  ['127.0.0.1', 'a loopback address', { insecureLoopback: true }],
  ['10.1.2.3', 'a private address', { allowPrivate: ['10.2.0.0/16'] }],
  ['::ffff:169.254.169.254', 'inside', {}],
  ['64:ff9b::a9fe:a9fe', 'an address with an IPv4 address inside', {}],
  ['100.100.100.200', "a cloud's metadata service", {}],
] as const)(
  'W-REM-1: a name that resolves to %s is not connected to: %s',
  async ([address, reason, opened]) => {
    await using resolver = await TestResolver.open({ 'mcp.test': [address] });
    const { fetch, records } = client({ resolver: resolver.server, opened: { ...CLOSED, ...opened } });
    const failed = await fetch('https://mcp.test/').catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'remote-refused' });
    expect(String(failed)).toContain(reason);
    expect(records).toMatchObject([{ event: 'egress.connect', outcome: 'refused', host: 'mcp.test' }]);
  },
);

test.for(['127.0.0.1', '[::1]', '0x7f.1', '2130706433', '169.254.169.254', '10.0.0.1', '[::ffff:10.0.0.1]'])(
  'W-REM-1: the address %s is not connected to by itself',
  async (host) => {
    const { fetch, records } = client({ opened: CLOSED });
    await expect(fetch(`https://${host}:9/`)).rejects.toMatchObject({ code: 'remote-refused' });
    expect(records.map(({ outcome }) => outcome)).toEqual(['refused']);
  },
);

test('W-REM-1: a name that changes its address is judged at each connection', async () => {
  await using internet = await Internet.open();
  await using place = await listenAt((_request, response) => answerJson(response, 200, {}), {
    internet,
    name: 'mcp.test',
  });
  let { address } = place;
  internet.resolver.names.set('mcp.test', () => [address]);
  const { fetch, records } = client({
    resolver: internet.resolver.server,
    ca: internet.authority.ca,
    opened: { ...CLOSED, allowPrivate: [`${place.address}/32`] },
  });
  expect((await fetch(`${place.origin}/`)).status).toBe(200);
  address = '127.0.0.1';
  place.cut();
  await expect(fetch(`${place.origin}/`)).rejects.toMatchObject({ code: 'remote-refused' });
  expect(records.map(({ outcome }) => outcome)).toEqual(['open', 'closed', 'refused']);
});

test('W-REM-2: http is spoken to this machine alone, and only where the profile says so', async () => {
  await using place = await listenAt((_request, response) => answerJson(response, 200, {}));
  const refused = { code: 'remote-refused' };
  const closed = client({ opened: CLOSED });
  await expect(closed.fetch(`http://127.0.0.1:${place.port}/`)).rejects.toMatchObject(refused);
  const { fetch } = client();
  expect((await fetch(`http://127.0.0.1:${place.port}/`)).status).toBe(200);
  expect((await fetch(`http://localhost:${place.port}/`)).status).toBe(200);
  await expect(fetch(`http://mcp.test:${place.port}/`)).rejects.toMatchObject(refused);
  await expect(fetch(`http://user:secret@127.0.0.1:${place.port}/`)).rejects.toMatchObject(refused);
  await expect(fetch('file:///etc/passwd')).rejects.toMatchObject(refused);
  expect(place.requests).toHaveLength(2);
});

test('W-REM-2: a certificate that is for another name, or by another authority, is refused', async () => {
  await using internet = await Internet.open();
  await using place = await listenAt((_request, response) => answerJson(response, 200, {}), {
    internet,
    name: 'mcp.test',
  });
  internet.resolver.names.set('other.test', [place.address]);
  const opened = { ...CLOSED, allowPrivate: [`${place.address}/32`] };
  const resolver = internet.resolver.server;
  const other = client({ resolver, ca: internet.authority.ca, opened });
  const unreachable = { code: 'remote-unreachable', message: expect.stringContaining('certificate') };
  await expect(other.fetch(`https://other.test:${place.port}/`)).rejects.toMatchObject(unreachable);
  const strange = client({ resolver, ca: new TestAuthority().ca, opened });
  await expect(strange.fetch(`${place.origin}/`)).rejects.toMatchObject(unreachable);
  expect(place.requests).toEqual([]);
});

test('W-REM-3: a redirect is not followed, and cookies are not kept', async () => {
  await using place = await listenAt((_request, response) => {
    response.writeHead(307, { location: 'http://169.254.169.254/', 'set-cookie': 'a=b' }).end();
  });
  const { fetch, records } = client();
  const headers = { authorization: 'Bearer secret' };
  const response = await fetch(`${place.origin}/`, { method: 'POST', body: 'x', headers });
  expect(response.status).toBe(307);
  expect(response.headers.getSetCookie()).toEqual([]);
  await fetch(`${place.origin}/`);
  expect(place.requests[1]?.headers.cookie).toBeUndefined();
  expect(records.filter(({ outcome }) => outcome === 'open')).toHaveLength(1);
});

test.for([
  'http://169.254.169.254/latest',
  'https://169.254.169.254/x',
  'https://10.0.0.1/',
  'file:///etc/passwd',
  'http://[',
])('W-REM-3: metadata is not followed to %s', async (location) => {
  await using place = await listenAt((_request, response) => {
    response.writeHead(302, { location }).end();
  });
  const { fetch, records } = client();
  await expect(metadata(fetch, `${place.origin}/m`)).rejects.toMatchObject({
    code: expect.stringMatching(/^(?:remote-refused|server-metadata)$/),
  });
  expect(records.filter(({ outcome }) => outcome === 'open')).toHaveLength(1);
});

test('W-REM-3: redirects of metadata are few, in no circle, and carry no credential', async () => {
  await using place = await listenAt(({ url = '' }, response) => {
    const at = Number(url.slice(2));
    if (url === '/c0') response.writeHead(302, { location: '/c0' }).end();
    else if (url.startsWith('/m') && at < 3) response.writeHead(302, { location: `/m${at + 1}` }).end();
    else if (url.startsWith('/n')) response.writeHead(302, { location: `/n${at + 1}` }).end();
    else answerJson(response, 200, { at });
  });
  const { fetch } = client();
  expect(await metadata(fetch, `${place.origin}/m0`)).toMatchObject({ json: { at: 3 } });
  expect(place.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  const refused = { code: 'server-metadata' };
  await expect(metadata(fetch, `${place.origin}/n0`)).rejects.toMatchObject(refused);
  await expect(metadata(fetch, `${place.origin}/c0`)).rejects.toMatchObject(refused);
  expect(place.count('GET /n')).toBe(4);
});

test('W-REM-3: metadata from elsewhere does not lead to this machine', async () => {
  await using internet = await Internet.open();
  await using own = await listenAt((_request, response) => answerJson(response, 200, {}));
  await using place = await listenAt(
    (_request, response) => {
      response.writeHead(302, { location: `${own.origin}/` }).end();
    },
    { internet, name: 'mcp.test' },
  );
  const { fetch } = client({
    resolver: internet.resolver.server,
    ca: internet.authority.ca,
    opened: { allowPrivate: [`${place.address}/32`], insecureLoopback: true },
  });
  await expect(metadata(fetch, `${place.origin}/`)).rejects.toMatchObject({ code: 'server-metadata' });
  expect(own.requests).toEqual([]);
});

test.for(['127.0.0.1', '[::1]'])('W-REM-2: http to %s is a choice of the profile', async (host) => {
  const closed = client({ opened: CLOSED });
  await expect(closed.fetch(`http://${host}:9/`)).rejects.toMatchObject({ code: 'remote-refused' });
  expect(closed.records).toEqual([]);
  // Nobody listens there.
  const opened = client({ opened: { ...CLOSED, insecureLoopback: true } });
  await expect(opened.fetch(`http://${host}:9/`)).rejects.toMatchObject({ code: 'remote-unreachable' });
});

test('W-REM-4: a body, a decompression bomb and a head over the limit are refused', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20));
  await using place = await listenAt(({ url }, response) => {
    if (url === '/bomb') response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    else if (url === '/gzip') response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('hello'));
    else if (url === '/odd') response.writeHead(200, { 'content-encoding': 'lzma' }).end('x');
    else if (url === '/body') response.end(Buffer.alloc(2 ** 20 + 1));
    else response.writeHead(200, { 'x-long': 'x'.repeat(70_000) }).end();
  });
  const { fetch } = client();
  expect(await (await fetch(`${place.origin}/gzip`)).text()).toBe('hello');
  for (const path of ['bomb', 'odd', 'body', 'head']) {
    const failed = fetch(`${place.origin}/${path}`);
    await expect(failed, path).rejects.toMatchObject({ code: 'remote-unreachable' });
  }
});

test('W-REM-8: what cannot be recorded is not connected to', async () => {
  await using place = await listenAt((_request, response) => answerJson(response, 200, {}));
  const { fetch } = client({ isLogWritable: () => false });
  await expect(fetch(`${place.origin}/`)).rejects.toThrow(/disk is full/);
  expect(place.requests).toEqual([]);
});

test('a kept connection that turns out to be closed costs a request that may be repeated nothing', async () => {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
      // The second request on it finds it reset.
      socket.once('data', () => socket.resetAndDestroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const { fetch } = client();
  try {
    await fetch(`http://127.0.0.1:${port}/`);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect(connections).toBe(2);
    const once = fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'x' });
    await expect(once).rejects.toMatchObject({ code: 'remote-unreachable' });
    expect(connections).toBe(2);
  } finally {
    server.close();
  }
});

test('answers of no HTTP, of no status, and none are errors that name the host alone', async () => {
  const answers = ['garbage\r\n\r\n', 'HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n', ''];
  const server = net.createServer((socket) => {
    socket.on('error', () => {}).once('data', () => socket.end(answers.shift() ?? ''));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const { fetch } = client();
  try {
    for (let i = 0; i < 3; i++) {
      const failed = await fetch(`http://127.0.0.1:${port}/secret?token=secret`).catch(
        (error: unknown) => error,
      );
      expect(failed).toMatchObject({ code: 'remote-unreachable' });
      expect(String(failed)).not.toContain('secret');
    }
  } finally {
    server.close();
  }
});

test('W-REM-1: the proxy of the settings is asked for the address that was judged, and TLS goes through to the server', async () => {
  await using internet = await Internet.open();
  await using place = await listenAt((_request, response) => answerJson(response, 200, {}), {
    internet,
    name: 'mcp.test',
  });
  internet.resolver.names.set('mcp.test', ['9.9.9.8']);
  const asked: string[] = [];
  const proxy = http.createServer().on('connect', (request: http.IncomingMessage, socket: net.Socket) => {
    asked.push(request.url ?? '');
    const out = net.connect({ host: place.address, port: place.port }).on('error', () => {});
    socket.on('error', () => {}).write('HTTP/1.1 200 OK\r\n\r\n');
    socket.pipe(out).pipe(socket);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as net.AddressInfo;
  const { fetch, records } = client({
    resolver: internet.resolver.server,
    ca: internet.authority.ca,
    opened: CLOSED,
    proxy: new UpstreamProxy({ url: new URL(`http://127.0.0.1:${port}`), except: [] }),
  });
  try {
    expect((await fetch(`${place.origin}/`)).status).toBe(200);
    expect(asked).toEqual([`9.9.9.8:${place.port}`]);
    expect(records).toMatchObject([{ outcome: 'open', address: '127.0.0.1', target: '9.9.9.8' }]);
    internet.resolver.names.set('inner.test', ['10.0.0.1']);
    await expect(fetch(`https://inner.test:${place.port}/`)).rejects.toMatchObject({
      code: 'remote-refused',
    });
    expect(asked).toHaveLength(1);
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
});

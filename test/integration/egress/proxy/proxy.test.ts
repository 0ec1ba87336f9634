// The gate's listener without network namespaces: a proxy, tested with the programs that people use, and with such as
// have no token or want more than it gives. First in front of a gate that admits everything and only records it; then
// in front of the real one.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type OpenProxy, openProxy } from '../../../../src/egress/proxy/proxy.ts';
import type { ProxyTarget } from '../../../../src/egress/proxy/proxy-request.ts';
import { trustVariables } from '../../../../src/egress/trust.ts';
import { freePort, TestGate } from '../../../fixtures/gate.ts';

const run = promisify(execFile);
const clients = join(import.meta.dirname, '../../..', 'fixtures', 'clients');
const folder = mkdtempSync(join(tmpdir(), 'warder-proxy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const END = '\r\n\r\n';
const newToken = (): string => randomBytes(32).toString('base64url');
const basic = (token: string): string =>
  `Proxy-Authorization: Basic ${Buffer.from(`warder:${token}`).toString('base64')}`;

/**
 * A proxy whose gate admits everything. It echoes what comes through a tunnel, and answers a plain request with 204 once
 * nothing more comes.
 */
class TestProxy implements AsyncDisposable {
  readonly token = newToken();
  readonly admitted: (ProxyTarget & { read: string })[] = [];
  readonly refused: (ProxyTarget & { reason: string })[] = [];
  #proxy: OpenProxy | undefined;

  static async open(headTimeout?: number): Promise<TestProxy> {
    const front = new TestProxy();
    front.#proxy = await openProxy({
      token: front.token,
      admit: async (socket, host, port) => {
        const one = { host, port, read: '' };
        front.admitted.push(one);
        let quiet: NodeJS.Timeout | undefined;
        socket.on('data', (data: Buffer) => {
          one.read += data.toString('latin1');
          if (socket instanceof net.Socket) socket.write(`<${data.toString('latin1')}>`);
          else {
            clearTimeout(quiet);
            const goesOn = /transfer-encoding: chunked/i.test(one.read) && !one.read.endsWith(`0${END}`);
            if (!goesOn) quiet = setTimeout(() => socket.end(`HTTP/1.1 204 No Content${END}`), 20);
          }
        });
        socket.on('error', () => {});
        socket.once('end', () => socket.end());
      },
      onRefused: (target, reason) => front.refused.push({ ...target, reason }),
      ...(headTimeout !== undefined && { headTimeout }),
    });
    return front;
  }

  get proxy(): OpenProxy {
    if (this.#proxy === undefined) throw new Error('not open');
    return this.#proxy;
  }

  get auth(): string {
    return basic(this.token);
  }

  async connect(): Promise<net.Socket> {
    return await dial(this.proxy.port);
  }

  /** Sends pieces, each in its own packet, and the end; returns everything that came back. */
  async say(...pieces: (string | Buffer)[]): Promise<string> {
    const socket = await this.connect();
    const said = readToEnd(socket);
    for (const piece of pieces) {
      if (!socket.writable) break;
      socket.write(piece);
      if (pieces.length > 1) await sleep(2);
    }
    socket.end();
    return (await said).toString('latin1');
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.proxy[Symbol.asyncDispose]();
  }
}

async function dial(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** What arrives on a connection until it ends or is closed. */
async function readToEnd(socket: net.Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece)).once('end', () => socket.end());
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(pieces);
}

describe('what is admitted', () => {
  test('CONNECT, with the bytes behind its head and their end, byte by byte or at once', async () => {
    await using front = await TestProxy.open();
    const text = `CONNECT Api.Test.:8443 HTTP/1.1\r\nHost: api.test\r\n${front.auth}${END}behind\r\n\r\nit`;
    const said = `HTTP/1.1 200 Connection established${END}`;
    expect(await front.say(text)).toBe(`${said}<behind\r\n\r\nit>`);
    expect((await front.say(...text.split(''))).replaceAll('><', '')).toBe(`${said}<behind\r\n\r\nit>`);
    const wanted = { host: 'api.test', port: 8443, read: 'behind\r\n\r\nit' };
    expect(front.admitted).toEqual([wanted, wanted]);
    expect(front.refused).toEqual([]);
  });

  test('a plain request, in the form that a host expects, as the last of its connection', async () => {
    await using front = await TestProxy.open();
    const fields = [
      'Host: api.test',
      front.auth,
      'Proxy-Connection: keep-alive',
      'Connection: Keep-Alive, X-Own',
      'X-Own: 1',
      'Content-Length: 4',
    ];
    await front.say(`POST HTTP://api.TEST/a?b=http://c HTTP/1.1\r\n${fields.join('\r\n')}${END}body`);
    expect(front.admitted).toEqual([
      {
        host: 'api.test',
        port: 80,
        read: `POST /a?b=http://c HTTP/1.1\r\nHost: api.test\r\nX-Own: 1\r\nContent-Length: 4\r\nConnection: X-Own, close${END}body`,
      },
    ]);
    expect(front.admitted[0]?.read).not.toContain(front.auth);
  });

  test.each([
    ['GET http://api.test', 'GET /'],
    ['GET http://api.test?a=1', 'GET /?a=1'],
    ['OPTIONS http://api.test:8080', 'OPTIONS *'],
    ['OPTIONS http://api.test/', 'OPTIONS /'],
    ['POST http://api.test/', 'POST /', 'Content-Length: 0\r\n'],
  ])('%s becomes %s, in the version of the proxy', async (requested, forwarded, length = '') => {
    await using front = await TestProxy.open();
    const said = await front.say(`${requested} HTTP/1.0\r\n${front.auth}${END}`);
    expect(front.admitted[0]?.read).toBe(`${forwarded} HTTP/1.1\r\n${length}Connection: close${END}`);
    expect(said).toBe(`HTTP/1.1 204 No Content\r\nConnection: close${END}`);
  });

  test('chunks of a request arrive whole, and its answer to "Expect: 100-continue" is the proxy\'s', async () => {
    await using front = await TestProxy.open();
    const fields = ['Host: api.test', front.auth, 'Transfer-Encoding: chunked', 'Expect: 100-continue'];
    const said = await front.say(
      `PUT http://api.test/ HTTP/1.1\r\n${fields.join('\r\n')}${END}`,
      '3\r\nabc\r\n',
      '2\r\nde\r\n0\r\n\r\n',
    );
    expect(said).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 204 /);
    const [head, body = ''] = front.admitted[0]?.read.split(END) ?? [];
    expect(head).toBe('PUT / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\nConnection: close');
    expect(front.admitted[0]?.read.replace(/^.*?\r\n\r\n/s, '').replace(/[0-9]+\r\n|\r\n/g, '')).toBe(
      'abcde',
    );
    expect(body).not.toBe('');
  });
});

describe('without the token', () => {
  const token = newToken();
  test.each([
    ['none', ''],
    ['a wrong one', `${basic(newToken())}\r\n`],
    ["another session's", `${basic(token)}\r\n`],
    ['an empty one', `${basic('')}\r\n`],
    ['another user', `Proxy-Authorization: Basic ${Buffer.from('root:x').toString('base64')}\r\n`],
    ['another scheme', `Proxy-Authorization: Bearer ${token}\r\n`],
    ['one for the host', `Authorization: Basic ${Buffer.from(`warder:${token}`).toString('base64')}\r\n`],
  ])('a request gets 407: %s [W-EGR-6] [W-EGR-9]', async (_name, field) => {
    await using front = await TestProxy.open();
    for (const line of ['CONNECT api.test:443', 'GET http://api.test:443/']) {
      expect(await front.say(`${line} HTTP/1.1\r\nHost: api.test\r\n${field}\r\n`)).toMatch(
        /^HTTP\/1\.1 407 .*\r\nProxy-Authenticate: Basic realm="warder"\r\n/,
      );
    }
    const one = { host: 'api.test', port: 443, reason: 'the token of this session is missing' };
    expect(front.refused).toEqual([one, one]);
    expect(front.admitted).toEqual([]);
  });

  test('a request gets 407 also with the right token beside a wrong one [W-EGR-6]', async () => {
    await using front = await TestProxy.open();
    const text = `CONNECT api.test:443 HTTP/1.1\r\n${basic(token)}\r\n${front.auth}${END}`;
    expect(await front.say(text)).toMatch(/^HTTP\/1\.1 407 /);
    expect(front.admitted).toEqual([]);
  });

  test('no response and no record contains the token [W-EGR-6]', async () => {
    await using front = await TestProxy.open();
    await front.say(`CONNECT api.test:443 HTTP/1.1${END}`);
    await front.say(`CONNECT ${front.token}:443 HTTP/1.1\r\n${basic('x')}${END}`);
    expect(JSON.stringify(front.refused).replace(`"host":"${front.token.toLowerCase()}"`, '')).not.toContain(
      front.token.slice(0, 20),
    );
  });
});

describe('what is refused', () => {
  test.each([
    ['CONNECT 127.0.0.1:443', '127.0.0.1', 443],
    ['CONNECT 169.254.169.254:80', '169.254.169.254', 80],
    ['CONNECT [::1]:443', '[::1]', 443],
    ['CONNECT 2130706433:443', '2130706433', 443],
    ['CONNECT 0x7f.1:443', '0x7f.1', 443],
    ['GET http://10.0.0.1/', '10.0.0.1', 80],
    ['GET http://[fd00:ec2::254]/', '[fd00:ec2::254]', 80],
  ])('%s names an address [W-EGR-1] [W-EGR-3]', async (line, host, port) => {
    await using front = await TestProxy.open();
    expect(await front.say(`${line} HTTP/1.1\r\n${front.auth}${END}`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(front.refused).toEqual([{ host, port, reason: expect.stringContaining('by name only') }]);
    expect(front.admitted).toEqual([]);
  });

  test.each([
    'GET / HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET https://api.test/ HTTP/1.1',
    'GET ftp://api.test/ HTTP/1.1',
    'GET http:///path HTTP/1.1',
    'GET http://user:password@api.test/ HTTP/1.1',
    'GET http://api.test/#part HTTP/1.1',
    'GET http://api.test:0/ HTTP/1.1',
    'GET http://api.test:65536/ HTTP/1.1',
    'GET http://api.test\\@other.test/ HTTP/1.1',
    'GET http://api.test%00.other.test/ HTTP/1.1',
    'CONNECT api.test HTTP/1.1',
    'CONNECT http://api.test:443 HTTP/1.1',
    'CONNECT api.test:443/ HTTP/1.1',
    'CONNECT api.test:443 HTTP/2.0',
    'CONNECT api.test:443',
    'PRI * HTTP/2.0',
  ])('%s gets 400 [W-EGR-1]', async (line) => {
    await using front = await TestProxy.open();
    expect(await front.say(`${line}\r\n${front.auth}${END}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(front.refused).toHaveLength(1);
    expect(front.admitted).toEqual([]);
  });

  test.each([
    ['a folded line', 'X: a\r\n b'],
    ['a bare line feed', 'X: a\nHost: other.test'],
    ['a bare carriage return', 'X: a\rHost: other.test'],
    ['a NUL', 'X: a\0b'],
    ['a space before the colon', 'Content-Length : 5'],
    ['no colon', 'nothing'],
    ['no name', ': value'],
  ])('an ambiguous head gets 400: %s [W-EGR-4]', async (_name, field) => {
    await using front = await TestProxy.open();
    const text = `GET http://api.test/ HTTP/1.1\r\n${field}\r\n${front.auth}${END}`;
    expect(await front.say(text)).toMatch(/^HTTP\/1\.1 400 /);
    expect(front.admitted).toEqual([]);
  });

  test.each([
    ['a TLS hello', Buffer.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc)],
    ['SOCKS4', Buffer.of(4, 1, 1, 187, 127, 0, 0, 1, 0)],
    ['noise', Buffer.from([0xff, 0, 0x80, ...randomBytes(500)])],
    ['nothing', ''],
    ['a half of a head', 'CONNECT api.test:443 HT'],
    ['SOCKS5', Buffer.of(5, 1, 2)],
  ])('junk is refused and closed: %s [W-EGR-1]', async (_name, bytes) => {
    await using front = await TestProxy.open();
    expect(await front.say(bytes)).toMatch(/^(?:$|HTTP\/1\.1 400 )/);
    expect(front.refused).toMatchObject([{ host: '', port: 0 }]);
    expect(front.admitted).toEqual([]);
  });
});

describe('floods', () => {
  test('an endless head is not read to its end [W-EGR-7]', async () => {
    await using front = await TestProxy.open();
    const said = await front.say(
      `CONNECT api.test:443 HTTP/1.1\r\n${front.auth}\r\nX: ${'x'.repeat(200_000)}`,
    );
    expect(said).toMatch(/^HTTP\/1\.1 431 /);
    const withFiller = (length: number): string =>
      `CONNECT api.test:443 HTTP/1.1\r\n${front.auth}\r\nX: ${'x'.repeat(length)}${END}`;
    expect(await front.say(withFiller(16_000))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await front.say(withFiller(16_384))).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('a connection without a request in time is closed, however slowly it sends [W-EGR-7]', async () => {
    await using front = await TestProxy.open(150);
    for (const beginning of ['', 'CONNECT ']) {
      const socket = await front.connect();
      const drip = setInterval(() => socket.write('A'), 40);
      if (beginning.length > 0) socket.write(beginning);
      await readToEnd(socket);
      clearInterval(drip);
    }
    const text = `CONNECT api.test:443 HTTP/1.1\r\n${front.auth}${END}`;
    // A second, as this process may be held up between the connection and its bytes.
    await using patient = await TestProxy.open(1000);
    const stays = await patient.connect();
    stays.write(text.replace(front.auth, patient.auth));
    await expect.poll(() => patient.admitted.length).toBe(1);
    await sleep(1100);
    expect(stays.destroyed).toBe(false);
    stays.destroy();
  });

  test('connections that wait without a token are bounded, and keep nobody out [W-EGR-6] [W-EGR-7]', async () => {
    await using front = await TestProxy.open();
    const idle = await Promise.all(Array.from({ length: 100 }, () => front.connect()));
    for (const socket of idle) socket.resume();
    expect(await front.say(`CONNECT api.test:443 HTTP/1.1\r\n${front.auth}${END}`)).toMatch(/ 200 /);
    await expect.poll(() => idle.filter(({ readableEnded }) => readableEnded).length).toBe(37);
    expect(new Set(front.refused.map(({ reason }) => reason))).toEqual(
      new Set(['too many connections wait without a token']),
    );
    for (const socket of idle) socket.destroy();
  });

  test('of 600 connections 512 are accepted, and more when these end [W-EGR-7]', async () => {
    await using front = await TestProxy.open();
    const text = `CONNECT api.test:443 HTTP/1.1\r\n${front.auth}${END}`;
    const sockets: net.Socket[] = [];
    for (let index = 0; index < 600; index++) {
      const socket = await front.connect();
      socket.write(text);
      sockets.push(socket.resume());
      if (index % 32 === 0) await sleep(5);
    }
    await expect.poll(() => front.admitted.length).toBe(512);
    await expect.poll(() => front.refused.length).toBe(88);
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => (await front.say(text)).slice(0, 12)).toBe('HTTP/1.1 200');
  });

  test('nothing is left when it is closed', async () => {
    const front = await TestProxy.open();
    const [waiting, open] = [await front.connect(), await front.connect()];
    open.write(`CONNECT api.test:443 HTTP/1.1\r\n${front.auth}${END}`);
    await expect.poll(() => front.admitted.length).toBe(1);
    const ended = Promise.all([readToEnd(waiting), readToEnd(open)]);
    await front[Symbol.asyncDispose]();
    await ended;
    await front[Symbol.asyncDispose]();
    await expect(dial(front.proxy.port)).rejects.toThrow('ECONNREFUSED');
  });
});

/** The real gate behind it: `api.test` is listed, with TLS and without. */
class ProxiedGate implements AsyncDisposable {
  readonly token = newToken();
  readonly gate: TestGate;
  readonly proxy: OpenProxy;
  readonly plain: number;

  private constructor(gate: TestGate, token: string, proxy: OpenProxy, plain: number) {
    this.gate = gate;
    this.token = token;
    this.proxy = proxy;
    this.plain = plain;
  }

  static async open(secrets: Readonly<Record<string, string>> = {}): Promise<ProxiedGate> {
    const [plain, port] = [await freePort(), await freePort()];
    const gate = await TestGate.open({
      secrets,
      network: [`api.test:${plain}`, `*.wild.test:${plain}`, `api.test:${port}`],
      upstream: { names: ['api.test'], plain, port },
      here: true,
    });
    const token = newToken();
    const proxy = await openProxy({
      token,
      admit: async (socket, host, at) => await gate.gate?.admit(socket, host, at),
      onRefused: (target, reason) =>
        gate.records.push({ event: 'egress.connect', ...target, outcome: 'refused', reason }),
    });
    return new ProxiedGate(gate, token, proxy, plain);
  }

  get secure(): string {
    return `https://api.test:${this.gate.upstream.port}`;
  }

  get refusals(): readonly unknown[] {
    return this.gate.records.filter(({ outcome }) => outcome === 'refused');
  }

  /** The environment of a server: these variables and no others; what it trusts is in a file. */
  env(): Record<string, string> {
    const bundle = join(folder, `${this.proxy.port}.pem`);
    writeFileSync(bundle, this.gate.upstream.ca + this.gate.authority.certificate);
    const trust = trustVariables({ bundle, session: bundle, keystore: '/nowhere' });
    return { PATH: process.env.PATH ?? '', HOME: folder, ...trust, ...this.proxy.variables };
  }

  async run(file: string, ...args: string[]): Promise<string> {
    const ran = await run(file, args, { env: this.env(), cwd: clients }).catch((error) => error);
    return ran.stdout + ran.stderr;
  }

  /** Sends text on one connection; returns everything that came back. */
  async say(...pieces: string[]): Promise<string> {
    const socket = await dial(this.proxy.port);
    const said = readToEnd(socket);
    for (const piece of pieces) {
      if (socket.writable) socket.write(piece);
      await sleep(50);
    }
    socket.end();
    return (await said).toString('latin1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.gate[Symbol.asyncDispose]();
  }
}

const NODE_FETCH = `for (const url of process.argv.slice(1)) await fetch(url).then((answer) => answer.text()).catch(() => {});`;
const NODE_HTTP = `const http = require('node:http');
const ask = (url) => new Promise((done) => http.get(url, (answer) => answer.resume().once('close', done)).once('error', done));
(async () => { for (const url of process.argv.slice(1)) await ask(url); })();`;
const PYTHON = `import sys, urllib.request
for url in sys.argv[1:]:
    try: urllib.request.urlopen(url, timeout=10).read()
    except Exception as error: print(error)`;
const REQUESTS = `import sys, requests
session = requests.Session()
for url in sys.argv[1:]:
    try: session.get(url, timeout=10)
    except Exception as error: print(error)`;
const SEALED_FETCH = `const [, url, token] = process.argv;
console.log(await (await fetch(url, { headers: { authorization: 'Bearer ' + token } })).text());`;
const SEALED_HTTPS = `const [, url, token] = process.argv;
require('node:https').get(url, { headers: { authorization: 'Bearer ' + token } }, (answer) => answer.pipe(process.stdout));`;

describe('before the real gate', () => {
  test.each([
    ['curl', '/bin/sh', 'fetch.sh', 'curl'],
    ["node's fetch", process.execPath, 'fetch.mjs', 'fetch'],
    ["node's https", process.execPath, 'fetch.mjs', 'https'],
    ['urllib', '/usr/bin/python3', 'fetch.py', 'urllib'],
    ['requests', '/usr/bin/python3', 'fetch.py', 'requests'],
    ['httpx', '/usr/bin/python3', 'fetch.py', 'httpx'],
  ])('%s reaches listed hosts, and nothing else [W-EGR-1]', async (_name, program, ...args) => {
    await using gated = await ProxiedGate.open();
    const { port } = gated.gate.upstream;
    const others = [`https://other.test:${port}`, 'https://api.test:443'];
    // The programs take the address for the proxy's own machine and connect directly, where nothing listens.
    const urls = [gated.secure, ...others, `https://127.0.0.1:${port}`].map((url) => `${url}/status/200`);
    const said = await gated.run(program, ...args, ...urls);
    expect(said.match(/^\w+ https\S+/gm)).toEqual(
      urls.map((url, at) => `${at === 0 ? 'ok' : 'refused'} ${url}`),
    );
    expect(gated.gate.upstream.requests).toHaveLength(1);
    expect(gated.refusals).toMatchObject([
      { host: 'other.test', port, reason: 'not listed' },
      { host: 'api.test', port: 443, reason: 'not listed' },
    ]);
  });

  test.each([
    ['curl', 'curl', '-sS', '-w%{http_code}\n', '-ourl'],
    ["node's fetch", process.execPath, '-e', NODE_FETCH],
    ["node's http", process.execPath, '-e', NODE_HTTP],
    ['urllib', '/usr/bin/python3', '-c', PYTHON],
    ['requests', '/usr/bin/python3', '-c', REQUESTS],
  ])(
    'plain HTTP by %s, also to several hosts in a row [W-EGR-1] [W-EGR-4]',
    async (_name, program, ...given) => {
      await using gated = await ProxiedGate.open();
      const hosts = ['api.test', 'one.wild.test', 'other.test', 'two.wild.test'];
      const urls = hosts.map((host) => `http://${host}:${gated.plain}/status/200`);
      const args = given.filter((arg) => arg !== '-ourl');
      const outputs = given.includes('-ourl') ? urls.flatMap((url) => ['-o', '/dev/null', url]) : urls;
      await gated.run(program, ...args, ...outputs);
      const reached = gated.gate.upstream.requests.map(({ headers }) => headers.host);
      expect(reached).toEqual(
        hosts.filter((host) => host !== 'other.test').map((host) => `${host}:${gated.plain}`),
      );
      expect(gated.refusals).toContainEqual(
        expect.objectContaining({ host: 'other.test', port: gated.plain, reason: 'not listed' }),
      );
      expect(gated.gate.upstream.text).not.toMatch(/proxy-/i);
      expect(gated.gate.upstream.text).not.toContain(gated.token);
    },
  );

  test('CONNECT to a host that is not listed breaks, and is recorded [W-EGR-1]', async () => {
    await using gated = await ProxiedGate.open();
    await gated.say(`CONNECT other.test:443 HTTP/1.1\r\n${basic(gated.token)}${END}`, 'hello');
    expect(gated.refusals).toMatchObject([{ host: 'other.test', port: 443, reason: 'not listed' }]);
    expect(gated.gate.upstream.accepted).toBe(0);
  });

  test.each(['at once', 'one after the other'])(
    'a second request to another host on the connection of the first goes nowhere: %s [W-EGR-1] [W-EGR-4]',
    async (how) => {
      await using gated = await ProxiedGate.open();
      const ask = (host: string, more = ''): string =>
        `GET http://${host}:${gated.plain}/echo/${host} HTTP/1.1\r\nHost: ${host}:${gated.plain}\r\n${more}${basic(gated.token)}${END}`;
      const both = [
        ask('api.test', 'Connection: keep-alive\r\nProxy-Connection: keep-alive\r\n'),
        ask('secret.wild.test'),
        `GET / HTTP/1.1\r\nHost: other.test${END}`,
      ];
      const said = await gated.say(...(how === 'at once' ? [both.join('')] : both));
      expect(gated.gate.upstream.requests.map(({ headers }) => headers.host)).not.toContain(
        `secret.wild.test:${gated.plain}`,
      );
      expect(gated.gate.upstream.text).not.toMatch(/secret\.wild|other\.test/);
      expect(said.match(/HTTP\/1\.1 200/g) ?? []).toHaveLength(how === 'at once' ? 0 : 1);
      if (how === 'at once') {
        expect(gated.refusals).toContainEqual(
          expect.objectContaining({ reason: 'it sent another request on the same connection' }),
        );
      }
    },
  );

  test('long bodies pass whole, there and back [W-EGR-4]', async () => {
    await using gated = await ProxiedGate.open();
    const sent = randomBytes(600_000).toString('base64');
    const request = http.request({
      host: '127.0.0.1',
      port: gated.proxy.port,
      method: 'POST',
      path: `http://api.test:${gated.plain}/echo/raw?of=body`,
      headers: {
        Host: `api.test:${gated.plain}`,
        'Proxy-Authorization': basic(gated.token).replace(/^.*?: /, ''),
      },
    });
    request.end(sent);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    expect(response.statusCode).toBe(200);
    expect((await text(response)) === sent).toBe(true);
  });

  test('a Host that is not that of the target is refused [W-EGR-4]', async () => {
    await using gated = await ProxiedGate.open();
    const said = await gated.say(
      `GET http://api.test:${gated.plain}/ HTTP/1.1\r\nHost: one.wild.test:${gated.plain}\r\n${basic(gated.token)}${END}`,
    );
    expect(said).toMatch(/^HTTP\/1\.1 421 /);
    expect(gated.gate.upstream.requests).toEqual([]);
  });

  test('TLS for another name than was requested goes nowhere [W-EGR-4]', async () => {
    await using gated = await ProxiedGate.open();
    const socket = await dial(gated.proxy.port);
    socket.write(`CONNECT api.test:${gated.gate.upstream.port} HTTP/1.1\r\n${basic(gated.token)}${END}`);
    await once(socket, 'data');
    const secure = tls.connect({ socket, servername: 'other.test', rejectUnauthorized: false });
    const [error] = await once(secure, 'error');
    expect(error).toBeInstanceOf(Error);
    expect(gated.refusals).toMatchObject([{ reason: 'its TLS names another host' }]);
    expect(gated.gate.upstream.requests).toEqual([]);
  });

  test('the response to a plain request says that its connection ends', async () => {
    await using gated = await ProxiedGate.open();
    const said = await gated.say(
      `GET http://api.test:${gated.plain}/status/200 HTTP/1.1\r\nHost: api.test:${gated.plain}\r\n${basic(gated.token)}${END}`,
    );
    expect(said).toMatch(/^HTTP\/1\.1 200 /);
    expect(said).toMatch(/\r\nConnection: close\r\n/i);
  });

  test.each(['fetch', 'https'])(
    'a sealed credential is sent through the proxy, and does not come back: node %s [W-SEAL-1] [W-SEAL-3]',
    async (kind) => {
      const secret = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';
      await using gated = await ProxiedGate.open({ TOKEN: secret });
      const said = await gated.run(
        process.execPath,
        '-e',
        kind === 'fetch' ? SEALED_FETCH : SEALED_HTTPS,
        `${gated.secure}/echo`,
        gated.gate.placeholder('TOKEN'),
      );
      expect(gated.gate.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${secret}`);
      expect(said).toContain(gated.gate.placeholder('TOKEN'));
      expect(said).not.toContain(secret);
    },
  );

  test('a session cannot use the proxy of another [W-EGR-9]', async () => {
    await using one = await ProxiedGate.open();
    await using other = await ProxiedGate.open();
    const said = await one.say(`CONNECT api.test:${one.plain} HTTP/1.1\r\n${basic(other.token)}${END}`);
    expect(said).toMatch(/^HTTP\/1\.1 407 /);
    expect(one.gate.upstream.accepted).toBe(0);
  });
});

test('the proxy listens on loopback alone [W-EGR-6]', async () => {
  await using front = await TestProxy.open();
  const socket = net.connect({ host: '127.0.0.2', port: front.proxy.port });
  const [error] = await once(socket, 'error');
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
});

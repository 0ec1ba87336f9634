// Without TLS, to hosts without a sealed credential: any protocol passes as it is, and a request of HTTP names its host.
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { readToEnd, TestGate } from '../../fixtures/gate.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';
const stack: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of stack.splice(0)) one.close();
});

/** A host at loopback, and the gate that leads to it. `received` is what arrived there. */
async function open(server: net.Server, secrets: { readonly [name: string]: string } = {}) {
  const received: string[] = [];
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const emit = socket.emit.bind(socket) as (...event: unknown[]) => boolean;
    socket.emit = (...event: unknown[]) => {
      if (event[0] === 'data') received.push(String(event[1]));
      return emit(...event);
    };
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const gate = await TestGate.open({
    secrets,
    network: [`plain.test:${port}`, '127.0.0.1/32'],
    resolve: () => ['127.0.0.1'],
  });
  stack.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      void gate[Symbol.asyncDispose]();
    },
  });
  const host = `Host: plain.test:${port}`;
  const say = async (text: string): Promise<string> => {
    const socket = await gate.connect('plain.test', port);
    socket.write(text);
    return (await readToEnd(socket)).toString('latin1');
  };
  return { gate, port, host, say, received, sockets };
}

/** Repeats its lines until one is `quit`. */
const echo = (): net.Server =>
  net.createServer((socket) => {
    socket.on('data', (data: Buffer) => {
      socket.write(`+${data}`);
      if (data.includes('quit')) socket.end();
    });
  });

/** Waits until a connection is over, however it ends. */
function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Reads until a text has arrived. */
async function until(socket: net.Socket, text: string): Promise<string> {
  let read = '';
  while (!read.includes(text)) read += String((await once(socket, 'data'))[0]);
  return read;
}

describe('other protocols [W-EGR-14]', () => {
  test.each([
    'AUTH hunter2\r\n',
    'PASS secret\r\nNICK harry\r\nUSER harry 0 * :Harry\r\n',
    'NICK harry\r\n',
    'GET key\r\n',
    'SET /a /b\r\n',
    'OPTIONS rtsp://plain.test/ RTSP/1.0\r\nCSeq: 1\r\n\r\n',
    'SSH-2.0-client\r\n',
    '*1\r\n$4\r\nPING\r\n',
    '\0\0\0\x08\x04\x52\x16\x2f',
    '{"jsonrpc":"2.0"}\n',
  ])('%j passes', async (text) => {
    const { say } = await open(echo());
    expect(await say(`${text}quit\r\n`)).toContain(`+${text}`);
  });

  test('a client that sends no line waits for its answer no longer than a second', async () => {
    const { gate, port } = await open(echo());
    const socket = await gate.connect('plain.test', port);
    socket.write('hello');
    expect(await until(socket, '+hello')).toBe('+hello');
    socket.write(' again quit');
    expect(await until(socket, 'quit')).toBe('+ again quit');
  });

  test('a host that greets may do so while the client has sent less than a line', async () => {
    const greeting = net.createServer((socket) => {
      socket.once('data', (data: Buffer) => socket.write(`220 ${data}`));
    });
    const { gate, port, sockets } = await open(greeting);
    const socket = await gate.connect('plain.test', port);
    while (sockets.size === 0) await new Promise((resolve) => setImmediate(resolve));
    socket.write('EHLO');
    for (const one of sockets) one.write('hello ');
    expect(await until(socket, '220 EHLO')).toContain('hello ');
  });

  test('what becomes a request so slowly is refused [W-EGR-4]', async () => {
    const { gate, port, received } = await open(echo());
    const socket = await gate.connect('plain.test', port);
    socket.write('GET');
    await until(socket, '+GET');
    socket.write(' / HTTP/1.1\r\nHost: other.test\r\n\r\n');
    await closed(socket);
    expect(received.join('')).toBe('GET');
  });
});

describe('HTTP [W-EGR-14]', () => {
  test('parts of a body, codings, trailers and interim answers pass as they are', async () => {
    const server = http.createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        response.writeEarlyHints({ link: '</a>; rel=preload' });
        response.writeHead(206, { 'content-range': 'bytes 1-2/9', 'content-encoding': 'x-odd' });
        response.end(
          `${request.headers.range} ${request.headers['accept-encoding']} ${request.trailers['x-sum']}`,
        );
      });
    });
    const { say, host } = await open(server);
    const head = `PUT /a HTTP/1.1\r\n${host}\r\nRange: bytes=1-2\r\nAccept-Encoding: x-odd\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const answer = await say(`${head}3;x=y\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 103 /);
    expect(answer).toContain('HTTP/1.1 206 Partial Content');
    expect(answer).toContain('bytes=1-2 x-odd 7');
  });

  test('WebSocket passes, and many requests of a connection', async () => {
    const server = http.createServer((request, response) => response.end(`got ${request.url}`));
    server.on('upgrade', (request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      socket.on('data', (data: Buffer) => socket.write(`frame ${data}`));
      request.resume();
    });
    const { gate, port, host } = await open(server);
    const socket = await gate.connect('plain.test', port);
    // The frame comes before the answer: it waits for it.
    socket.write(`GET /ws HTTP/1.1\r\n${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nGET \x81`);
    expect(await until(socket, 'frame')).toContain('101 Switching Protocols');
    socket.write('\x82\x00');
    await until(socket, 'frame');
    socket.destroy();
    const many = await gate.connect('plain.test', port);
    many.write(`GET /1 HTTP/1.1\r\n${host}\r\n\r\n`.repeat(3));
    const read = await until(many, 'got /1');
    expect(`${read}${read.split('got /1').length > 3 ? '' : await until(many, 'got /1')}`).toContain(
      'got /1',
    );
    many.destroy();
  });

  test('a later request of a connection loses its offer of another protocol, and nothing else', async () => {
    const server = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
    server.on('upgrade', (_request, socket) => socket.end());
    const { say, host } = await open(server);
    const offer = 'Upgrade: TLS/1.2\r\nConnection: Upgrade, close\r\nX-Own: 1';
    const answer = await say(
      `GET / HTTP/1.1\r\n${host}\r\n\r\nGET / HTTP/1.1\r\n${host}\r\n${offer}\r\n\r\n`,
    );
    expect(answer).toContain('"connection":"close"');
    expect(answer).toContain('"x-own":"1"');
    expect(answer).not.toContain('TLS/1.2');
  });

  test('HTTP/2 without TLS passes, by prior knowledge', async () => {
    const server = http2.createServer();
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.end('over h2c');
    });
    const { gate, port } = await open(server as unknown as net.Server);
    const socket = await gate.connect('plain.test', port);
    const session = http2.connect(`http://plain.test:${port}`, { createConnection: () => socket });
    const request = session.request({ ':path': '/' });
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    session.destroy();
    expect(body).toBe('over h2c');
  });

  test('the host is named in each request, however many there are and whatever they ask for [W-EGR-4]', async () => {
    let answers = 0;
    const server = http.createServer((_request, response) => response.end(`answer ${++answers}`));
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno'));
    const { gate, port, host, received } = await open(server);
    const evil = 'GET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n';
    const firsts = [
      `GET / HTTP/1.1\r\n${host}\r\n\r\n`,
      // A body is not a request, and what follows it is one.
      `POST / HTTP/1.1\r\n${host}\r\nContent-Length: 3\r\n\r\nabc`,
      `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
      // A change of protocol that the host declines.
      `GET / HTTP/1.1\r\n${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
    ];
    for (const first of firsts) {
      const socket = await gate.connect('plain.test', port);
      socket.write(`${first}${evil}`);
      await closed(socket.resume());
    }
    expect(received.join('')).not.toContain('evil');
  });

  test.each([
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 3', 'abc'],
    ['a length and chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked', '0\r\n\r\n'],
    ['another coding', 'Transfer-Encoding: gzip, chunked', '0\r\n\r\n'],
    ['a field with a space', 'Transfer-Encoding : chunked', '0\r\n\r\n'],
    ['a folded line', 'X: y\r\n Transfer-Encoding: chunked', '0\r\n\r\n'],
    ['a bare line feed', 'X: y\nTransfer-Encoding: chunked', '0\r\n\r\n'],
    ['a bare carriage return', 'X: y\rTransfer-Encoding: chunked', '0\r\n\r\n'],
    ['a signed length', 'Content-Length: +3', 'abc'],
    ['a length in hex', 'Content-Length: 0x3', 'abc'],
    ['a second Host', 'Host: evil.test', ''],
    ['a chunk without a length', 'Transfer-Encoding: chunked', 'zz\r\nabc\r\n0\r\n\r\n'],
    ['a chunk that is longer', 'Transfer-Encoding: chunked', '2\r\nabc\r\n0\r\n\r\n'],
  ])(
    'a request that two readers could read differently is refused: %s [W-EGR-4]',
    async (_name, field, body) => {
      const { say, host, received } = await open(
        http.createServer((_request, response) => response.end('reached')),
      );
      const answer = await say(
        `POST / HTTP/1.1\r\n${host}\r\n${field}\r\n\r\n${body}GET /evil HTTP/1.1\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1.1 (?:400|421|501) /);
      expect(answer).not.toContain('reached');
      expect(received.join('')).not.toContain('evil');
    },
  );

  test.each([
    ['other.test', 'GET / HTTP/1.1'],
    ['other.test', 'get / HTTP/1.1'],
    ['other.test', 'GET  / HTTP/1.1'],
    ['other.test', 'G3T / HTTP/1.0'],
    ['other.test', 'M-SEARCH * HTTP/1.1'],
    ['other.test', 'GET http://other.test/ HTTP/1.1'],
    ['other.test', 'CONNECT other.test:443 HTTP/1.1'],
    ['other.test', '\r\n\r\nGET / HTTP/1.1 '],
  ])('a request to %s by %j does not arrive [W-EGR-4]', async (name, line) => {
    const { say, received } = await open(http.createServer((_request, response) => response.end('reached')));
    expect(await say(`${line}\r\nHost: ${name}\r\n\r\n`)).toMatch(/^HTTP\/1.1 (?:400|405|421) /);
    expect(received).toEqual([]);
  });

  test('a placeholder does not arrive: in a head, a short body, a long one, in chunks [W-SEAL-2]', async () => {
    const { gate, say, host, received } = await open(
      http.createServer((request, response) => request.resume().on('end', () => response.end('reached'))),
      { TOKEN: SECRET },
    );
    const token = gate.placeholder('TOKEN');
    const half = token.length >> 1;
    const long = 'x'.repeat(100_000);
    const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
    const requests = [
      `GET /?token=${token} HTTP/1.1\r\n${host}\r\n\r\n`,
      `GET / HTTP/1.1\r\n${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      `POST / HTTP/1.1\r\n${host}\r\nContent-Length: ${token.length}\r\n\r\n${token}`,
      `POST / HTTP/1.1\r\n${host}\r\nContent-Length: ${long.length + token.length}\r\n\r\n${long}${token}`,
      `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(long)}${chunk(token)}0\r\n\r\n`,
      `POST / HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(token.slice(0, half))}${chunk(token.slice(half))}0\r\n\r\n`,
    ];
    for (const request of requests) expect(await say(request)).toMatch(/^HTTP\/1.1 403 /);
    expect(received.join('')).not.toContain(token.slice(half));
    expect(gate.records).toContainEqual(
      expect.objectContaining({ event: 'credential.use', outcome: 'refused', credential: 'test/TOKEN' }),
    );
  });
});

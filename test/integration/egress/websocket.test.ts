// WebSocket through the gate: `ws` on both sides, against a host that sends back what it gets.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { ProfileCredential } from '../../../src/profile/credential.ts';
import { TestGate } from '../../fixtures/gate.ts';

const SECRET = 'ghp_Zk3mXw81LqPv0TbN7sYcRd5uEa2GhJ46fKiO';

interface Opened extends AsyncDisposable {
  readonly gate: TestGate;
  readonly placeholder: string;
  /** What the host received, and by which requests. */
  readonly received: string[];
  readonly requests: IncomingMessage[];
  connect(path?: string, options?: WebSocket.ClientOptions): Promise<WebSocket>;
}

async function open(limits: Partial<ProfileCredential> = {}): Promise<Opened> {
  const received: string[] = [];
  const requests: IncomingMessage[] = [];
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true });
  const gate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    limits,
    upstream: {
      upgrade: (request, socket, head) => {
        requests.push(request);
        if (request.url === '/no') {
          socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
          return;
        }
        sockets.handleUpgrade(request, socket, head, (ws) => {
          ws.on('message', (data: Buffer, binary) => {
            received.push(data.toString());
            ws.send(data, { binary });
          });
        });
      },
    },
  });
  return {
    gate,
    placeholder: gate.placeholder('TOKEN'),
    received,
    requests,
    async connect(path = '/', options = {}) {
      const ws = new WebSocket(`wss://api.test:${gate.upstream.port}${path}`, {
        ...options,
        ...(await viaGate(gate)),
      });
      ws.on('error', () => {});
      await Promise.race([once(ws, 'open'), once(ws, 'close')]);
      return ws;
    },
    async [Symbol.asyncDispose]() {
      for (const client of sockets.clients) client.terminate();
      await gate[Symbol.asyncDispose]();
    },
  };
}

async function viaGate(gate: TestGate): Promise<WebSocket.ClientOptions> {
  const socket = await gate.secure();
  return { createConnection: () => socket };
}

/** Sends a message, and waits for what comes back: a message, or the end. */
async function echo(ws: WebSocket, message: string | Buffer): Promise<string> {
  const told = Promise.race([
    once(ws, 'message').then(([data]) => String(data)),
    once(ws, 'close').then(([code, reason]) => `closed ${code} ${reason}`),
  ]);
  ws.send(message);
  return await told;
}

test('the request that opens it carries the secret, and no message brings it back [W-SEAL-1] [W-SEAL-3]', async () => {
  await using opened = await open();
  const { placeholder, gate, requests } = opened;
  const ws = await opened.connect('/', { headers: { authorization: `Bearer ${placeholder}` } });
  expect(requests[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
  // Nothing is compressed, whoever offers it.
  expect(requests[0]?.headers['sec-websocket-extensions']).toBeUndefined();
  expect(ws.extensions).toBe('');
  expect(await echo(ws, 'hello')).toBe('hello');
  for (const form of [SECRET, Buffer.from(SECRET).toString('hex')]) {
    const said = await echo(ws, `it is ${form} here`);
    expect(said).toMatch(/^it is .* here$/);
    expect(said).not.toContain(form);
  }
  const long = `${'x'.repeat(300_000)}${SECRET}${'y'.repeat(300_000)}`;
  const echoed = await echo(ws, Buffer.from(long));
  expect(echoed.length).toBe(long.length);
  expect(echoed).toContain(placeholder);
  expect(echoed).not.toContain(SECRET);
  ws.close();
  expect(gate.records).toContainEqual(
    expect.objectContaining({ event: 'credential.use', action: 'answer', status: 101 }),
  );
});

test('a placeholder in a message that is JSON becomes the secret where it may be in a body; each such message is a use [W-SEAL-1] [W-SEAL-7]', async () => {
  await using opened = await open({ as: 'body' });
  const { placeholder, received, gate } = opened;
  const ws = await opened.connect();
  const told = await echo(ws, JSON.stringify({ op: 2, token: placeholder }));
  expect(received).toEqual([JSON.stringify({ op: 2, token: SECRET })]);
  expect(told).toBe(JSON.stringify({ op: 2, token: placeholder }));
  await echo(ws, JSON.stringify([placeholder, placeholder]));
  expect(gate.records.filter(({ action }) => action === 'use')).toHaveLength(2);
  ws.close();
});

test.each([
  ['where it may not be in a body', 'header', (p: string) => JSON.stringify({ token: p })],
  ['in a text that is not JSON', 'body', (p: string) => `token ${p}`],
  ['in bytes', 'body', (p: string) => Buffer.from(JSON.stringify({ token: p }))],
  ['in a long message', 'body', (p: string) => JSON.stringify({ fill: 'x'.repeat(400_000), token: p })],
] as const)(
  'a placeholder %s ends the connection, and does not leave [W-SEAL-2] [W-EGR-42]',
  async (_name, as, make) => {
    await using opened = await open({ as });
    const { placeholder, received, gate } = opened;
    const ws = await opened.connect();
    expect(await echo(ws, make(placeholder))).toMatch(
      /^closed 1008 warder: the credential test\/TOKEN is not put in/,
    );
    expect(received.join()).not.toContain(placeholder);
    expect(received.join()).not.toContain(SECRET);
    expect(gate.records).toContainEqual(
      expect.objectContaining({ event: 'credential.use', action: 'use', outcome: 'refused' }),
    );
  },
);

test('an answer that does not open it comes back like any other [W-SEAL-3]', async () => {
  await using opened = await open();
  const socket = await opened.gate.secure();
  socket.write(
    `GET /no HTTP/1.1\r\nHost: api.test:${opened.gate.upstream.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
  );
  let answer = '';
  socket.on('data', (piece) => {
    answer += piece;
  });
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1.1 401 [\s\S]*\r\n\r\nno$/);
});

const frame = (first: number, second: number, ...rest: number[]): Buffer => Buffer.of(first, second, ...rest);

test.each([
  ['is not masked', frame(0x81, 1, 0x61)],
  ['has a reserved bit', frame(0xc1, 0x81, 0, 0, 0, 0, 0x61)],
  ['has an unknown opcode', frame(0x83, 0x80, 0, 0, 0, 0)],
  ['continues nothing', frame(0x80, 0x80, 0, 0, 0, 0)],
  ['is a control frame in fragments', frame(0x09, 0x80, 0, 0, 0, 0)],
  ['has a length that is written too long', frame(0x81, 0xfe, 0, 1, 0, 0, 0, 0, 0x61)],
  ['is longer than a number', frame(0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)],
])('a frame that %s ends the connection [W-EGR-42]', async (_name, bytes) => {
  await using opened = await open();
  const socket = await opened.gate.secure();
  socket.write(
    `GET / HTTP/1.1\r\nHost: api.test:${opened.gate.upstream.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
  );
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await expect.poll(() => Buffer.concat(pieces).toString('latin1')).toMatch(/^HTTP\/1.1 101 [\s\S]*\r\n\r\n/);
  socket.write(bytes);
  await once(socket, 'close');
  expect(Buffer.concat(pieces).toString('latin1')).toContain('warder: ');
  expect(opened.received).toEqual([]);
});

test.each([
  ['of another protocol', 'Upgrade: foo', 501],
  ['of two protocols', 'Upgrade: websocket\r\nUpgrade: h2c', 501],
  ['without a key', 'Upgrade: websocket\r\nSec-WebSocket-Version: 13', 400],
  [
    'with a body',
    `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\nContent-Length: 3`,
    400,
  ],
])('a request %s is refused [W-SEAL-4]', async (_name, fields, status) => {
  await using opened = await open();
  const socket = await opened.gate.secure();
  socket.write(
    `GET / HTTP/1.1\r\nHost: api.test:${opened.gate.upstream.port}\r\nConnection: Upgrade\r\n${fields}\r\n\r\n`,
  );
  let answer = '';
  socket.on('data', (piece) => {
    answer += piece;
  });
  await once(socket, 'close');
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(opened.requests).toEqual([]);
});

test('a host that has not understood the key is not believed [W-EGR-42]', async () => {
  await using gate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    upstream: {
      upgrade: (_request, socket) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n',
        );
      },
    },
  });
  const ws = new WebSocket(`wss://api.test:${gate.upstream.port}/`, await viaGate(gate));
  const [error] = await once(ws, 'error');
  expect(String(error)).toContain('502');
});

test('a revocation cuts it, whether the head or a message carried the credential [W-SEAL-5]', async () => {
  await using opened = await open({ as: 'any' });
  const { placeholder, gate } = opened;
  const first = await opened.connect('/', { headers: { authorization: `Bearer ${placeholder}` } });
  const second = await opened.connect();
  await echo(second, JSON.stringify({ token: placeholder }));
  const third = await opened.connect();
  const ends = [once(first, 'close'), once(second, 'close')];
  expect(await gate.disconnect('test/TOKEN')).toBe(2);
  await Promise.all(ends);
  expect(await echo(third, 'still here')).toBe('still here');
  third.terminate();
});

// What the daemon accepts, over real sockets: the server with a session that echoes, and clients that break every
// rule.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, connect as dial, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openControl } from '../../../src/control/client.ts';
import { Server, type SessionRequest } from '../../../src/control/server.ts';
import { WarderError } from '../../../src/errors.ts';
import { connect } from '../../../src/os/connect.ts';
import { openLibc } from '../../../src/os/libc.ts';
import type { Handlers } from '../../../src/wire/control.ts';
import { Frame, FrameDecoder, writeFrame, writeJson } from '../../../src/wire/frame.ts';
import { places as placesOf } from '../../../src/wire/places.ts';
import { Client } from '../../fixtures/client.ts';
import { EchoHome, uid, until } from '../../fixtures/echo-home.ts';

const peer = (await openLibc(process.platform)).peer;
let dir: string;
let places: ReturnType<typeof placesOf>;
let server: Server;
let listener: NetServer;
let requests: SessionRequest[];
let logged: string[];
let calls: number;
let listed: number;
let checked: number;
/** How long a client has to read an answer, in milliseconds. */
let readTimeout: number;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'warder-control-'));
  places = placesOf({ platform: process.platform, env: { WARDER_HOME: dir }, home: dir, uid });
  mkdirSync(places.run, { mode: 0o700 });
  requests = [];
  logged = [];
  calls = 0;
  listed = 0;
  checked = 0;
  readTimeout = 60_000;
  const note = (_fields: object, message: string) => void logged.push(message);
  server = new Server({
    uid,
    peer,
    handOver: async () => ({ pid: process.pid }),
    log: { debug: note, info: note, warn: note, error: note },
    handlers: {
      stop: () => ({ pid: process.pid, sessions: ++calls }),
      doctor: async () => {
        checked++;
        await new Promise((resolve) => setTimeout(resolve, 50));
        throw new WarderError('keychain-locked', 'the keychain is locked', { hint: 'unlock it' });
      },
      status: () => {
        throw new Error('with a detail');
      },
      // As long as the store's name says.
      'credential.remove': ({ name }) => {
        listed++;
        return { name: 'x'.repeat(Number(name)), store: 'vault' };
      },
    } as Partial<Handlers> as Handlers,
    async openSession(request, host) {
      requests.push(request);
      await new Promise<void>((resolve) => {
        host.listen({ data: (chunk) => void host.write([chunk]), end: resolve });
      });
      host.exit(5);
    },
    onBusy: () => {},
    onIdle: () => {},
    helloTimeout: 200,
    get readTimeout() {
      return readTimeout;
    },
  });
  listener = createServer((socket) => server.accept(socket)).listen(places.socket);
  await once(listener, 'listening');
  chmodSync(places.socket, 0o600);
});

afterEach(async () => {
  await server.stop();
  await server.close();
  listener.close();
  rmSync(dir, { recursive: true });
});

/** A connection that keeps to nothing. */
class Raw {
  readonly socket: Socket;
  readonly frames: [type: number, value: unknown][] = [];
  data = '';
  closed = false;

  constructor(path = places.socket) {
    const decoder = new FrameDecoder({
      bytes: (_type, slice) => {
        this.data += slice;
      },
      frame: (type, payload) =>
        this.frames.push([type, payload.length > 0 ? JSON.parse(String(payload)) : null]),
    });
    this.socket = dial(path)
      .on('data', (chunk: Buffer) => decoder.push(chunk))
      .on('error', () => {})
      .on('close', () => {
        this.closed = true;
      });
  }

  json(type: number, value: unknown): this {
    writeJson(this.socket, type, value);
    return this;
  }

  async end(): Promise<void> {
    await until(() => this.closed, 'the end of the connection');
  }
}

const hello = { wire: 1, kind: 'run', profile: 'github', pid: process.pid, cwd: '/' };

/** A session that goes on whatever happens on other connections. */
async function bystander(): Promise<() => Promise<void>> {
  const other = new Raw().json(Frame.HELLO, hello);
  writeFrame(other.socket, Frame.DATA, [Buffer.from('a')]);
  await until(() => other.data === 'a', 'the echo');
  return async () => {
    writeFrame(other.socket, Frame.DATA, [Buffer.from('b')]);
    await until(() => other.data === 'ab', 'the echo');
    other.socket.destroy();
  };
}

test.each([
  ['garbage', (raw: Raw) => raw.socket.write('GET / HTTP/1.1\r\n\r\n')],
  ['no HELLO first', (raw: Raw) => raw.json(Frame.REQUEST, { id: 1, verb: 'stop', params: {} })],
  ['data first', (raw: Raw) => writeFrame(raw.socket, Frame.DATA, [Buffer.from('x')])],
  ['a HELLO that is too long', (raw: Raw) => raw.json(Frame.HELLO, { ...hello, cwd: 'x'.repeat(0x10000) })],
  ['a HELLO with a command', (raw: Raw) => raw.json(Frame.HELLO, { ...hello, command: ['sh', '-c', 'id'] })],
  ['a second HELLO', (raw: Raw) => raw.json(Frame.HELLO, hello).json(Frame.HELLO, hello)],
  [
    'a request from a launcher',
    (raw: Raw) => raw.json(Frame.HELLO, hello).json(Frame.REQUEST, { id: 1, verb: 'stop', params: {} }),
  ],
  [
    'data from the command line',
    (raw: Raw) => {
      raw.json(Frame.HELLO, { wire: 1, kind: 'control' });
      writeFrame(raw.socket, Frame.DATA, [Buffer.from('x')]);
    },
  ],
  [
    'a malformed request',
    (raw: Raw) => raw.json(Frame.HELLO, { wire: 1, kind: 'control' }).json(Frame.REQUEST, []),
  ],
])('W-WIRE-2 a client that sends %s is dropped, and nobody else notices', async (_what, send) => {
  const unharmed = await bystander();
  const raw = new Raw();
  send(raw);
  await raw.end();
  expect(calls).toBe(0);
  await unharmed();
});

test('W-WIRE-2 a client that sends nothing, or only part of a HELLO, is dropped', async () => {
  const [silent, slow] = [new Raw(), new Raw()];
  slow.socket.write(Buffer.from([1, 100, 0, 0, 0, 0x7b]));
  await Promise.all([silent.end(), slow.end()]);
  expect(logged.filter((message) => message === 'connection without a HELLO dropped')).toHaveLength(2);
});

const control = { wire: 1, kind: 'control' };
const long = (id: number, length: number): object => ({
  id,
  verb: 'credential.remove',
  params: { name: String(length) },
});

test.each([
  ['connections that say nothing', () => new Raw()],
  ['idle control connections', () => new Raw().json(Frame.HELLO, control)],
  ['refused launchers that do not go', () => new Raw().json(Frame.HELLO, { ...hello, wire: 2 })],
])('W-WIRE-9 of many %s the oldest are closed, and a session opens', async (_what, make) => {
  const unharmed = await bystander();
  const many = Array.from({ length: 150 }, make);
  await until(() => many.filter(({ closed }) => closed).length >= 86, 'the end of the oldest');
  expect(many.slice(0, 80).every(({ closed }) => closed)).toBe(true);
  await (await bystander())();
  const last = new Raw().json(Frame.HELLO, control).json(Frame.REQUEST, { id: 1, verb: 'stop', params: {} });
  await until(() => last.frames.length > 0, 'an answer');
  for (const { socket } of [...many, last]) socket.destroy();
  await unharmed();
});

test('W-WIRE-9 a control connection that waits for an answer outlives idle ones', async () => {
  const busy = new Raw().json(Frame.HELLO, control);
  busy.socket.pause();
  for (let id = 0; id < 3; id++) busy.json(Frame.REQUEST, long(id, 4_000_000));
  await until(() => listed > 0, 'the request');
  const idle = Array.from({ length: 80 }, () => new Raw().json(Frame.HELLO, control));
  await until(() => idle.some(({ closed }) => closed), 'the end of the oldest');
  busy.socket.resume();
  await until(() => busy.frames.length === 3, 'the answers');
  for (const { socket } of [...idle, busy]) socket.destroy();
});

test('W-WIRE-10 a client that does not read has one answer waiting, and is cut', async () => {
  readTimeout = 200;
  const unharmed = await bystander();
  const raw = new Raw().json(Frame.HELLO, control);
  raw.socket.pause();
  for (let id = 0; id < 50; id++) raw.json(Frame.REQUEST, long(id, 4_000_000));
  await until(() => logged.includes('a client that does not read was cut'), 'the end of the connection');
  expect(listed).toBe(1);
  raw.socket.destroy();
  await unharmed();
});

test('W-WIRE-10 of many who ask for the checks at once, one has them made', async () => {
  const many = Array.from({ length: 20 }, () =>
    new Raw().json(Frame.HELLO, control).json(Frame.REQUEST, { id: 1, verb: 'doctor', params: {} }),
  );
  await until(() => many.every(({ frames }) => frames.length === 1), 'the answers');
  expect(checked).toBeLessThan(5);
  for (const { socket } of many) socket.destroy();
});

test('W-WIRE-10 a request of many members is not read, a long text is', async () => {
  const raw = new Raw().json(Frame.HELLO, control);
  raw.json(Frame.REQUEST, { id: 1, verb: 'stop', params: { text: ',[{"'.repeat(500_000) } });
  await until(() => raw.frames.length === 1, 'the answer');
  expect(raw.frames[0]).toEqual([Frame.RESPONSE, expect.objectContaining({ id: 1 })]);
  raw.json(Frame.REQUEST, { id: 2, verb: 'stop', params: Array.from({ length: 2000 }, () => ({})) });
  await raw.end();
  expect(logged).toContain('malformed request: connection closed');
});

test('W-WIRE-10 an answer that fits no frame is an error, and the connection goes on', async () => {
  const raw = new Raw().json(Frame.HELLO, control).json(Frame.REQUEST, long(1, 17_000_000));
  raw.json(Frame.REQUEST, long(2, 5));
  await until(() => raw.frames.length === 2, 'the answers');
  expect(raw.frames).toEqual([
    [Frame.RESPONSE, { id: 1, error: expect.objectContaining({ code: 'daemon-internal' }) }],
    [Frame.RESPONSE, { id: 2, result: { name: 'xxxxx', store: 'vault' } }],
  ]);
  raw.socket.destroy();
});

test('another wire version is refused with a hint', async () => {
  const raw = new Raw().json(Frame.HELLO, { ...hello, wire: 2 });
  await until(() => raw.frames.length > 0, 'the refusal');
  expect(raw.frames).toEqual([
    [
      Frame.REFUSE,
      expect.objectContaining({
        code: 'daemon-version',
        exit: 69,
        hint: expect.stringMatching(/warder stop/),
      }),
    ],
  ]);
  await raw.end();
});

test.each([
  ['another version of the wire', { wire: 2 }, 'daemon-version'],
  ['a name that is none', { profile: '../x' }, 'name-invalid'],
])('W-RELAY-11 a start that is refused answers what the host asks: %s', async (_what, wrong, code) => {
  const raw = new Raw().json(Frame.HELLO, { ...hello, ...wrong });
  writeFrame(raw.socket, Frame.DATA, [
    Buffer.from('{"jsonrpc":"2.0","id":"i","method":"initialize","params":{}}\n'),
  ]);
  await until(() => raw.frames.length > 0, 'the refusal');
  expect(raw.frames).toMatchObject([[Frame.REFUSE, { code }]]);
  expect(JSON.parse(raw.data)).toMatchObject({ id: 'i', error: { code: -32015, data: { code } } });
  await raw.end();
});

test('W-WIRE-7 the host is the process that the kernel reports, not the one that the client names', async () => {
  expect(peer.kind).toBe('so_peercred');
  const raw = new Raw().json(Frame.HELLO, { ...hello, pid: 1 });
  await until(() => requests.length > 0, 'the session');
  const [nearest] = requests[0]?.host.chain ?? [];
  expect(nearest).toMatchObject({
    pid: process.ppid,
    exe: expect.stringMatching(/^\//),
    started: expect.any(Number),
  });
  raw.socket.destroy();
});

test('W-WIRE-7 a process of another user is dropped before it sends anything', async (context) => {
  context.skip(uid !== 0, 'needs root: it starts a process of another user');
  chmodSync(dir, 0o711);
  chmodSync(places.run, 0o711);
  chmodSync(places.socket, 0o666);
  const client = `
    const socket = require('node:net').connect(process.argv[1]);
    socket.on('error', () => {});
    socket.on('connect', () => console.log('connected'));
    socket.on('close', () => console.log('closed'));
  `;
  // A copy that another user can read.
  const node = join(dir, 'node');
  execFileSync('cp', [process.execPath, node]);
  const child = spawn('setpriv', ['--reuid', '65534', '--clear-groups', node, '-e', client, places.socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {},
  });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  await once(child, 'close');
  expect(said).toBe('connected\nclosed\n');
  expect(logged).toEqual(['connection of another user dropped']);
  await (await bystander())();
});

test('requests are answered by id; errors are sent in full, faults in general terms', async () => {
  await using control = openControl(await connect({ places, uid, env: {} }));
  const results = await Promise.allSettled([
    control.request('doctor', {}),
    control.request('status', {}),
    control.request('stop', {}),
    control.request('stop', { extra: 'hunter2' } as never),
    control.request('reboot' as 'stop', {}),
    control.request('constructor' as 'stop', {}),
  ]);
  expect(results).toMatchObject([
    { reason: { code: 'keychain-locked', message: 'the keychain is locked', hint: 'unlock it' } },
    { reason: { code: 'daemon-internal', message: expect.not.stringContaining('detail') } },
    { value: { sessions: 1 } },
    { reason: { code: 'usage', message: expect.not.stringContaining('hunter2') } },
    { reason: { code: 'daemon-version' } },
    { reason: { code: 'daemon-version' } },
  ]);
});

test('a malformed answer is an error, and so is a missing one', async () => {
  listener.close();
  const odd = createServer((socket) => {
    const decoder = new FrameDecoder({
      bytes: () => {},
      frame(type) {
        if (type !== Frame.REQUEST) return;
        writeJson(socket, Frame.RESPONSE, { id: 1, result: { pid: 'one' } });
        socket.end();
      },
    });
    socket.on('data', (chunk: Buffer) => decoder.push(chunk));
  }).listen(`${places.socket}2`);
  const socket = await connect({ places: { ...places, socket: `${places.socket}2` }, uid, env: {} });
  await using control = openControl(socket);
  await expect(control.request('stop', {})).rejects.toMatchObject({ code: 'daemon-version' });
  await control.closed;
  await expect(control.request('stop', {})).rejects.toMatchObject({ code: 'daemon-unreachable' });
  odd.close();
});

test('W-WIRE-11 a stop ends every session as if its host had gone, and answers no new one, so that the next daemon does', async () => {
  const raw = new Raw().json(Frame.HELLO, hello);
  await until(() => requests.length === 1, 'the session');
  await server.stop();
  await until(() => raw.frames.length > 0, 'the end');
  expect(raw.frames).toEqual([[Frame.EXIT, { exit: 5 }]]);
  const late = new Raw().json(Frame.HELLO, hello);
  writeFrame(late.socket, Frame.DATA, [Buffer.from('x')]);
  await late.end();
  expect(late.socket.bytesRead).toBe(0);
  expect(logged).not.toContain('malformed connection closed');
  expect(requests).toHaveLength(1);
});

const unsafe: [what: string, spoil: () => void][] = [
  ['a folder that others can enter', () => chmodSync(places.run, 0o755)],
  [
    'a link to a folder',
    () => {
      renameSync(places.run, `${places.run}-real`);
      symlinkSync(`${places.run}-real`, places.run);
    },
  ],
  [
    'a file in place of the folder',
    () => {
      rmSync(places.run, { recursive: true });
      writeFileSync(places.run, '');
    },
  ],
  [
    'a file in place of the socket',
    () => {
      rmSync(places.socket);
      writeFileSync(places.socket, '');
    },
  ],
  [
    'a link in place of the socket',
    () => {
      renameSync(places.socket, `${places.socket}-real`);
      symlinkSync(`${places.socket}-real`, places.socket);
    },
  ],
];

test.each(unsafe)('W-WIRE-8 neither side trusts %s', async (_what, spoil) => {
  spoil();
  await expect(connect({ places, uid, env: {} })).rejects.toMatchObject({ code: 'socket-unsafe' });
  const program = join(import.meta.dirname, '../../fixtures/echo-warder.cjs');
  for (const words of [
    ['run', 'echo'],
    ['daemon', 'run'],
  ]) {
    await using client = new Client([process.execPath, program, ...words], { WARDER_HOME: dir });
    expect((await client.ended).code).toBe(69);
    expect(client.stderr).toMatch(/^warder: error: .*\nwarder: hint: /);
  }
});

test('W-WIRE-8 neither side trusts what belongs to another user', async (context) => {
  context.skip(uid !== 0, 'needs root: it gives files away');
  chownSync(places.socket, 65534, 65534);
  await expect(connect({ places, uid, env: {} })).rejects.toMatchObject({ code: 'socket-unsafe' });
  chownSync(places.socket, 0, 0);
  chownSync(places.run, 65534, 65534);
  await expect(connect({ places, uid, env: {} })).rejects.toMatchObject({ code: 'socket-unsafe' });
});

test('a socket-activated daemon uses the socket that systemd passes, and does not remove it', async () => {
  await using home = new EchoHome();
  mkdirSync(home.places.run, { recursive: true, mode: 0o700 });
  const held = createServer().listen(home.places.socket);
  await once(held, 'listening');
  chmodSync(home.places.socket, 0o600);
  const { fd } = (held as unknown as { _handle: { fd: number } })._handle;
  const program = join(import.meta.dirname, '../../fixtures/echo-warder.cjs');
  const child = spawn(
    '/bin/sh',
    ['-c', 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$1" daemon run', process.execPath, program],
    { env: home.env, stdio: ['ignore', 'pipe', 'inherit', fd] },
  );
  if (child.stdout !== null) await once(child.stdout, 'data');
  // Closing removes the path if it exists.
  renameSync(home.places.socket, `${home.places.socket}-kept`);
  held.close();
  renameSync(`${home.places.socket}-kept`, home.places.socket);
  await using client = home.run('echo');
  await client.send('x\n');
  await client.until(() => client.lines[0]);
  expect(home.pid).toBe(child.pid);
  process.kill(home.pid, 'SIGTERM');
  expect((await once(child, 'exit'))[0]).toBe(0);
  expect((await client.ended).code).toBe(69);
  expect(existsSync(home.places.socket)).toBe(true);
});

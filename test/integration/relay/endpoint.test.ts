// What `src/relay/endpoint.ts` promises of the two ends of a session, tried on a real server's pipes, on a real
// launcher's socket, and on the fakes that other tests use in their place.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { SocketHost } from '../../../src/control/host.ts';
import { processes } from '../../../src/os/processes.ts';
import { loadSpawn } from '../../../src/os/spawn.ts';
import { userEnvironment } from '../../../src/profile/environment.ts';
import type { Endpoint, HostEnd, ServerEnd } from '../../../src/relay/endpoint.ts';
import { environment } from '../../../src/server/environment.ts';
import { spawnServer } from '../../../src/server/process.ts';
import { RuntimeFolder, runtimeRoots } from '../../../src/server/runtime-folder.ts';
import { hostEndOf } from '../../../src/server/session-host.ts';
import { Frame, FrameDecoder, writeFrame } from '../../../src/wire/frame.ts';
import { FakeHost, FakeServer } from '../../fixtures/ends.ts';

const MIB = 2 ** 20;

/** An end, and the program on its other side. */
interface Pair extends AsyncDisposable {
  readonly end: Endpoint;
  /** The other side writes. */
  send(text: string): void;
  /** The other side writes without a pause; how many bytes it has got rid of when it comes to a stop. */
  flood(mebibytes: number): Promise<number>;
  /** The other side reads, or stops. */
  read(reads: boolean): void;
  /** All that it has read. */
  readonly received: Buffer;
  /** It has seen the end of its input. */
  readonly sawEnd: boolean;
  /** It closes its output. */
  finish(): void;
  /** It reads nothing any more, and is gone. */
  leave(): void;
}

interface ServerPair extends Pair {
  readonly end: ServerEnd;
  complain(text: string): void;
  floodStderr(mebibytes: number): Promise<number>;
  exit(code: number): void;
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

async function realServer(): Promise<ServerPair> {
  const run = mkdtempSync(join(tmpdir(), 'warder-endpoint-'));
  const { promise: connected, resolve: onConnect } = Promise.withResolvers<Socket>();
  const listener = createServer(onConnect).listen(join(run, 'control'));
  const { uid } = userInfo();
  const runtime = new RuntimeFolder(runtimeRoots(run, uid), []);
  const facts = userEnvironment({ execPath: process.execPath, home: homedir(), user: 'x', env: process.env });
  const script = join(import.meta.dirname, '../../fixtures/servers/pipes.mjs');
  const end = await spawnServer(
    {
      profile: 'pipes',
      command: process.execPath,
      args: [script, join(run, 'control')],
      cwd: run,
      env: environment('pipes', facts, runtime.instance, {}, []),
      home: homedir(),
      sandbox: undefined,
    },
    runtime,
    {
      spawn: await loadSpawn(),
      processes: processes(),
      log: quiet,
      timeouts: { end: 500, term: 500, kill: 1000 },
    },
  );
  const control = await connected;
  control.on('error', () => {});
  const received: Buffer[] = [];
  let sawEnd = false;
  let taken = 0;
  let flooded = false;
  const lines = createInterface({ input: control });
  lines.on('line', (line) => {
    const [what, value] = JSON.parse(line);
    if (what === 'got') received.push(Buffer.from(value, 'base64'));
    if (what === 'end') sawEnd = true;
    if (what === 'taken') taken = value;
    if (what === 'flooded') flooded = true;
  });
  const tell = (...words: unknown[]): void => void control.write(`${JSON.stringify(words)}\n`);
  const flood = async (descriptor: number, mebibytes: number): Promise<number> => {
    tell('flood', descriptor, mebibytes);
    await until(() => taken > 0 || flooded);
    await stable(() => taken);
    return flooded ? mebibytes * MIB : taken;
  };
  await once(lines, 'line');
  return {
    end,
    send: (text) => tell('out', text),
    flood: (mebibytes) => flood(1, mebibytes),
    floodStderr: (mebibytes) => flood(2, mebibytes),
    read: (reads) => tell('read', reads),
    complain: (text) => tell('err', text),
    finish: () => tell('close'),
    leave: () => tell('exit', 0),
    exit: (code) => tell('exit', code),
    get received() {
      return Buffer.concat(received);
    },
    get sawEnd() {
      return sawEnd;
    },
    async [Symbol.asyncDispose]() {
      await end.stop();
      await end.gone;
      control.destroy();
      listener.close();
      rmSync(run, { recursive: true, force: true });
    },
  };
}

async function realHost(): Promise<Pair> {
  const dir = mkdtempSync(join(tmpdir(), 'warder-endpoint-'));
  const path = join(dir, 'socket');
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const listener = createServer(resolve).listen(path);
  const launcher = dial(path).on('error', () => {});
  const socket = await promise;
  socket.on('error', () => {});
  const host = new SocketHost(socket);
  const decoder = new FrameDecoder({
    bytes: (type, slice) => host.bytes(type, slice),
    frame: (type) => host.frame(type),
  });
  socket.on('data', (chunk: Buffer) => decoder.push(chunk));
  const received: Buffer[] = [];
  let sawEnd = false;
  const reader = new FrameDecoder({
    bytes: (_type, slice) => received.push(Buffer.from(slice)),
    frame: (type) => {
      if (type === Frame.EOF) sawEnd = true;
    },
  });
  launcher.on('data', (chunk: Buffer) => reader.push(chunk));
  launcher.pause();
  return {
    end: hostEndOf(host, { server() {} }),
    send: (text) => void writeFrame(launcher, Frame.DATA, [Buffer.from(text)]),
    async flood(mebibytes) {
      const chunk = Buffer.alloc(65_536, 'x');
      const total = mebibytes * MIB;
      let sent = 0;
      while (sent < total && launcher.writableLength < MIB) {
        writeFrame(launcher, Frame.DATA, [chunk]);
        sent += chunk.length;
        await setTimeout(0);
      }
      await stable(() => launcher.writableLength);
      const taken = sent - launcher.writableLength;
      // What could not be sent goes on by itself, and the rest with it.
      for (; sent < total; sent += chunk.length) writeFrame(launcher, Frame.DATA, [chunk]);
      return taken;
    },
    read: (reads) => void (reads ? launcher.resume() : launcher.pause()),
    finish: () => void writeFrame(launcher, Frame.EOF, []),
    leave: () => void launcher.destroy(),
    get received() {
      return Buffer.concat(received);
    },
    get sawEnd() {
      return sawEnd;
    },
    async [Symbol.asyncDispose]() {
      launcher.destroy();
      socket.destroy();
      listener.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A fake, whose other side takes no more than 64 KiB while it does not read. */
function fake<End extends FakeHost | FakeServer>(end: End): Pair & { readonly end: End } {
  end.room = 65_536;
  let reads = false;
  const write = end.write.bind(end);
  end.write = (chunks) => {
    const more = write(chunks);
    if (reads && !more) setImmediate(() => end.drain());
    return more;
  };
  return {
    end,
    send: (text) => end.raw(text),
    async flood(mebibytes) {
      const chunk = Buffer.alloc(65_536, 'x');
      let taken = 0;
      for (let sent = 0; sent < mebibytes * MIB; sent += chunk.length) {
        if (!end.paused) taken += chunk.length;
        end.raw(chunk);
      }
      return taken;
    },
    read(now) {
      reads = now;
      if (now) end.drain();
    },
    get received() {
      return Buffer.from(end.text);
    },
    get sawEnd() {
      return end.closed;
    },
    finish: () => end.end(),
    leave() {
      end.leave();
      end.end();
    },
    async [Symbol.asyncDispose]() {},
  };
}

function fakeServer(): ServerPair {
  const server = new FakeServer();
  return {
    ...fake(server),
    get received() {
      return Buffer.from(server.text);
    },
    get sawEnd() {
      return server.closed;
    },
    complain: (text) => server.complain(text),
    async floodStderr(mebibytes) {
      for (let sent = 0; sent < mebibytes; sent++) server.complain('x'.repeat(MIB));
      return server.paused ? 0 : mebibytes * MIB;
    },
    exit: (code) => server.exit(code),
  };
}

const ends: [string, () => Promise<Pair>][] = [
  ["a server's process", realServer],
  ["a launcher's socket", realHost],
  ['the fake server', async () => fakeServer()],
  ['the fake host', async () => fake(new FakeHost())],
];

async function until(test: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2500 && !test(); tries++) await setTimeout(10);
  expect(test()).toBe(true);
}

/** Waits until a number has not changed for a while. */
async function stable(read: () => number): Promise<void> {
  for (let last = -1, same = 0; same < 10; ) {
    await setTimeout(20);
    same = read() === last ? same + 1 : 0;
    last = read();
  }
}

/** Listens, and keeps what comes. */
function listen(end: Endpoint): { readonly bytes: () => number; readonly text: () => string; ends: number } {
  const chunks: Buffer[] = [];
  const heard = {
    bytes: () => chunks.reduce((sum, { length }) => sum + length, 0),
    text: () => Buffer.concat(chunks).toString(),
    ends: 0,
  };
  end.listen({
    data: (chunk) => chunks.push(chunk),
    end: () => {
      heard.ends++;
    },
  });
  return heard;
}

describe.each(ends)('%s', (_name, make) => {
  test('hands on all bytes in order, those from before too, and one end after them', async () => {
    await using pair = await make();
    pair.send('one ');
    await setTimeout(50);
    const heard = listen(pair.end);
    pair.send('two ');
    pair.send('three');
    await until(() => heard.text() === 'one two three');
    expect(heard.ends).toBe(0);
    pair.finish();
    await until(() => heard.ends === 1);
    expect(heard.text()).toBe('one two three');
  });

  test('W-RELAY-6 a pause stops the other side, and loses nothing', async () => {
    await using pair = await make();
    const heard = listen(pair.end);
    pair.end.pause();
    const taken = await pair.flood(32);
    expect(taken).toBeLessThan(8 * MIB);
    // What was on its way may still come.
    expect(heard.bytes()).toBeLessThanOrEqual(MIB);
    pair.end.resume();
    await until(() => heard.bytes() === 32 * MIB);
  });

  test('W-RELAY-6 a queue that is full says so, and again when it has emptied', async () => {
    await using pair = await make();
    listen(pair.end);
    let drains = 0;
    let writing = false;
    pair.end.onDrain(() => {
      expect(writing).toBe(false);
      drains++;
    });
    const chunk = Buffer.alloc(65_536, 'y');
    let written = 0;
    // Until neither the queue nor the system takes any more.
    for (let before = -1; before !== drains; ) {
      before = drains;
      for (let more = true; more && written < 64 * MIB; written += chunk.length) {
        writing = true;
        more = pair.end.write([chunk]);
        writing = false;
      }
      await setTimeout(100);
    }
    expect(written).toBeLessThan(8 * MIB);
    drains = 0;
    pair.read(true);
    await until(() => drains > 0 && pair.received.length === written);
  });

  test('shows the other side the end of its input once, after all that was written', async () => {
    await using pair = await make();
    listen(pair.end);
    pair.read(true);
    pair.end.write([Buffer.from('last '), Buffer.from('words')]);
    pair.end.close();
    pair.end.close();
    await until(() => pair.sawEnd);
    expect(pair.received.toString()).toBe('last words');
  });

  test('takes what is written to one who has gone, and owes nobody a drain', async () => {
    await using pair = await make();
    const heard = listen(pair.end);
    let drains = 0;
    pair.end.onDrain(() => {
      drains++;
    });
    const chunk = Buffer.alloc(65_536, 'y');
    for (let more = true; more; ) more = pair.end.write([chunk]);
    pair.leave();
    // The system may have taken what was written before: only who has gone owes no drain.
    await until(() => drains > 0 && heard.ends > 0);
    for (let i = 0; i < 100; i++) expect(pair.end.write([chunk])).toBe(true);
    pair.end.close();
  });
});

describe.each<[string, () => Promise<ServerPair>]>([
  ["a server's process", realServer],
  ['the fake server', async () => fakeServer()],
])('standard error and the end of %s', (_name, make) => {
  test('W-RELAY-6 a pause stops standard error too, and loses nothing of it', async () => {
    await using pair = await make();
    listen(pair.end);
    let heard = 0;
    pair.end.onStderr((chunk) => {
      heard += chunk.length;
    });
    pair.complain('one');
    await until(() => heard === 3);
    pair.end.pause();
    expect(await pair.floodStderr(32)).toBeLessThan(8 * MIB);
    expect(heard).toBeLessThanOrEqual(MIB);
    pair.end.resume();
    await until(() => heard === 32 * MIB + 3);
  });

  test('last words from before anybody listened are kept, and the ending is told', async () => {
    await using pair = await make();
    pair.complain('the reason');
    await setTimeout(50);
    pair.exit(3);
    expect(await pair.end.ended).toEqual({ code: 3, signal: null });
    await setTimeout(50);
    let heard = '';
    pair.end.onStderr((chunk) => {
      heard += chunk;
    });
    const output = listen(pair.end);
    await until(() => output.ends === 1);
    expect(heard).toBe('the reason');
  });

  test('stops when it is told to, however often', async () => {
    await using pair = await make();
    listen(pair.end);
    const endings = await Promise.all([pair.end.stop(), pair.end.stop()]);
    expect(endings[0]).toEqual(endings[1]);
    expect(await pair.end.ended).toEqual(endings[0]);
  });
});

test("standard error of a host shares its queue's fullness", async () => {
  await using pair = await realHost();
  const host = pair.end as HostEnd;
  listen(host);
  let drains = 0;
  host.onDrain(() => {
    drains++;
  });
  let written = 0;
  for (let more = true; more && written < 64 * MIB; written += 65_536)
    more = host.writeStderr([Buffer.alloc(65_536, 'e')]);
  expect(written).toBeLessThan(8 * MIB);
  pair.read(true);
  await until(() => drains > 0 && pair.received.length === written);
});

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { DirectWrites } from '../../../src/os/direct-writes.ts';

/** Two ends of a connection, and the descriptor of the first. */
async function pair(): Promise<{ socket: Socket; descriptor: number; other: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const other = await new Promise<Socket>((resolve) => server.once('connection', resolve));
  if (socket.connecting) await new Promise((resolve) => socket.once('connect', resolve));
  onTestFinished(() => {
    socket.destroy();
    other.destroy();
    server.close();
  });
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  return { socket, descriptor: fd, other };
}

test('what the kernel takes is written at once, and the rest goes by the stream in its order', async () => {
  const { socket, descriptor, other } = await pair();
  const direct = new DirectWrites(socket, descriptor);
  const sent: Buffer[] = [];
  let atOnce = 0;
  for (let n = 0; n < 2000; n++) {
    const chunk = Buffer.alloc(1 + ((n * 7919) % 9000), String(n % 10));
    sent.push(chunk);
    const rest = direct.write([chunk]);
    if (rest === undefined) atOnce++;
    for (const each of rest ?? []) socket.write(each);
  }
  expect(atOnce).toBeGreaterThan(0);
  expect(atOnce).toBeLessThan(2000);
  socket.end();
  const came: Buffer[] = [];
  for await (const chunk of other) came.push(chunk as Buffer);
  expect(Buffer.concat(came).equals(Buffer.concat(sent))).toBe(true);
});

test('W-RELAY-22 after its end or its destruction nothing is written to the number that it had', async () => {
  const { socket } = await pair();
  const folder = mkdtempSync(join(tmpdir(), 'warder-direct-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  // Another file that has got it.
  const path = join(folder, 'file');
  const file = openSync(path, 'w');
  const direct = new DirectWrites(socket, file);
  const chunks = [Buffer.from('of a session')];
  socket.end();
  expect(direct.write(chunks)).toBe(chunks);
  socket.destroy();
  expect(direct.write(chunks)).toBe(chunks);
  closeSync(file);
  expect(readFileSync(path, 'utf8')).toBe('');
});

test('several pieces, none, empty ones and long ones are left to the stream', async () => {
  const { socket, descriptor } = await pair();
  const direct = new DirectWrites(socket, descriptor);
  for (const chunks of [[], [Buffer.alloc(0)], [Buffer.alloc(70_000)], [Buffer.from('a'), Buffer.from('b')]])
    expect(direct.write(chunks)).toBe(chunks);
});

test('the stream tells that nobody reads any more', async () => {
  const { socket, descriptor, other } = await pair();
  const direct = new DirectWrites(socket, descriptor);
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
  other.resetAndDestroy();
  for (let done = false; !done && !socket.destroyed; ) {
    for (const each of direct.write([Buffer.from('more')]) ?? []) {
      socket.write(each);
      done = true;
    }
    await setImmediate();
  }
  expect(['EPIPE', 'ECONNRESET']).toContain((await failed).code);
});

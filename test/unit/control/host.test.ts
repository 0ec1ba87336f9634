// The launcher's socket as a host: what it sends before anybody listens costs the daemon a bounded amount.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { SocketHost } from '../../../src/control/host.ts';
import type { HostStreams, StreamListener } from '../../../src/os/host-streams.ts';
import { Frame, FrameDecoder, writeFrame } from '../../../src/wire/frame.ts';

class FakeSocket extends EventEmitter {
  paused = false;
  destroyed = false;
  writableLength = 0;
  reason: Error | undefined;
  isPaused = (): boolean => this.paused;
  write = (): boolean => true;
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  destroy(reason: Error): void {
    this.destroyed = true;
    this.reason = reason;
  }
}

function frames(payloads: readonly string[]): Buffer {
  const parts: Uint8Array[] = [];
  const sink = { cork() {}, uncork() {}, write: (bytes: Uint8Array) => parts.push(bytes) > 0 };
  for (const payload of payloads) writeFrame(sink, Frame.DATA, [Buffer.from(payload)]);
  return Buffer.concat(parts);
}

test.each([
  ['empty frames', '', false],
  ['frames of one byte', 'x', true],
])('W-WIRE-2 while a server starts, %s do not make the daemon grow', (_name, payload, pauses) => {
  const socket = new FakeSocket();
  const host = new SocketHost(socket as unknown as Socket);
  const decoder = new FrameDecoder(host);
  const chunk = frames(Array.from({ length: 1000 }, () => payload));
  let sent = 0;
  for (; sent < 1000 && !socket.paused; sent++) decoder.push(chunk);
  // A frame of one byte costs as much as a few hundred bytes.
  expect(socket.paused).toBe(pauses);
  expect(sent).toBe(pauses ? 5 : 1000);
  const received: Buffer[] = [];
  host.listen({ data: (slice) => void received.push(slice), end() {} });
  expect(Buffer.concat(received).length).toBe(pauses ? sent * 1000 : 0);
  expect(received.every(({ length }) => length > 0)).toBe(true);
  expect(socket.paused).toBe(false);
});

class FakeStreams {
  on: StreamListener | undefined;
  isFull = false;
  listen(on: StreamListener): void {
    this.on = on;
  }
  write = (): boolean => true;
  pause(): void {}
  resume(): void {}
  close(): void {}
  destroy(): void {}
}

test('W-WIRE-2 what a host has written byte by byte, and nobody has answered, is kept as the blocks in which it lies', () => {
  const streams = new FakeStreams();
  const host = new SocketHost(new FakeSocket() as unknown as Socket, streams as unknown as HostStreams);
  host.listen({ data() {}, end() {} });
  const blocks = [Buffer.alloc(1000, 'a'), Buffer.alloc(1000, 'b')];
  for (const block of blocks)
    for (let at = 0; at < block.length; at++) streams.on?.data(block.subarray(at, at + 1));
  host.write([Buffer.alloc(0)]);
  expect(host.rewind()).toBe(true);
  const heard: Buffer[] = [];
  host.listen({ data: (slice) => void heard.push(slice), end() {} });
  expect(heard).toEqual(blocks);
});

test('a fault of whoever listens ends the connection of a host with its own streams, and no other', () => {
  const streams = new FakeStreams();
  const socket = new FakeSocket();
  const host = new SocketHost(socket as unknown as Socket, streams as unknown as HostStreams);
  const fault = new Error('a fault');
  host.listen({
    data() {
      throw fault;
    },
    end() {},
  });
  streams.on?.data(Buffer.from('x'));
  expect(socket.reason).toBe(fault);
});

test('what is written to a launcher that has just gone waits until its end is known', () => {
  const socket = new FakeSocket();
  const host = new SocketHost(socket as unknown as Socket);
  let drained = 0;
  host.onDrain(() => drained++);
  socket.destroyed = true;
  // Whoever writes until it is told to wait would write for ever.
  expect(host.write([Buffer.from('x')])).toBe(false);
  expect(host.stderr(Buffer.from('x'))).toBe(false);
  socket.emit('drain');
  expect(drained).toBe(0);
  socket.emit('close');
  expect(host.gone.aborted).toBe(true);
  expect(drained).toBe(1);
  expect(host.write([Buffer.from('x')])).toBe(true);
});

test.each([
  ['', false, 'nothing'],
  ['', true, undefined],
  ['{}', false, undefined],
  ['{}\n', false, '{}'],
])(
  'W-LAZY-9 of a host that sends %j and ends the first line is known, or that there is none (gone: %j)',
  async (sent, isGone, first) => {
    const host = new SocketHost(new FakeSocket() as unknown as Socket);
    const line = host.firstLine(1000);
    host.bytes(Frame.DATA, Buffer.from(sent));
    if (isGone) host.end();
    else host.frame(Frame.EOF);
    const found = await line;
    expect(found instanceof Buffer ? found.toString() : found).toBe(first);
  },
);

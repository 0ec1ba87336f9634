// The launcher's socket as a host: what it sends before anybody listens costs the daemon a bounded amount.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { SocketHost } from '../../../src/control/host.ts';
import { Frame, FrameDecoder, writeFrame } from '../../../src/wire/frame.ts';

class FakeSocket extends EventEmitter {
  paused = false;
  destroyed = false;
  writableLength = 0;
  isPaused = (): boolean => this.paused;
  write = (): boolean => true;
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
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

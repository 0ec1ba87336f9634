// The body of a response on its way to the server: in order, in few pieces, and no faster than it is read.
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ByteTransform } from '../../../../src/credential/finder.ts';
import { BUDGETS } from '../../../../src/egress/budgets.ts';
import type { BodySearch } from '../../../../src/egress/http/body-search.ts';
import { type BodySink, streamBody } from '../../../../src/egress/http/body-stream.ts';
import { GateTurns } from '../../../../src/egress/turns.ts';
import { silentLog } from '../../../fixtures/gate.ts';

const pass: ByteTransform = { push: (piece) => [piece], flush: () => [] };

/** A server that reads when it is told to. */
class Server extends EventEmitter implements BodySink {
  readonly written: Buffer[] = [];
  readonly calls: string[] = [];
  writableLength = 0;
  reads = true;
  #unread: (() => void)[] = [];

  flushHeaders(): void {
    this.calls.push('head');
  }

  write(piece: Buffer, done: () => void): boolean {
    this.calls.push('write');
    this.written.push(Buffer.from(piece));
    this.#unread.push(done);
    this.writableLength += piece.length;
    if (this.reads) setImmediate(() => this.read());
    return this.reads;
  }

  read(): void {
    this.writableLength = 0;
    for (const done of this.#unread.splice(0)) done();
    this.emit('drain');
  }

  end(): void {
    this.calls.push('end');
  }

  get received(): Buffer {
    return Buffer.concat(this.written);
  }
}

function gateTurns(monotonic = () => 0): GateTurns {
  return new GateTurns({
    session: 's1',
    profile: 'demo',
    clock: { now: () => 0, monotonic },
    log: silentLog,
  });
}

function stream(
  parts: { search?: BodySearch; replacing?: ByteTransform; server?: Server; turns?: GateTurns } = {},
  body = new PassThrough(),
): { body: PassThrough; server: Server; ended: Promise<void> } {
  const { search, replacing = pass, server = new Server() } = parts;
  const { turns = gateTurns() } = parts;
  const ended = streamBody({ body, from: body, to: server, sendHead: () => {}, search, replacing, turns });
  ended.catch(() => {});
  return { body, server, ended };
}

async function turnsOfLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}

test('what arrives at one time is one write, and a body that is there whole ends with it', async () => {
  const { body, server, ended } = stream();
  for (const word of ['a', 'b', 'c']) body.write(word);
  body.end();
  await ended;
  expect(server.received.toString()).toBe('abc');
  expect(server.calls.filter((call) => call === 'write')).toHaveLength(1);
});

test('the head of a body that is silent goes at once', async () => {
  const { server, body } = stream();
  await turnsOfLoop(3);
  expect(server.calls).toEqual(['head']);
  body.destroy();
});

test('a long body passes whole and in order, however slowly its search answers', async () => {
  const search: BodySearch = {
    push: async (piece) => {
      await turnsOfLoop(2);
      return [piece];
    },
    end: () => [],
    close: () => {},
  };
  const { body, server, ended } = stream({ search });
  const whole = Buffer.alloc(5 * BUDGETS.batch + 7, 'the quick brown fox ');
  for (let at = 0; at < whole.length; at += 1000) {
    body.write(whole.subarray(at, at + 1000));
    if (at % 7000 === 0) await nextTurn();
  }
  body.end();
  await ended;
  expect(server.received.equals(whole)).toBe(true);
});

test('[W-EGR-7] a server that does not read holds up its host', async () => {
  const server = new Server();
  server.reads = false;
  const { body } = stream({ server });
  for (let round = 0; round < 200; round++) {
    body.write(Buffer.alloc(16_384));
    await nextTurn();
  }
  expect(server.writableLength).toBeLessThan(BUDGETS.unread + 2 * BUDGETS.batch);
  const stalled = server.writableLength;
  server.read();
  await turnsOfLoop(5);
  expect(server.writableLength).toBeGreaterThan(0);
  expect(stalled).toBeGreaterThanOrEqual(BUDGETS.unread);
  body.destroy();
});

test('the memory of a piece is given back when it was written, and not before', async () => {
  const server = new Server();
  server.reads = false;
  const { body } = stream({ server });
  const piece = Buffer.from(new ArrayBuffer(BUDGETS.batch));
  body.write(piece);
  await turnsOfLoop(3);
  expect(server.written).toHaveLength(1);
  expect(piece.byteLength).toBe(BUDGETS.batch);
  server.read();
  expect(piece.byteLength).toBe(0);
  body.destroy();
});

test('[W-EGR-11] a body gets larger pieces for its own quick ones, and for none of another', async () => {
  let now = 0;
  const turns = gateTurns(() => now);
  const piecesOf = (ms: number) => {
    const sizes: number[] = [];
    const replacing: ByteTransform = {
      push(piece) {
        sizes.push(piece.length);
        now += ms;
        return [piece];
      },
      flush: () => [],
    };
    return { sizes, ...stream({ replacing, turns }, new PassThrough({ highWaterMark: 2 ** 20 })) };
  };
  const quick = piecesOf(0);
  const slow = piecesOf(BUDGETS.quick);
  // What comes after a first piece, eight at a time.
  for (let round = 0; round < 3; round++) {
    for (const { body } of [quick, slow])
      for (let piece = 0; piece < 8; piece++) body.write(Buffer.alloc(BUDGETS.batch / 2, 'x'));
    await expect
      .poll(() => [quick, slow].map(({ sizes }) => sizes.reduce((sum, size) => sum + size, 0)))
      .toEqual([4 * BUDGETS.batch * (round + 1), 4 * BUDGETS.batch * (round + 1)]);
  }
  expect(Math.max(...quick.sizes)).toBe(BUDGETS.largeBatch);
  expect(Math.max(...slow.sizes)).toBe(BUDGETS.batch);
  for (const { body } of [quick, slow]) body.destroy();
});

test('[W-SEAL-3] nothing goes on after a body was refused', async () => {
  const refusal = new Error('refused');
  const replacing: ByteTransform = {
    push: (piece) => {
      if (piece.includes('secret')) throw refusal;
      return [piece];
    },
    flush: () => [],
  };
  const { body, server, ended } = stream({ replacing });
  body.write('first');
  await turnsOfLoop(3);
  body.write('secret');
  await turnsOfLoop(3);
  body.end('rest');
  await expect(ended).rejects.toBe(refusal);
  await turnsOfLoop(3);
  expect(server.received.toString()).toBe('first');
  expect(server.calls).not.toContain('end');
});

// Memory of a long answer that is given back is looked at by nobody any more: not by what writes it, the log, the redaction or a
// line that is kept, nor by who reads from the server, who may still have room there.
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { type BackgroundDigests, openBackgroundDigests } from '../../../src/os/background-digest.ts';
import { Output } from '../../../src/server/output.ts';
import { answer, call, FakeHost, FakeServer, join, SECRET, settled } from '../../fixtures/ends.ts';

const numRuns = process.env.SLOW === undefined ? 100 : 3000;
vi.setConfig({ testTimeout: process.env.SLOW === undefined ? 60_000 : 600_000 });

/** A server whose output is read as the system's is: to the room that was asked for after the read before. */
class ReadServer extends FakeServer {
  readonly #output = new Output();
  readonly #stream = new PassThrough();
  #place: Buffer;
  /** What it has written and nobody has read. */
  unread = Buffer.alloc(0);

  constructor() {
    super();
    this.#output.open(this.#stream, true);
    this.#place = this.#output.room();
  }

  override listen(on: Parameters<FakeServer['listen']>[0]): void {
    this.#output.listen(on);
  }

  override pause(): void {
    super.pause();
    this.#output.pause();
  }

  override resume(): void {
    this.paused = false;
    this.#output.resume();
  }

  override end(): void {
    this.#stream.destroy();
  }

  override raw(bytes: Buffer | string): void {
    this.unread = Buffer.concat([this.unread, Buffer.from(bytes)]);
  }

  /** One read, of at most so many bytes. */
  read(most: number): void {
    if (this.unread.length === 0) return;
    const place = this.#place;
    expect(place.length).toBeGreaterThan(0);
    const length = this.unread.copy(place, 0, 0, Math.min(most, this.unread.length));
    this.unread = this.unread.subarray(length);
    this.#output.take(length, place);
    this.#place = this.#output.room();
  }
}

/** A host to whom bytes go on their way, and have gone later: until then they are where they were. */
class SlowHost extends FakeHost {
  /** Over frames nobody says when they have gone. */
  tells = true;
  readonly #sent: { chunks: readonly Uint8Array[]; bytes: Buffer; done: (() => void) | undefined }[] = [];

  override write(chunks: readonly Uint8Array[], done?: () => void): boolean {
    const bytes = Buffer.concat(chunks);
    this.#sent.push({ chunks, bytes, done });
    return this.queue(bytes.length);
  }

  get waits(): boolean {
    return this.#sent.length > 0;
  }

  /** What waits longest has gone. */
  go(): void {
    this.check();
    const first = this.#sent.shift();
    if (first === undefined) return;
    this.writes.push(first.bytes);
    if (this.tells) first.done?.();
    if (!this.waits && this.queued >= this.room) this.drain();
    else if (!this.waits) this.queued = 0;
  }

  /** Nothing that waits has changed. */
  check(): void {
    for (const { chunks, bytes } of this.#sent) expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  }
}

/** Digests in another thread, of which it is known how many are under way, and of what. */
class WatchedDigests {
  readonly begin: BackgroundDigests | undefined;
  /** Digests that are waited for, and those that were. */
  pending = 0;
  finished = 0;

  constructor(digests: BackgroundDigests | undefined) {
    this.begin = digests && (() => this.#watched(digests()));
  }

  #watched(digest: ReturnType<BackgroundDigests>): ReturnType<BackgroundDigests> {
    return {
      update: (bytes, done) => {
        const { byteLength } = bytes.buffer;
        digest.update(bytes, () => {
          // Nobody has given it back meanwhile.
          expect(bytes.buffer.byteLength).toBe(byteLength);
          done?.();
        });
      },
      finish: (then) => {
        this.pending++;
        digest.finish((result) => {
          this.pending--;
          this.finished++;
          then(result);
        });
      },
      [Symbol.dispose]: () => digest[Symbol.dispose](),
    };
  }
}

const MIB = 2 ** 20;
const length = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 60_000, max: 70_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: MIB / 4 - 2000, max: MIB / 4 + 80_000 }) },
  { weight: 4, arbitrary: fc.integer({ min: MIB - 2000, max: MIB + 200_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4 * MIB - 20_000, max: 4 * MIB + 300_000 }) },
);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('answer', 'answer', 'answer', 'secret', 'notice', 'list'),
      n: length,
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('read'), n: fc.integer({ min: 1, max: 40 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('late read', 'go', 'disk', 'wait'), n: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('unwritable'), n: fc.nat(1) }) },
);

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const text = (size: number, n: number): string => `${n}, `.repeat(size / `${n}, `.length);

test('W-RELAY-21 W-RELAY-23 what is given back is used by nobody, whatever is slow, fails or ends meanwhile', async () => {
  const digests = await openBackgroundDigests();
  let elsewhere = 0;
  const transfer = vi.spyOn(ArrayBuffer.prototype, 'transfer');
  let exact = 0;
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
        fc.record({
          tells: fc.boolean(),
          durable: fc.boolean(),
          slices: fc.boolean(),
          slow: fc.boolean(),
          threads: fc.boolean(),
        }),
        fc.constantFrom('nothing', 'nothing', 'host', 'server'),
        async (steps, { tells, durable, slices, slow, threads }, end) => {
          let now = 0;
          const watched = new WatchedDigests(threads ? digests : undefined);
          const host = new SlowHost();
          const server = new ReadServer();
          host.tells = tells;
          if (slow) host.room = 50_000;
          const { audit, session, logged } = join({
            host,
            server,
            digests: watched.begin,
            clock: { now: () => 0, monotonic: () => (slices ? now++ : 0) },
            budgets: { burst: Number.POSITIVE_INFINITY, close: 0, lastOutput: 0 },
            auditSettings: {
              arguments: 'redacted',
              results: 'digest',
              durability: durable ? 'fsync' : 'write',
            },
          });
          audit.isDurable = false;
          const lines = new Map<string, string>();
          /** The id under which the server was asked, if it was: a host that is paused is not read. */
          const ask = (message: Record<string, unknown>): unknown => {
            const before = server.messages.length;
            host.say(message);
            return server.messages[before]?.id;
          };
          for (const [at, { do: what, n }] of steps.entries()) {
            if (what === 'answer' || what === 'secret') {
              const id = `call ${at}`;
              const sent = ask(call(id));
              const content = what === 'secret' ? `${text(n, at)}${SECRET}` : text(n, at);
              if (sent !== undefined) server.say(answer(sent, content));
              if (what === 'answer')
                lines.set(id, JSON.stringify({ jsonrpc: '2.0', ...answer(id, content) }));
            } else if (what === 'notice') {
              server.say({ method: 'notifications/message', params: { level: 'info', data: text(n, at) } });
            } else if (what === 'list') {
              const id = ask({ id: `list ${at}`, method: 'resources/list' });
              if (id !== undefined)
                server.say({ id, result: { resources: [{ uri: text(n, at), name: 'one' }] } });
            } else if (what === 'read') {
              for (let i = 0; i < n && !server.paused; i++) server.read(2 ** 16);
            } else if (what === 'late read') server.read(2 ** 18);
            else if (what === 'go') host.go();
            else if (what === 'disk') audit.flushNow();
            else if (what === 'unwritable') {
              if (n > 0) audit.fails.add('tool.result');
              else audit.fails.clear();
            } else await settled();
          }
          if (end === 'host') host.vanish();
          if (end === 'server') server.exit(1);
          for (let idle = 0; idle < 100; ) {
            const isBusy = watched.pending > 0 || host.waits || (server.unread.length > 0 && !server.paused);
            if (!server.paused) for (let i = 0; i < 20; i++) server.read(2 ** 18);
            audit.flushNow();
            host.go();
            await settled();
            idle = isBusy ? 0 : idle + 1;
          }
          host.check();
          expect(logged.filter((line) => line.includes('TypeError'))).toEqual([]);
          const results = new Set(audit.of('tool.result').map(({ result }) => result));
          for (const line of host.lines) {
            expect(line).not.toContain(SECRET);
            const { id, error } = JSON.parse(line);
            const expected = lines.get(id);
            if (expected === undefined || error !== undefined) continue;
            expect(line === expected).toBe(true);
            expect(results.has(sha256(line))).toBe(true);
            exact++;
          }
          if (end === 'nothing' && audit.fails.size === 0)
            expect(server.unread.length === 0 || server.paused).toBe(true);
          host.vanish();
          server.exit(0);
          await session.done;
          elsewhere += watched.finished;
        },
      ),
      { numRuns },
    );
    expect(exact).toBeGreaterThan(10);
    if (digests !== undefined) expect(elsewhere).toBeGreaterThan(10);
    expect(transfer.mock.calls.length).toBeGreaterThan(3);
  } finally {
    transfer.mockRestore();
  }
});

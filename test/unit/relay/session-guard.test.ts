// A fault in one session ends that session: its host gets an answer, the log a record, and the caller nothing to
// catch. Nothing that either side sends costs by its size more than a look at each byte.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { answer, call, FakeServer, type Joined, join, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const clean = new Redactor([]);

/** Collects garbage. */
function collect(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** A redactor that throws once it is told to. */
function failing() {
  let fails = false;
  const check = <T>(value: T): T => {
    if (fails) throw new Error('a fault');
    return value;
  };
  const redactor = {
    redact: (bytes: Buffer) => check(clean.redact(bytes)),
    text: (text: string) => check(clean.text(text)),
    message: (line: Buffer) => check(clean.message(line)),
    redactInSlices: (bytes: Buffer) => check(clean.redactInSlices(bytes)),
    messageInSlices: (line: Buffer) => check(clean.messageInSlices(line)),
    messageAsItComes: () => check(clean.messageAsItComes()),
    stream: () => {
      const stream = clean.stream();
      return { push: (chunk: Buffer) => check(stream.push(chunk)), flush: () => check(stream.flush()) };
    },
  };
  const fail = (): void => {
    fails = true;
  };
  return { redactor, fail };
}

const FAULT = { code: -32603, data: { code: 'internal' } };

describe('W-RELAY-10 a fault ends its own session, with an answer to each open request', () => {
  test.each<[string, (joined: Joined) => void]>([
    ['in a message of the host', ({ host }) => host.say(call(3, 'another'))],
    ['in a message of the server', ({ server }) => server.say({ method: 'notifications/x' })],
    ['in standard error', ({ server }) => server.complain('x')],
  ])('%s', async (_name, play) => {
    const { redactor, fail } = failing();
    const joined = join({ redactor });
    const { host, server, audit, session, logged } = joined;
    host.say(call(1), { id: 2, method: 'ping' });
    fail();
    play(joined);
    expect(await session.done).toMatchObject({ reason: 'fault' });
    expect(host.messages.slice(0, 2)).toMatchObject([
      { id: 1, error: FAULT },
      { id: 2, error: FAULT },
    ]);
    expect(host.closed).toBe(true);
    expect(server.stops).toBe(1);
    expect(audit.of('tool.result')).toMatchObject([{ call: 's-1', outcome: 'lost' }]);
    expect(audit.of('session.close')).toMatchObject([{ reason: 'fault' }]);
    expect(logged.join()).toContain('a fault ends the session');
    // What still comes is for nobody.
    const { length } = host.writes;
    host.say(call(9));
    server.say(answer(1), { method: 'notifications/x' });
    server.complain('y');
    server.exit(0);
    host.drain();
    await settled();
    expect(host.writes).toHaveLength(length);
    expect(audit.of('session.close')).toHaveLength(1);
  });

  test('in a drained queue', async () => {
    const { host, session } = join();
    host.room = 1;
    host.say('junk');
    host.pause = () => {
      throw new Error('a fault');
    };
    host.resume = host.pause;
    host.say(...Array.from({ length: 2000 }, () => 'junk'));
    host.drain();
    expect((await session.done).reason).toBe('fault');
  });

  test('in a rotation, before and after its server has started', async () => {
    const { redactor, fail } = failing();
    const { host, session } = join({ redactor });
    host.say(call(1));
    const next = new FakeServer();
    const done = session.rotate(() => {
      fail();
      next.write = () => {
        throw new Error('a fault');
      };
      return Promise.resolve({ server: next, redactor });
    });
    next.complain('x');
    host.say({ id: 2, method: 'x', params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '1' } } });
    expect((await done).outcome).toBe('kept');
    expect((await session.done).reason).toBe('fault');
    expect(host.messages).toMatchObject([
      { id: 1, error: FAULT },
      { id: 2, error: FAULT },
    ]);
  });

  test('in the log and the host as well', async () => {
    const { redactor, fail } = failing();
    const { host, server, audit, session } = join({ redactor });
    host.say(call(1));
    fail();
    audit.append = () => {
      throw new Error('a second fault');
    };
    host.write = () => {
      throw new Error('a third');
    };
    server.say({ method: 'notifications/x' });
    expect((await session.done).reason).toBe('fault');
  });

  test('a turn that holds the event loop is logged under its session', () => {
    let now = 0;
    const { redactor } = failing();
    const redact = (bytes: Buffer): Buffer => {
      now += 80;
      return bytes;
    };
    const clock = { now: () => 0, monotonic: () => now };
    const { server, session, logged } = join({ redactor: { ...redactor, redact }, clock });
    server.say({ method: 'notifications/x' });
    expect(session.snapshot().loop).toBe(80);
    expect(logged.join()).toMatch(/held the event loop .*"session":"s".*"ms":80/);
  });
});

describe('W-RELAY-10 requests that lack what they need', () => {
  test('a subscription and a level without parameters harm nobody, now or at a rotation', async () => {
    const joined = join({ budgets: { grace: 1 } });
    const { host, server, session } = joined;
    host.say(
      { id: 1, method: 'resources/subscribe' },
      { id: 2, method: 'logging/setLevel' },
      { id: 3, method: 'resources/unsubscribe', params: [] },
      { id: 4, method: 'resources/subscribe', params: null },
      { id: 5, method: 'subscriptions/listen' },
    );
    // Without a resource there is nothing to decide on.
    expect(host.messages.map(({ id, error }) => [id, (error as { code: number }).code])).toEqual([
      [1, -32602],
      [3, -32602],
      [4, -32602],
    ]);
    expect(server.messages.map(({ method }) => method)).toEqual(['logging/setLevel', 'subscriptions/listen']);
    server.say({ id: 1, result: {} });
    expect(host.messages).toHaveLength(4);
    const next = new FakeServer();
    const { outcome } = await session.rotate(() => Promise.resolve({ server: next, redactor: clean }));
    expect(outcome).toBe('moved');
    expect(next.messages).toMatchObject([{ method: 'subscriptions/listen' }]);
  });
});

describe('W-RELAY-6', () => {
  test('what a session remembers for a new server is bounded', async () => {
    const { host, server } = join({ budgets: { replay: 100_000 } });
    const listen = (id: number) => ({
      id,
      method: 'subscriptions/listen',
      params: { x: 'x'.repeat(9_000) },
    });
    host.say(...Array.from({ length: 20 }, (_, id) => listen(id)));
    expect(server.messages).toHaveLength(11);
    expect(host.messages).toHaveLength(9);
    expect(host.messages[0]).toMatchObject({ id: 11, error: { code: -32014 } });
    // One that ends makes room.
    server.say({ id: 1, result: {} });
    host.say(listen(30));
    await settled();
    expect(server.messages).toHaveLength(12);
  });

  test('a long `notifications/initialized` is not kept', async () => {
    const { host, server, session } = join({ budgets: { replay: 2000 } });
    host.say({ id: 0, method: 'initialize', params: {} });
    server.say({ id: 1, result: {} });
    host.say({ method: 'notifications/initialized', params: { x: 'x'.repeat(3000) } });
    host.say({ id: 1, method: 'resources/subscribe', params: { uri: 'a' } });
    expect(server.messages.at(-1)).toMatchObject({ method: 'resources/subscribe' });
    const next = new FakeServer();
    const done = session.rotate(() => Promise.resolve({ server: next, redactor: clean }));
    await settled();
    next.say({ id: next.nth(1), result: {} });
    await settled();
    expect(next.messages[1]).toEqual({ jsonrpc: '2.0', method: 'notifications/initialized' });
    server.say({ id: server.nth(2), result: {} });
    expect((await done).outcome).toBe('moved');
  });

  test('what is kept counts with what keeping it costs', () => {
    const { host, server } = join({ budgets: { replay: 100_000 } });
    for (let id = 0; id < 1000; id++) {
      host.say({ id, method: 'resources/subscribe', params: { uri: `${id}` } });
      server.say({ id: server.nth(server.messages.length), result: {} });
    }
    expect(server.messages.length).toBeLessThan(500);
  });

  test('a new server that is kept waiting with many short lines is read no further', async () => {
    const { host, server, session } = join();
    host.say({ id: 0, method: 'initialize', params: {} });
    server.say({ id: 1, result: {} });
    const next = new FakeServer();
    void session.rotate(() => Promise.resolve({ server: next, redactor: clean }));
    await settled();
    let lines = 0;
    for (; !next.paused && lines < 1_000_000; lines += 10_000) next.raw('1\n'.repeat(10_000));
    expect(lines).toBeLessThan(50_000);
  });

  test('nothing of a cancelled request is kept but what a record of its late answer needs', async () => {
    const { host, server } = join();
    collect();
    const before = process.memoryUsage().arrayBuffers;
    for (let id = 0; id < 80; id++) {
      host.say({ id, method: 'resources/subscribe', params: { uri: 'a', x: 'x'.repeat(2 ** 19) } });
      host.say({ method: 'notifications/cancelled', params: { requestId: id } });
      server.writes.length = 0;
    }
    // What is collected is freed by another thread.
    for (let round = 0; round < 5; round++) {
      await settled();
      collect();
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * 2 ** 20);
  });

  test('to take back many requests takes time in proportion to their number', () => {
    const cancelled = (requestId: unknown) => ({
      method: 'notifications/cancelled',
      params: { requestId },
    });
    const numbers = Array.from({ length: 9000 }, (_, i) => i + 1);
    const { host, server } = join({ policy: policyOf({ tools: { no: 'deny' } }) });
    host.say({ id: 'i', method: 'initialize', params: {} });
    server.say({ id: 1, result: {} });
    host.say({ method: 'notifications/initialized' });
    // Of this thread alone: the garbage collection of others is none of it.
    const began = process.threadCpuUsage().user;
    host.say(...numbers.map((id) => call(id)));
    host.say(...numbers.map(cancelled));
    server.say(...numbers.map((id) => ({ id, method: 'ping' })));
    server.say(...numbers.map((id) => cancelled(id % 2 === 0 ? 'none' : id)));
    expect(process.threadCpuUsage().user - began).toBeLessThan(3_000_000);
    // But for the handshake, the relay's list of tools and the answers, the server gets nothing.
    expect(server.messages.slice(2).map(({ method }) => method)).toEqual(['tools/list']);
  });

  test('an answer to `initialize` that is longer than any needs is not read', () => {
    const { host, server } = join();
    const capabilities = `{${Array.from({ length: 500_000 }, (_, i) => `"c${i}":{}`).join(',')}}`;
    host.say({ id: 0, method: 'initialize', params: {} });
    server.say(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"1","capabilities":${capabilities}}}`);
    expect(host.messages).toMatchObject([{ id: 0, error: { code: -32013, data: { code: 'withheld' } } }]);
  });

  test('a long name of a tool is refused before anything is compared with it', () => {
    const { host, server, audit } = join();
    host.say(call(1, 'x'.repeat(20_000_000)));
    expect(server.text).toBe('');
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32602 } }]);
    expect(audit.of('tool.call')).toMatchObject([{ tool: '', decision: 'deny', rule: 'protocol' }]);
  });
});

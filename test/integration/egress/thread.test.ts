// The thread of the gates itself: what it leaves behind, what it may not do alone, and what happens without it. Everything else
// that a gate promises is tested in it, too, by the other files of this folder.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type * as net from 'node:net';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { FromThread } from '../../../src/egress/thread/protocol.ts';
import { FromGates, MOST_WAITING } from '../../../src/egress/thread/standing.ts';
import { FakeConfirmations } from '../../fixtures/confirmations.ts';
import { readToEnd, startThread, TestGate } from '../../fixtures/gate.ts';

const SECRET = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';

function request(gate: TestGate, line = 'GET /echo'): string {
  return `${line} HTTP/1.1\r\nHost: api.test:${gate.upstream.port}\r\nAuthorization: Bearer ${gate.placeholder('TOKEN')}\r\nConnection: close\r\n\r\n`;
}

async function say(gate: TestGate): Promise<string> {
  const socket = await gate.secure();
  socket.write(request(gate));
  return (await readToEnd(socket)).toString('latin1');
}

/** Settles when a connection has ended, in whatever way. */
function ended(socket: net.Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test.each([false, true])(
  'a request carries the secret, here: %s, and no byte of it comes back [W-SEAL-1]',
  async (here) => {
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, here });
    const answer = await say(gate);
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(answer).not.toContain(SECRET);
    expect(gate.upstream.requests[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(gate.credentialResponses).toEqual([{ name: 'test/TOKEN', status: 200, host: 'api.test' }]);
  },
);

test('each record is written before what it is about leaves [W-EGR-17]', async () => {
  const seen: [string, number, number][] = [];
  await using gate: TestGate = await TestGate.open({
    secrets: { TOKEN: SECRET },
    isLogWritable: () => {
      seen.push(['record', gate.upstream.accepted, gate.upstream.requests.length]);
      return true;
    },
  });
  await say(gate);
  // The use, then the connection; what follows records what has happened.
  expect(seen.slice(0, 2)).toEqual([
    ['record', 0, 0],
    ['record', 0, 0],
  ]);
  expect(gate.records.slice(0, 2)).toMatchObject([
    { event: 'credential.use', action: 'use' },
    { event: 'egress.connect', outcome: 'open' },
  ]);
});

test('locks that the thread has not seen yet count: no use of theirs is recorded, and none leaves [W-EGR-17] [W-EGR-18]', async () => {
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
  expect(await say(gate)).toMatch(/^HTTP\/1.1 200 /);
  // The thread is told nothing.
  Object.defineProperty(gate.guards, 'locked', { value: true, configurable: true });
  expect(await say(gate)).toMatch(/^HTTP\/1.1 503 /);
  Object.defineProperty(gate.guards, 'locked', { value: false, configurable: true });
  Set.prototype.add.call(gate.guards.gone, 'test/TOKEN');
  expect(await say(gate)).toMatch(/^HTTP\/1.1 503 /);
  expect(gate.upstream.requests).toHaveLength(1);
  expect(gate.records.filter(({ action }) => action === 'use')).toHaveLength(1);
});

test('once a gate is closed, the ends of its connections are on record, and no descriptor is left [W-EGR-7] [W-EGR-19]', async () => {
  const thread = await startThread();
  let before = 0;
  // The first gate of a thread opens what stays for all.
  for (const round of [1, 2]) {
    if (round === 2) before = descriptors();
    await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, thread });
    const open = await Promise.all(Array.from({ length: 20 }, () => gate.secure()));
    for (const socket of open) socket.write(request(gate, 'GET /events?n=9&ms=60000'));
    await Promise.all(open.map((socket) => once(socket, 'data')));
    const closed = Promise.all(open.map(ended));
    await gate.close();
    const connections = gate.records.filter(({ event }) => event === 'egress.connect');
    expect(connections.filter(({ outcome }) => outcome === 'open')).toHaveLength(20);
    expect(connections.filter(({ outcome }) => outcome === 'closed')).toHaveLength(20);
    await closed;
    expect(thread.thread.gates).toBe(0);
    await expect.poll(() => gate.upstream.sockets).toBe(0);
  }
  await expect.poll(descriptors).toBeLessThanOrEqual(before);
  await thread.thread[Symbol.asyncDispose]();
});

test('a thread that fails closes its connections; its gates refuse what comes, and another thread takes new ones [W-EGR-19]', async () => {
  const thread = await startThread();
  const confirmations = new FakeConfirmations();
  const limits = { confirm: true };
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits, confirmations, thread });
  const waiting = await gate.secure();
  waiting.write(request(gate));
  await expect.poll(() => confirmations.asked).toHaveLength(1);
  const ends = ended(waiting);
  thread.hooks.fail();
  await ends;
  await expect.poll(() => thread.thread.isAlive).toBe(false);
  expect(confirmations.withdrawn).toHaveLength(1);
  expect(gate.upstream.requests).toEqual([]);
  await gate.connect().then(ended, () => {});
  expect(gate.records).toContainEqual(
    expect.objectContaining({ outcome: 'refused', host: 'api.test', reason: 'its gate has ended' }),
  );
  expect(await gate.disconnect('test/TOKEN')).toBe(0);
  const failed = TestGate.open({ secrets: { TOKEN: SECRET }, thread });
  await expect(failed).rejects.toMatchObject({ code: 'daemon-internal' });
  await using next = await TestGate.open({ secrets: { TOKEN: SECRET } });
  expect(await say(next)).toMatch(/^HTTP\/1.1 200 /);
});

test('a thread that works without end is ended once it does not answer: a revocation still closes what is open [W-EGR-18] [W-EGR-19]', async () => {
  let patience = 30_000;
  const thread = await startThread(() => patience);
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, thread });
  const open = await gate.secure();
  open.write(request(gate, 'GET /events?n=9&ms=60000'));
  await once(open, 'data');
  const ends = ended(open);
  await thread.hooks.spin();
  patience = 200;
  expect(await gate.disconnect('test/TOKEN')).toBe(0);
  await ends;
  expect(thread.thread.isAlive).toBe(false);
  await expect.poll(() => gate.upstream.sockets).toBe(0);
});

test('time in which the main thread stood still is not held against the thread [W-EGR-19]', async () => {
  let patience = 30_000;
  const thread = await startThread(() => patience);
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, thread });
  patience = 2000;
  const cut = gate.disconnect('test/TOKEN');
  // As a disk may do, or who stops all of the process.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
  expect(await cut).toBe(0);
  expect(await say(gate)).toMatch(/^HTTP\/1.1 200 /);
  expect(thread.thread.isAlive).toBe(true);
  await thread.thread[Symbol.asyncDispose]();
});

/** A thread that runs `program` with a way to the main thread, `main`, and what the main thread got of it. */
function tellingThread(program: string) {
  const { port1, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const seen: unknown[] = [];
  const from = new FromGates(
    { port: port1, answered },
    {
      receive: (message) => seen.push(message),
      answer(call) {
        seen.push(call);
        return undefined;
      },
    },
  );
  const file = join(import.meta.dirname, '../../../src/egress/thread/standing.ts');
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads');
    import(${JSON.stringify(file)}).then(({ ToMain }) => {
      const main = new ToMain(workerData);
      const ended = (gate) => ({ type: 'ended', gate });
      ${program}
    });`,
    { eval: true, execArgv: [], workerData: { port: port2, answered }, transferList: [port2] },
  );
  return { worker, from, seen };
}

test('what the thread sends arrives in its order, what it stands still for among it [W-EGR-17]', async () => {
  const { worker, from, seen } = tellingThread(`
    main.keep(ended(1));
    main.sendSoon(ended(2));
    main.stand({ type: 'locks', gate: 3 });
    main.sendSoon(ended(4));
    main.send(ended(5));
    main.keep(ended(6));
    main.sendSoon(ended(7));`);
  await expect.poll(() => seen).toHaveLength(7);
  expect(seen.map((message) => (message as { gate: number }).gate)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  await worker.terminate();
  from.end();
});

test('a flood of messages does not grow the main thread: the other stands still until they are taken [W-EGR-7] [W-AUDIT-17]', async () => {
  const { worker, from, seen } = tellingThread(`
    for (let gate = 0; gate < 5000; gate++) main.send(ended(gate));
    main.stand({ type: 'locks', gate: 5000 });`);
  await expect.poll(() => seen.at(-1)).toEqual({ type: 'locks', gate: 5000 });
  const waits = seen.flatMap((message, at) => ((message as FromThread).type === 'ended' ? [] : [at]));
  expect(waits.length).toBeGreaterThan(5000 / (MOST_WAITING + 1) - 1);
  for (const [index, at] of waits.entries())
    expect(at - (waits[index - 1] ?? -1)).toBeLessThanOrEqual(MOST_WAITING + 2);
  await worker.terminate();
  from.end();
});

test('what a thread has sent before it ends is taken, but for what it still stood for [W-EGR-17] [W-AUDIT-5]', async () => {
  const sent = new Int32Array(new SharedArrayBuffer(4));
  const { worker, from, seen } = tellingThread(`
    require('node:worker_threads').parentPort.once('message', (sent) => {
      for (const gate of [1, 2, 3]) main.send(ended(gate));
      Atomics.add(sent, 0, 1);
      Atomics.notify(sent, 0);
      main.stand({ type: 'locks', gate: 4 });
    });
    main.send(ended(0));`);
  await expect.poll(() => seen).toHaveLength(1);
  worker.postMessage(sent);
  // Nothing is taken until it is ended.
  Atomics.wait(sent, 0, 0);
  const end = worker.terminate();
  from.end();
  expect(seen).toEqual([0, 1, 2, 3].map((gate) => ({ type: 'ended', gate })));
  expect(await end).toBe(1);
});

test('a thread that is ended while it stands still ends all the same [W-EGR-17] [W-EGR-19]', async () => {
  const { port1, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const standing = join(import.meta.dirname, '../../../src/egress/thread/standing.ts');
  const program = `
    const { workerData } = require('node:worker_threads');
    import(${JSON.stringify(standing)}).then(({ ToMain }) =>
      new ToMain(workerData).stand({ type: 'locks', gate: 1 }));`;
  const worker = new Worker(program, {
    eval: true,
    execArgv: [],
    workerData: { port: port2, answered },
    transferList: [port2],
  });
  const [asked] = await once(port1, 'message');
  expect(asked).toEqual({ messages: [], call: { type: 'locks', gate: 1 } });
  expect(await worker.terminate()).toBe(1);
  port1.close();
});

test('each connection has an id of its own, in each of its records [W-EGR-1] [W-EGR-17]', async () => {
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET } });
  const answers = await Promise.all(Array.from({ length: 5 }, () => say(gate)));
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 200 /);
  await gate.close();
  const ids = (outcome: string) =>
    gate.records.filter((record) => record.outcome === outcome).map(({ connection }) => connection);
  expect(new Set(ids('open')).size).toBe(5);
  expect(ids('closed').sort()).toEqual(ids('open').sort());
});

test('a gate that is opened while another of its session closes goes on counting uses [W-SEAL-5]', async () => {
  const limits = { maxUses: 2 };
  await using gate = await TestGate.open({ secrets: { TOKEN: SECRET }, limits });
  expect(await say(gate)).toMatch(/^HTTP\/1.1 200 /);
  await gate.reopen();
  expect(await say(gate)).toMatch(/^HTTP\/1.1 200 /);
  await gate.reopen();
  expect(await say(gate)).toMatch(/^HTTP\/1.1 403 /);
  expect(gate.upstream.requests).toHaveLength(2);
});

// Long lines are looked through in slices. What is decided and recorded is the same as for short ones, messages keep
// their order, and no line holds the event loop, whatever is in it.
import { createHash } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { LONG } from '../../../src/relay/flow/inbox.ts';
import { answer, call, FakeServer, type Joined, join, SECRET, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const LARGE = 40 * LONG;

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** A session whose clock shows that each slice has taken all its time, and that may take all the time there is. */
function sliced({ budgets, ...options }: Parameters<typeof join>[0] = {}): Joined {
  let now = 0;
  return join({
    clock: { now: () => 0, monotonic: () => now++ },
    budgets: { burst: Number.POSITIVE_INFINITY, ...budgets },
    ...options,
  });
}

/** Waits until a condition holds. Counts the turns of the event loop. */
async function until(condition: () => boolean): Promise<number> {
  let turns = 0;
  for (; !condition(); turns++) await settled();
  return turns;
}

const text = (length = LARGE): string => 'long text, '.repeat(length / 11);

describe('W-RELAY-6 a long line is looked through in slices', () => {
  test('of the host: it goes on and is recorded as it is', async () => {
    const { host, server, audit } = sliced();
    const args = JSON.stringify({ text: text() });
    host.say(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":${args}}}`);
    expect(server.lines).toEqual([]);
    expect(host.paused).toBe(true);
    const turns = await until(() => server.lines.length > 0);
    expect(turns).toBeGreaterThan(LARGE / LONG);
    expect(server.lines[0]).toBe(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${args}}}`,
    );
    expect(audit.of('tool.call')).toMatchObject([
      { tool: 'echo', decision: 'allow', arguments: sha256(args), arguments_bytes: args.length },
    ]);
    expect(host.paused).toBe(false);
  });

  test('of the server: it goes on and is recorded as it is', async () => {
    const { host, server, audit } = sliced();
    host.say(call('seven'));
    server.say(answer(1, text()));
    expect(server.paused).toBe(true);
    expect(await until(() => host.lines.length > 0)).toBeGreaterThan(LARGE / LONG);
    const line = JSON.stringify({ jsonrpc: '2.0', ...answer('seven', text()) });
    expect(host.lines).toEqual([line]);
    expect(audit.of('tool.result')).toMatchObject([
      { outcome: 'ok', bytes: line.length, result: sha256(line) },
    ]);
    expect(server.paused).toBe(false);
  });

  test('what comes after it waits, and another session does not', async () => {
    const { host, server } = sliced();
    const other = sliced();
    host.say(call(1, 'echo', { of: 1, text: text() }), call(2), {
      method: 'notifications/progress',
      params: {},
    });
    other.host.say(call(1));
    other.server.say(answer(1));
    expect(other.host.messages).toMatchObject([{ id: 1 }]);
    expect(server.lines).toEqual([]);
    await until(() => server.lines.length > 0);
    expect(server.messages.map(({ method, id }) => [method, id])).toEqual([
      ['tools/call', 1],
      ['tools/call', 2],
      ['notifications/progress', undefined],
    ]);
    server.say(answer(1, text()), answer(2), { method: 'notifications/x' });
    await until(() => host.lines.length > 0);
    expect(host.messages.map(({ id, method }) => id ?? method)).toEqual([1, 2, 'notifications/x']);
  });

  test.each<[string, string]>([
    ['values everywhere', JSON.stringify({ text: SECRET.repeat(40_000) })],
    ['what is nearly a value everywhere', JSON.stringify({ text: `${SECRET.slice(0, -1)} `.repeat(40_000) })],
    ['many members', `{${Array.from({ length: 60_000 }, (_, i) => `"m${i}":{}`).join(',')}}`],
    ['one number after another', `[${'1,'.repeat(400_000)}1]`],
    ['deep nesting', `[${`${'['.repeat(200)}${']'.repeat(200)},`.repeat(2000)}1]`],
    ['white space', `{${' '.repeat(LARGE)}}`],
    ['escapes', JSON.stringify({ text: '\u0001\\'.repeat(LARGE / 8) })],
  ])('with %s', async (_name, content) => {
    const { host, server } = sliced();
    host.say(call(1));
    server.say(`{"jsonrpc":"2.0","id":1,"result":{"structuredContent":${content}}}`);
    expect(await until(() => host.lines.length > 0)).toBeGreaterThan(8);
    expect(host.text).not.toContain(SECRET);
    expect(host.messages).toMatchObject([{ id: 1 }]);
  });
});

describe('W-RELAY-1 what must not go on does not in a long line either', () => {
  test.each<[string, string, number]>([
    ['a member twice in its arguments', `{"a":{"b":1,"b":2},"text":"${text()}"}`, -32602],
    ['a name twice', `{},"name":"other","x":"${text()}"`, -32600],
    ['broken JSON', `{"text":"${text()}"`, -32700],
    ['a number too long', `{"text":"${text()}","n":${'9'.repeat(5000)}}`, -32700],
  ])('%s', async (_name, args, code) => {
    const { host, server } = sliced();
    host.say(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${args}}}`);
    await until(() => host.lines.length > 0);
    expect(host.messages).toMatchObject([{ id: 1, error: { code } }]);
    expect(server.lines).toEqual([]);
  });

  test('what is not UTF-8, in its last bytes', async () => {
    const { host, server } = sliced();
    host.say(call(1));
    const line = JSON.stringify({ jsonrpc: '2.0', ...answer(1, `${text()}é`) });
    server.raw(Buffer.concat([Buffer.from(line, 'latin1'), Buffer.from('\n')]));
    await until(() => host.lines.length > 0);
    expect(host.messages).toMatchObject([{ id: 1, error: { data: { code: 'withheld' } } }]);
  });

  test('a tool that the policy denies, which is recorded', async () => {
    const { host, server, audit } = sliced({ policy: policyOf({ tools: { 'delete_*': 'deny' } }) });
    host.say(call(1, 'delete_all', { text: text() }));
    await until(() => host.lines.length > 0);
    expect(host.messages).toMatchObject([{ id: 1, error: { data: { code: 'refused' } } }]);
    expect(audit.of('tool.call')).toMatchObject([{ tool: 'delete_all', decision: 'deny' }]);
    expect(server.lines.join()).not.toContain('delete_all');
  });

  test('a batch', async () => {
    const { host, server } = sliced();
    host.say(`[${JSON.stringify({ jsonrpc: '2.0', ...call(1, 'echo', { text: text() }) })}]`);
    await until(() => host.lines.length > 0);
    expect(host.messages).toMatchObject([{ id: null, error: { code: -32600 } }]);
    expect(server.lines).toEqual([]);
  });

  test('`params` in which the relay would have to look for what a request acts on', async () => {
    const { host, server } = sliced();
    host.say({ id: 1, method: 'resources/read', params: { text: text(), uri: 'file:///x' } });
    await until(() => host.lines.length > 0);
    expect(host.messages).toMatchObject([{ id: 1, error: { code: -32602 } }]);
    expect(server.lines).toEqual([]);
  });
});

describe('W-RELAY-5 a long line is redacted', () => {
  test('for the host', async () => {
    const { host, server } = sliced();
    host.say(call(1));
    server.say(answer(1, `${text()} ${SECRET} ${text()}`));
    await until(() => host.lines.length > 0);
    expect(host.lines).toEqual([
      JSON.stringify({ jsonrpc: '2.0', ...answer(1, `${text()} [redacted:TOKEN] ${text()}`) }),
    ]);
  });

  test('for a record', async () => {
    const { host, server, audit } = sliced();
    host.say(call(1, 'echo', { text: `${text()}${SECRET}` }));
    await until(() => server.lines.length > 0);
    const kept = JSON.stringify({ text: `${text()}[redacted:TOKEN]` });
    expect(audit.of('tool.call')).toMatchObject([{ arguments: sha256(kept), arguments_bytes: kept.length }]);
  });

  test('or withheld where the value cannot be taken out', async () => {
    const { host, server } = sliced();
    host.say(call(1));
    server.say({ id: 1, result: { structuredContent: { text: text(), [SECRET]: 1 } } });
    await until(() => host.lines.length > 0);
    expect(host.messages).toMatchObject([{ id: 1, error: { data: { code: 'withheld' } } }]);
  });

  test('by the values that there are when it is through', async () => {
    const { host, server, session } = sliced();
    host.say(call(1));
    server.say(answer(1, `new value ${text()}`));
    await settled();
    session.redact(new Redactor([{ name: 'NEW', value: 'new value' }]));
    await until(() => host.lines.length > 0);
    expect(host.text).toContain('"[redacted:NEW] long');
  });
});

describe('W-RELAY-8 a long line that is still looked through is not lost', () => {
  test('where the host ends its input', async () => {
    const { host, server, session } = sliced();
    host.say(call(1, 'echo', { text: text() }));
    host.end();
    await until(() => server.lines.length > 0);
    server.say(answer(1));
    await session.done;
    expect(host.messages).toMatchObject([answer(1)]);
  });

  test('where the server ends', async () => {
    const { host, server, session } = sliced();
    host.say(call(1));
    server.say(answer(1, text()));
    server.exit(0);
    await session.done;
    expect(host.messages).toMatchObject([{ id: 1, result: {} }]);
  });

  test('where the session is stopped: it is answered, and those behind it', async () => {
    const { host, server, session } = sliced();
    host.say(call(1, 'echo', { text: text() }), call(2));
    await session.stop();
    expect(host.messages).toMatchObject([
      { id: 1, error: { data: { code: 'lost' } } },
      { id: 2, error: { data: { code: 'lost' } } },
    ]);
    expect(server.lines).toEqual([]);
  });

  test('where the server is another by then: it is judged and sent once', async () => {
    const { host, server, session } = sliced({ budgets: { grace: 1 } });
    const next = new FakeServer();
    host.say(call(0));
    const rotated = session.rotate(async () => ({ server: next, redactor: new Redactor([]) }));
    await new Promise((resolve) => setTimeout(resolve, 30));
    host.say(call(1, 'echo', { of: 1, text: text() }), call(2));
    await new Promise((resolve) => setTimeout(resolve, 30));
    server.say(answer(1));
    expect(await rotated).toMatchObject({ outcome: 'moved' });
    await until(() => next.lines.length > 1);
    expect(next.messages.map(({ params }) => (params as { arguments: { of: number } }).arguments.of)).toEqual(
      [1, 2],
    );
    expect(server.lines).toHaveLength(1);
  });

  test('where the host cancels the request meanwhile: its answer is recorded as late', async () => {
    const { host, server, audit } = sliced();
    host.say(call(1));
    const line = JSON.stringify({ jsonrpc: '2.0', ...answer(1, text()) });
    server.say(line);
    await settled();
    host.say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await until(() => audit.of('answer').length > 0);
    expect(audit.of('answer')).toMatchObject([{ outcome: 'late', result: sha256(line) }]);
    expect(host.lines).toEqual([]);
  });
});

describe('the memory of a long line', () => {
  const MIB = 2 ** 20;

  /** How many buffers were given back that had room for a whole line of 2 MiB. */
  async function givenBack(turn: () => Promise<void>): Promise<number> {
    const { transfer: original } = ArrayBuffer.prototype;
    let count = 0;
    const transfer = vi.spyOn(ArrayBuffer.prototype, 'transfer').mockImplementation(function (
      this: ArrayBuffer,
      length,
    ) {
      if (this.byteLength >= 2 * MIB) count++;
      return original.call(this, length);
    });
    try {
      await turn();
      return count;
    } finally {
      transfer.mockRestore();
    }
  }

  async function say(server: FakeServer, message: object): Promise<void> {
    const line = Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    for (let at = 0; at < line.length; at += 50_000) {
      server.raw(line.subarray(at, at + 50_000));
      await until(() => !server.paused);
    }
  }

  test('is given back once the host has the answer to a call', async () => {
    const { host, server } = sliced();
    const lines: string[] = [];
    const freed = await givenBack(async () => {
      for (let n = 1; n <= 3; n++) {
        host.say(call(`call ${n}`));
        await say(server, answer(n, text(2 * MIB)));
        await until(() => host.lines.length === n);
        lines.push(JSON.stringify({ jsonrpc: '2.0', ...answer(`call ${n}`, text(2 * MIB)) }));
        await settled();
      }
    });
    expect(host.lines).toEqual(lines);
    expect(freed).toBe(3);
  });

  test('stays where a value was taken out of it, and of what is no answer to a call', async () => {
    const { host, server } = sliced();
    const freed = await givenBack(async () => {
      host.say(call('one'));
      await say(server, answer(1, `${text(2 * MIB)}${SECRET}`));
      await until(() => host.lines.length === 1);
      await say(server, { method: 'notifications/message', params: { level: 'info', data: text(2 * MIB) } });
      await until(() => host.lines.length === 2);
      await settled();
    });
    expect(host.lines[0]).not.toContain(SECRET);
    expect(host.lines[1]).toContain('long text, long text');
    expect(freed).toBe(0);
  });
});

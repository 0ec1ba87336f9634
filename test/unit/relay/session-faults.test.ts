import { describe, expect, test } from 'vitest';
import { answer, call, join, sent, settled } from '../../fixtures/ends.ts';
import { policyOf } from '../../fixtures/policy.ts';

const deep = `${'['.repeat(300)}${']'.repeat(300)}`;

/** The code and the id of each error that the host got. */
function errors(messages: Record<string, unknown>[]): [number | undefined, unknown][] {
  return messages.map(({ id, error }) => [(error as { code?: number } | undefined)?.code, id]);
}

describe('W-RELAY-3 what the host sends that is no message does not reach the server', () => {
  test.each([
    ['junk', 'hello', -32700, null],
    ['a broken line', '{"jsonrpc":"2.0","id":1,"method"', -32700, 1],
    ['a broken escape in a name', '{"\\x":1,"id":1}', -32700, 1],
    ['a byte order mark', '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}', -32700, 1],
    ['nesting over the bound', `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${deep}}}`, -32700, 1],
    ['a batch of nothing', '[]', -32600, null],
    ['a batch of scalars', '[17]', -32600, null],
    ['a scalar', '17', -32600, null],
    ['id null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, null],
    [
      'id null on a tool call',
      '{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"echo"}}',
      -32600,
      null,
    ],
    ['an object as id', '{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600, null],
    ['no version', '{"id":1,"method":"ping"}', -32600, 1],
    ['two methods', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', -32600, 1],
    ['two ids', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32600, null],
    [
      'two names',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
      -32600,
      1,
    ],
    ['neither this nor that', '{"jsonrpc":"2.0","id":1}', -32600, 1],
    [
      'a message in a message',
      '{"jsonrpc":"2.0","id":1,"method":"x","p":\r{"jsonrpc":"2.0","id":2}\r}',
      -32700,
      1,
    ],
    ['a call of nothing', '{"jsonrpc":"2.0","id":1,"method":"tools/call"}', -32602, 1],
    ['a call of a number', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}', -32602, 1],
    [
      'a call of half a character',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800"}}',
      -32602,
      1,
    ],
    [
      'a list of arguments',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"e","arguments":[]}}',
      -32602,
      1,
    ],
  ])('%s', (_name, line, code, id) => {
    const { host, server } = join();
    host.say(line, { id: 'after', method: 'ping' });
    expect(server.messages).toMatchObject([{ id: 1, method: 'ping' }]);
    expect(errors(host.messages)).toEqual([[code, id]]);
  });

  test('what is not UTF-8', () => {
    const { host, server } = join();
    host.raw(
      Buffer.from(
        '{"jsonrpc":"2.0","id":1,"method":"caf\xe9"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}\n',
        'latin1',
      ),
    );
    expect(server.messages).toMatchObject([{ method: 'ping' }]);
    expect(errors(host.messages)).toEqual([[-32700, 1]]);
  });

  test('blank lines, to which there is nothing to say', () => {
    const { host, server } = join();
    host.raw('\n\r\n \t\n');
    expect(server.writes).toEqual([]);
    expect(host.writes).toEqual([]);
  });

  test('a line that ends with the stream is a line', () => {
    const { host, server } = join();
    host.raw('{"jsonrpc":"2.0","id":1,"method":"ping"}');
    expect(server.text).toBe('');
    host.end();
    expect(server.text).toBe('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  });

  test('half a line that ends with the stream is none', () => {
    const { host, server } = join();
    host.raw('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}');
    host.end();
    expect(server.text).toBe('');
  });

  test('tool calls that are not in order are in the audit log', () => {
    const { host, audit } = join();
    host.say(
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{"a":1}}}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
      '{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"echo"}}',
    );
    expect(audit.records).toMatchObject([
      { tool: 'echo', decision: 'deny', rule: 'protocol', id: 'null', arguments: '{"a":1}' },
      { tool: 'b', decision: 'deny', rule: 'protocol', id: '1' },
      { tool: 'echo', decision: 'deny', rule: 'protocol', id: 'null' },
    ]);
  });

  test('a tool call without an id has no answer either', () => {
    const { host, server } = join();
    host.say('{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}');
    expect(server.text).toBe('');
    expect(host.text).toBe('');
  });
});

describe('ids', () => {
  test('W-RELAY-7 of a request that is open are refused, without an answer that could be taken for its own', () => {
    const { host, server, audit } = join();
    host.say(call(1), call(1, 'other'), { id: 1, method: 'ping' });
    expect(server.messages).toHaveLength(1);
    expect(errors(host.messages)).toEqual([
      [-32600, null],
      [-32600, null],
    ]);
    expect(audit.records).toMatchObject([
      { decision: 'allow' },
      { tool: 'other', decision: 'deny', rule: 'protocol' },
    ]);
    server.say(answer(1));
    host.say(call(1));
    expect(server.messages).toHaveLength(2);
  });

  test('W-RELAY-7 of a cancelled request are free at once, and its late answer goes nowhere', () => {
    const { host, server, audit } = join();
    host.say(call(1), { method: 'notifications/cancelled', params: { requestId: 1 } }, call(1));
    expect(server.messages).toMatchObject([
      { id: 1, ...sent(1) },
      { method: 'notifications/cancelled', params: { requestId: 1 } },
      { id: 2, ...sent(1) },
    ]);
    expect(host.messages).toEqual([]);
    server.say(answer(1, 'late'), answer(2, 'the answer'), answer(1, 'again'));
    expect(host.messages).toEqual([{ jsonrpc: '2.0', ...answer(1, 'the answer') }]);
    expect(audit.of('tool.result')).toMatchObject([{ outcome: 'cancelled' }, { outcome: 'ok' }]);
  });

  test('W-RELAY-9 a cancelled request is named to the server by the id that it knows', () => {
    const { host, server } = join();
    host.say({ id: 'p', method: 'ping' }, call('x'), {
      method: 'notifications/cancelled',
      params: { requestId: 'x', n: 1 },
    });
    expect(server.messages[2]).toMatchObject({ params: { requestId: 2, n: 1 } });
  });

  test('W-RELAY-9 what is not open cannot be cancelled: it could be the id of another request', () => {
    const { host, server } = join();
    host.say(call('x'), { method: 'notifications/cancelled', params: { requestId: 1 } });
    server.say({ method: 'notifications/cancelled', params: { requestId: 7 } });
    expect(server.messages).toHaveLength(1);
    expect(host.messages).toEqual([]);
  });

  test('W-RELAY-9 what names a subscription in two ways goes nowhere: readers could take it for another', () => {
    const { host, server } = join();
    host.say({ id: 7, method: 'subscriptions/listen', params: { notifications: {} } });
    const named = (meta: string) =>
      `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{${meta}}}}`;
    const key = 'io.modelcontextprotocol/subscriptionId';
    server.say(
      named(`"${key}":1,"${key}":7`),
      named(`"io.modelcontextprotocol\\/subscriptionId":1`),
      named(`"${key}":7`),
      named(`"${key}":1`),
    );
    expect(host.lines).toEqual([named(`"${key}":7`)]);
  });

  test.each<[string, string]>([
    ['twice', '"io.modelcontextprotocol/subscriptionId":1,"io.modelcontextprotocol/subscriptionId":8'],
    ['in another spelling', '"io.modelcontextprotocol\\/subscriptionId":1'],
    ['as another one', '"io.modelcontextprotocol/subscriptionId":8'],
  ])('W-RELAY-9 an answer that ends a subscription and names it %s does not pass', (_name, meta) => {
    const { host, server } = join();
    host.say({ id: 7, method: 'subscriptions/listen', params: { notifications: {} } });
    server.say(`{"jsonrpc":"2.0","id":1,"result":{"_meta":{${meta}}}}`);
    expect(host.messages).toMatchObject([{ id: 7, error: { data: { code: 'withheld' } } }]);
  });

  test('W-RELAY-9 a change of the policy is told to each subscription that asks for tools, under its own id', () => {
    const { host, server, session } = join();
    const listen = (id: unknown, toolsListChanged: boolean) => ({
      id,
      method: 'subscriptions/listen',
      params: { notifications: { toolsListChanged } },
    });
    const acknowledged = (subscription: number) => ({
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta: { 'io.modelcontextprotocol/subscriptionId': subscription } },
    });
    host.say(listen('a', true), listen(2, true), listen(3, false), listen(4, true));
    // The last one is not acknowledged yet.
    server.say(acknowledged(1), acknowledged(2), acknowledged(3));
    host.writes.length = 0;
    session.policy = policyOf({});
    expect(host.messages).toEqual(
      ['a', 2].map((id) => ({
        jsonrpc: '2.0',
        method: 'notifications/tools/list_changed',
        params: { _meta: { 'io.modelcontextprotocol/subscriptionId': id } },
      })),
    );
  });

  test('an `initialize` is not cancelled', () => {
    const { host, server } = join();
    host.say(
      { id: 1, method: 'initialize' },
      { method: 'notifications/cancelled', params: { requestId: 1 } },
    );
    expect(server.messages).toHaveLength(1);
    server.say(answer(1));
    expect(host.messages).toHaveLength(1);
  });

  test('W-RELAY-7 an answer goes on once, and only to what is open', () => {
    const { host, server, logged } = join();
    host.say({ id: 1, method: 'ping' });
    server.say(
      { id: 2, result: {} },
      { id: 1, result: {} },
      { id: 1, result: {} },
      { id: null, error: {} },
      { id: '1', result: {} },
      { id: 'x', result: {} },
    );
    expect(host.messages).toHaveLength(1);
    expect(logged.join()).toContain('answered what is not open');
  });

  test('W-RELAY-7 an answer of the host goes on once, and only to what is open', () => {
    const { host, server } = join();
    server.say({ id: 'q', method: 'roots/list' });
    host.say({ id: 2, result: {} }, { id: 1, result: {} }, { id: 1, result: {} });
    expect(server.messages).toEqual([{ jsonrpc: '2.0', id: 'q', result: {} }]);
  });

  test('a broken answer of the host is an error to the server', () => {
    const { host, server } = join();
    server.say({ id: 'a', method: 'roots/list' }, { id: 'b', method: 'ping' }, { id: 'c', method: 'ping' });
    host.say('{"jsonrpc":"2.0","id":1,"result":{},"result":{}}', '\ufeff{"id":2,"result":{}}');
    host.raw(Buffer.from('{"jsonrpc":"2.0","id":"3","result":"caf\xe9"}\n', 'latin1'));
    expect(host.messages).toHaveLength(3);
    expect(server.messages).toMatchObject([
      { id: 'a', error: { code: -32013 } },
      { id: 'b', error: { code: -32013 } },
      { id: 'c', error: { code: -32013 } },
    ]);
  });

  test('a request of the server that cannot be passed on is answered', () => {
    const { host, server } = join();
    server.say('{"jsonrpc":"2.0","id":"q","method":"ping","params":[],"params":{}}');
    expect(host.messages).toEqual([]);
    expect(server.messages).toMatchObject([{ id: 'q', error: { code: -32013 } }]);
  });

  test('W-RELAY-9 two requests of the server under one id get their own answers', () => {
    const { host, server } = join();
    server.say({ id: 1, method: 'ping' }, { id: 1, method: 'roots/list' });
    const [ping, roots] = host.messages;
    expect(ping?.id).not.toBe(roots?.id);
    host.say({ id: roots?.id, result: { roots: [] } }, { id: ping?.id, result: {} });
    expect(server.messages).toMatchObject([
      { id: 1, result: { roots: [] } },
      { id: 1, result: {} },
    ]);
  });

  test('W-RELAY-6 are not too many at once, on either side', () => {
    const { host, server } = join({ budgets: { open: 2 } });
    host.say(call(1), call(2), call(3));
    expect(errors(host.messages)).toEqual([[-32014, 3]]);
    server.say({ id: 1, method: 'ping' }, { id: 2, method: 'ping' }, { id: 3, method: 'ping' });
    expect(host.messages).toHaveLength(3);
    expect(server.messages.at(-1)).toMatchObject({ id: 3, error: { code: -32014 } });
  });
});

describe('what the server says that is no message', () => {
  test('goes to the log, escaped and without credentials, and not to the host', () => {
    const { host, server, logged } = join();
    server.say(
      'Server \u001b[31mlistening',
      'token ghp_0123456789abcdefABCDEF',
      '{"level":"info","id":1}',
      '[]',
      '',
    );
    server.say({ method: 'notifications/x' });
    expect(host.lines).toEqual(['{"jsonrpc":"2.0","method":"notifications/x"}']);
    const log = logged.join('\n');
    expect(log).toContain('u001b[31mlistening');
    expect(log).not.toContain('\u001b');
    expect(log).toContain('token [redacted:TOKEN]');
    expect(log).not.toContain('ghp_');
  });

  test('cannot fill the log', async () => {
    const { server, session, logged } = join();
    for (let i = 0; i < 1000; i++) server.say(`line ${i} ${'x'.repeat(1000)}`);
    server.exit(0);
    await session.done;
    expect(logged.length).toBeLessThan(30);
    expect(logged.join('').length).toBeLessThan(20_000);
    expect(logged.join()).toContain('"count":1000');
  });

  test('W-RELAY-8 is an error to the host where it was meant as an answer', () => {
    const { host, server, audit } = join();
    host.say(call(1), call(2), ...[3, 4, 5, 6].map((id) => ({ id, method: 'ping' })));
    server.say(
      '{"jsonrpc":"2.0","id":1,"result":{},"result":{}}',
      '{"id":2,"result":{}}',
      '{"jsonrpc":"2.0","id":3,"result":{},"error":{}}',
      `{"jsonrpc":"2.0","id":4,"result":${deep}}`,
      '\ufeff{"jsonrpc":"2.0","id":5,"result":{}}',
    );
    server.raw(Buffer.from('{"jsonrpc":"2.0","id":6,"result":{"a":"caf\xe9"}}\n', 'latin1'));
    expect(errors(host.messages)).toEqual([1, 2, 3, 4, 5, 6].map((id) => [-32013, id]));
    expect(audit.of('tool.result')).toMatchObject([{ outcome: 'error' }, { outcome: 'error' }]);
  });
});

describe('lines over the limit', () => {
  const budgets = { line: 1000 };
  const long = 'x'.repeat(1000);

  test('W-RELAY-8 of the server are errors to the requests that they were to answer', () => {
    const { host, server, audit } = join({ budgets });
    host.say(call(1), call('two'), call(3), call(4));
    server.say(
      { id: 1, result: { text: long } },
      `{"result":{"text":"${long}"},"jsonrpc":"2.0","id":"2"}`,
      `{"result":{"text":"${long}"},"id":3,"jsonrpc":"2.0"}`,
      `{"result":{"text":"${long}\\"id\\":4}"}}`,
      answer(4),
    );
    expect(errors(host.messages)).toEqual([
      [-32013, 1],
      [-32013, 'two'],
      [-32013, 3],
      [undefined, 4],
    ]);
    expect(audit.of('tool.result').map(({ outcome }) => outcome)).toEqual(['error', 'error', 'error', 'ok']);
  });

  test('of the server that belong to nothing are dropped, and the session goes on', () => {
    const { host, server } = join({ budgets });
    server.say(long + long, { method: 'notifications/x', params: { long } }, { method: 'notifications/y' });
    expect(host.messages).toEqual([{ jsonrpc: '2.0', method: 'notifications/y' }]);
  });

  test('of the host are errors to the host', () => {
    const { host, server } = join({ budgets });
    host.say(
      call(1, 'echo', { long }),
      long + long,
      `{"method":"tools/call","params":{"x":"${long}"},"jsonrpc":"2.0","id":2}`,
    );
    host.say({ id: 3, method: 'ping' });
    expect(errors(host.messages)).toEqual([
      [-32600, 1],
      [-32600, null],
      [-32600, 2],
    ]);
    expect(server.messages).toMatchObject([{ method: 'ping' }]);
  });

  test('W-RELAY-8 of the host are errors to the server where they were answers', () => {
    const { host, server } = join({ budgets });
    server.say({ id: 'q', method: 'roots/list' });
    host.say({ id: 1, result: { long } });
    expect(server.messages).toMatchObject([{ id: 'q', error: { code: -32013 } }]);
    expect(host.messages).toHaveLength(1);
  });
});

describe('batches of 2025-03-26', () => {
  test('W-RELAY-8 are taken apart, and each message is answered by itself', async () => {
    const { host, server, audit } = join({ policy: policyOf({ tools: { no: 'ask' } }) });
    host.say(JSON.stringify([call(1), { method: 'notifications/x' }, call(2, 'no')].map(versioned)));
    await settled();
    expect(server.messages).toMatchObject([sent(1), { method: 'notifications/x' }]);
    expect(host.messages).toMatchObject([{ id: 2, result: { isError: true } }]);
    expect(audit.of('tool.call')).toHaveLength(2);
    server.say(JSON.stringify([answer(1), { method: 'notifications/y' }].map(versioned)));
    expect(host.messages.slice(1)).toMatchObject([{ id: 1, result: {} }, { method: 'notifications/y' }]);
  });

  test('W-RELAY-6 W-RELAY-8 are not in one another: what is in one of those is no message', () => {
    const { host, server } = join();
    host.say(JSON.stringify([versioned(call(1)), [versioned(call(2))], versioned(call(3))]));
    expect(server.messages).toMatchObject([sent(1), sent(3)]);
    expect(errors(host.messages)).toEqual([[-32600, null]]);
    server.say(JSON.stringify([[versioned(answer(1))], versioned(answer(2))]));
    expect(host.messages.slice(1)).toMatchObject([{ id: 3, result: {} }]);
    // Each level of these would be read anew.
    const deep = `${'['.repeat(250)}"${'x'.repeat(2 ** 22)}"${']'.repeat(250)}\n`;
    const wide = `[${Array.from({ length: 900 }, () => `[${'1,'.repeat(900)}1]`).join(',')}]\n`;
    const before = host.text.length;
    const began = process.threadCpuUsage().user;
    host.raw(deep);
    host.raw(wide);
    server.raw(deep);
    expect(process.threadCpuUsage().user - began).toBeLessThan(2_000_000);
    expect(host.text.length - before).toBeLessThan(200_000);
  });

  test('W-RELAY-6 of too many messages are refused whole', () => {
    const { host, server } = join({ budgets: { batch: 2 } });
    host.say(JSON.stringify([call(1), call(2), call(3)].map(versioned)));
    expect(server.messages).toEqual([]);
    expect(errors(host.messages)).toEqual([[-32600, null]]);
  });
});

function versioned(message: object): object {
  return { jsonrpc: '2.0', ...message };
}
